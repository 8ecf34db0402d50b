//! Keys and ids that nobody should write, on a real redis-server and worker processes: what they
//! cost is bounded, and named.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use redis::{Pipeline, Value, from_redis_value};
use std::{collections::BTreeMap, path::Path, time::Duration};
use tallyd_bolt::Key;
use tallyd_event::EntryId;
use tallyd_harness::{Deployment, Server, ServerOptions, WorkerProcess};
use tallyd_runtime::{Store, store::ErrorKind};
use tallyd_store::{
    RedisStore, dead,
    inspect::{self, Status},
};
use tallyd_topology::parse;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

const FILE: &str = r#"
name = "t"
partitions = 4
[run]
max_backlog = 1_000
dead_letters_bytes = "1MiB"
[source.s]
id = "id"
key = "user"
[source.s.fields]
id = "string"
user = "string"
class = "string"
[bolt.unique]
type = "dedup"
from = "s"
window = "8s"
[bolt.board]
type = "leaderboard"
from = "unique"
member = "user"
score = "count"
periods = ["hour", "all"]
[bolt.agg]
type = "aggregate"
from = "unique"
by = ["user"]
windows = ["1h", "all"]
measures = { n = "count", classes = "distinct(class)" }
"#;

/// How long anything may take. A test that hangs must end all the same.
const PATIENCE: Duration = Duration::from_secs(60);

struct Bench {
    open: Deployment,
    server: Server,
    folder: TempDir,
}

impl Bench {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("t.toml"), FILE).unwrap();
        let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
        let topology = parse("t.toml", FILE, &|_| None).unwrap();
        let open = Deployment::open(topology, &server.url).await.unwrap();
        Self { open, server, folder }
    }

    fn worker(&self) -> WorkerProcess {
        let (program, folder) = (Path::new(env!("CARGO_BIN_EXE_tallyd")), self.folder.path());
        let file = folder.join("t.toml");
        WorkerProcess::start(program, folder, &file, &self.server.url, 1).unwrap()
    }

    async fn ask(&mut self, words: &[&str]) -> Value {
        let (name, arguments) = words.split_first().unwrap();
        let mut ask = Pipeline::new();
        ask.cmd(name).arg(arguments);
        self.open.connection.all(&ask).await.unwrap().pop().unwrap()
    }

    async fn send(&mut self, entry: &str, id: &str, user: &str) {
        self.ask(&["XADD", "s", entry, "id", id, "user", user, "class", "10B"]).await;
    }

    async fn status(&mut self) -> Status {
        let Deployment { topology, keys, connection } = &mut self.open;
        inspect::status(connection, topology, keys).await.unwrap()
    }

    async fn drain(&mut self) {
        let began = Instant::now();
        loop {
            let Deployment { topology, keys, connection } = &mut self.open;
            if inspect::drained(connection, topology, keys).await.unwrap() {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{}", self.log());
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("worker-1.log")).unwrap_or_default()
    }

    fn key(&self, bolt: &str, parts: &[&str]) -> String {
        self.open.keys.bolt(bolt, &Key::new(parts))
    }

    /// What the board of all time says.
    async fn scores(&mut self) -> BTreeMap<String, i64> {
        let key = self.key("board", &["board", "all", "all", "everyone"]);
        let stored = self.ask(&["ZRANGE", &key, "0", "-1", "WITHSCORES"]).await;
        let stored: Vec<(String, f64)> = from_redis_value(stored).unwrap();
        stored.into_iter().map(|(user, score)| (user, score.floor() as i64)).collect()
    }

    /// How many events of a user the aggregate has counted.
    async fn counted(&mut self, user: &str) -> i64 {
        let key = self.key("agg", &["window", "all", "all", &format!("user={user}")]);
        let stored: Option<i64> = from_redis_value(self.ask(&["HGET", &key, "n"]).await).unwrap();
        stored.unwrap_or(0)
    }

    async fn letters(&mut self) -> Vec<dead::Letter> {
        let Deployment { keys, connection, .. } = &mut self.open;
        let all = EntryId::ZERO..=EntryId { ms: u64::MAX, seq: 0 };
        dead::list(connection, keys, all, 1000).await.unwrap()
    }

    async fn users(&mut self, ids: &str, users: &[String]) {
        for user in users {
            self.send("*", &format!("{ids}-{user}"), user).await;
        }
    }
}

