//! Members are forgotten on a real redis-server, and what their events added to counts is taken out,
//! while events flow and workers are killed: every figure is that of a plain recount without them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "edits/running.rs"]
mod running;
#[path = "forget/search.rs"]
mod search;

use redis::Pipeline;
use running::Running;
use serde_json::json;
use std::collections::BTreeMap;

/// `classes` is behind a dedup bolt, `teams` is fused with one, `sent` counts each retry, and `own` has
/// groups of the member.
const FILE: &str = r#"
name = "school"
partitions = 4
[run]
session_timeout = "1s"
[source.answers]
id = "id"
key = "user"
time = "at"
retain = "30d"
[source.answers.fields]
id = "string"
user = "string"
class = "string"
points = "int"
grade = "float"
at = "time"
[source.plays]
id = "id"
key = "team"
retain = "forever"
[source.plays.fields]
id = "string"
user = "string"
team = "string"
points = "int"
[bolt.unique]
type = "dedup"
from = "answers"
window = "1d"
[bolt.points]
type = "leaderboard"
from = "unique"
member = "user"
score = "sum(points)"
boards = [[]]
periods = ["all"]
[bolt.classes]
type = "aggregate"
from = "unique"
by = ["class"]
windows = ["1d", "all"]
measures = { n = "count", points = "sum(points)", grade = "mean(grade)", users = "distinct(user)" }
[bolt.own]
type = "aggregate"
from = "unique"
by = ["class", "user"]
windows = ["all"]
measures = { n = "count" }
[bolt.sent]
type = "aggregate"
from = "answers"
windows = ["all"]
measures = { n = "count", points = "sum(points)" }
[bolt.once]
type = "dedup"
from = "plays"
window = "1d"
[bolt.teams]
type = "aggregate"
from = "once"
by = ["team"]
windows = ["all"]
measures = { n = "count", points = "sum(points)" }
"#;

const FORGOTTEN: [&str; 3] = ["Zoë 7/ß", "a:b c", "anneliese"];

/// How many events a group has, and the sum of their points.
type Groups = BTreeMap<String, (i64, i64)>;

struct School {
    running: Running,
    number: usize,
    /// Of all that was sent, by number: the user, and how often it was.
    sent: BTreeMap<usize, (String, i64)>,
}

fn points(number: usize) -> i64 {
    (number % 7) as i64
}

fn answer(number: usize, user: &str) -> Vec<(&'static str, String)> {
    // One class is that of one user alone.
    let class = if user == FORGOTTEN[2] && number.is_multiple_of(2) { 9 } else { number % 3 };
    vec![
        ("id", format!("e{number}")),
        ("user", user.to_owned()),
        ("class", format!("c{class}")),
        ("points", points(number).to_string()),
        ("grade", format!("{}.1", number % 3)),
        ("at", (jiff::Timestamp::now().as_millisecond() - 5000).to_string()),
    ]
}

impl School {
    async fn start(workers: usize) -> Self {
        let running = Running::start(FILE, workers).await;
        Self { running, number: 0, sent: BTreeMap::new() }
    }

    /// Sends so many answers and plays of these users, every fifth of them twice, and some in batches
    /// of one user.
    async fn send(&mut self, events: usize, users: &[&str]) {
        let mut add = Pipeline::new();
        let mut batches: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for _ in 0..events {
            self.number += 1;
            let number = self.number;
            let user = *users.get(number * 7 % users.len()).unwrap();
            let times = if number.is_multiple_of(5) { 2 } else { 1 };
            self.sent.insert(number, (user.to_owned(), times));
            let answer = answer(number, user);
            for _ in 0..times {
                let play =
                    add.cmd("XADD").arg("plays").arg("*").arg("id").arg(format!("p{number}"));
                play.arg("user").arg(user).arg("team").arg(format!("t{}", number % 4));
                play.arg("points").arg(points(number));
                if number.is_multiple_of(3) {
                    let fields =
                        answer.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
                    let line = serde_json::Value::Object(fields.collect()).to_string();
                    batches.entry(user).or_default().push(line);
                    continue;
                }
                let entry = add.cmd("XADD").arg("answers").arg("*");
                for (name, value) in &answer {
                    entry.arg(name).arg(value);
                }
            }
        }
        for some in batches.values().flat_map(|lines| lines.chunks(4)) {
            add.cmd("XADD").arg("answers").arg("*").arg("batch").arg(some.join("\n"));
        }
        self.running.open.connection.all(&add).await.unwrap();
    }

