//! Workers and a server on a redis-server of their own, and what their metrics pages say.

use redis::Pipeline;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tallyd_harness::{Server, ServerOptions};
use tallyd_store::{Connection, server_ms};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep},
};

/// How long anything may take. A test that hangs must end all the same.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Workers send probes more often than they usually do.
const OFTEN: &[&str] = &["--probe", "200ms"];

/// The labels of series of one name, each with its values. Without any: they are not known.
type Labels = BTreeMap<String, BTreeSet<String>>;

/// By name, what series there are.
#[derive(Default)]
pub struct Exposed {
    series: BTreeMap<String, Labels>,
}

impl Exposed {
    /// The labels of the series of this name.
    pub fn labels(&self, name: &str) -> Option<&Labels> {
        self.series.get(name)
    }

    /// Takes in a series.
    pub fn add(&mut self, name: &str, labels: Labels) {
        let known = self.series.entry(name.to_owned()).or_default();
        for (label, values) in labels {
            known.entry(label).or_default().extend(values);
        }
    }

    /// Takes in a page in the text format. Prometheus puts labels on that say where it found it.
    fn page(&mut self, page: &str) {
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, _)) = line.rsplit_once(' ') else { continue };
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let each = labels.trim_end_matches('}').split(',').filter_map(|label| {
                let (label, value) = label.split_once('=')?;
                Some((label.to_owned(), [value.trim_matches('"').to_owned()].into()))
            });
            let of_prometheus = ["job", "instance"].map(|label| (label.to_owned(), [].into()));
            self.add(name, each.chain(of_prometheus).collect());
        }
    }
}

/// A worker or more, and a server.
pub struct Running {
    redis: Server,
    processes: Vec<(Child, String)>,
    folder: TempDir,
}

impl Running {
    /// A worker and a server, once the worker owns all.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // With a limit: there is a series of how near it is only where there is one.
        let options = ServerOptions::with(&["--appendonly", "yes", "--maxmemory", "1gb"]);
        let redis = Server::start(folder.path(), options).await.unwrap();
        let mut running = Self { redis, processes: Vec::new(), folder };
        running.process("run", OFTEN);
        running.process("serve", &["--listen", "127.0.0.1:0"]);
        let began = Instant::now();
        let owned = "tallyd_partitions_owned{node=\"unique\"} 16";
        while !running.pages().await.concat().contains(owned) {
            assert!(began.elapsed() < PATIENCE, "the worker does not begin");
            sleep(Duration::from_millis(50)).await;
        }
        running
    }

    /// One more worker.
    pub async fn more_workers(&mut self) {
        self.process("run", OFTEN);
    }

    fn process(&mut self, command: &str, arguments: &[&str]) {
        let metrics = free_address();
        let log = self.folder.path().join(format!("{command}-{metrics}.log"));
        let child = Command::new(env!("CARGO_BIN_EXE_tallyd"))
            .arg(command)
            .arg(topology())
            .args(["--redis", &self.redis.url, "--metrics", &metrics])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(log).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        self.processes.push((child, metrics));
    }

    /// Where their metrics are.
    pub fn targets(&self) -> Vec<String> {
        self.processes.iter().map(|(_, metrics)| metrics.clone()).collect()
    }

    /// What `tallyd status --json` says.
    pub fn status(&self) -> serde_json::Value {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_tallyd"))
            .arg("status")
            .arg(topology())
            .args(["--redis", &self.redis.url, "--json"])
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    async fn pages(&self) -> Vec<String> {
        let mut pages = Vec::new();
        for address in self.targets() {
            pages.push(get(&address, "/metrics").await.unwrap_or_default());
        }
        pages
    }

    /// The value of a series, written as it stands on a page, in all processes together.
    pub async fn value(&self, series: &str) -> f64 {
        let pages = self.pages().await.concat();
        let values =
            pages.lines().filter_map(|line| line.strip_prefix(series)?.trim().parse::<f64>().ok());
        values.sum()
    }

    /// Waits until a series has at least this value.
    pub async fn until(&self, series: &str, least: f64) {
        let began = Instant::now();
        while self.value(series).await < least {
            assert!(began.elapsed() < PATIENCE, "{series} stays below {least}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// A connection to its server.
    pub async fn connection(&self) -> Connection {
        Connection::open(&self.redis.url).await.unwrap()
    }

    /// What they expose now.
    pub async fn exposed(&self) -> Exposed {
        let mut exposed = Exposed::default();
        exposed.page("up 1");
        for page in self.pages().await {
            assert!(page.contains("tallyd_build_info"), "{page}");
            exposed.page(&page);
        }
        exposed
    }

    /// Twenty events that count, one that was seen, and one that does not fit.
    pub async fn send_events(&self) {
        let mut connection = self.connection().await;
        let now = server_ms(&mut connection).await.unwrap();
        let mut ask = Pipeline::new();
        for (number, points) in (0..20).map(|n| (n, "4")).chain([(0, "4"), (20, "many")]) {
            let fields = [
                ("id", format!("a{number}")),
                ("user", format!("u{number}")),
                ("question", "q9".into()),
                ("concept", "algebra".into()),
                ("correct", "1".into()),
                ("ms", "5300".into()),
                ("points", points.into()),
                ("at", now.to_string()),
            ];
            ask.cmd("XADD").arg("answers").arg("*").arg(&fields);
        }
        connection.all(&ask).await.unwrap();
    }
}

/// The topology that is shipped.
fn topology() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../topologies/testprep.toml")
}

/// An address that nobody listens on.
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// What an address answers, where it is a success.
pub async fn get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    // HTTP/1.0: nothing comes in chunks.
    let request = format!("GET {path} HTTP/1.0\r\nHost: t\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains("200 OK").then(|| body.to_owned())
}
