//! How the program behaves towards those who type: which topology it takes, how times are written,
//! and what it says of a mistake.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use redis::Pipeline;
use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};
use tallyd_harness::{Server, ServerOptions};
use tallyd_store::Connection;
use tempfile::TempDir;
use tokio::time::sleep;

const FILE: &str = r#"
name = "t"
time_zone = "Asia/Kolkata"
[source.s]
id = "id"
key = "user"
time = "at"
fields = { id = "string", user = "string", at = "time" }
[bolt]
board = { type = "leaderboard", from = "s", member = "user", score = "count", periods = ["day", "all"], grace = "7d" }
sums = { type = "aggregate", from = "s", windows = ["1h", "1d"], grace = "7d", measures = { n = "count" } }
"#;

struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program in a folder, with nothing said by variables.
fn tallyd(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tallyd"));
    command.args(words).current_dir(folder).stdin(Stdio::null());
    for variable in ["TALLYD_TOPOLOGY", "TALLYD_REDIS", "TALLYD_LOG"] {
        command.env_remove(variable);
    }
    command
}

/// The exit code, and all that was said.
fn said(output: &Output) -> (Option<i32>, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

fn asked(folder: &Path, words: &[&str]) -> (Option<i32>, String) {
    said(&tallyd(folder, words).output().unwrap())
}

fn written() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("quiz.toml"), FILE).unwrap();
    std::fs::write(folder.path().join("Cargo.toml"), "[package]\n").unwrap();
    folder
}

#[test]
fn without_a_topology_every_command_says_how_to_name_one() {
    let folder = written();
    let commands: [&[&str]; 13] = [
        &["board", "board"],
        &["check"],
        &["dead", "drop", "--all"],
        &["dead", "list"],
        &["graph"],
        &["learner", "ann"],
        &["resume"],
        &["run"],
        &["send", "quiz.toml", "--source", "s"],
        &["serve"],
        &["stats", "sums"],
        &["status"],
        &["wait"],
    ];
    for words in commands {
        let (code, text) = asked(folder.path(), words);
        assert_eq!(code, Some(2), "{words:?}: {text}");
        for how in ["tallyd.toml", "--topology FILE", "TALLYD_TOPOLOGY=FILE", "folder: quiz.toml\n"]
        {
            assert!(text.contains(how), "{words:?} does not say {how}: {text}");
        }
    }
}

#[test]
fn a_topology_is_found_by_argument_option_variable_and_name() {
    let folder = written();
    let ways: [&[&str]; 3] = [
        &["check", "quiz.toml"],
        &["check", "--topology", "quiz.toml"],
        &["check", "-t", "quiz.toml"],
    ];
    for words in ways {
        assert_eq!(asked(folder.path(), words), (Some(0), "quiz.toml: ok, no tests\n".to_owned()));
    }
    let by_variable = |name: &str| {
        said(&tallyd(folder.path(), &["check"]).env("TALLYD_TOPOLOGY", name).output().unwrap())
    };
    assert_eq!(by_variable("quiz.toml"), (Some(0), "quiz.toml: ok, no tests\n".to_owned()));
    assert_eq!(by_variable("").0, Some(2));
    let (code, text) = asked(folder.path(), &["graph", "quiz.toml", "-t", "quiz.toml"]);
    assert!(code == Some(2) && text.contains("two topology files"), "{text}");
    std::fs::copy(folder.path().join("quiz.toml"), folder.path().join("tallyd.toml")).unwrap();
    assert_eq!(
        asked(folder.path(), &["check"]),
        (Some(0), "tallyd.toml: ok, no tests\n".to_owned())
    );
    // A name that somebody gave goes before the one that is only found.
    assert!(by_variable("other.toml").1.contains("can't read other.toml"));
    // Where nothing answers it is the server that fails, not the words.
    let nowhere = ["status", "quiz.toml", "--redis", "redis://127.0.0.1:1"];
    let (code, text) = asked(folder.path(), &nowhere);
    assert!(code == Some(1) && text.contains("can't connect"), "{text}");
}

#[test]
fn a_time_that_cant_be_read_is_refused_with_the_forms_that_can() {
    let folder = written();
    let moments: [&[&str]; 5] = [
        &["board", "board", "--at"],
        &["stats", "sums", "--from"],
        &["stats", "sums", "--to"],
        &["dead", "list", "--from"],
        &["dead", "drop", "--to"],
    ];
    for words in moments {
        let (code, text) = asked(folder.path(), &[words, &["yesteday"]].concat());
        assert_eq!(code, Some(2), "{words:?}: {text}");
        for form in ["2h", "-7d", "today", "yesterday", "2026-01-31", "T09:30:00Z"] {
            assert!(text.contains(form), "{words:?} does not say {form}: {text}");
        }
    }
    for words in [["wait", "--timeout", "soon"], ["demo", "--for", "soon"]] {
        let (code, text) = asked(folder.path(), &words);
        assert!(code == Some(2) && text.contains("10s"), "{words:?}: {text}");
    }
}

