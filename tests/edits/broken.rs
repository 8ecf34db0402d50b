//! What is refused because no event could have it, and what happens where somebody wrote into what
//! edits keep.

use super::School;
use serde_json::Value;
use std::time::Duration;
use tallyd_store::keys::Keys;
use tokio::time::{Instant, sleep};

/// Players and classes are numbers.
const NUMBERED: &str = r#"
name = "school"
partitions = 4
[source.answers]
id = "id"
key = "player"
[source.answers.fields]
id = "string"
player = { type = "int", min = 1 }
class = "int"
[bolt.unique]
type = "dedup"
from = "answers"
window = "1d"
[bolt.points]
type = "leaderboard"
from = "unique"
member = "player"
score = "count"
boards = [[], ["class"]]
ties = "shared"
"#;

#[tokio::test]
async fn a_name_or_group_that_no_event_can_have_is_refused_before_it_is_stored() {
    let mut school = School::start_with(NUMBERED, 1).await;
    for id in ["a", "b", "c"] {
        let event = ["XADD", "answers", "*", "id", id, "player", "7", "class", "10"];
        school.running.ask(&event).await;
    }
    school.running.wait();
    let long = "1".repeat(5000);
    let cases: [(&str, &str); 4] = [
        (
            "anna",
            "no event can have its new name \"anna\": field \"player\": \"anna\" is not an int",
        ),
        ("0", "no event can have its new name \"0\": field \"player\": 0 is below the minimum 1"),
        ("007", "\"7\" is its name already"),
        (&long, "its new name has 5000 bytes (a value has at most 4096)"),
    ];
    let stream = Keys::new("school", 0).edits();
    let refused = |output: std::process::Output, expected: &str| {
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{expected}: {error}");
        assert!(error.contains(expected), "{expected}: {error}");
    };
    for (to, expected) in cases {
        refused(school.running.tallyd(&["rename", "7", to]), expected);
        school.running.ask(&["XADD", &stream, "*", "do", "rename", "member", "7", "to", to]).await;
    }
    let group =
        "no event can be in the group \"class=10B\": field \"class\": \"10B\" is not an int";
    refused(
        school.running.tallyd(&["move", "7", "--from", "class=10", "--to", "class=10B"]),
        group,
    );
    let ways = ["do", "move", "member", "7", "from", "class=10", "to", "class=10B"];
    school.running.ask(&[&["XADD", &stream, "*"], ways.as_slice()].concat()).await;
    school.running.wait();
    // What came by the stream is listed, the newest first, and nothing changed.
    let listed: Value = serde_json::from_str(&school.running.done(&["edits", "--json"])).unwrap();
    let expected: Vec<&str> = cases.iter().map(|(_, why)| *why).chain([group]).rev().collect();
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), expected.len());
    for (edit, expected) in listed.iter().zip(expected) {
        assert!(edit["refused"].as_str().unwrap().contains(expected), "{edit}");
    }
    assert_eq!(school.board("points:board:all:all:class=10").await, [("7".into(), 3)].into());
    // What an event can have is written as results have it.
    school.running.done(&["rename", "7", "008"]);
    school.running.wait();
    school.running.done(&["move", "8", "--from", "class=10", "--to", "class=011"]);
    school.running.wait();
    assert_eq!(school.board("points:board:all:all:class=11").await, [("8".into(), 3)].into());
    assert_eq!(school.board("points:board:all:all:class=10").await, [].into());
}

impl School {
    /// Writes into the note of what was closed. Workers keep it in memory: the next one reads it.
    async fn spoil(&mut self) {
        self.running.workers.remove(0).kill().await.unwrap();
        for partition in PARTITIONS {
            self.running.ask(&["HSET", CUTS, partition, "[oops"]).await;
        }
        self.running.join();
    }
}

const CUTS: &str = "tallyd:{school/0}:bolt:points:cuts";
const PARTITIONS: [&str; 4] = ["0", "1", "2", "3"];

#[tokio::test]
async fn where_what_was_closed_can_not_be_read_nothing_counts_and_nothing_is_lost() {
    let mut school = School::start(1).await;
    school.send(60).await;
    school.running.wait();
    school.spoil().await;
    school.send(30).await;
    school.running.wait();
    // Readers say so, and events that may be late or not are dead letters.
    let board = school.running.tallyd(&["board", "points", "--period", "all"]);
    let error = String::from_utf8(board.stderr).unwrap();
    assert!(!board.status.success() && error.contains(CUTS), "{error}");
    assert!(error.contains("\"[oops\" is no list of what was closed"), "{error}");
    let letters = school.running.done(&["dead", "list", "--bolt", "points", "--json"]);
    assert!(letters.contains("of the hash cuts can't be read"), "{letters}");
    school.running.ask(&["DEL", CUTS]).await;
    school.replace_a_worker().await;
    school.running.done(&["dead", "replay", "--all"]);
    school.audit().await;
    // An edit of them halts its partitions, until somebody has looked.
    school.spoil().await;
    school.running.done(&["reset", "points"]);
    let began = Instant::now();
    loop {
        let status = school.running.tallyd(&["status", "--json"]);
        let status = String::from_utf8(status.stdout).unwrap();
        if status.matches("of the hash cuts can't be read").count() >= PARTITIONS.len() {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{status}");
        sleep(Duration::from_millis(50)).await;
    }
    school.running.ask(&["DEL", CUTS]).await;
    school.running.done(&["resume"]);
    school.running.wait();
    assert_eq!(school.board("points:board:all:all:everyone").await, [].into());
}
