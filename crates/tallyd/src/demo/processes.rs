//! The demo's own processes: a private redis-server and the workers. All end with the demo.

use anyhow::{Context, bail};
use redis::Pipeline;
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tallyd_store::Connection;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

/// How long a process may take to start or stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// A redis-server with its own directory and unix socket, AOF on.
pub struct Server {
    _child: Child,
    /// Where it listens.
    pub url: String,
    /// Which program it is.
    pub program: String,
}

impl Server {
    /// Starts the given program, or the first of redis-server and valkey-server that there is.
    pub async fn start(folder: &Path, program: Option<&Path>) -> anyhow::Result<Self> {
        let programs = match program {
            Some(program) => vec![program.to_owned()],
            None => vec![PathBuf::from("redis-server"), PathBuf::from("valkey-server")],
        };
        let socket = folder.join("redis.sock");
        let url = format!("redis+unix://{}", socket.display());
        for program in programs {
            let log = File::create(folder.join("redis.log"))?;
            let child = Command::new(&program)
                .args(["--port", "0", "--appendonly", "yes", "--save", "", "--unixsocket"])
                .arg(&socket)
                .arg("--dir")
                .arg(folder)
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .kill_on_drop(true)
                .spawn();
            match child {
                Ok(mut child) => {
                    await_answer(&url, &mut child).await?;
                    let program = program.display().to_string();
                    return Ok(Self { _child: child, url, program });
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => bail!("can't start {}: {error}", program.display()),
            }
        }
        bail!(
            "no redis-server or valkey-server was found (install one, or name it with --redis-bin; `make demo` does it for you)"
        )
    }
}

async fn await_answer(url: &str, child: &mut Child) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        if let Ok(mut connection) = Connection::open(url).await {
            let mut ping = Pipeline::new();
            ping.cmd("PING");
            if connection.all(&ping).await.is_ok() {
                return Ok(());
            }
        }
        if let Some(status) = child.try_wait()? {
            bail!("redis-server ended at once: {status}");
        }
        if began.elapsed() > PATIENCE {
            bail!("redis-server does not answer");
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// A worker process.
pub struct Worker {
    child: Child,
    number: usize,
    log: PathBuf,
}

impl Worker {
    /// Starts a worker of this program.
    pub fn start(folder: &Path, topology: &Path, url: &str, number: usize) -> anyhow::Result<Self> {
        let log = folder.join(format!("worker-{number}.log"));
        let file = File::create(&log)?;
        let program = std::env::current_exe().context("can't find this program")?;
        let child = Command::new(program)
            .arg("run")
            .arg(topology)
            .args(["--redis", url])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .context("can't start a worker")?;
        Ok(Self { child, number, log })
    }

    /// Ends it with SIGKILL: it has no chance to hand anything over.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("can't kill the worker")
    }

    /// Fails if it has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                bail!("worker {} ended: {status}\n{log}", self.number)
            }
        }
    }

    /// Ends it with SIGTERM and waits.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.with_context(|| format!("worker {} does not stop", self.number))??;
        Ok(())
    }
}
