//! Malformed entries through real workers on a real redis-server: each is a dead letter with its
//! reason and with what was sent, everything around it counts once, and no worker ends.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod entries;
mod frames;
mod wire;

use redis::{Pipeline, Value, from_redis_value};
use std::{collections::BTreeMap, path::Path, time::Duration};
use tallyd_bolt::Key;
use tallyd_event::{EntryId, decode::Fields, partition_of};
use tallyd_harness::{Deployment, Server, ServerOptions, WorkerProcess};
use tallyd_runtime::store::Counts;
use tallyd_store::{
    dead::{self, Letter},
    inspect,
};
use tallyd_topology::{
    bolts::{fatigue, mastery},
    parse,
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

const FILE: &str = include_str!("topology.toml");
/// How long everything may take. It takes a few seconds; a test that hangs must end all the same.
const PATIENCE: Duration = Duration::from_secs(120);

/// A topology on a server of its own.
struct Bench {
    open: Deployment,
    workers: Vec<WorkerProcess>,
    server: Server,
    folder: TempDir,
}

impl Bench {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
        let topology = parse("topology.toml", FILE, &|_| None).unwrap();
        let open = Deployment::open(topology, &server.url).await.unwrap();
        Self { open, workers: Vec::new(), server, folder }
    }

    /// Starts two workers.
    fn work(&mut self) {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/malformed/topology.toml");
        let program = Path::new(env!("CARGO_BIN_EXE_tallyd"));
        for number in 1..=2 {
            let folder = self.folder.path();
            let worker =
                WorkerProcess::start(program, folder, &file, &self.server.url, number).unwrap();
            self.workers.push(worker);
        }
    }

    async fn ask(&mut self, words: &[&str]) -> Value {
        let (name, arguments) = words.split_first().unwrap();
        let mut ask = Pipeline::new();
        ask.cmd(name).arg(arguments);
        self.open.connection.all(&ask).await.unwrap().pop().unwrap()
    }

    async fn add(&mut self, stream: &str, fields: &Fields) -> EntryId {
        let mut add = Pipeline::new();
        let command = add.cmd("XADD").arg(stream).arg("*");
        for (name, value) in fields {
            command.arg(name.as_slice()).arg(value.as_slice());
        }
        let id = self.open.connection.all(&add).await.unwrap().pop().unwrap();
        from_redis_value::<String>(id).unwrap().parse().unwrap()
    }

    /// Waits until nothing is left to process. The workers must all live.
    async fn drain(&mut self) {
        let began = Instant::now();
        let Deployment { topology, keys, connection } = &mut self.open;
        while !inspect::drained(connection, topology, keys).await.unwrap() {
            assert!(began.elapsed() < PATIENCE, "still processing");
            sleep(Duration::from_millis(20)).await;
        }
        for worker in &mut self.workers {
            worker.check().unwrap();
        }
    }

    async fn letters(&mut self) -> Vec<Letter> {
        let (all, most) = (EntryId::ZERO..=EntryId { ms: u64::MAX, seq: u64::MAX }, 100_000);
        dead::list(&mut self.open.connection, &self.open.keys, all, most).await.unwrap()
    }

    async fn counts(&mut self) -> BTreeMap<String, Counts> {
        let Deployment { topology, keys, connection } = &mut self.open;
        let status = inspect::status(connection, topology, keys).await.unwrap();
        assert!(status.halted.is_empty(), "{:?}", status.halted);
        status.nodes.into_iter().map(|node| (node.name, node.counts)).collect()
    }

    /// A field of a bolt's hash, by the parts of the key.
    async fn field(&mut self, bolt: &str, parts: &[&str], name: &str) -> Option<String> {
        let key = self.open.keys.bolt(bolt, &Key::new(parts));
        from_redis_value(self.ask(&["HGET", &key, name]).await).unwrap()
    }

    /// How many answers of a learner the fatigue bolt has counted.
    async fn answered(&mut self, learner: &str) -> Option<u64> {
        let fields = fatigue::learner_fields(learner, self.open.topology.partitions);
        let (key, field) = fields.first().unwrap();
        let key = self.open.keys.bolt("fatigue", key);
        let stored: Option<Vec<u8>> =
            from_redis_value(self.ask(&["HGET", &key, field]).await).unwrap();
        stored.map(|bytes| fatigue::Reading::of(&bytes).unwrap().answers)
    }

    async fn score(&mut self, group: &str, member: &str) -> Option<i64> {
        let key = self.open.keys.bolt("points", &Key::new(&["board", "all", "all", group]));
        let stored: Option<f64> =
            from_redis_value(self.ask(&["ZSCORE", &key, member]).await).unwrap();
        stored.map(|score| score.floor() as i64)
    }
}

/// Fields as a dead letter of a source keeps them: the first 64 KiB.
fn as_kept(fields: &Fields) -> Fields {
    let mut left = 64 << 10;
    let mut kept = Vec::new();
    for (name, value) in fields {
        if left > name.len() {
            let length = value.len().min(left - name.len());
            left -= name.len() + length;
            kept.push((name.clone(), value[..length].to_vec()));
        }
    }
    kept
}

