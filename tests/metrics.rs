//! What a worker's `/metrics` says, on a real redis-server: all that docs/metrics.md lists and
//! nothing else, from the start, and delays of events.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use redis::Pipeline;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
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

const FILE: &str = r#"
name = "t"
partitions = 2
[source.s]
id = "id"
key = "user"
[source.s.fields]
id = "string"
user = "string"
points = { type = "int", max = 10 }
[bolt.unique]
type = "dedup"
from = "s"
window = "1d"
[bolt.board]
type = "leaderboard"
from = "unique"
member = "user"
score = "sum(points)"
"#;

/// How long anything may take. A test that hangs must end all the same.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server of its own, and a worker on it that serves metrics.
struct Bench {
    server: Server,
    address: String,
    _worker: Child,
    _folder: TempDir,
}

impl Bench {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), ServerOptions::durable()).await.unwrap();
        let file = folder.path().join("t.toml");
        std::fs::write(&file, FILE).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let worker = Command::new(env!("CARGO_BIN_EXE_tallyd"))
            .arg("run")
            .arg(&file)
            .args(["--redis", &server.url, "--metrics", &address])
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { server, address, _worker: worker, _folder: folder }
    }

    async fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.contains("200 OK").then(|| body.to_owned())
    }

    /// The metrics, once `ready` says that they are what is waited for.
    async fn metrics(&self, ready: impl Fn(&Metrics) -> bool) -> Metrics {
        let began = Instant::now();
        loop {
            let page = self.get("/metrics").await.unwrap_or_default();
            let metrics = Metrics::of(&page);
            if ready(&metrics) {
                return metrics;
            }
            assert!(began.elapsed() < PATIENCE, "still waiting with {page}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What a page of metrics holds.
struct Metrics {
    /// By name the kind, and the names of the labels.
    families: BTreeMap<String, (String, BTreeSet<String>)>,
    /// By series, with its labels as they are written in order of their names.
    values: BTreeMap<String, f64>,
    /// The families that are explained.
    explained: BTreeSet<String>,
}

impl Metrics {
    fn of(page: &str) -> Self {
        let (mut families, mut values) = (BTreeMap::new(), BTreeMap::new());
        let explained = page.lines().filter_map(|line| line.strip_prefix("# HELP "));
        let explained = explained.filter_map(|rest| Some(rest.split_once(' ')?.0.to_owned()));
        let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        for (name, kind) in types.filter_map(|rest| rest.split_once(' ')) {
            families.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
        }
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Some(value) = value.parse().ok() else { continue };
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
            let mut labels: Vec<&str> = labels.collect();
            labels.sort_unstable();
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
                let name = name.strip_suffix(end)?;
                families.contains_key(name).then_some(name)
            });
            let (_, names) = families.get_mut(family.unwrap_or(name)).expect(line);
            let own = labels.iter().map(|label| label.split('=').next().unwrap());
            names.extend(own.filter(|label| *label != "le").map(str::to_owned));
            values.insert(format!("{name} {}", labels.join(" ")), value);
        }
        Self { families, values, explained: explained.collect() }
    }

    fn value(&self, series: &str) -> Option<f64> {
        self.values.get(series).copied()
    }
}

/// The tables of docs/metrics.md: by name the kind, and the names of the labels.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let page = include_str!("../docs/metrics.md");
    let mut documented = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if cells.len() < 7 {
            continue;
        }
        let labels = cells[3].split(',').map(|label| label.trim().trim_matches('`').to_owned());
        let labels = labels.filter(|label| label != "none").collect();
        let name = cells[1].trim_matches('`').to_owned();
        documented.insert(name, (cells[2].to_owned(), labels));
    }
    documented
}

