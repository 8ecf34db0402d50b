//! Times of producers, as a user sees them: what is refused and why, and what a source that counts
//! in seconds makes of its numbers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use redis::Pipeline;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use tallyd_harness::{Server, ServerOptions, WorkerProcess};
use tallyd_store::{Connection, server_ms};
use tempfile::TempDir;

const FILE: &str = r#"
name = "t"
partitions = 2
[source.plays]
id = "id"
time = "at"
max_behind = "30d"
[source.plays.fields]
id = "string"
at = "time"
[source.visits]
id = "id"
time = "at"
[source.visits.fields]
id = "string"
at = { type = "time", unit = "s" }
[bolt.plays-by-day]
type = "aggregate"
from = "plays"
windows = ["1d", "all"]
measures = { n = "count", last = "max(at)" }
[bolt.visits-by-hour]
type = "aggregate"
from = "visits"
grace = "forever"
windows = [{ length = "1h", retain = "forever" }, "all"]
measures = { n = "count", first = "min(at)", last = "max(at)" }
[sink.seen]
from = "visits"
"#;

/// A server, and a worker on it.
struct Lab {
    server: Server,
    connection: Connection,
    worker: Option<WorkerProcess>,
    file: PathBuf,
    folder: TempDir,
}

impl Lab {
    async fn start(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
        let file = folder.path().join("t.toml");
        std::fs::write(&file, text).unwrap();
        let worker = Some(work(&folder, &file, &server));
        let connection = Connection::open(&server.url).await.unwrap();
        Self { server, connection, worker, file, folder }
    }

    /// Goes on with another topology.
    async fn change(&mut self, text: &str) {
        self.worker.take().unwrap().stop().await.unwrap();
        std::fs::write(&self.file, text).unwrap();
        self.worker = Some(work(&self.folder, &self.file, &self.server));
    }

    /// Sends events of these times, and waits until they are processed.
    async fn send(&mut self, stream: &str, times: &[&str]) {
        let mut pipeline = Pipeline::new();
        for at in times {
            pipeline.cmd("XADD").arg(stream).arg("*").arg("id").arg(*at).arg("at").arg(*at);
        }
        self.connection.all(&pipeline).await.unwrap();
        self.tallyd(&["wait", "--timeout", "60"]);
    }

    /// What a command of the program prints.
    fn tallyd(&self, words: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_tallyd"))
            .args(words)
            .arg("--topology")
            .arg(&self.file)
            .args(["--redis", &self.server.url])
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.tallyd(&[words, &["--json"]].concat())).unwrap()
    }

    /// The measures of a bolt for all time.
    fn all(&self, bolt: &str) -> Value {
        self.json(&["stats", bolt, "--window", "all"]).pointer("/0/measures").cloned().unwrap()
    }
}

