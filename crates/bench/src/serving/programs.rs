//! The programs that serve: tallyd, webdis, and nginx with nchan. Each has a private folder and a
//! port of its own.

use crate::{BenchError, cpu, server::free_address};
use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process, setrlimit};
use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep},
};

/// How long a program may take until it answers.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many files a process opens besides one for each client.
const FILES: u64 = 500;
/// Where Debian puts the module of nginx.
const NCHAN: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// A running program. It is told to end when this is dropped, and not killed: the workers of an nginx
/// that was killed stay.
pub struct Program {
    /// Where it answers.
    pub address: SocketAddr,
    child: Child,
    name: &'static str,
}

/// Lets this process, and those that it starts, open a file for each of so many clients.
///
/// # Errors
/// Where the system does not allow as many.
pub fn allow_clients(clients: usize) -> Result<(), BenchError> {
    let needed = clients as u64 + FILES;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|most| most < needed) {
        return Err(BenchError::Files { needed, allowed: limit.maximum.unwrap_or(0) });
    }
    if limit.current.is_some_and(|now| now < needed) {
        limit.current = limit.maximum.or(Some(needed));
        setrlimit(Resource::Nofile, limit)
            .map_err(|error| BenchError::io("raise the limit of open files")(error.into()))?;
    }
    Ok(())
}

/// `tallyd serve` on a free port.
///
/// # Errors
/// Where it can't be started, or does not say where it listens.
pub async fn tallyd(
    program: &Path,
    file: &Path,
    url: &str,
    folder: &Path,
) -> Result<Program, BenchError> {
    let mut command = Command::new(program);
    command.arg("serve").arg(file).args(["--listen", "127.0.0.1:0", "--redis", url]);
    command.stdout(Stdio::piped()).stderr(log(folder, "serve.log")?);
    let mut child = start(command, "tallyd serve")?;
    let Some(output) = child.stdout.take() else { return Err(silent("tallyd serve")) };
    let mut lines = BufReader::new(output).lines();
    let first = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    let first = first.map_err(|_| silent("tallyd serve"))?;
    let first = first.map_err(BenchError::io("hear of tallyd serve"))?.unwrap_or_default();
    let address = first.trim_start_matches("http://").trim_end_matches('/').parse();
    let address = address.map_err(|_| silent("tallyd serve"))?;
    Ok(Program { address, child, name: "tallyd serve" })
}

/// webdis with Debian's settings, in front of this server; `None` where there is none.
///
/// # Errors
/// Where it is there and can't be started.
pub async fn webdis(redis: SocketAddr, folder: &Path) -> Result<Option<Program>, BenchError> {
    let Some(program) = find("webdis") else { return Ok(None) };
    let address = free_address()?;
    let settings = serde_json::json!({
        "redis_host": redis.ip(), "redis_port": redis.port(), "redis_auth": null,
        "http_host": address.ip(), "http_port": address.port(), "threads": 2, "daemonize": false,
        "database": 0, "acl": [{ "disabled": ["DEBUG"] }], "verbosity": 3,
        "logfile": folder.join("webdis.log"),
    });
    let file = folder.join("webdis.json");
    std::fs::write(&file, settings.to_string()).map_err(BenchError::io("write its settings"))?;
    let mut command = Command::new(program);
    command.arg(file).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(Some(
        answering(Program { address, child: start(command, "webdis")?, name: "webdis" }).await?,
    ))
}