#[tokio::test]
async fn every_malformed_entry_is_a_dead_letter_and_the_rest_counts_once() {
    let table = entries::table();
    assert!(table.len() >= 80, "{} malformed entries", table.len());
    let mut bench = Bench::start().await;
    bench.work();
    let mut sent = Vec::new();
    let mut sound = 0;
    for (number, malformed) in table.iter().enumerate() {
        sent.push(bench.add("answers", &malformed.entry).await);
        bench.add("answers", &wire::good(&format!("between-{number}"))).await;
        sound += malformed.sound + 1;
    }
    // One whose time is too far ahead is told by the server's clock.
    let ahead = wire::with("at", (sent[0].time() + 2 * 86_400_000).to_string());
    let too_early = bench.add("answers", &ahead).await;
    bench.drain().await;

    let mut letters = bench.letters().await.into_iter();
    let mut differences = Vec::new();
    for (malformed, entry) in table.into_iter().zip(&sent) {
        for (reason, fields) in malformed.letters {
            let letter = letters.next().expect("a dead letter for each");
            assert_eq!((letter.node.as_str(), letter.entry), ("answers", *entry));
            let kept = as_kept(&fields);
            if letter.reason != reason || letter.raw != kept {
                differences.push((reason, letter.reason, letter.raw == kept));
            }
        }
    }
    assert_eq!(differences, [], "expected and found reasons, and whether the fields were kept");
    let last = letters.next().unwrap();
    assert!(last.reason.contains(" after its arrival (max_ahead is 10m)"), "{}", last.reason);
    assert_eq!((last.entry, last.raw), (too_early, ahead));
    assert_eq!(letters.next(), None);

    let counts = bench.counts().await;
    assert_eq!((counts["answers"].events, counts["unique"].emitted), (sound, sound));
    let group = ["window", "all", "all", "concept=algebra"];
    let answers = bench.field("concepts", &group, "answers").await;
    assert_eq!(answers, Some(sound.to_string()));
    assert_eq!(bench.field("concepts", &group, "time.sum").await, Some((5300 * sound).to_string()));
    assert_eq!(bench.score("everyone", "u7").await, Some(4 * sound as i64));
    assert_eq!(bench.score("class=10B", "u7").await, Some(4 * sound as i64));
    assert_eq!(bench.answered("u7").await, Some(sound));
}

/// Names that look like syntax: to tallyd they are text.
const NAMES: &[&str] = &[
    "{}",
    ":",
    "{x}",
    "a:b",
    "}:bolt:points:board:all:all:everyone",
    "*",
    "?[a-z]",
    "%",
    "%3A",
    "a=b",
    "../../etc/passwd",
    "$(reboot)",
    "'; FLUSHALL; --",
    " ",
    "-1",
    "NaN",
    "null",
    "\\n",
    "שלום",
    "مرحبا",
    "👩‍🚀",
    "e\u{301}",
    "\u{feff}x",
    "!halted",
    "w#7",
];

#[tokio::test]
async fn what_is_legal_counts_under_its_own_name_and_touches_no_other_key() {
    let mut bench = Bench::start().await;
    bench.work();
    let long = "x".repeat(4096);
    let names: Vec<&str> = NAMES.iter().copied().chain([long.as_str()]).collect();
    for (number, name) in names.iter().enumerate() {
        let mut event = wire::good(&format!("n{number}"));
        for (field, value) in &mut event {
            if ["user", "class", "question", "concept"].map(str::as_bytes).contains(&&field[..]) {
                *value = name.as_bytes().to_vec();
            }
        }
        bench.add("answers", &event).await;
    }
    let limits = [
        ("points", "9007199254740992"),
        ("points", "-9007199254740992"),
        ("points", "-0"),
        ("points", "+4"),
        ("ms", "0"),
        ("ms", "3600000"),
        ("weight", "1.7976931348623157e308"),
        ("weight", "5e-324"),
        ("weight", "-0"),
        ("at", "0"),
        ("at", "1767225600000"),
        ("correct", "0.0"),
    ];
    for (number, (name, value)) in limits.iter().enumerate() {
        let mut event = wire::with(name, value);
        event.retain(|(field, _)| ![b"id".as_slice(), b"user"].contains(&&field[..]));
        let user = format!("limit-{number}");
        event.push((b"id".to_vec(), user.clone().into_bytes()));
        event.push((b"user".to_vec(), user.into_bytes()));
        bench.add("answers", &event).await;
    }
    // What a board can't hold is refused by that bolt, and counts in the others.
    let beyond = ["9007199254740993", "-9223372036854775808", "9223372036854775807"];
    for points in beyond {
        let mut event = wire::with("points", points);
        event.retain(|(field, _)| field != b"id");
        event.push((b"id".to_vec(), points.into()));
        bench.add("answers", &event).await;
    }
    bench.drain().await;

    let refused: Vec<(String, String)> =
        bench.letters().await.into_iter().map(|letter| (letter.node, letter.reason)).collect();
    let end = "is beyond 9007199254740992 (2^53), the greatest whole score that a board holds";
    let expected: Vec<(String, String)> =
        beyond.map(|points| ("points".to_owned(), format!("score {points} {end}"))).to_vec();
    assert_eq!(refused, expected);
    for name in &names {
        let encoded = Key::encode(name);
        let concept = format!("concept={encoded}");
        let group = ["window", "all", "all", concept.as_str()];
        assert_eq!(
            bench.field("concepts", &group, "answers").await.as_deref(),
            Some("1"),
            "{name}"
        );
        assert_eq!(bench.score("everyone", name).await, Some(4), "{name}");
        assert_eq!(bench.score(&format!("class={encoded}"), name).await, Some(4), "{name}");
        assert_eq!(bench.answered(name).await, Some(1), "{name}");
        let partition = partition_of([*name], bench.open.topology.partitions);
        let numbers = bench.open.keys.bolt("mastery", &mastery::numbers_key(partition));
        let stored = bench.ask(&["HEXISTS", &numbers, name]).await;
        assert!(from_redis_value::<bool>(stored).unwrap(), "{name}");
    }
    let keys: Vec<String> = from_redis_value(bench.ask(&["KEYS", "*"]).await).unwrap();
    let mut learners = 0;
    for key in keys.iter().filter(|key| key.contains(":bolt:mastery:learners:")) {
        learners += from_redis_value::<usize>(bench.ask(&["HLEN", key]).await).unwrap();
    }
    assert_eq!(learners, names.len() + limits.len() + 1);
    let ours = |key: &&String| key.starts_with("tallyd:{malformed/0}:") || *key == "answers";
    let strange: Vec<&String> = keys.iter().filter(|key| !ours(key)).collect();
    assert_eq!(strange, Vec::<&String>::new());
    let zero =
        bench.field("concepts", &["window", "all", "all", "concept=algebra"], "answers").await;
    assert_eq!(zero, Some((limits.len() + beyond.len()).to_string()));
}

