//! What a program does whose output or log can't be written: on Linux `/dev/full` is a disk that is
//! full, and a pipe without a reader a reader that ended.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use redis::Pipeline;
use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};
use tallyd_harness::{Server, ServerOptions};
use tallyd_store::Connection;
use tokio::time::{Instant, sleep};

const FILE: &str = r#"
name = "t"
partitions = 2
[redis]
url = "${TALLYD_REDIS}"
[run]
session_timeout = "1s"
[source.s]
key = "user"
id = "id"
[source.s.fields]
id = "string"
user = "string"
[bolt.board]
type = "leaderboard"
from = "s"
member = "user"
score = "count"
[bolt.sums]
type = "aggregate"
from = "s"
windows = ["all"]
[bolt.sums.measures]
n = "count"
"#;

/// A process that does not outlive its test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Place {
    folder: tempfile::TempDir,
    server: Server,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
        std::fs::write(folder.path().join("t.toml"), FILE).unwrap();
        Self { folder, server }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("t.toml")
    }

    fn tallyd(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tallyd"));
        command.args(arguments).env("TALLYD_REDIS", &self.server.url);
        command.env("TALLYD_TOPOLOGY", self.file());
        command
    }

    async fn add(&self, entry: &[&str]) {
        let mut add = Pipeline::new();
        add.cmd("XADD").arg("s").arg("*").arg(entry);
        Connection::open(&self.server.url).await.unwrap().all(&add).await.unwrap();
    }
}

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

fn end_of(command: &mut Command, out: impl Into<Stdio>) -> Output {
    command.stdout(out).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
}

/// The writing end of a pipe that nobody reads.
fn closed() -> std::io::PipeWriter {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer
}

#[tokio::test]
async fn a_command_whose_output_cant_be_written_fails_and_says_so() {
    let place = Place::new().await;
    let mut run = place.tallyd(&["run", place.file().to_str().unwrap()]);
    let _worker = Running(run.stderr(Stdio::null()).spawn().unwrap());
    place.add(&["id", "1", "user", "ann"]).await;
    place.add(&["user", "nobody"]).await;
    let waited = place.tallyd(&["wait", "--timeout", "30"]).output().unwrap();
    assert!(waited.status.success(), "{waited:?}");
    let letter = place.tallyd(&["dead", "list", "--json"]).output().unwrap();
    let letters: serde_json::Value = serde_json::from_slice(&letter.stdout).unwrap();
    let id = letters.pointer("/0/id").unwrap().as_str().unwrap().to_owned();
    let rows = place.folder.path().join("rows.jsonl");
    std::fs::write(&rows, "{\"id\": \"2\", \"user\": \"bob\"}\n").unwrap();
    let (file, rows) = (place.file().display().to_string(), rows.display().to_string());
    let testprep = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../topologies/testprep.toml");
    let commands: &[&[&str]] = &[
        &["--help"],
        &["--version"],
        &["board", "board"],
        &["board", "board", "--json"],
        &["check", &file],
        &["dead", "list"],
        &["dead", "show", &id],
        &["dead", "show", &id, "--json"],
        &["doctor", &file],
        &["doctor", "--json"],
        &["graph", &file],
        &["resume"],
        &["schema"],
        &["send", &rows, "--source", "s"],
        &["stats", "sums"],
        &["status"],
        &["status", "--json"],
        &["wait"],
        &["dead", "drop", &id],
    ];
    for arguments in commands {
        let ended = end_of(&mut place.tallyd(arguments), full());
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("No space left on device"), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    }
    // Nobody reads it any more: no failure, and nothing to say.
    for arguments in [&["schema"][..], &["status"], &["graph", testprep.to_str().unwrap()]] {
        let ended = end_of(&mut place.tallyd(arguments), closed());
        assert!(ended.status.success() && ended.stderr.is_empty(), "{arguments:?}: {ended:?}");
    }
    // What can't even be complained about is no panic either.
    let ended = place.tallyd(&["board", "none"]).stderr(full()).output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
}

#[tokio::test]
async fn a_worker_outlives_its_log() {
    let place = Place::new().await;
    for (number, log) in [Stdio::from(full()), Stdio::from(closed())].into_iter().enumerate() {
        let mut run = place.tallyd(&["run", place.file().to_str().unwrap()]);
        let mut worker = Running(run.stderr(log).spawn().unwrap());
        let user = format!("u{number}");
        place.add(&["id", &user, "user", &user]).await;
        let waited = place.tallyd(&["wait", "--timeout", "30"]).output().unwrap();
        assert!(waited.status.success(), "{waited:?}");
        let pid = worker.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let began = Instant::now();
        let ended = loop {
            if let Some(ended) = worker.0.try_wait().unwrap() {
                break ended;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "it does not end");
            sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(ended.code(), Some(0), "handed over as if nothing was");
    }
}

#[tokio::test]
async fn a_master_without_its_replicas_is_said_once() {
    let place = Place::new().await;
    let log = place.folder.path().join("log");
    let mut run = place.tallyd(&["run", place.file().to_str().unwrap()]);
    let _worker = Running(run.stderr(File::create(&log).unwrap()).spawn().unwrap());
    place.add(&["id", "1", "user", "ann"]).await;
    let waited = place.tallyd(&["wait", "--timeout", "30"]).output().unwrap();
    assert!(waited.status.success(), "{waited:?}");
    let mut refuse = Pipeline::new();
    refuse.cmd("CONFIG").arg("SET").arg("min-replicas-to-write").arg(1);
    let mut connection = Connection::open(&place.server.url).await.unwrap();
    connection.all(&refuse).await.unwrap();
    let said = || std::fs::read_to_string(&log).unwrap();
    let began = Instant::now();
    while !said().contains("\"what\":\"heartbeat\"") {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", said());
        sleep(Duration::from_millis(20)).await;
    }
    // Thirty polls more: as often as it would have been said before.
    sleep(Duration::from_secs(3)).await;
    let all = said();
    let warnings: Vec<&str> = all.lines().filter(|line| line.contains("NOREPLICAS")).collect();
    assert!(warnings.iter().all(|line| line.contains("min-replicas-to-write")), "{warnings:?}");
    assert!(warnings.iter().all(|line| line.contains("\"kind\":\"no_replicas\"")), "{warnings:?}");
    // One for the heartbeat, one for trimming, and one for each task.
    assert!(warnings.len() <= 5, "{warnings:#?}");
}
