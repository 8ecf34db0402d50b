//! What figures mean, as a user sees it: the program on a real redis-server, and its JSON.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use lab::Lab;
use serde_json::json;

const FILE: &str = r#"
name = "lab"
time_zone = "Europe/Berlin"
partitions = 4
[source.ev]
id = "id"
key = "user"
time = "at"
[source.ev.fields]
id = "string"
user = "string"
pts = { type = "int", optional = true }
ms = { type = "int", optional = true }
money = { type = "float", optional = true }
at = "time"
[bolt.unique]
type = "dedup"
from = "ev"
window = "24h"
[bolt.agg]
type = "aggregate"
from = "unique"
grace = "forever"
windows = [
  { length = "1h", retain = "forever", grace = 0 },
  { length = "6h", retain = "forever" },
  "all",
]
[bolt.agg.measures]
n = "count"
users = "distinct(user)"
p99 = "p99(ms)"
money = "sum(money)"
pts = "last(pts)"
[bolt.cash]
type = "leaderboard"
from = "unique"
member = "user"
score = "sum(money)"
[bolt.latest]
type = "leaderboard"
from = "unique"
member = "user"
score = "last(pts)"
periods = [{ period = "day", retain = "forever", grace = "1h" }, "all"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_window_holds_all_that_the_clock_shows_of_it() {
    let mut lab = Lab::start(FILE).await;
    let days = [
        ("2026-03-28T23:30:00Z", "2026-03-29T02:30:00Z", "2026-03-29T22:00:00Z", 5),
        ("2026-10-24T22:30:00Z", "2026-10-25T03:30:00Z", "2026-10-25T22:59:59Z", 7),
    ];
    for (first, second, last, hours) in days {
        lab.send(&[("u", first, &[]), ("u", second, &[]), ("u", last, &[])]).await;
        let rows = lab.json(&["stats", "agg", "--window", "6h", "--from", first, "--to", last]);
        let rows = rows.as_array().unwrap();
        let counts: u64 = rows.iter().map(|row| row["measures"]["n"].as_u64().unwrap()).sum();
        assert_eq!((counts, &rows[0]["measures"]["n"]), (3, &json!(2)), "{rows:?}");
        let length = rows[0]["end"].as_i64().unwrap() - rows[0]["start"].as_i64().unwrap();
        assert_eq!(length, hours * 3_600_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_do_not_depend_on_the_order_of_arrival() {
    let mut lab = Lab::start(FILE).await;
    let at = "2026-01-01T10:00:00Z";
    let money = |user, amount| (user, at, [("money", amount)]);
    for (user, amount) in ["a", "b"].into_iter().zip([["0.1", "0.2", "0.3"], ["0.3", "0.2", "0.1"]])
    {
        for amount in amount.map(|amount| money(user, amount)) {
            // One batch for each: what is stored between them counts too.
            lab.send(&[(amount.0, amount.1, &amount.2)]).await;
        }
    }
    let board = lab.json(&["board", "cash"]);
    let standing = |place: usize| (&board["rows"][place]["score"], &board["rows"][place]["rank"]);
    assert_eq!(standing(0), (&json!(0.6), &json!(1)));
    assert_eq!(standing(1), (&json!(0.6), &json!(1)));
    lab.send(&[
        ("a", "2026-01-01T10:00:00Z", &[("pts", "20"), ("ms", "10")]),
        ("a", "2026-01-01T09:00:00Z", &[("pts", "10"), ("ms", "20")]),
        ("a", "2026-01-01T08:00:00Z", &[("pts", "5"), ("ms", "30")]),
    ])
    .await;
    let all = &lab.json(&["stats", "agg", "--window", "all"])[0];
    let (measures, exact) = (&all["measures"], &all["exact"]);
    assert_eq!((&measures["money"], &measures["pts"]), (&json!(1.2), &json!(20)));
    assert!((measures["p99"].as_f64().unwrap() - 30.0).abs() <= 0.3, "{measures}");
    assert_eq!((&measures["users"], exact), (&json!(2), &json!({ "users": true })));
    assert_eq!(lab.json(&["board", "latest", "--period", "all"])["rows"][0]["score"], json!(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn floats_have_ends_and_what_lies_beyond_is_refused() {
    let mut lab = Lab::start(FILE).await;
    let at = "2026-01-01T10:00:00Z";
    let amounts = [
        ("great", "1e308"),
        ("great", "1e308"),
        ("great", "-1"),
        ("beyond", "1e400"),
        ("zero", "-0.0"),
        ("tiny", "5e-324"),
        ("tiny", "1e-400"),
    ];
    for (user, amount) in amounts {
        lab.send(&[(user, at, &[("money", amount)])]).await;
    }
    let board = lab.json(&["board", "cash"]);
    let standings: Vec<_> = board["rows"].as_array().unwrap().iter().collect();
    let scores: Vec<_> = standings.iter().map(|row| (&row["member"], &row["score"])).collect();
    let expected = [("great", json!(1e308)), ("tiny", json!(5e-324)), ("zero", json!(0.0))];
    assert_eq!(scores.len(), expected.len(), "{board}");
    for ((member, score), (name, value)) in scores.into_iter().zip(expected) {
        assert_eq!((member, score.as_f64()), (&json!(name), value.as_f64()));
    }
    let letters = lab.json(&["dead", "list"]).to_string();
    for reason in [
        "money 1e308 + 1e308 is beyond what a sum can hold",
        "score 1e308 + 1e308 is beyond what a board can hold",
        "\\\"1e400\\\" is beyond what a float can hold (1.8e308)",
    ] {
        assert!(letters.contains(reason), "{letters}");
    }
    // The rest of what the bolt counts is as if that event had not been.
    let all = &lab.json(&["stats", "agg", "--window", "all"])[0]["measures"];
    assert_eq!((&all["n"], all["money"].as_f64()), (&json!(5), Some(1e308)));
    assert!(lab.tallyd(&["stats", "agg", "--window", "all"]).contains(" 1e308"));
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_different_values_say_when_they_are_estimates() {
    let mut lab = Lab::start(FILE).await;
    let users: Vec<String> = (0..1500).map(|number| format!("u{number}")).collect();
    for (range, is_exact) in [(0..1024, true), (1024..1500, false)] {
        let event = |user: &'static str| (user, "2026-01-01T10:00:00Z", &[] as &[(&str, &str)]);
        let sent: Vec<_> =
            users[range.clone()].iter().map(|user| event(user.clone().leak())).collect();
        lab.send(&sent).await;
        let all = &lab.json(&["stats", "agg", "--window", "all"])[0];
        assert_eq!(all["exact"]["users"], json!(is_exact));
        let (found, sent) = (all["measures"]["users"].as_f64().unwrap(), range.end as f64);
        let error = if is_exact { 0.0 } else { 0.03 };
        assert!((found - sent).abs() <= sent * error, "{found} of {sent}");
        let table = lab.tallyd(&["stats", "agg", "--window", "all"]);
        assert_eq!(table.contains(&format!("~{found}")), !is_exact, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_event_is_seen_and_counts_where_it_is_not_late() {
    let mut lab = Lab::start(FILE).await;
    let at = "2026-01-01T10:00:00Z";
    lab.send(&[("u", at, &[("pts", "7")])]).await;
    // Late for the hour and the day, which were final, and counted in all others.
    let count = |window: &str| {
        let rows = lab.json(&["stats", "agg", "--window", window, "--to", at]);
        rows[0]["measures"]["n"].as_u64().map(|n| (n, rows[0]["final"].clone()))
    };
    assert_eq!(count("1h"), None);
    assert_eq!(count("6h"), Some((1, json!(false))));
    assert_eq!(count("all"), Some((1, json!(false))));
    let board = lab.json(&["board", "latest", "--period", "day", "--at", at]);
    assert_eq!((&board["size"], &board["final"]), (&json!(0), &json!(true)));
    let status = lab.json(&["status"]);
    let node = |name: &str| {
        let nodes = status["nodes"].as_array().unwrap();
        nodes.iter().find(|node| node["name"] == name).unwrap().clone()
    };
    for (bolt, window, label) in
        [("agg", "1h", "2026-01-01T1000Z"), ("latest", "day", "2026-01-01")]
    {
        let node = node(bolt);
        assert_eq!(node["late_by_window"], json!({ window: 1 }), "{node}");
        let example = &node["late_examples"][0];
        assert_eq!((&example["window"], &example["label"]), (&json!(window), &json!(label)));
        assert_eq!(example["id"], json!(format!("u/{at}/0")));
        assert_eq!(example["time"], json!(1_767_261_600_000_i64));
    }
}