#[tokio::test]
async fn what_is_no_frame_in_an_edge_stream_is_a_dead_letter() {
    let mut bench = Bench::start().await;
    let source = bench.open.topology.nodes[0].clone();
    let (edge, schema) = (source.edges[0].clone(), source.schema.clone());
    let stream = bench.open.keys.edge("answers", &edge, 0);
    bench.work();
    let table = frames::table(&schema);
    let mut sent = Vec::new();
    for (number, (entry, _)) in table.iter().enumerate() {
        sent.push(bench.add(&stream, entry).await);
        bench.add(&stream, &frames::sound(&schema, &format!("between-{number}"))).await;
    }
    bench.drain().await;

    let mut letters = bench.letters().await.into_iter();
    let mut differences = Vec::new();
    for ((entry, reason), id) in table.iter().zip(&sent) {
        let letter = letters.next().expect("a dead letter for each");
        assert_eq!((letter.node.as_str(), letter.entry), ("unique", *id));
        if letter.reason != *reason || letter.raw != *entry {
            differences.push((reason.clone(), letter.reason, letter.raw == *entry));
        }
    }
    assert_eq!(differences, []);
    assert_eq!(letters.next(), None);
    let counts = bench.counts().await;
    let sound = table.len() as u64;
    assert_eq!((counts["unique"].dead, counts["unique"].emitted), (sound, sound));
    let group = ["window", "all", "all", "concept=algebra"];
    assert_eq!(bench.field("concepts", &group, "answers").await, Some(sound.to_string()));
}

/// A worker took three entries, somebody deleted the middle one, and the worker died.
#[tokio::test]
async fn an_entry_deleted_while_pending_is_passed_over() {
    let mut bench = Bench::start().await;
    let source = bench.open.topology.nodes[0].clone();
    // Where the learner's other events are: two owners of one score would write over each other.
    let partition = tallyd_event::partition_of(["u7"], bench.open.topology.partitions);
    let edge = bench.open.keys.edge("answers", &source.edges[0], partition);
    let of_source = ["1", "2", "3"].map(wire::good);
    let of_edge = ["4", "5", "6"].map(|id| frames::sound(&source.schema, id));
    for (stream, group, entries) in
        [("answers", "tallyd:malformed", of_source), (&edge, "unique", of_edge)]
    {
        let mut ids = Vec::new();
        for entry in &entries {
            ids.push(bench.add(stream, entry).await.to_string());
        }
        bench.ask(&["XGROUP", "CREATE", stream, group, "0"]).await;
        bench.ask(&["XREADGROUP", "GROUP", group, "gone", "STREAMS", stream, ">"]).await;
        bench.ask(&["XDEL", stream, &ids[1]]).await;
    }
    bench.work();
    bench.add("answers", &wire::good("7")).await;
    bench.drain().await;
    assert_eq!(bench.letters().await, []);
    let counts = bench.counts().await;
    assert_eq!((counts["answers"].events, counts["unique"].emitted), (3, 5));
    assert_eq!(bench.score("everyone", "u7").await, Some(4 * 5));
}
