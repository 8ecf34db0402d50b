//! What becomes of entries that are deleted before they are read, of streams that begin again, and
//! of large entries, on a real redis-server and with real workers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use redis::{Pipeline, Value};
use std::{path::Path, time::Duration};
use tallyd_harness::{Deployment, Server, ServerOptions, WorkerProcess};
use tallyd_store::{
    Connection,
    inspect::{self, NodeStatus},
};
use tallyd_topology::parse;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

const FILE: &str = r#"
name = "t"
partitions = 2
[source.s]
id = "id"
key = "user"
[source.s.fields]
id = "string"
user = "string"
[bolt.unique]
type = "dedup"
from = "s"
window = "1d"
[bolt.board]
type = "leaderboard"
from = "unique"
member = "user"
score = "count"
"#;

/// How long anything may take. A test that hangs must end all the same.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server of its own, and a topology on it.
struct Bench {
    open: Deployment,
    connection: Connection,
    url: String,
    _server: Server,
    folder: TempDir,
}

impl Bench {
    async fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), ServerOptions::with(arguments)).await.unwrap();
        let topology = parse("t.toml", FILE, &|_| None).unwrap();
        let open = Deployment::open(topology, &server.url).await.unwrap();
        let connection = Connection::open(&server.url).await.unwrap();
        std::fs::write(folder.path().join("t.toml"), FILE).unwrap();
        Self { open, connection, url: server.url.clone(), _server: server, folder }
    }

    fn worker(&self) -> WorkerProcess {
        let (program, folder) = (Path::new(env!("CARGO_BIN_EXE_tallyd")), self.folder.path());
        WorkerProcess::start(program, folder, &folder.join("t.toml"), &self.url, 0).unwrap()
    }

    async fn ask(&mut self, words: &[&str]) -> Value {
        let mut ask = Pipeline::new();
        let (name, arguments) = words.split_first().unwrap();
        ask.cmd(name).arg(arguments);
        self.connection.all(&ask).await.unwrap().pop().unwrap()
    }

    /// Adds entries of one event, with these words between the stream and the fields.
    async fn add(&mut self, before: &[&str], ids: impl Iterator<Item = String>) -> Vec<String> {
        let mut add = Pipeline::new();
        for id in ids {
            add.cmd("XADD").arg("s").arg(before).arg("id").arg(id).arg("user").arg("u");
        }
        let text = |id: Value| redis::from_redis_value::<String>(id).unwrap();
        self.connection.all(&add).await.unwrap().into_iter().map(text).collect()
    }

    /// The source and the dedup bolt.
    async fn status(&mut self) -> (NodeStatus, NodeStatus) {
        let Deployment { topology, keys, .. } = &self.open;
        let status = inspect::status(&mut self.connection, topology, keys).await.unwrap();
        let mut nodes = status.nodes.into_iter();
        (nodes.next().unwrap(), nodes.next().unwrap())
    }

    /// Asks a command of the program: its exit code, and what it says.
    fn asks(&self, words: &[&str]) -> impl FnOnce() -> (Option<i32>, String) + use<> {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tallyd"));
        command.args(words).arg("--topology").arg(self.folder.path().join("t.toml"));
        command.args(["--redis", &self.url]);
        move || {
            let output = command.output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            (output.status.code(), String::from_utf8_lossy(&said).into_owned())
        }
    }

    fn tallyd(&self, words: &[&str]) -> (Option<i32>, String) {
        self.asks(words)()
    }

    async fn drained(&mut self) -> bool {
        let Deployment { topology, keys, .. } = &self.open;
        inspect::drained(&mut self.connection, topology, keys).await.unwrap()
    }

    /// Waits until the source and the dedup bolt are as wanted.
    async fn until(&mut self, what: &str, wanted: impl Fn(&NodeStatus, &NodeStatus) -> bool) {
        let began = Instant::now();
        loop {
            let (source, unique) = self.status().await;
            if wanted(&source, &unique) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "never {what}: {source:#?}\n{unique:#?}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

fn ids(prefix: &str, count: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |number| format!("{prefix}{number}"))
}

#[tokio::test]
async fn entries_that_are_deleted_before_they_are_read_are_counted_once() {
    let mut bench = Bench::start(&[]).await;
    let worker = bench.worker();
    bench.add(&["*"], ids("a", 3)).await;
    bench.until("read 3", |source, _| source.counts.events == 3).await;
    worker.stop().await.unwrap();

    // Trimmed by the producer; one unread entry deleted; and one that is pending.
    bench.add(&["MAXLEN", "100", "*"], ids("b", 1000)).await;
    let added = bench.add(&["*"], ids("c", 3)).await;
    let group = ["XREADGROUP", "GROUP", "tallyd:t", "gone", "COUNT", "1", "STREAMS", "s", ">"];
    bench.ask(&group).await;
    let pending = bench.ask(&["XRANGE", "s", "-", "+", "COUNT", "1"]).await;
    let pending = redis::from_redis_value::<Vec<(String, Vec<String>)>>(pending).unwrap();
    for id in [&pending.first().expect("an entry").0, added.first().unwrap()] {
        assert_eq!(bench.ask(&["XDEL", "s", id]).await, Value::Int(1), "{id}");
    }
    let worker = bench.worker();
    bench.until("lost 902", |source, _| source.counts.lost == 902).await;
    assert_eq!(bench.status().await.0.counts.events, 3 + 99 + 2);
    worker.stop().await.unwrap();
    // Another worker finds nothing more.
    let _worker = bench.worker();
    bench.add(&["*"], ids("d", 1)).await;
    bench.until("read one more", |source, _| source.counts.events == 105).await;
    sleep(Duration::from_millis(1500)).await;
    let (source, unique) = bench.status().await;
    assert_eq!((source.counts.lost, unique.counts.lost, source.restarts), (902, 0, 0));
}

#[tokio::test]
async fn a_stream_that_begins_again_below_the_cursor_is_read_from_its_beginning() {
    let mut bench = Bench::start(&[]).await;
    let worker = bench.worker();
    bench.add(&["*"], ids("a", 3)).await;
    bench.until("read 3", |source, _| source.counts.events == 3).await;

    // While a worker runs. An id that no clock made is no time: what comes again is a duplicate.
    bench.ask(&["DEL", "s"]).await;
    bench.add(&["1-*"], ids("b", 4).chain(ids("a", 1))).await;
    bench.until("read 8", |source, _| source.counts.events == 8).await;
    bench.until("dropped one", |_, unique| unique.counts.duplicates == 1).await;
    assert_eq!(bench.status().await.0.restarts, 1);

    // An id that was ahead, and the ids set back to now. One of these was counted before.
    let now = tallyd_store::server_ms(&mut bench.connection).await.unwrap();
    bench.add(&[&format!("{}-0", now + 60_000)], ids("c", 1)).await;
    bench.until("read 9", |source, _| source.counts.events == 9).await;
    bench.ask(&["XTRIM", "s", "MAXLEN", "0"]).await;
    bench.ask(&["XSETID", "s", &format!("{now}-0")]).await;
    bench.add(&[&format!("{now}-*")], ids("c", 4)).await;
    assert!(!bench.drained().await || bench.status().await.0.counts.events == 13);
    bench.until("read 13", |source, _| source.counts.events == 13).await;
    bench.until("dropped another", |_, unique| unique.counts.duplicates == 2).await;
    worker.stop().await.unwrap();

    // While none runs: what is there waits, and whoever asks is told so.
    bench.ask(&["DEL", "s"]).await;
    bench.add(&["2-*"], ids("d", 10)).await;
    assert!(!bench.drained().await);
    assert_eq!(bench.status().await.0.lag.entries, 10);
    let _worker = bench.worker();
    bench.until("read 23", |_, unique| unique.counts.events == 23).await;
    let (source, _) = bench.status().await;
    assert_eq!((source.restarts, source.counts.lost), (3, 0));
    assert!(bench.drained().await);
}

/// The server counts as many entries as before, and their ids are the same: only what they hold tells.
#[tokio::test]
async fn a_stream_that_begins_again_with_the_same_ids_is_read_from_its_beginning() {
    let mut bench = Bench::start(&[]).await;
    let worker = bench.worker();
    bench.add(&["1-1"], ids("a", 1)).await;
    bench.until("read 1", |_, unique| unique.counts.events == 1).await;

    // While a worker runs, which must not trim it unread.
    bench.ask(&["DEL", "s"]).await;
    bench.add(&["1-1"], ids("b", 1)).await;
    assert!(!bench.drained().await || bench.status().await.0.counts.events == 2);
    bench.until("read 2", |_, unique| unique.counts.events == 2).await;
    assert_eq!(bench.status().await.0.restarts, 1);
    worker.stop().await.unwrap();

    // While none runs: a retry of what was counted comes again, then another, and one that passes
    // the cursor.
    bench.ask(&["DEL", "s"]).await;
    bench.add(&["1-1"], ids("c", 1)).await;
    assert!(!bench.drained().await);
    bench.add(&["1-*"], ids("b", 1).chain(ids("d", 2))).await;
    let worker = bench.worker();
    bench.until("read 6", |_, unique| unique.counts.events == 6).await;
    let (source, unique) = bench.status().await;
    assert_eq!((source.restarts, source.counts.lost, unique.counts.duplicates), (2, 0, 1));
    worker.stop().await.unwrap();

    // Without its group alone, it is the same stream.
    let wanted = ["XGROUP", "CREATE", "s", "other", "0"];
    bench.ask(&wanted).await;
    bench.ask(&["XGROUP", "DESTROY", "s", "tallyd:t"]).await;
    let _worker = bench.worker();
    bench.add(&["*"], ids("e", 1)).await;
    bench.until("read 7", |_, unique| unique.counts.events == 7).await;
    let (source, unique) = bench.status().await;
    assert_eq!((source.counts.events, source.restarts, unique.counts.duplicates), (7, 2, 1));
}

#[tokio::test]
async fn nobody_is_told_that_all_is_done_while_entries_are_gone_unread() {
    let mut bench = Bench::start(&[]).await;
    let worker = bench.worker();
    bench.add(&["*"], ids("a", 3)).await;
    bench.until("read 3", |_, unique| unique.counts.events == 3).await;
    worker.stop().await.unwrap();
    assert_eq!(bench.tallyd(&["wait"]).0, Some(0));

    // Nothing waits any more, and no worker has noted why.
    let gone = bench.add(&["*"], ids("b", 2)).await;
    for id in gone {
        bench.ask(&["XDEL", "s", &id]).await;
    }
    assert!(bench.drained().await);
    let (code, said) = bench.tallyd(&["wait", "--timeout", "20"]);
    assert!(code == Some(1) && said.contains("before they were read: 2 of s;"), "{said}");

    // One that is noted while somebody waits; whoever comes later finds it in the status.
    bench.add(&["MAXLEN", "1", "*"], ids("c", 2)).await;
    let asked = std::thread::spawn(bench.asks(&["wait", "--timeout", "60"]));
    let _worker = bench.worker();
    let (code, said) = asked.join().unwrap();
    assert!(code == Some(1) && said.contains("before they were read: 3 of s;"), "{said}");
    bench.until("noted 3", |source, _| source.counts.lost == 3).await;
    assert_eq!(bench.tallyd(&["wait"]).0, Some(0));
}

#[tokio::test]
async fn the_entry_whose_id_is_ahead_is_named_and_not_those_that_follow() {
    let mut bench = Bench::start(&[]).await;
    let _worker = bench.worker();
    let now = tallyd_store::server_ms(&mut bench.connection).await.unwrap();
    let ahead = format!("{}-7", now + 100_000_000);
    bench.add(&[&ahead], ids("a", 1)).await;
    bench.until("read 1", |source, _| source.counts.events == 1).await;
    bench.add(&["*"], ids("b", 20)).await;
    bench.until("read 21", |_, unique| unique.counts.events == 21).await;
    let (entry, by_ms) = bench.status().await.0.ahead.unwrap();
    assert_eq!(entry.to_string(), ahead);
    assert!((99_000_000..=100_000_000).contains(&by_ms), "{by_ms}");
    let log = std::fs::read_to_string(bench.folder.path().join("worker-0.log")).unwrap();
    assert!(log.contains("ENTRY ID AHEAD") && log.contains(&ahead), "{log}");
    for command in ["status", "doctor"] {
        let (_, said) = bench.tallyd(&[command]);
        assert!(said.contains(&format!("since entry {ahead}, ")), "{said}");
    }
}

/// The server cuts off whoever asks for more than 48 MiB at once: nobody does, so that no
/// partition is ever taken over.
#[tokio::test]
async fn no_read_is_of_more_than_tens_of_megabytes() {
    const LARGE: usize = 40;
    let limit = "normal 50331648 0 0";
    let mut bench = Bench::start(&["--client-output-buffer-limit", limit]).await;
    bench.add(&["*"], ids("small", 2000)).await;
    let pad = "x".repeat((4 << 20) - 100);
    for id in ids("large", LARGE) {
        let batch = format!(r#"{{"id":"{id}","user":"u","pad":"{pad}"}}"#);
        bench.ask(&["XADD", "s", "*", "batch", &batch]).await;
    }
    bench.add(&["*"], ids("after", 100)).await;
    let _worker = bench.worker();
    let all = (2000 + LARGE + 100) as u64;
    bench.until("read all", move |_, unique| unique.counts.events == all).await;
    let fence = bench.ask(&["GET", "tallyd:{t/0}:fence:s:0"]).await;
    let fence = redis::from_redis_value::<String>(fence).unwrap();
    let epoch = fence.split('#').nth(1).expect("an epoch");
    assert_eq!(epoch, "1", "the connection broke: the fence is {fence}");
}

/// Entries that nobody has looked at are read by sevens, unless all together are no more than a
/// read may bring.
#[tokio::test]
async fn a_light_backlog_is_read_in_large_reads() {
    const EVENTS: usize = 20_000;
    let mut bench = Bench::start(&[]).await;
    bench.add(&["*"], ids("a", EVENTS)).await;
    let _worker = bench.worker();
    bench.until("read all", |_, unique| unique.counts.events == EVENTS as u64).await;
    let stats = redis::from_redis_value::<String>(bench.ask(&["INFO", "commandstats"]).await);
    let stats = stats.unwrap();
    let reads = stats.split("cmdstat_xreadgroup:calls=").nth(1).unwrap().split(',').next().unwrap();
    let reads: usize = reads.parse().unwrap();
    assert!(reads < EVENTS / 7 / 4, "{reads} reads");
}

#[tokio::test]
async fn an_entry_that_the_server_lets_nobody_have_is_told() {
    let mut bench = Bench::start(&[]).await;
    bench.add(&["*"], ["x".repeat(3_500_000)].into_iter()).await;
    bench.add(&["*"], ids("a", 2)).await;
    bench.ask(&["CONFIG", "SET", "maxmemory-clients", "2mb"]).await;
    // What it sent still counts as its own, so the server closes this one.
    bench.connection.open_again().await.unwrap();
    let (source, _) = bench.status().await;
    assert_eq!((source.lag.entries, source.lag.oldest, source.lag.unreadable), (3, None, true));
    assert!(!bench.drained().await);
    let worker = bench.worker();
    let (code, said) = bench.tallyd(&["status"]);
    assert!(code == Some(0) && said.contains("CAN'T READ s: the first entry"), "{said}");
    assert!(said.contains("unknown"), "{said}");
    let (code, said) = bench.tallyd(&["wait", "--timeout", "1"]);
    assert!(code == Some(1) && said.contains("raise maxmemory-clients"), "{said}");
    let log = bench.folder.path().join("worker-0.log");
    let began = Instant::now();
    while !std::fs::read_to_string(&log).unwrap().contains("CAN'T READ ONE ENTRY") {
        assert!(began.elapsed() < PATIENCE, "the worker says nothing");
        sleep(Duration::from_millis(50)).await;
    }
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("0: not known, already the look at its stream breaks"), "{log}");
    bench.ask(&["CONFIG", "SET", "maxmemory-clients", "0"]).await;
    // Its id is too long for an event: it is a dead letter.
    bench.until("caught up", |s, _| (s.counts.events, s.counts.dead) == (2, 1)).await;
    worker.stop().await.unwrap();
}
