//! Money from end to end: a field of type decimal, as producers send it and as it is shown.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use lab::Lab;
use serde_json::{Value, json};
use std::process::Command;

const FILE: &str = r#"
name = "shop"
partitions = 4
[source.ev]
id = "id"
key = "user"
time = "at"
[source.ev.fields]
id = "string"
user = "string"
class = { type = "string", optional = true }
price = { type = "decimal", places = 2, optional = true, max = 1_000_000 }
at = "time"
[bolt.unique]
type = "dedup"
from = "ev"
window = "1d"
[bolt.sales]
type = "aggregate"
from = "unique"
by = ["class"]
windows = ["all"]
measures = { n = "count(price)", sum = "sum(price)", least = "min(price)", most = "max(price)", mean = "mean(price)", last = "last(price)", kinds = "distinct(price)" }
[bolt.first]
type = "leaderboard"
from = "unique"
member = "user"
score = "sum(price)"
[bolt.dense]
type = "leaderboard"
from = "unique"
member = "user"
score = "sum(price)"
ties = "dense"
[sink.out]
from = "unique"
stream = "out"

[[test]]
name = "money is exact"
events = [
  { id = "1", user = "a", class = "x", price = 0.10, at = 2026-01-01T10:00:00Z },
  { id = "2", user = "a", class = "x", price = "0.2", at = 2026-01-01T10:00:01Z },
  { id = "3", user = "b", class = "x", price = 0.30, at = 2026-01-01T10:00:02Z },
  { id = "4", user = "b", class = "x", price = 12.505, at = 2026-01-01T10:00:03Z },
]
expect = [
  { bolt = "sales", by = { class = "x" }, measures = { sum = 0.60, mean = 0.2, last = 0.3, kinds = 3 } },
  { bolt = "first", member = "a", rank = 1, score = 0.30 },
  { bolt = "dense", member = "b", rank = 1, score = 0.3 },
  { dead = "ev", count = 1, reason = "more than 2 places" },
  { sink = "out", fields = { price = 0.30 } },
]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn money_is_exact_from_the_producer_to_the_page() {
    let mut lab = Lab::start(FILE).await;
    let at = |second: u32| format!("2026-01-01T10:00:{second:02}Z");
    // The same money in other orders and other forms; what has more places is a dead letter.
    lab.send(&[("a", &at(1), &[("class", "x"), ("price", "0.1")])]).await;
    lab.send(&[("a", &at(2), &[("class", "x"), ("price", "0.20")])]).await;
    lab.send(&[
        ("a", &at(3), &[("class", "x"), ("price", "1234.50")]),
        ("c", &at(4), &[("class", "x"), ("price", "12.505")]),
        ("c", &at(5), &[("class", "x"), ("price", "12,50")]),
        ("c", &at(5), &[("class", "x"), ("price", "1000000.01")]),
    ])
    .await;
    let file = |name: &str, text: &str| {
        let path = lab.file.with_file_name(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let lines = file(
        "b.jsonl",
        "{\"id\":\"j1\",\"user\":\"b\",\"class\":\"x\",\"price\":1234.5,\"at\":\"2026-01-01T10:00:00Z\"}\n\
         {\"id\":\"j2\",\"user\":\"b\",\"class\":\"x\",\"price\":0.2,\"at\":\"2026-01-01T10:00:06Z\"}\n",
    );
    let table = file(
        "b.csv",
        "id,user,class,price,at\nc1,b,x,0.10,2026-01-01T10:00:07Z\nc2,d,y,-7,2026-01-01T10:00:08Z\n",
    );
    for file in [lines, table] {
        lab.tallyd(&["send", &file, "--source", "ev"]);
    }
    lab.tallyd(&["wait", "--timeout", "60"]);

    let measures = |class: &str| {
        let group = format!("class={class}");
        lab.json(&["stats", "sales", "--by", &group])[0]["measures"].clone()
    };
    let x = measures("x");
    let mean = x["mean"].as_f64().unwrap();
    assert!((mean - 2469.6 / 6.0).abs() < 1e-9, "{x}");
    let expected = json!({
        "n": 6, "sum": "2469.60", "least": "0.10", "most": "1234.50", "mean": mean,
        "last": "0.10", "kinds": 3,
    });
    assert_eq!(x, expected);
    assert_eq!(measures("y")["sum"], json!("-7.00"));
    for (bolt, ranks) in [("first", [1, 2, 3]), ("dense", [1, 1, 2])] {
        let board = lab.json(&["board", bolt]);
        let rows = board["rows"].as_array().unwrap().iter();
        let rows: Vec<(&Value, &Value)> = rows.map(|row| (&row["rank"], &row["score"])).collect();
        let [first, second, third] = ranks.map(|rank| json!(rank));
        let (money, debt) = (json!("1234.80"), json!("-7.00"));
        assert_eq!(rows, [(&first, &money), (&second, &money), (&third, &debt)], "{bolt}");
        assert!(lab.tallyd(&["board", bolt]).contains(" 1234.80 "), "{bolt}");
        assert!(lab.tallyd(&["learner", "d"]).contains(" -7.00 "));
    }
    assert!(lab.tallyd(&["stats", "sales"]).contains(" 2469.60 "));
    let letters = lab.json(&["dead", "list"]).to_string();
    for reason in ["more than 2 places", "is not a decimal", "1000000.01 is above the maximum"] {
        assert!(letters.contains(reason), "{reason}: {letters}");
    }
}

#[test]
fn tests_of_a_topology_compare_money_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let mut check = Command::new(env!("CARGO_BIN_EXE_tallyd"));
        let checked = check.arg("check").arg(&file).output().unwrap();
        (checked.status.success(), String::from_utf8(checked.stderr).unwrap())
    };
    assert_eq!(check(FILE), (true, String::new()));
    for (right, wrong, said) in [
        ("sum = 0.60", "sum = 0.61", "sum: expected 0.61, found 0.60"),
        ("score = 0.30", "score = 0.29", "score of a: expected 0.29, found 0.30"),
        ("sum = 0.60", "sum = 0.601", "has more than 2 places after the point"),
    ] {
        assert!(FILE.contains(right));
        let (is_sound, errors) = check(&FILE.replace(right, wrong));
        assert!(!is_sound && errors.contains(said), "{errors}");
    }
}
