//! Boards as a user sees them: ties, neighbours, given members and pages, from the program's JSON
//! and tables, in all that shows a rank.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use lab::Lab;
use serde_json::{Value, json};

const FILE: &str = r#"
name = "lab"
partitions = 4
[source.ev]
id = "id"
key = "user"
time = "at"
[source.ev.fields]
id = "string"
user = "string"
pts = "int"
at = "time"
[bolt.first]
type = "leaderboard"
from = "ev"
member = "user"
score = "sum(pts)"
[bolt.shared]
type = "leaderboard"
from = "ev"
member = "user"
score = "sum(pts)"
ties = "shared"
[bolt.dense]
type = "leaderboard"
from = "ev"
member = "user"
score = "sum(pts)"
ties = "dense"

[[test]]
name = "ties"
events = [
  { id = "1", user = "a", pts = 9, at = 2026-01-01T10:00:00Z },
  { id = "2", user = "c", pts = 7, at = 2026-01-01T10:00:01Z },
  { id = "3", user = "b", pts = 7, at = 2026-01-01T10:00:02Z },
  { id = "4", user = "d", pts = 5, at = 2026-01-01T10:00:03Z },
]
expect = [
  { bolt = "first", member = "c", rank = 2 },
  { bolt = "first", member = "b", rank = 3 },
  { bolt = "shared", member = "b", rank = 2 },
  { bolt = "shared", member = "d", rank = 4, score = 5 },
  { bolt = "dense", member = "c", rank = 2 },
  { bolt = "dense", member = "d", rank = 3, score = 5 },
]
"#;

const BOLTS: [&str; 3] = ["first", "shared", "dense"];

fn pairs(board: &Value, field: &str) -> Vec<(String, u64)> {
    let rows = board["rows"].as_array().unwrap().iter();
    let pair = |row: &Value| (row["member"].as_str().unwrap().into(), row[field].as_u64().unwrap());
    rows.map(pair).collect()
}

