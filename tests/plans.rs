//! Workers with different files, on a real redis-server: a roll loses nothing without a word, and
//! what a file leaves out says what it missed.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use redis::Pipeline;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tallyd_harness::{Server, ServerOptions};
use tallyd_store::Connection;
use tokio::time::{Instant, sleep};

const BASE: &str = r#"
name = "lab"
partitions = 4
[redis]
url = "${TALLYD_REDIS}"
[run]
session_timeout = "1s"
[source.ev]
id = "id"
key = "user"
retain = "forever"
[source.ev.fields]
id = "string"
user = "string"
class = { type = "string", optional = true }
pts = { type = "int", optional = true }
[bolt.unique]
type = "dedup"
from = "ev"
window = "24h"
[bolt.agg]
type = "aggregate"
from = "unique"
windows = ["all"]
[bolt.agg.measures]
n = "count"
"#;

/// Fused with `unique`.
const BOARD: &str = r#"
[bolt.board]
type = "leaderboard"
from = "unique"
member = "user"
score = "sum(pts)"
"#;

/// On an edge of its own.
const BY_CLASS: &str = r#"
[bolt.classes]
type = "aggregate"
from = "unique"
by = ["class"]
windows = ["all"]
[bolt.classes.measures]
n = "count"
"#;

/// A process that does not outlive its test.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Worker {
    async fn stop(mut self) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let began = Instant::now();
        while self.0.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < Duration::from_secs(30), "it does not end");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

struct Lab {
    folder: tempfile::TempDir,
    server: Server,
    sent: u32,
}

