//! Names that would control a terminal, in every place where a command prints one: for people
//! they are harmless, and as JSON exact.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use redis::Pipeline;
use std::{path::Path, process::Command};
use tallyd_harness::{Server, ServerOptions};
use tallyd_store::Connection;

/// Clears the screen, sets the title, colours, breaks the line, and turns the text around.
const HOSTILE: &str = "x\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\r\n\u{202e}\u{2066}y";
/// The same in a key.
const ENCODED: &str = "x%1B%5B2J%1B%5D0%3Bt%07%C2%9B31m%0D%0A%E2%80%AE%E2%81%A6y";

fn printed(url: &str, arguments: &[&str]) -> String {
    let topology = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../topologies/testprep.toml");
    let output = Command::new(env!("CARGO_BIN_EXE_tallyd"))
        .args(arguments)
        .env("TALLYD_REDIS", url)
        .env("TALLYD_TOPOLOGY", topology)
        .output()
        .unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    format!("{out}{err}")
}

/// What only an older version, another program or a dead letter could have put there: a source
/// takes no such name.
async fn store_hostile_names(url: &str) {
    let prefix = "tallyd:{testprep/0}";
    let key = |rest: &str| format!("{prefix}:{rest}");
    let group = format!("concept={ENCODED}");
    let about = serde_json::json!({
        "id": HOSTILE, "nodes": {}, "metrics": HOSTILE, "host": HOSTILE, "pid": 1,
    });
    let mut put = Pipeline::new();
    put.cmd("ZADD").arg(key("bolt:points:board:all:all:everyone")).arg(4).arg(HOSTILE);
    put.cmd("SADD").arg(key("bolt:concepts:groups:all:all")).arg(&group);
    put.cmd("HSET")
        .arg(key(&format!("bolt:concepts:window:all:all:{group}")))
        .arg("answers")
        .arg(3);
    let partition = tallyd_event::partition_of(["u7"], 16);
    // Three answers, two of them right, to the concept of the number 0, and of all else nothing.
    let field = [&[3u8, 2][..], &[0; 12], &[0, 0, 3 * 4 / 2 + 2], &[0; 8]].concat();
    put.cmd("HSET").arg(key(&format!("bolt:mastery:learners:{partition}"))).arg("u7").arg(field);
    put.cmd("HSET").arg(key(&format!("bolt:mastery:names:{partition}"))).arg(0).arg(HOSTILE);
    put.cmd("HSET").arg(key("halted")).arg(HOSTILE).arg(HOSTILE);
    put.cmd("ZADD").arg(key("workers")).arg("9e15").arg(HOSTILE);
    put.cmd("HSET").arg(key("announcements")).arg(HOSTILE).arg(about.to_string());
    put.cmd("SET").arg(key("fence:unique:0")).arg(format!("{HOSTILE}#1#0"));
    let letter = put.cmd("XADD").arg(key("dead")).arg("1-1");
    for (field, value) in [("node", HOSTILE), ("reason", HOSTILE), ("entry", "5-1")] {
        letter.arg(field).arg(value);
    }
    letter.arg(format!("field:{HOSTILE}")).arg(HOSTILE);
    Connection::open(url).await.unwrap().all(&put).await.unwrap();
}

#[tokio::test]
async fn no_name_controls_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
    store_hostile_names(&server.url).await;
    let commands: [&[&str]; 8] = [
        &["board", "points", "--period", "all"],
        &["stats", "concepts", "--window", "all"],
        &["learner", "u7"],
        &["status"],
        &["dead", "list"],
        &["dead", "show", "1-1"],
        &["dead", "replay", "1-1"],
        &[
            "board",
            "points",
            "--member",
            HOSTILE,
            "--at",
            "2000-01-01T00:00:00Z",
            "--period",
            "day",
        ],
    ];
    for arguments in commands {
        let printed = printed(&server.url, arguments);
        assert!(printed.contains(r"x\u{1b}[2J"), "{arguments:?}: {printed:?}");
        let acts = |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{2066}".contains(c);
        assert!(!printed.contains(acts), "{arguments:?}: {printed:?}");
    }
    let exact: [&[&str]; 4] = [
        &["board", "points", "--period", "all", "--json"],
        &["stats", "concepts", "--window", "all", "--json"],
        &["learner", "u7", "--json"],
        &["dead", "list", "--json"],
    ];
    for arguments in exact {
        let printed = printed(&server.url, arguments);
        let parsed: serde_json::Value = serde_json::from_str(&printed).unwrap();
        assert!(holds(&parsed, HOSTILE), "{arguments:?}: {printed}");
    }
}

/// Whether a string of the value is this text.
fn holds(value: &serde_json::Value, text: &str) -> bool {
    match value {
        serde_json::Value::String(found) => found == text,
        serde_json::Value::Array(all) => all.iter().any(|value| holds(value, text)),
        serde_json::Value::Object(all) => all.values().any(|value| holds(value, text)),
        _ => false,
    }
}