fn owned(pairs: &[(&str, u64)]) -> Vec<(String, u64)> {
    pairs.iter().map(|(member, rank)| ((*member).to_owned(), *rank)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_who_shows_a_rank_shows_the_same() {
    let mut lab = Lab::start(FILE).await;
    let at = |second: u32| format!("2026-01-01T10:00:{second:02}Z");
    let sent = [("a", "9"), ("c", "7"), ("b", "7"), ("d", "5")];
    for (second, (user, points)) in (0..).zip(sent) {
        lab.send(&[(user, &at(second), &[("pts", points)])]).await;
    }
    let expected = [
        [("a", 1), ("c", 2), ("b", 3), ("d", 4)],
        [("a", 1), ("c", 2), ("b", 2), ("d", 4)],
        [("a", 1), ("c", 2), ("b", 2), ("d", 3)],
    ];
    for (bolt, expected) in BOLTS.into_iter().zip(expected) {
        let board = lab.json(&["board", bolt]);
        assert_eq!(pairs(&board, "rank"), owned(&expected), "{bolt}");
        assert_eq!(pairs(&lab.json(&["board", bolt, "--around", "d"]), "rank"), owned(&expected));
        let reached = board["rows"][0].get("reached");
        let whole = json!(1_767_261_600_000_i64);
        assert_eq!(reached, (bolt == "first").then_some(&whole), "{board}");
        // One who is last of four has nobody below, whatever the rank.
        assert_eq!(board["rows"][3]["percentile"], json!(0.0));
        for (member, rank) in expected {
            let one = lab.json(&["board", bolt, "--member", member]);
            assert_eq!(pairs(&one, "rank"), owned(&[(member, rank)]));
            let learner = lab.json(&["learner", member]);
            let ranks = learner["boards"].as_array().unwrap();
            let of_bolt = ranks.iter().find(|of| of["bolt"] == bolt).unwrap();
            assert_eq!(of_bolt["rank"], json!(rank), "{learner}");
        }
        // Of b, d and a stranger: a rank among them, and the rank on the board.
        let few = lab.json(&["board", bolt, "--members", "d,x,b,c"]);
        let within =
            if bolt == "first" { [1, 2, 3] } else { [1, 1, 3 - u64::from(bolt == "dense")] };
        let names = ["c", "b", "d"];
        let named: Vec<(&str, u64)> = names.into_iter().zip(within).collect();
        assert_eq!(pairs(&few, "rank_within"), owned(&named), "{bolt}");
        assert_eq!(pairs(&few, "rank"), owned(&expected[1..]));
        assert_eq!((&few["not_found"], &few["size"]), (&json!(["x"]), &json!(4)));
    }
    let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_tallyd"));
    let checked = check.arg("check").arg(&lab.file).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let shown = lab.tallyd(&["board", "dense", "--members", "d,x"]);
    assert!(shown.contains("within") && shown.ends_with("not on this board: x\n"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_around_a_member_and_from_a_rank() {
    let mut lab = Lab::start(FILE).await;
    let users: Vec<String> = (1..=30).map(|number| format!("u{number:02}")).collect();
    let points: Vec<String> = (1..=30).map(|number| (100 - number).to_string()).collect();
    let fields: Vec<[(&str, &str); 1]> = points.iter().map(|p| [("pts", p.as_str())]).collect();
    let at = "2026-01-01T10:00:00Z";
    let sent: Vec<_> =
        users.iter().zip(&fields).map(|(user, fields)| (user.as_str(), at, &fields[..])).collect();
    lab.send(&sent).await;
    let rows = |from: usize, to: usize| -> Vec<(String, u64)> {
        (from..=to).map(|number| (format!("u{number:02}"), number as u64)).collect()
    };
    for bolt in BOLTS {
        let shown = |words: &[&str]| pairs(&lab.json(&[&["board", bolt], words].concat()), "rank");
        assert_eq!(shown(&["--around", "u01"]), rows(1, 11), "{bolt}");
        assert_eq!(shown(&["--around", "u04"]), rows(1, 11));
        assert_eq!(shown(&["--around", "u15"]), rows(10, 20));
        assert_eq!(shown(&["--around", "u29"]), rows(20, 30));
        assert_eq!(shown(&["--around", "u15", "--limit", "4"]), rows(14, 17));
        assert_eq!(shown(&["--around", "u15", "--limit", "100"]), rows(1, 30));
        assert_eq!(shown(&[]), rows(1, 10));
        assert_eq!(shown(&["--top", "3"]), rows(1, 3));
        assert_eq!(shown(&["--limit", "3"]), rows(1, 3));
        assert_eq!(shown(&["--from-rank", "11"]), rows(11, 20));
        assert_eq!(shown(&["--from-rank", "21", "--limit", "5"]), rows(21, 25));
        assert_eq!(shown(&["--from-rank", "26", "--limit", "50"]), rows(26, 30));
        assert_eq!(shown(&["--from-rank", "31"]), []);
        // A list in a file, or from the standard input.
        let path = lab.file.with_file_name("class.txt");
        std::fs::write(&path, "u30\nu02\r\n\nu02\nnobody, really\n").unwrap();
        let of_file = lab.json(&["board", bolt, "--members-from", path.to_str().unwrap()]);
        assert_eq!(pairs(&of_file, "rank"), owned(&[("u02", 2), ("u30", 30)]));
        assert_eq!(of_file["not_found"], json!(["nobody, really"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_score_was_reached_is_not_invented() {
    let mut lab = Lab::start(FILE).await;
    lab.send(&[
        // In 2014, a before z: an import of history ties as it happened.
        ("a", "2014-01-01T00:00:00Z", &[("pts", "5")]),
        ("z", "2016-01-01T00:00:00Z", &[("pts", "5")]),
        ("many", "2026-01-01T10:00:00Z", &[("pts", "5000000")]),
        ("all", "2026-01-01T10:00:00Z", &[("pts", "9007199254740992")]),
    ])
    .await;
    let board = lab.json(&["board", "first"]);
    assert_eq!(pairs(&board, "rank"), owned(&[("all", 1), ("many", 2), ("a", 3), ("z", 4)]));
    let said = |place: usize| {
        let row = &board["rows"][place];
        (row.get("reached").cloned(), row.get("reached_between").cloned())
    };
    assert_eq!(said(0), (None, None));
    let (none, between) = said(1);
    let at = 1_767_261_600_000_i64;
    let ends: Vec<i64> = serde_json::from_value(between.unwrap()).unwrap();
    assert!(none.is_none() && ends[0] <= at && at <= ends[1] && ends[1] - ends[0] < 5_000);
    assert_eq!(said(2), (Some(json!(1_388_534_400_000_i64)), None));
    assert_eq!(said(3), (Some(json!(1_451_606_400_000_i64)), None));
}
