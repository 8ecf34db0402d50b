//! A private redis-server: its own directory, a free port or unix socket, stopped by its pid.

use crate::HarnessError;
use redis::Pipeline;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tallyd_store::Connection;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

/// How long a server may take to start or stop.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is asked whether it is there.
const LOOK: Duration = Duration::from_millis(5);

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// The program; `None` for the first of redis-server and valkey-server that there is.
    pub program: Option<PathBuf>,
    /// Arguments behind the harness's own, which they may override.
    pub arguments: Vec<String>,
    /// The URL that reaches it, where it is not the unix socket in its folder: for TLS or TCP.
    pub url: Option<String>,
    /// In a process group of its own: Ctrl-C in the terminal does not reach it.
    pub own_group: bool,
}

impl ServerOptions {
    /// With these arguments, on its unix socket.
    #[must_use]
    pub fn with(arguments: &[&str]) -> Self {
        Self { arguments: arguments.iter().map(|&a| a.to_owned()).collect(), ..Self::default() }
    }

    /// As the promise wants it: AOF on, every write on disk before it is answered.
    #[must_use]
    pub fn durable() -> Self {
        Self::with(&["--appendonly", "yes", "--appendfsync", "always"])
    }
}

/// A running redis-server. It is killed when this is dropped.
pub struct Server {
    child: Child,
    folder: PathBuf,
    options: ServerOptions,
    /// Where it listens.
    pub url: String,
    /// Which program it is.
    pub program: PathBuf,
}

impl Server {
    /// Starts a server whose files are in this folder.
    ///
    /// # Errors
    /// Where there is no program, or it does not answer.
    pub async fn start(folder: &Path, options: ServerOptions) -> Result<Self, HarnessError> {
        let programs = match &options.program {
            Some(program) => vec![program.clone()],
            None => vec![PathBuf::from("redis-server"), PathBuf::from("valkey-server")],
        };
        let socket = folder.join("redis.sock");
        let url =
            options.url.clone().unwrap_or_else(|| format!("redis+unix://{}", socket.display()));
        for program in programs {
            match spawn(&program, folder, &options) {
                Ok(child) => {
                    let folder = folder.to_owned();
                    let mut server = Self { child, folder, options, url, program };
                    server.await_answer().await?;
                    return Ok(server);
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(HarnessError::io(format!("start {}", program.display()))(error));
                }
            }
        }
        Err(HarnessError::NoServer)
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends it with SIGKILL, as a machine that fails.
    ///
    /// # Errors
    /// Where the system refuses.
    pub async fn kill(&mut self) -> Result<(), HarnessError> {
        self.child.kill().await.map_err(HarnessError::io("kill the server"))
    }

    /// Stops its clock with SIGSTOP, as a machine that hangs.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn pause(&self) -> Result<(), HarnessError> {
        signal(&self.child, Signal::STOP)
    }

    /// Lets it go on after [`Server::pause`].
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn go_on(&self) -> Result<(), HarnessError> {
        signal(&self.child, Signal::CONT)
    }

    /// Ends it with SIGTERM and waits.
    ///
    /// # Errors
    /// Where it does not end in time.
    pub async fn stop(&mut self) -> Result<(), HarnessError> {
        signal(&self.child, Signal::TERM)?;
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(ended) => ended.map(drop).map_err(HarnessError::io("wait for the server")),
            Err(_) => Err(self.timeout("the server does not stop")),
        }
    }

    /// Starts it again on what it has on disk, after [`Server::kill`] or [`Server::stop`].
    ///
    /// # Errors
    /// Where it can't be started or does not answer.
    pub async fn restart(&mut self) -> Result<(), HarnessError> {
        self.child = spawn(&self.program, &self.folder, &self.options)
            .map_err(HarnessError::io("start the server again"))?;
        self.await_answer().await
    }

    async fn await_answer(&mut self) -> Result<(), HarnessError> {
        let began = Instant::now();
        let mut ping = Pipeline::new();
        ping.cmd("PING");
        loop {
            if let Ok(mut connection) = Connection::open(&self.url).await
                && connection.all(&ping).await.is_ok()
            {
                return Ok(());
            }
            if let Some(status) =
                self.child.try_wait().map_err(HarnessError::io("look at the server"))?
            {
                let log = std::fs::read_to_string(self.folder.join("redis.log"));
                let what = self.program.display().to_string();
                return Err(HarnessError::Ended { what, status, log: log.unwrap_or_default() });
            }
            if began.elapsed() > PATIENCE {
                return Err(self.timeout("the server does not answer"));
            }
            sleep(LOOK).await;
        }
    }

    fn timeout(&self, what: &str) -> HarnessError {
        let log = self.folder.join("redis.log");
        HarnessError::Timeout { what: what.to_owned(), seconds: PATIENCE.as_secs(), log }
    }
}

fn spawn(program: &Path, folder: &Path, options: &ServerOptions) -> std::io::Result<Child> {
    let log = OpenOptions::new().create(true).append(true).open(folder.join("redis.log"))?;
    let mut command = Command::new(program);
    if options.own_group {
        command.process_group(0);
    }
    command
        .args(["--port", "0", "--save", "", "--unixsocket"])
        .arg(folder.join("redis.sock"))
        .arg("--dir")
        .arg(folder)
        .args(&options.arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
}

/// Sends a signal to a process that was not yet waited for.
pub(crate) fn signal(child: &Child, signal: Signal) -> Result<(), HarnessError> {
    let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) else {
        return Ok(());
    };
    kill_process(pid, signal)
        .map_err(|error| HarnessError::io(format!("send {signal:?}"))(error.into()))
}
