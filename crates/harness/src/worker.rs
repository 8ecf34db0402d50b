//! A worker process: `tallyd run`, which can be killed, paused and stopped.

use crate::{HarnessError, server::signal};
use rustix::process::Signal;
use std::{
    fs::OpenOptions,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::process::{Child, Command};

/// The number of the signal that [`WorkerProcess::stop`] sends.
const SIGTERM: i32 = Signal::TERM.as_raw();
/// How long a worker may take to hand over and end.
const PATIENCE: Duration = Duration::from_secs(15);

/// A running worker. It is killed when this is dropped.
pub struct WorkerProcess {
    child: Child,
    number: usize,
    log: PathBuf,
}

impl WorkerProcess {
    /// Starts `program run topology --redis url`, with its log in the folder.
    ///
    /// # Errors
    /// Where the process can't be started.
    pub fn start(
        program: &Path,
        folder: &Path,
        topology: &Path,
        url: &str,
        number: usize,
    ) -> Result<Self, HarnessError> {
        Self::spawn(Command::new(program), folder, topology, url, number)
    }

    /// As [`WorkerProcess::start`], in a process group of its own: Ctrl-C in the terminal does
    /// not reach it.
    ///
    /// # Errors
    /// As [`WorkerProcess::start`].
    pub fn start_apart(
        program: &Path,
        folder: &Path,
        topology: &Path,
        url: &str,
        number: usize,
    ) -> Result<Self, HarnessError> {
        let mut command = Command::new(program);
        command.process_group(0);
        Self::spawn(command, folder, topology, url, number)
    }

    fn spawn(
        mut command: Command,
        folder: &Path,
        topology: &Path,
        url: &str,
        number: usize,
    ) -> Result<Self, HarnessError> {
        let log = folder.join(format!("worker-{number}.log"));
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(HarnessError::io("open a worker's log"))?;
        let child = command
            .arg("run")
            .arg(topology)
            .args(["--redis", url])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .map_err(HarnessError::io("start a worker"))?;
        Ok(Self { child, number, log })
    }

    /// Its number, as in the name of its log.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Where it says what it does.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Ends it with SIGKILL: it has no chance to hand anything over.
    ///
    /// # Errors
    /// Where the system refuses.
    pub async fn kill(&mut self) -> Result<(), HarnessError> {
        self.child.kill().await.map_err(HarnessError::io("kill a worker"))
    }

    /// Stops its clock with SIGSTOP, as a machine that hangs.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn pause(&self) -> Result<(), HarnessError> {
        signal(&self.child, Signal::STOP)
    }

    /// Lets it go on after [`WorkerProcess::pause`].
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn go_on(&self) -> Result<(), HarnessError> {
        signal(&self.child, Signal::CONT)
    }

    /// Fails if it has ended.
    ///
    /// # Errors
    /// Where it has ended, with what it said last.
    pub fn check(&mut self) -> Result<(), HarnessError> {
        match self.child.try_wait().map_err(HarnessError::io("look at a worker"))? {
            None => Ok(()),
            Some(status) => Err(self.ended(status)),
        }
    }

    fn ended(&self, status: std::process::ExitStatus) -> HarnessError {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        HarnessError::Ended { what: format!("worker {}", self.number), status, log }
    }

    /// Ends it with SIGTERM and waits.
    ///
    /// # Errors
    /// Where it does not end in time, or ends with a failure.
    pub async fn stop(mut self) -> Result<(), HarnessError> {
        if self.child.id().is_none() {
            // It was killed, and is gone already.
            return Ok(());
        }
        signal(&self.child, Signal::TERM)?;
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(ended) => match ended.map_err(HarnessError::io("wait for a worker"))? {
                // One that had only just been started had no handler yet, and owned nothing.
                status if status.success() || status.signal() == Some(SIGTERM) => Ok(()),
                status => Err(self.ended(status)),
            },
            Err(_) => {
                let what = format!("worker {} does not stop", self.number);
                let seconds = PATIENCE.as_secs();
                Err(HarnessError::Timeout { what, seconds, log: self.log.clone() })
            }
        }
    }
}