/// nginx with nchan, whose channels are published to at `/pub/NAME` and followed at `/sub/NAME`;
/// `None` where there is none.
///
/// # Errors
/// Where it is there and can't be started.
pub async fn nchan(clients: usize, folder: &Path) -> Result<Option<Program>, BenchError> {
    let Some(program) = find("nginx").filter(|_| Path::new(NCHAN).exists()) else {
        return Ok(None);
    };
    let address = free_address()?;
    let files = clients + FILES as usize;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // One worker for each core, as nginx's `auto`. As little as it takes: no log, messages that
    // stay a minute, and memory for all of them.
    let settings = format!(
        "load_module {NCHAN};
daemon off; worker_processes {cores}; pid nginx.pid; error_log nginx-error.log;
worker_rlimit_nofile {files};
events {{ worker_connections {files}; }}
http {{
  access_log off; nchan_max_reserved_memory 512M; keepalive_requests 1000000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen {address} backlog=4096;
    location ~ ^/pub/(\\w+)$ {{
      nchan_publisher; nchan_channel_id $1; nchan_message_timeout 60s;
    }}
    location ~ ^/sub/(\\w+)$ {{
      nchan_subscriber eventsource; nchan_channel_id $1; nchan_subscriber_first_message newest;
    }}
  }}
}}
"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, settings).map_err(BenchError::io("write nginx's settings"))?;
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-c").arg(&file);
    command.stdout(Stdio::null()).stderr(log(folder, "nginx.log")?);
    let started = Program { address, child: start(command, "nginx")?, name: "nginx" };
    Ok(Some(answering(started).await?))
}

impl Program {
    /// The processor time of all its processes so far, in µs.
    ///
    /// # Errors
    /// Where one is gone.
    pub fn cpu(&self) -> Result<f64, BenchError> {
        self.pids()?.into_iter().map(cpu::process).sum()
    }

    /// Its resident memory in bytes. Of several processes what they share is counted once.
    ///
    /// # Errors
    /// Where a process is gone.
    pub fn memory(&self) -> Result<f64, BenchError> {
        let pids = self.pids()?;
        let what = if pids.len() == 1 { "Rss:" } else { "Pss:" };
        let of_process = |pid: u32| {
            let path = format!("/proc/{pid}/smaps_rollup");
            let text = std::fs::read_to_string(&path).map_err(BenchError::io(path.clone()))?;
            let kibibytes = text.lines().find_map(|line| line.strip_prefix(what));
            let kibibytes = kibibytes.and_then(|line| line.trim().split(' ').next()?.parse().ok());
            kibibytes.map(|k: f64| k * 1024.0).ok_or(BenchError::NoFigure(path))
        };
        pids.into_iter().map(of_process).sum()
    }

    /// Ends it with SIGTERM, and waits. One that takes too long is killed.
    ///
    /// # Errors
    /// Where the system refuses.
    pub async fn stop(mut self) -> Result<(), BenchError> {
        self.end();
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(ended) => ended.map(drop).map_err(BenchError::io("wait for a program")),
            Err(_) => self.child.kill().await.map_err(BenchError::io("kill a program")),
        }
    }

    fn end(&self) {
        if let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    fn pids(&self) -> Result<Vec<u32>, BenchError> {
        let gone = || BenchError::NoFigure(format!("process id of {}", self.name));
        let pid = self.child.id().ok_or_else(gone)?;
        let path = format!("/proc/{pid}/task/{pid}/children");
        let children = std::fs::read_to_string(&path).map_err(BenchError::io(path))?;
        let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        Ok(std::iter::once(pid).chain(children).collect())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}

fn start(mut command: Command, name: &str) -> Result<Child, BenchError> {
    command.stdin(Stdio::null());
    command.spawn().map_err(BenchError::io(format!("start {name}")))
}

async fn answering(mut program: Program) -> Result<Program, BenchError> {
    let began = Instant::now();
    while TcpStream::connect(program.address).await.is_err() {
        let ended = program.child.try_wait().map_err(BenchError::io("look at a program"))?;
        if let Some(status) = ended {
            return Err(BenchError::Ended { what: program.name.to_owned(), status });
        }
        if began.elapsed() > PATIENCE {
            return Err(silent(program.name));
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(program)
}

fn silent(name: &str) -> BenchError {
    BenchError::Timeout { what: format!("{name} does not answer"), seconds: PATIENCE.as_secs() }
}

fn log(folder: &Path, name: &str) -> Result<File, BenchError> {
    File::create(folder.join(name)).map_err(BenchError::io("make a log"))
}

/// A program of this name; the path of a user may lack what root's has.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}