impl Lab {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
        Self { folder, server, sent: 0 }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    fn run(&self, file: &Path) -> Worker {
        let mut run = Command::new(env!("CARGO_BIN_EXE_tallyd"));
        run.arg("run").arg(file).env("TALLYD_REDIS", &self.server.url);
        let log = self.folder.path().join("log");
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        Worker(run.stderr(log).stdout(Stdio::null()).spawn().unwrap())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn ask(&self, file: &Path, arguments: &[&str]) -> Value {
        let mut ask = Command::new(env!("CARGO_BIN_EXE_tallyd"));
        ask.args(arguments).arg("--json").arg("--topology").arg(file);
        let output = ask.env("TALLYD_REDIS", &self.server.url).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}\n{}", self.log());
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Sends events of ten users, a point each, and waits until they are counted.
    async fn send(&mut self, events: u32, file: &Path) {
        let mut add = Pipeline::new();
        for number in self.sent..self.sent + events {
            let user = format!("u{}", number % 10);
            add.cmd("XADD").arg("ev").arg("*").arg("id").arg(format!("e{number}"));
            add.arg("user").arg(user).arg("class").arg("x").arg("pts").arg(1);
        }
        self.sent += events;
        Connection::open(&self.server.url).await.unwrap().all(&add).await.unwrap();
        self.ask(file, &["wait", "--timeout", "60"]);
    }

    async fn until(&self, what: &str, done: impl Fn() -> bool) {
        let began = Instant::now();
        while !done() {
            assert!(began.elapsed() < Duration::from_secs(60), "{what}\n{}", self.log());
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn points(&self, file: &Path) -> i64 {
        let board = self.ask(file, &["board", "board", "--period", "all"]);
        let standings = board["rows"].as_array().unwrap();
        standings.iter().map(|s| s["score"].as_i64().unwrap()).sum()
    }

    fn gaps(&self, file: &Path) -> Vec<(String, Option<i64>, Option<i64>)> {
        let status = self.ask(file, &["status"]);
        let gaps = status["plan"]["gaps"].as_array().unwrap().clone();
        let gap = |gap: Value| {
            (gap["part"].as_str().unwrap().to_owned(), gap["from"].as_i64(), gap["to"].as_i64())
        };
        gaps.into_iter().map(gap).collect()
    }
}

#[tokio::test]
async fn a_roll_to_a_file_with_more_bolts_loses_nothing_of_what_they_say() {
    let mut lab = Lab::new().await;
    let old = lab.file("old.toml", BASE);
    let new = lab.file("new.toml", &format!("{BASE}{BOARD}{BY_CLASS}"));
    let (first, second) = (lab.run(&old), lab.run(&old));
    lab.send(100, &old).await;
    // One by one, as a rolling restart does it.
    first.stop().await;
    let third = lab.run(&new);
    lab.until("it waits", || lab.log().contains("waits for other workers")).await;
    lab.send(100, &old).await;
    let status = lab.ask(&new, &["status"]);
    let plans: Vec<&Value> =
        status["workers"].as_array().unwrap().iter().map(|worker| &worker["runs_plan"]).collect();
    assert!(
        plans.contains(&&Value::Bool(true)) && plans.contains(&&Value::Bool(false)),
        "{status}"
    );
    assert_eq!(lab.gaps(&old), []);
    second.stop().await;
    let fourth = lab.run(&new);
    lab.until("the new plan", || lab.gaps(&new).len() == 2).await;
    lab.send(100, &new).await;
    // The new bolts have all that came after the moment that they name, and nothing from before.
    assert_eq!(lab.points(&new), 100);
    let classes = lab.ask(&new, &["stats", "classes"]);
    assert_eq!(classes[0]["measures"]["n"], 100, "{classes}");
    let all = lab.ask(&new, &["stats", "agg"]);
    assert_eq!(all[0]["measures"]["n"], 300, "{all}");
    let gaps = lab.gaps(&new);
    assert!(gaps.iter().all(|(_, from, to)| from.is_none() && to.is_some()), "{gaps:?}");
    let board = lab.ask(&new, &["board", "board", "--period", "all"]);
    assert_eq!(board["gaps"][0]["part"], "board");
    assert_eq!(all[0]["gaps"], Value::Array(Vec::new()));
    drop((third, fourth));
}

#[tokio::test]
async fn a_new_measure_waits_for_the_roll_too() {
    let mut lab = Lab::new().await;
    let old = lab.file("old.toml", BASE);
    let text = BASE.replace("n = \"count\"", "n = \"count\"\npoints = \"sum(pts)\"");
    let new = lab.file("new.toml", &text);
    let first = lab.run(&old);
    lab.send(60, &old).await;
    let _second = lab.run(&new);
    lab.until("it waits", || lab.log().contains("waits for other workers")).await;
    lab.send(60, &old).await;
    assert_eq!(lab.gaps(&new), []);
    first.stop().await;
    lab.until("the new plan", || !lab.gaps(&new).is_empty()).await;
    lab.send(60, &new).await;
    let sums = lab.ask(&new, &["stats", "agg"]);
    assert_eq!(sums[0]["measures"]["n"], 180, "{sums}");
    assert_eq!(sums[0]["measures"]["points"], 60, "{sums}");
    assert_eq!(sums[0]["gaps"][0]["part"], "agg.measures.points", "{sums}");
}

#[tokio::test]
async fn a_bolt_that_was_left_out_says_what_it_missed() {
    let mut lab = Lab::new().await;
    let with = lab.file("with.toml", &format!("{BASE}{BOARD}"));
    let without = lab.file("without.toml", BASE);
    for file in [&with, &without, &with] {
        let worker = lab.run(file);
        lab.send(100, file).await;
        worker.stop().await;
    }
    assert_eq!(lab.points(&with), 200);
    let gaps = lab.gaps(&with);
    let [(part, Some(from), Some(to))] = gaps.as_slice() else { panic!("{gaps:?}") };
    assert_eq!(part, "board");
    assert!(from < to);
    // Each event that it missed arrived in that time.
    let mut look = Pipeline::new();
    look.cmd("XRANGE").arg("ev").arg(*from).arg(*to);
    let mut connection = Connection::open(&lab.server.url).await.unwrap();
    let arrived = format!("{:?}", connection.all(&look).await.unwrap());
    for missed in 100..200 {
        assert!(arrived.contains(&format!("\"e{missed}\"")), "{missed}: {gaps:?}");
    }
    let mut shown = Command::new(env!("CARGO_BIN_EXE_tallyd"));
    shown.args(["board", "board"]).arg("--topology").arg(&with);
    let shown = shown.env("TALLYD_REDIS", &lab.server.url).output().unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).contains("board: gap from "), "{shown:?}");
}