#[tokio::test]
async fn a_worker_says_all_that_is_documented_from_the_start() {
    let bench = Bench::start().await;
    let owned = |node: &str| format!("tallyd_partitions_owned node=\"{node}\"");
    let started = |metrics: &Metrics| {
        metrics.value(&owned("s")) == Some(1.0) && metrics.value(&owned("unique")) == Some(2.0)
    };
    let metrics = bench.metrics(started).await;
    assert_eq!(metrics.families, documented(), "left: exposed, right: docs/metrics.md");
    let known: BTreeSet<String> = metrics.families.keys().cloned().collect();
    assert_eq!(metrics.explained, known, "left: with a HELP line, right: all");
    // What has not happened is 0, not missing: `rate` sees the first time.
    for series in [
        "tallyd_cache_misses_total node=\"board\"",
        "tallyd_events_dead_lettered_total node=\"s\" reason=\"bad_value\"",
        "tallyd_events_dead_lettered_total node=\"board\" reason=\"panic\"",
        "tallyd_events_in_total node=\"board\"",
        "tallyd_fenced_commits_total node=\"unique\"",
        "tallyd_groups_restored_total node=\"s\"",
        "tallyd_halted node=\"unique\"",
        "tallyd_halts_total node=\"unique\"",
        "tallyd_paused node=\"s\"",
        "tallyd_redis_errors_total kind=\"timeout\"",
        "tallyd_redis_risk check=\"eviction\"",
        "tallyd_visible_seconds_count node=\"board\"",
    ] {
        assert_eq!(metrics.value(series), Some(0.0), "{series}");
    }
    assert!(metrics.value("process_resident_memory_bytes ").unwrap() > 1e6);
    let build = metrics.values.keys().find(|series| series.starts_with("tallyd_build_info"));
    let version = concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"");
    assert!(build.unwrap().ends_with(version), "{build:?}");
}

#[tokio::test]
async fn delays_count_events_and_dead_letters_have_reasons() {
    let bench = Bench::start().await;
    let mut connection = Connection::open(&bench.server.url).await.unwrap();
    // Two hours ago ninety-nine events came in one entry; then nobody worked; now one comes.
    let member = |n: u32| format!("{{\"id\":\"a{n}\",\"user\":\"u{n}\",\"points\":1}}");
    let batch: Vec<String> = (0..99).map(member).collect();
    let ago = server_ms(&mut connection).await.unwrap() - 2 * 3_600_000;
    let mut ask = Pipeline::new();
    ask.cmd("XADD").arg("s").arg(ago).arg("batch").arg(batch.join("\n"));
    for (id, points) in [("b", "1"), ("c", "11"), ("d", "many"), ("e", "")] {
        ask.cmd("XADD").arg("s").arg("*").arg("id").arg(id).arg("user").arg("u");
        ask.arg("points").arg(points);
    }
    connection.all(&ask).await.unwrap();
    let nodes = ["s", "unique", "board"];
    let of_node = |node: &str| {
        [
            (format!("tallyd_visible_seconds_count node=\"{node}\""), 100.0),
            // PATIENCE is shorter: the one of now is below, and those of two hours ago are above.
            (format!("tallyd_visible_seconds_bucket le=\"3600\" node=\"{node}\""), 1.0),
            (format!("tallyd_visible_seconds_bucket le=\"14400\" node=\"{node}\""), 100.0),
            (format!("tallyd_events_in_total node=\"{node}\""), 100.0),
        ]
    };
    let reasons =
        [("out_of_range", 1.0), ("bad_value", 1.0), ("missing_field", 1.0), ("batch", 0.0)];
    let of_reason = |(reason, letters): (&str, f64)| {
        (format!("tallyd_events_dead_lettered_total node=\"s\" reason=\"{reason}\""), letters)
    };
    let expected: Vec<(String, f64)> =
        nodes.into_iter().flat_map(of_node).chain(reasons.map(of_reason)).collect();
    // A commit can be read, and processed further on, before its own task has noted it; and a page
    // of metrics is not of one moment.
    let noted = |metrics: &Metrics| {
        expected.iter().all(|(series, value)| metrics.value(series) >= Some(*value))
    };
    let metrics = bench.metrics(noted).await;
    for (series, value) in &expected {
        assert_eq!(metrics.value(series), Some(*value), "{series}");
    }
    // The state of each of a hundred users was looked for, and none was there.
    let misses = metrics.value("tallyd_cache_misses_total node=\"board\"");
    assert!(misses >= Some(100.0), "{misses:?}");
}