fn users(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("u{number}")).collect()
}

/// However long no worker runs: what is stored does not go by a clock that counts in hours.
#[tokio::test]
async fn a_retry_that_waited_is_a_duplicate() {
    const DAYS_29: i64 = 29 * 86_400_000;
    let mut bench = Bench::start().await;
    let mut worker = bench.worker();
    bench.send("*", "a1", "u7").await;
    bench.drain().await;
    worker.kill().await.unwrap();
    bench.send("*", "a1", "u7").await;
    let logs: Vec<String> =
        from_redis_value(bench.ask(&["KEYS", "*:bolt:unique:*"]).await).unwrap();
    assert_eq!(logs.len(), 2, "a log and the list: {logs:?}");
    for log in &logs {
        let left: i64 = from_redis_value(bench.ask(&["PTTL", log]).await).unwrap();
        assert!(left > DAYS_29, "{log} goes in {left} ms");
    }
    let _worker = bench.worker();
    bench.drain().await;
    assert_eq!(bench.scores().await, [("u7".to_owned(), 1)].into());
}

#[tokio::test]
async fn an_entry_id_far_ahead_changes_nothing_for_the_others() {
    let mut bench = Bench::start().await;
    let _worker = bench.worker();
    bench.send("*", "a1", "u7").await;
    bench.drain().await;
    bench.send("1795815000000000-0", "b1", "u8").await;
    bench.send("*", "a1", "u7").await;
    bench.send("*", "a2", "u7").await;
    bench.drain().await;
    assert_eq!(bench.scores().await, [("u7".to_owned(), 2), ("u8".to_owned(), 1)].into());
    let status = bench.status().await;
    let (entry, by_ms) = status.nodes[0].ahead.unwrap();
    assert_eq!(entry, EntryId { ms: 1_795_815_000_000_000, seq: 0 });
    assert!(by_ms > 86_400_000);
    assert!(status.nodes.iter().all(|node| node.counts.late == 0), "{status:?}");
    let log = bench.log();
    assert!(log.contains("ENTRY ID AHEAD") && log.contains("1795815000000000-0"), "{log}");
    // What it is stored under is of today.
    let logs: Vec<String> =
        from_redis_value(bench.ask(&["KEYS", "*:bolt:unique:*"]).await).unwrap();
    for log in logs {
        let left: i64 = from_redis_value(bench.ask(&["PTTL", &log]).await).unwrap();
        assert!(left < 40 * 86_400_000, "{log} goes in {left} ms");
    }
}

#[tokio::test]
async fn a_key_of_another_type_costs_the_events_that_need_it() {
    let mut bench = Bench::start().await;
    let wrong = bench.key("agg", &["window", "all", "all", "user=u3"]);
    bench.ask(&["SET", &wrong, "mine"]).await;
    let _worker = bench.worker();
    let users = users(20);
    bench.users("a", &users).await;
    bench.drain().await;
    for user in users.iter().filter(|user| *user != "u3") {
        assert_eq!(bench.counted(user).await, 1, "{user}");
    }
    let letters = bench.letters().await;
    assert_eq!((letters.len(), letters[0].node.as_str()), (1, "agg"));
    assert!(letters[0].reason.contains(&wrong), "{}", letters[0].reason);
    assert!(letters[0].reason.contains("WRONGTYPE"), "{}", letters[0].reason);
    // The other bolt has counted it, and after the fix this one counts it too.
    assert_eq!(bench.scores().await.len(), 20);
    bench.ask(&["DEL", &wrong]).await;
    let Deployment { topology, keys, connection } = &mut bench.open;
    assert!(dead::replay(connection, topology, keys, letters[0].id).await.unwrap());
    bench.drain().await;
    assert_eq!((bench.counted("u3").await, bench.scores().await["u3"]), (1, 1));
}