    /// What a plain recount gives of all that was sent: by class, by team, and of each copy.
    fn recount(&self) -> [Groups; 3] {
        let [mut classes, mut teams, mut sent] = [const { Groups::new() }; 3];
        let count = |groups: &mut Groups, group: String, times: i64, number: usize| {
            let (n, sum) = groups.entry(group).or_default();
            *n += times;
            *sum += times * points(number);
        };
        for (&number, (user, times)) in &self.sent {
            let class = answer(number, user).swap_remove(2).1;
            count(&mut classes, format!("class={class}"), 1, number);
            count(&mut teams, format!("team=t{}", number % 4), 1, number);
            count(&mut sent, "total".to_owned(), *times, number);
        }
        [classes, teams, sent]
    }

    /// What the bolts have counted.
    async fn counted(&mut self) -> [Groups; 3] {
        let mut all = [const { Groups::new() }; 3];
        for (groups, bolt) in all.iter_mut().zip(["classes", "teams", "sent"]) {
            let prefix = format!("tallyd:{{school/0}}:bolt:{bolt}:");
            let listed = self.running.ask(&["SMEMBERS", &format!("{prefix}groups:all:all")]).await;
            let listed: Vec<String> = redis::from_redis_value(listed).unwrap();
            for group in listed {
                let key = format!("{prefix}window:all:all:{group}");
                let row = self.running.ask(&["HMGET", &key, "n", "points"]).await;
                let (n, points): (i64, i64) = redis::from_redis_value(row).unwrap();
                groups.insert(group, (n, points));
            }
        }
        all
    }

    async fn found(&mut self, names: &[&str]) -> Vec<String> {
        search::found(&mut self.running.open.connection, self.running.folder.path(), names).await
    }
}

#[tokio::test]
async fn counts_are_those_of_a_recount_without_who_was_forgotten_whatever_workers_were_killed() {
    let mut school = School::start(3).await;
    let others: Vec<String> = (0..20).map(|number| format!("u{number}")).collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let all: Vec<&str> = others.iter().copied().chain(FORGOTTEN).collect();
    school.send(1500, &all).await;
    school.running.wait();
    assert_eq!(school.counted().await, school.recount());
    let of = |school: &School, name: &str| {
        let own = school.sent.values().filter(|(user, _)| user == name);
        own.fold((0, 0), |(events, copies), (_, times)| (events + 1, copies + times))
    };
    let (events, copies) = of(&school, FORGOTTEN[0]);
    let dry = school.running.done(&["forget", FORGOTTEN[0], "--counts", "subtract", "--dry-run"]);
    for (bolt, events) in [("classes", events), ("teams", events), ("sent", copies)] {
        let said = format!("would be taken out of {bolt}: what {events} events added\n");
        assert!(events > 50 && dry.contains(&said), "{said}{dry}");
    }
    assert!(dry.contains("stays in classes: what the member's events did to users: "), "{dry}");
    let mut expected = BTreeMap::new();
    for (round, name) in FORGOTTEN.iter().enumerate() {
        let id = format!("erasure-{round}");
        expected.insert(id.clone(), of(&school, name));
        if round == 1 {
            let key = "tallyd:{school/0}:edits";
            let edit = ["do", "forget", "member", name, "counts", "subtract", "id", &id];
            school.running.ask(&[&["XADD", key, "*"], &edit[..]].concat()).await;
        } else {
            school.running.done(&["forget", name, "--counts", "subtract", "--id", &id]);
        }
        school.sent.retain(|_, (user, _)| user != name);
        school.send(200, &others).await;
        school.running.workers.remove(round % 2).kill().await.unwrap();
        school.send(200, &others).await;
        school.running.join();
    }
    school.running.wait();
    assert_eq!(school.counted().await, school.recount());
    assert!(!school.recount()[0].contains_key("class=c9"));
    assert_eq!(school.found(&FORGOTTEN).await, [] as [String; 0]);
    let said: serde_json::Value =
        serde_json::from_str(&school.running.done(&["edits", "--json"])).unwrap();
    for edit in said.as_array().unwrap() {
        let (events, copies) = expected[edit["id"].as_str().unwrap()];
        let of = |bolt: &str, events| json!({ "bolt": bolt, "events": events, "left": {} });
        let bolts = json!([of("classes", events), of("sent", copies), of("teams", events)]);
        let mut found = edit["subtracted"].as_array().unwrap().clone();
        found.sort_by_key(|of| of["bolt"].to_string());
        assert_eq!(json!(found), bolts, "{edit}");
    }
    come_back(&mut school).await;
}