fn work(folder: &TempDir, file: &Path, server: &Server) -> WorkerProcess {
    let program = Path::new(env!("CARGO_BIN_EXE_tallyd"));
    WorkerProcess::start(program, folder.path(), file, &server.url, 0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_can_not_be_right_is_refused_and_seen() {
    let mut lab = Lab::start(FILE).await;
    let now = server_ms(&mut lab.connection).await.unwrap();
    let at = |ms: i64| (now + ms).to_string();
    let (seconds, day) = ((now / 1000).to_string(), 86_400_000);
    let wrong = [
        (seconds.as_str(), format!("field \"at\": {seconds} looks like seconds (send ms: ")),
        (&at(2 * day + 60_000), " is 2d after its arrival (max_ahead is 10m)".to_owned()),
        (&at(-31 * day), " is 31d before its arrival (max_behind is 30d)".to_owned()),
        ("9999-12-31T23:59:59Z", "its time, 9999-12-31T23:59:59Z, is ".to_owned()),
        ("1970-01-01T00:00:00Z", "its time, 1970-01-01T00:00:00Z, is ".to_owned()),
        ("99999999999999999999", "time 99999999999999999999 is out of range (1970".to_owned()),
    ];
    let right = [at(0), at(9 * 60_000), at(-29 * day)];
    let times = wrong.iter().map(|(at, _)| *at).chain(right.iter().map(String::as_str));
    lab.send("plays", &times.collect::<Vec<_>>()).await;
    assert_eq!(lab.all("plays-by-day")["n"], json!(3));

    let dead = lab.json(&["dead", "list"]);
    let reasons: Vec<&str> =
        dead.as_array().unwrap().iter().map(|letter| letter["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons.len(), wrong.len());
    for (found, (at, reason)) in reasons.iter().zip(&wrong) {
        assert!(found.contains(reason), "{at}: {found}");
    }
    let node = lab.json(&["status"])["nodes"][0].clone();
    let by_reason = json!({ "bad_value": 1, "time_ahead": 2, "time_behind": 2, "time_unit": 1 });
    assert_eq!(node["dead_letters_by_reason"], by_reason);
    let table = lab.tallyd(&["status"]);
    assert!(table.contains("2 time_behind") && table.contains("1 time_unit"), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_counts_in_seconds_is_read_in_seconds() {
    let mut lab = Lab::start(FILE).await;
    let file = lab.file.with_file_name("visits.csv");
    std::fs::write(&file, "id,at\na,1767225600.1239\nb,2026-01-01T01:00:00Z\nc,1767225600000\n")
        .unwrap();
    let send = |source: &str| {
        let mut send = Command::new(env!("CARGO_BIN_EXE_tallyd"));
        send.arg("send").arg(&file).args(["--source", source, "--redis", &lab.server.url]);
        let output = send.arg("--topology").arg(&lab.file).output().unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let refused = send("visits");
    assert!(refused.contains("1767225600000 looks like milliseconds (send s: divide"), "{refused}");
    lab.send("visits", &["1767225600", "1767225600.5", "2025-12-31T23:00:00Z"]).await;
    let measures = lab.all("visits-by-hour");
    let expected = json!({ "n": 5, "first": 1_767_222_000_000_i64, "last": 1_767_229_200_000_i64 });
    assert_eq!(measures, expected);
    let from = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T00:00:00Z"];
    let hour = lab.json(&[&["stats", "visits-by-hour", "--window", "1h"], &from[..]].concat());
    assert_eq!(hour[0]["measures"]["n"], json!(3), "{hour}");
    // Applications are told all times in ms.
    let mut ask = Pipeline::new();
    ask.cmd("XRANGE").arg("seen").arg("-").arg("+").arg("COUNT").arg(1);
    let seen = lab.connection.all(&ask).await.unwrap();
    assert!(format!("{seen:?}").contains("1767225600123"), "{seen:?}");
}

/// Without a time field: an event happens when it arrives. Windows are final at their end.
const REPLAYED: &str = r#"
name = "t"
partitions = 2
[source.plays]
id = "id"
[source.plays.fields]
id = "string"
points = { type = "int", max = 10 }
[bolt.unique]
type = "dedup"
from = "plays"
window = "1h"
[bolt.seconds]
type = "aggregate"
from = "unique"
grace = 0
windows = [{ length = "1s", retain = "forever" }]
measures = { n = "count", points = "sum(points)" }
"#;

/// As it might be used: what came too late is followed by somebody.
const LATE: &str = r#"
name = "t"
partitions = 2
[source.plays]
id = "id"
time = "at"
[source.plays.fields]
id = "string"
user = { type = "string", optional = true }
at = { type = "time", unit = "s" }
[bolt.unique]
type = "dedup"
from = "plays"
window = "1h"
[bolt.counts]
type = "aggregate"
from = "unique"
windows = ["1h", "1d", "all"]
measures = { n = "count" }
[bolt.board]
type = "leaderboard"
from = "unique"
member = "id"
score = "count"
[sink.too-late]
from = "counts"
events = "late"
[[test]]
name = "a late event goes to the sink, once for each window"
events = [
  { id = "a", at = 2026-01-01T00:00:00Z, arrival = 2026-01-03T00:00:00Z },
  { id = "a", at = 2026-01-01T00:00:00Z, arrival = 2026-01-03T00:00:00Z },
  { id = "b", at = 2026-01-03T00:00:00Z, arrival = 2026-01-03T00:00:00Z },
]
expect = [{ sink = "too-late", count = 2, fields = { id = "a", at = 2026-01-01T00:00:00Z } }]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_late_event_is_written_to_its_sink_once() {
    let mut lab = Lab::start(LATE).await;
    let check = Command::new(env!("CARGO_BIN_EXE_tallyd")).arg("check").arg(&lab.file).output();
    let check = String::from_utf8_lossy(&check.unwrap().stdout).into_owned();
    assert!(check.ends_with("1 test passed\n"), "{check}");
    lab.send("plays", &["1767225600", "2026-01-01T00:00:00Z", "1767225600"]).await;
    let mut ask = Pipeline::new();
    ask.cmd("XRANGE").arg("too-late").arg("-").arg("+");
    let written = lab.connection.all(&ask).await.unwrap().pop().unwrap();
    type Entries = Vec<(String, std::collections::BTreeMap<String, String>)>;
    let entries: Entries = redis::from_redis_value(written).unwrap();
    let mut found: Vec<[&str; 5]> = entries
        .iter()
        .map(|(_, fields)| {
            ["id", "tallyd:id", "at", "tallyd:window", "tallyd:label"]
                .map(|name| fields[name].as_str())
        })
        .collect();
    found.sort_unstable();
    let at = "1767225600000";
    let of = |id| [[id, id, at, "1d", "2026-01-01"], [id, id, at, "1h", "2026-01-01T0000Z"]];
    let expected = [of("1767225600"), of("2026-01-01T00:00:00Z")].concat();
    assert_eq!(found, expected);
    let (_, first) = &entries[0];
    assert_eq!((first["tallyd:bolt"].as_str(), first["tallyd:time"].as_str()), ("counts", at));
    assert!(first["tallyd:arrived"].parse::<i64>().unwrap() > 1_767_225_600_000);
    assert!(!first.contains_key("user"));
    let node = &lab.json(&["status"])["nodes"][2];
    assert_eq!(node["late_by_window"], json!({ "1d": 2, "1h": 2 }), "{node}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_dead_letter_keeps_the_time_of_its_arrival() {
    let mut lab = Lab::start(REPLAYED).await;
    // All in one millisecond, so that they lie in one second.
    let now = server_ms(&mut lab.connection).await.unwrap();
    let mut ask = Pipeline::new();
    for (number, (id, points)) in [("a", "11"), ("b", "12"), ("b", "2")].into_iter().enumerate() {
        let entry = format!("{now}-{number}");
        ask.cmd("XADD").arg("plays").arg(entry).arg("id").arg(id).arg("points").arg(points);
    }
    let ids = lab.connection.all(&ask).await.unwrap();
    let ids: Vec<String> = ids.iter().map(|id| redis::from_redis_value_ref(id).unwrap()).collect();
    let arrived: i64 = ids[0].split('-').next().unwrap().parse().unwrap();
    lab.tallyd(&["wait", "--timeout", "60"]);
    let letters = lab.json(&["dead", "list"]);
    assert_eq!((&letters[0]["arrived"], &letters[0]["entry"]), (&json!(arrived), &json!(ids[0])));

    // One of a bolt, from before all that.
    let before = arrived - 100_000;
    let (dead, entry) = ("tallyd:{t/0}:dead", format!("{before}-0"));
    let mut bury = Pipeline::new();
    let letter =
        bury.cmd("XADD").arg(dead).arg("*").arg("node").arg("seconds").arg("reason").arg("");
    letter.arg("entry").arg(entry).arg("arrived").arg(before);
    letter.arg("field:id").arg("c").arg("field:points").arg("5");
    lab.connection.all(&bury).await.unwrap();

    // The second in which they arrived is over and final when they are replayed.
    while server_ms(&mut lab.connection).await.unwrap() < arrived + 2_000 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    lab.change(&REPLAYED.replace("max = 10", "max = 100")).await;
    assert_eq!(lab.tallyd(&["dead", "replay", "--all"]), "3 replayed\n");
    lab.tallyd(&["wait", "--timeout", "60"]);
    let windows = lab.json(&["stats", "seconds", "--from", "10m"]);
    let mut counted: Vec<(i64, i64)> = windows
        .as_array()
        .unwrap()
        .iter()
        .map(|window| {
            (window["start"].as_i64().unwrap(), window["measures"]["points"].as_i64().unwrap())
        })
        .collect();
    counted.sort_unstable();
    // What was sent again meanwhile is counted once.
    let second = |ms: i64| ms / 1000 * 1000;
    assert_eq!(counted, [(second(before), 5), (second(arrived), 13)], "{arrived}");
    let status = lab.json(&["status"]);
    let node =
        |place: usize| (&status["nodes"][place]["duplicates"], &status["nodes"][place]["late"]);
    assert_eq!((node(1).0, node(2).1), (&json!(1), &json!(0)), "{status}");
}