/// A command that fails in EXEC: only the partition that wrote to the key halts, and what waits for
/// it does not stop the source.
#[tokio::test]
async fn a_failed_write_halts_the_one_partition_that_wrote() {
    let mut bench = Bench::start().await;
    let wrong = bench.key("agg", &["distinct", "all", "all", "classes", "user=u3"]);
    bench.ask(&["SET", &wrong, "mine"]).await;
    let users = users(20);
    bench.users("a", &users).await;
    // So many distinct values become a HyperLogLog, which is written without being read.
    let many = |id: u32| format!("{{\"id\":\"many-{id}\",\"user\":\"u3\",\"class\":\"c{id}\"}}");
    let lines: Vec<String> = (0..1_100).map(many).collect();
    bench.ask(&["XADD", "s", "*", "batch", &lines.join("\n")]).await;
    let _worker = bench.worker();
    let began = Instant::now();
    while bench.status().await.halted.is_empty() {
        assert!(began.elapsed() < PATIENCE, "{}", bench.log());
        sleep(Duration::from_millis(10)).await;
    }
    let status = bench.status().await;
    assert_eq!(status.halted.len(), 1, "{:?}", status.halted);
    let (place, reason) = status.halted.first_key_value().unwrap();
    assert!(reason.contains(&wrong), "{reason}");
    // More than max_backlog for the halted one, and then events of the others.
    let partition: u16 = place.rsplit_once(':').unwrap().1.parse().unwrap();
    let event = |id: u32| format!("{{\"id\":\"{id}\",\"user\":\"u3\",\"class\":\"c\"}}");
    for part in 0..3 {
        let lines: Vec<String> = (part * 1000..part * 1000 + 1000).map(event).collect();
        bench.ask(&["XADD", "s", "*", "batch", &lines.join("\n")]).await;
    }
    bench.users("b", &users).await;
    let others: Vec<&String> = users
        .iter()
        .filter(|user| tallyd_event::partition_of([user.as_str()], 4) != partition)
        .collect();
    assert!(others.len() > 5);
    for user in others {
        while bench.counted(user).await < 2 {
            assert!(began.elapsed() < PATIENCE, "{user}: {}", bench.log());
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(bench.scores().await[user], 2);
    }
    // After the fix everything that waited is counted once.
    bench.ask(&["DEL", &wrong]).await;
    let Deployment { topology, keys, connection } = &mut bench.open;
    assert_eq!(inspect::resume(connection, topology, keys).await.unwrap().len(), 1);
    bench.drain().await;
    for user in &users {
        assert_eq!(bench.counted(user).await, if user == "u3" { 4_102 } else { 2 }, "{user}");
    }
}

#[tokio::test]
async fn dead_letters_are_bounded_in_bytes() {
    let mut bench = Bench::start().await;
    let _worker = bench.worker();
    let long = "x".repeat(200_000);
    bench.ask(&["XADD", "s", "*", "batch", &long]).await;
    bench.drain().await;
    let letter = bench.letters().await.remove(0);
    assert_eq!(letter.cut, Some(200_005));
    assert_eq!(letter.fields, [("batch".to_owned(), long[..(64 << 10) - 5].to_owned())]);
    let Deployment { topology, keys, connection } = &mut bench.open;
    let refused = dead::replay(connection, topology, keys, letter.id).await.unwrap_err();
    assert!(refused.message.contains(&letter.entry.to_string()), "{refused}");
    for _ in 0..60 {
        bench.ask(&["XADD", "s", "*", "batch", &long[..50_000]]).await;
    }
    bench.drain().await;
    let dead = bench.open.keys.dead();
    let began = Instant::now();
    loop {
        let used = bench.ask(&["MEMORY", "USAGE", &dead, "SAMPLES", "0"]).await;
        if from_redis_value::<u64>(used).unwrap() <= 1 << 20 {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{}", bench.log());
        sleep(Duration::from_millis(20)).await;
    }
    assert!(bench.letters().await.len() > 10);
    while !bench.log().contains("DEAD LETTERS LOST") {
        assert!(began.elapsed() < PATIENCE, "{}", bench.log());
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_source_or_sink_that_is_no_stream_is_refused_at_the_start() {
    let mut bench = Bench::start().await;
    let file = format!("{FILE}[sink.out]\nfrom = \"unique\"\n");
    let topology = std::sync::Arc::new(parse("t.toml", &file, &|_| None).unwrap());
    let store = RedisStore::new(topology, &bench.server.url);
    store.register().await.unwrap();
    for (key, whose) in [("s", "source \"s\""), ("out", "a sink of \"unique\"")] {
        bench.ask(&["DEL", key]).await;
        bench.ask(&["SET", key, "mine"]).await;
        let error = store.register().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Mismatch);
        assert!(error.message.contains(whose), "{error}");
        bench.ask(&["DEL", key]).await;
    }
}