/// A retry of what was taken out counts nothing, and is not taken out once more.
async fn come_back(school: &mut School) {
    let name = FORGOTTEN[0];
    let number = (1..).find(|number| number * 7 % 23 == 20 && number % 3 != 0).unwrap();
    let mut retry = Pipeline::new();
    let entry = retry.cmd("XADD").arg("answers").arg("*");
    for (field, value) in answer(number, name) {
        entry.arg(field).arg(value);
    }
    school.running.open.connection.all(&retry).await.unwrap();
    school.running.wait();
    let mut expected = school.recount();
    let [classes, _, sent] = &mut expected;
    let total = sent.get_mut("total").unwrap();
    *total = (total.0 + 1, total.1 + points(number));
    assert_eq!(school.counted().await[2], *sent);
    assert_eq!(school.counted().await[0], *classes);
    school.running.done(&["forget", name, "--counts", "subtract", "--id", "again"]);
    school.running.wait();
    assert_eq!(school.counted().await, school.recount());
    let said = school.running.done(&["edits", "again"]);
    assert!(said.contains("taken out of classes: what 0 events added"), "{said}");
    assert!(said.contains("taken out of sent: what 1 events added"), "{said}");
    assert_eq!(school.found(&[name]).await, [] as [String; 0]);
}

#[tokio::test]
async fn what_can_not_be_taken_out_is_said_and_nothing_else_is_taken() {
    let mut school = School::start(1).await;
    let (both, end) = (["ann", "bob"], jiff::Timestamp::now().as_millisecond());
    let line = |id: &str, user: &str| {
        let at = end.to_string();
        json!({"id": id, "user": user, "class": "c1", "points": 5, "grade": 1.5, "at": at})
            .to_string()
    };
    // What is gone from the source, and what is in one entry with what is of another.
    let gone = line("x0", "bob");
    school.running.ask(&["XADD", "answers", "*", "batch", &gone]).await;
    school.running.wait();
    school.running.ask(&["XTRIM", "answers", "MAXLEN", "=", "0"]).await;
    let batch = both.map(|user| line(&format!("x-{user}"), user)).join("\n");
    school.running.ask(&["XADD", "answers", "*", "batch", &batch]).await;
    school.running.wait();
    school.running.done(&["forget", "ann", "--counts", "subtract", "--id", "first"]);
    // One by a field of groups would delete what events are taken out of.
    school.running.wait();
    let first = school.running.done(&["edits", "first"]);
    assert!(first.contains("taken out of classes: what 1 events added"), "{first}");
    assert!(first.contains("stays: what events added that answers has no more"), "{first}");
    assert_eq!(school.counted().await[0], Groups::from([("class=c1".to_owned(), (2, 10))]));
    school.running.done(&["forget", "bob", "--counts", "subtract", "--id", "second"]);
    school.running.wait();
    let second = school.running.done(&["edits", "second"]);
    assert!(second.contains("taken out of classes: what 0 events added"), "{second}");
    assert!(second.contains("answers lost in batches with those of somebody"), "{second}");
    assert_eq!(school.counted().await[0], Groups::from([("class=c1".to_owned(), (2, 10))]));
    let cases = [
        (
            vec!["forget", "ann", "--counts", "all"],
            "counts can be kept or subtracted, and not \"all\"",
        ),
        (
            vec!["forget", "c1", "--field", "points", "--counts", "halve"],
            "counts can be kept or subtracted, and not \"halve\"",
        ),
    ];
    for (words, expected) in cases {
        let output = school.running.tallyd(&words);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {error}");
        assert!(error.contains(expected), "{words:?}: {error}");
    }
}
