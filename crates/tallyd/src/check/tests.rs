//! The tests of the shipped topologies pass, and expectations that do not hold are named.

use super::*;

const FILE: &str = r#"
name = "t"
[source.answers]
id = "id"
key = "user"
time = "at"
[source.answers.fields]
id = "string"
user = "string"
points = "int"
at = "time"
[bolt.unique]
type = "dedup"
from = "answers"
window = "1h"
[bolt.figures]
type = "aggregate"
from = "unique"
windows = ["1d", "all"]
measures = { n = "count", total = "sum(points)", middle = "p50(points)", users = "distinct(user)", mean = "mean(points)" }
[bolt.points]
type = "leaderboard"
from = "unique"
member = "user"
score = "sum(points)"
periods = ["day", "all"]
[sink.passed]
from = "unique"
"#;

const EVENTS: &str = r#"
[[test]]
name = "x"
events = [
  { id = "1", user = "u1", points = 5, at = 2026-01-01T09:00:00Z },
  { id = "1", user = "u1", points = 5, at = 2026-01-01T09:00:00Z },
  { id = "2", user = "u2", points = 9, at = 2026-01-02T09:00:00Z },
  { id = "3", user = "u2", points = "many", at = 2026-01-03T09:00:00Z },
]
expect = ["#;

fn failures(expectations: &[&str]) -> Vec<String> {
    let text = format!("{FILE}{EVENTS}{}]\n", expectations.join(",\n"));
    let topology = tallyd_topology::parse("t.toml", &text, &|_| None);
    let topology = Arc::new(topology.map_err(|faults| faults.render(false)).unwrap());
    let failures = failures_of(&topology, &topology.tests[0]).unwrap();
    failures.into_iter().map(|(_, message)| message).collect()
}

#[test]
fn what_holds_passes() {
    let expectations = [
        r#"{ dead = "answers", count = 1, reason = "not an int" }"#,
        r#"{ bolt = "unique", duplicates = 1, passed = 2 }"#,
        r#"{ bolt = "figures", window = "all", measures = { n = 2, total = 14, middle = 5, users = 2, mean = 7 } }"#,
        r#"{ bolt = "figures", window = "1d", measures = { n = 1 } }"#,
        r#"{ bolt = "points", period = "all", member = "u2", score = 9, rank = 1, size = 2 }"#,
        r#"{ bolt = "points", period = "day", at = 2026-01-01T00:00:00Z, member = "u1", rank = 1, size = 1 }"#,
        r#"{ sink = "passed", count = 2, fields = { user = "u2", points = 9 } }"#,
    ];
    assert_eq!(failures(&expectations), Vec::<String>::new());
}

#[test]
fn what_does_not_hold_is_named() {
    let cases = [
        (r#"{ dead = "answers", count = 2 }"#, "dead letters of answers: expected 2, found 1"),
        (
            r#"{ dead = "answers", reason = "late" }"#,
            "a dead letter of answers: expected a reason with \"late\", found field \"points\": \"many\" is not an int",
        ),
        (r#"{ bolt = "unique", duplicates = 0 }"#, "duplicates of unique: expected 0, found 1"),
        (
            r#"{ bolt = "figures", window = "all", measures = { total = 13 } }"#,
            "figures, total, all all: total: expected 13, found 14",
        ),
        (
            r#"{ bolt = "figures", window = "1d", at = 2026-01-05T00:00:00Z, measures = { total = 1 } }"#,
            "figures, total, 1d 2026-01-05: total: expected 1, found nothing",
        ),
        (
            r#"{ bolt = "points", period = "all", member = "u1", rank = 1 }"#,
            "points, everyone, all all: rank of u1: expected 1, found 2",
        ),
        (
            r#"{ bolt = "points", period = "all", member = "u3", score = 1 }"#,
            "points, everyone, all all: expected u3 on the board, found no such member",
        ),
        (
            r#"{ sink = "passed", fields = { user = "u1" } }"#,
            "last entry of passed: user: expected u1, found u2",
        ),
    ];
    for (expectation, message) in cases {
        assert_eq!(failures(&[expectation]), [message], "{expectation}");
    }
}

#[test]
fn a_failure_has_the_line_of_its_expectation() {
    let text = format!("{FILE}{EVENTS}\n{{ bolt = \"unique\", passed = 3 }}]\n");
    let topology = Arc::new(tallyd_topology::parse("t.toml", &text, &|_| None).unwrap());
    let line = text.lines().position(|line| line.contains("passed = 3")).unwrap() + 1;
    assert_eq!(failures_of(&topology, &topology.tests[0]).unwrap()[0].0, line);
}