#[tokio::test]
async fn times_are_written_in_one_form_and_a_mistake_in_the_log_variable_is_said() {
    let folder = written();
    let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
    let log = folder.path().join("log");
    let mut run = tallyd(folder.path(), &["run", "quiz.toml"]);
    run.env("TALLYD_REDIS", &server.url).env("TALLYD_LOG", "debgu");
    let _worker = Running(run.stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap());
    let ask = |words: &[&str]| {
        let words = [words, &["-t", "quiz.toml", "--redis", &server.url]].concat();
        let (code, text) = asked(folder.path(), &words);
        assert_eq!(code, Some(0), "{words:?}: {text}");
        text
    };
    let mut connection = Connection::open(&server.url).await.unwrap();
    let now = tallyd_store::server_ms(&mut connection).await.unwrap();
    let day = 24 * 3_600_000;
    let mut add = Pipeline::new();
    for (id, at) in [("1", now), ("2", now), ("3", now - day), ("4", now - 2 * day)] {
        add.cmd("XADD").arg("s").arg("*").arg(&["id", id, "user", "ann", "at", &at.to_string()]);
    }
    connection.all(&add).await.unwrap();
    assert_eq!(ask(&["wait", "--timeout", "1m"]), "nothing is left to process\n");
    let counted = |words: &[&str]| {
        let words = [&["stats", "sums", "--json"], words].concat();
        let rows: Vec<serde_json::Value> = serde_json::from_str(&ask(&words)).unwrap();
        rows.iter().map(|row| row["measures"]["n"].as_u64().unwrap()).sum::<u64>()
    };
    // The date in the time zone, two days ago; late events count while their window takes them.
    let zone = jiff::tz::TimeZone::get("Asia/Kolkata").unwrap();
    let before = jiff::Timestamp::from_millisecond(now - 2 * day).unwrap();
    let date = before.to_zoned(zone).date().to_string();
    let in_days: [(&[&str], u64); 8] = [
        (&[], 2),
        (&["--from", "today"], 2),
        (&["--from", "yesterday"], 3),
        (&["--from", "yesterday", "--to", "yesterday"], 1),
        (&["--to", "yesterday"], 1),
        (&["--from", "-7d"], 4),
        (&["--from", &date, "--to", &date], 1),
        (&["--from", &date, "--to", "now"], 4),
    ];
    for (words, n) in in_days {
        let words = [&["--window", "day"], words].concat();
        assert_eq!(counted(&words), n, "{words:?}");
    }
    // A whole day has 24 windows of an hour, however its length is written.
    assert_eq!(counted(&["--window", "60m", "--to", "yesterday"]), 1);
    assert_eq!(counted(&["--window", "1h", "--from", "36h"]), 3);
    let at = |at: &str| ask(&["board", "board", "--period", "1d", "--at", at]);
    assert!(at("yesterday").contains("1 of 1 members"), "{}", at("yesterday"));
    assert!(at("-9d").contains("0 of 0 members"), "{}", at("-9d"));
    assert!(at(&date).contains(&date), "{}", at(&date));

    let warned = || std::fs::read_to_string(&log).unwrap();
    let began = Instant::now();
    while !warned().contains("\\\"debgu\\\" is no level") {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", warned());
        sleep(Duration::from_millis(20)).await;
    }
    assert!(warned().contains("worker starting"), "info is logged all the same: {}", warned());
}

/// A worker that nobody can help by waiting ends at once, and says how many databases there are,
/// where it may ask.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_there_is_not_is_said_with_those_that_there_are() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tallyd.toml"), FILE).unwrap();
    let server = Server::start(folder.path(), ServerOptions::durable()).await.unwrap();
    let mut connection = Connection::open(&server.url).await.unwrap();
    let mut user = Pipeline::new();
    user.cmd("ACL").arg(&["SETUSER", "few", "on", ">pw", "~*", "&*", "+@all", "-config"]);
    connection.all(&user).await.unwrap();
    let few = format!("{}?db=99&user=few&pass=pw", server.url);
    let asked = [
        (format!("{}?db=99", server.url), "the server has 16 databases, 0 to 15"),
        (few, "how many the server has is not known"),
    ];
    for (url, expected) in asked {
        for command in ["run", "status"] {
            let output = tallyd(folder.path(), &[command, "--redis", &url]).output().unwrap();
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{error}");
            for part in ["SELECT 99 was refused: ", expected, "end the URL with one that there is"]
            {
                assert!(error.contains(part), "{command} {url}: {error}");
            }
        }
    }
}
