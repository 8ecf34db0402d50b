//! Members are forgotten on a real redis-server while events flow and workers are killed: afterwards
//! nothing of them is found, and everybody else's figures are those of a plain recount.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../edits/running.rs"]
mod running;
mod search;

use redis::Pipeline;
use running::Running;
use serde_json::json;
use std::collections::BTreeMap;

/// `predicted` and `each` know the user by another name; `both` groups by two fields; `played` takes
/// the events of a bolt that is partitioned by ids.
const FILE: &str = r#"
name = "school"
partitions = 4
[run]
session_timeout = "1s"
[source.answers]
id = "id"
key = "user"
time = "at"
retain = "forever"
[source.answers.fields]
id = "string"
user = "string"
class = "string"
question = "string"
correct = "bool"
ms = "int"
points = "int"
grade = "float"
at = "time"
[source.plays]
id = "id"
[source.plays.fields]
id = "string"
user = "string"
[bolt.unique]
type = "dedup"
from = "answers"
window = "1d"
[bolt.points]
type = "leaderboard"
from = "unique"
member = "user"
score = "sum(points)"
boards = [[], ["class"]]
periods = ["day", "all"]
ties = "shared"
[bolt.grades]
type = "leaderboard"
from = "unique"
member = "user"
score = "sum(grade)"
boards = [[]]
periods = ["all"]
[bolt.fatigue]
type = "fatigue"
from = "unique"
learner = "user"
item = "question"
correct = "correct"
response_ms = "ms"
[bolt.mastery]
type = "mastery"
from = "unique"
learner = "user"
concept = "class"
item = "question"
correct = "correct"
emit = true
[bolt.each]
type = "aggregate"
from = "mastery"
by = ["learner"]
windows = ["1d", "all"]
measures = { answers = "count", questions = "distinct(item)" }
[bolt.both]
type = "aggregate"
from = "unique"
by = ["class", "user"]
windows = ["all"]
measures = { points = "sum(points)" }
[bolt.classes]
type = "aggregate"
from = "unique"
by = ["class"]
windows = ["all"]
measures = { users = "distinct(user)", points = "sum(points)" }
[bolt.once]
type = "dedup"
from = "plays"
window = "1d"
[bolt.played]
type = "leaderboard"
from = "once"
member = "user"
score = "count"
boards = [[]]
periods = ["all"]
ties = "shared"
[sink.predicted]
from = "mastery"
[sink.too-late]
from = "points"
events = "late"
"#;

/// Who is forgotten: names that keys and JSON write in another way among them.
const FORGOTTEN: [&str; 3] = ["Zoë 7/ß", "a:b c", "anneliese"];
/// Who is not, though the names are much alike.
const ALIKE: [&str; 2] = ["Zoë 7/", "a:b"];
const OTHERS: usize = 20;

struct School {
    running: Running,
    sent: usize,
    /// The points of each user.
    points: BTreeMap<String, i64>,
    /// How often each has played.
    plays: BTreeMap<String, i64>,
}

impl School {
    async fn start(workers: usize) -> Self {
        let running = Running::start(FILE, workers).await;
        Self { running, sent: 0, points: BTreeMap::new(), plays: BTreeMap::new() }
    }

    /// An answer of a user, and what it counts. Its points depend on the number alone.
    fn answer(&mut self, number: usize, user: &str) -> Vec<(&'static str, String)> {
        let points = (number % 5) as i64;
        *self.points.entry(user.to_owned()).or_default() += points;
        vec![
            ("id", format!("e{number}")),
            ("user", user.to_owned()),
            ("class", format!("c{}", number % 3)),
            ("question", format!("q{}", number % 7)),
            ("correct", (number % 2).to_string()),
            ("ms", "5000".to_owned()),
            ("points", points.to_string()),
            ("grade", format!("{}.25", number % 3)),
            ("at", jiff::Timestamp::now().as_millisecond().to_string()),
        ]
    }

    /// Sends so many answers of these users, some in batches of several users, and plays.
    async fn send(&mut self, events: usize, users: &[&str]) {
        let mut add = Pipeline::new();
        let mut batch = Vec::new();
        for _ in 0..events {
            self.sent += 1;
            let number = self.sent;
            let user = *users.get(number * 7 % users.len()).unwrap();
            let answer = self.answer(number, user);
            let play = add.cmd("XADD").arg("plays").arg("*").arg("id").arg(format!("p{number}"));
            play.arg("user").arg(user);
            *self.plays.entry(user.to_owned()).or_default() += 1;
            if number.is_multiple_of(3) {
                let fields = answer.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
                batch.push(serde_json::Value::Object(fields.collect()).to_string());
                continue;
            }
            let entry = add.cmd("XADD").arg("answers").arg("*");
            for (name, value) in answer {
                entry.arg(name).arg(value);
            }
        }
        for some in batch.chunks(4) {
            add.cmd("XADD").arg("answers").arg("*").arg("batch").arg(some.join("\n"));
        }
        self.running.open.connection.all(&add).await.unwrap();
    }

    /// Sends what is no answer of the user, or comes too late.
    async fn send_amiss(&mut self, user: &str) {
        self.sent += 1;
        let id = format!("{user}-{}", self.sent);
        let base = [
            "XADD", "answers", "*", "id", &id, "class", "c1", "question", "q1", "correct", "1",
            "ms", "5", "grade", "1.5",
        ];
        let old = ["points", "0", "at", "1577836800000"];
        for rest in [
            &["user", user, "points", "many", "at", "1577836800000"][..],
            &["user", user, "points", user, "at", "1577836800000"],
            &["usr", user, "points", "0", "at", "1577836800000"],
            &[&["user", user][..], &old].concat(),
        ] {
            self.running.ask(&[&base[..], rest].concat()).await;
        }
        let broken = format!("{{\"id\":\"b\",\"user\":\"{user}\"");
        self.running.ask(&["XADD", "answers", "*", "batch", &broken]).await;
    }

    async fn board(&mut self, key: &str) -> BTreeMap<String, i64> {
        let key = format!("tallyd:{{school/0}}:bolt:{key}");
        let rows = self.running.ask(&["ZRANGE", &key, "0", "-1", "WITHSCORES"]).await;
        let rows: Vec<(String, f64)> = redis::from_redis_value(rows).unwrap();
        rows.into_iter().map(|(user, score)| (user, score as i64)).collect()
    }

    async fn found(&mut self, names: &[&str]) -> Vec<String> {
        search::found(&mut self.running.open.connection, self.running.folder.path(), names).await
    }
}

#[tokio::test]
async fn after_a_forget_a_search_finds_nothing_whatever_workers_were_killed() {
    let mut school = School::start(3).await;
    let others: Vec<String> = (0..OTHERS).map(|number| format!("u{number}")).collect();
    let others: Vec<&str> = others.iter().map(String::as_str).chain(ALIKE).collect();
    let all: Vec<&str> = others.iter().copied().chain(FORGOTTEN).collect();
    school.send(900, &all).await;
    for user in FORGOTTEN.iter().chain(&ALIKE) {
        school.send_amiss(user).await;
    }
    school.running.wait();
    school.running.done(&["hide", FORGOTTEN[1]]);
    school.send(300, &all).await;
    school.running.wait();
    // What there is to find, each way of writing included.
    for name in FORGOTTEN {
        assert!(school.found(&[name]).await.len() > 20, "{name}");
    }
    let dry = school.running.done(&["forget", FORGOTTEN[0], "--dry-run"]);
    assert!(dry.contains("what 2 bolts keep of a learner"), "{dry}");
    assert!(dry.contains("stays in classes: what the member's events added to users, points"));
    assert!(dry.contains("stays in unique: keyed fingerprints"), "{dry}");
    for (round, name) in FORGOTTEN.iter().enumerate() {
        let said = school.running.done(&["forget", name, "--by", "office"]);
        assert!(said.contains("stays in mastery: the difficulties of items"), "{said}");
        school.points.remove(*name);
        school.plays.remove(*name);
        school.send(200, &others).await;
        school.running.workers.remove(round % 2).kill().await.unwrap();
        school.send(200, &others).await;
        school.running.join();
    }
    school.running.wait();
    assert_eq!(school.found(&FORGOTTEN).await, [] as [String; 0]);
    for name in ALIKE {
        assert!(school.found(&[name]).await.len() > 20, "{name}");
    }
    let (points, plays) = (school.points.clone(), school.plays.clone());
    assert_eq!(school.board("points:board:all:all:everyone").await, points);
    assert_eq!(school.board("played:board:all:all:everyone").await, plays);
    // What the classes had of them stays.
    let classes = school.running.done(&["stats", "classes", "--window", "all", "--json"]);
    assert!(classes.contains("\"users\": 25") || classes.contains("\"users\":25"), "{classes}");
    let edits: serde_json::Value =
        serde_json::from_str(&school.running.done(&["edits", "--json"])).unwrap();
    for edit in edits.as_array().unwrap().iter().filter(|edit| edit["do"] == "forget") {
        assert_eq!((&edit["member"], &edit["by"]), (&json!(""), &json!("office")), "{edit}");
        let swept = &edit["swept"];
        assert!(swept["entries"].as_u64() > Some(20), "{edit}");
        assert_eq!((&swept["letters"], &swept["left"]), (&json!(4), &json!({})), "{edit}");
        assert!(swept["sinks"].as_u64() > Some(20), "{edit}");
    }
    come_back(&mut school).await;
}

/// A retry of an old event does not bring a member back, and a new event counts from nothing.
async fn come_back(school: &mut School) {
    let name = FORGOTTEN[0];
    let number = (1..).find(|number| number % 3 != 0 && number * 7 % 25 == 22).unwrap();
    let answer = school.answer(number, name);
    let mut retry = Pipeline::new();
    let entry = retry.cmd("XADD").arg("answers").arg("*");
    for (field, value) in answer {
        entry.arg(field).arg(value);
    }
    school.running.open.connection.all(&retry).await.unwrap();
    school.points.remove(name);
    school.running.wait();
    // The retry itself is in the source, and for a moment on its way.
    let found = school.found(&[name]).await;
    let is_retry = |place: &String| place.starts_with("in answers:") || place.contains("}:edge:");
    assert!(found.iter().all(is_retry), "{found:?}");
    school.send(7, &[name]).await;
    school.running.wait();
    let expected = school.points.clone();
    assert_eq!(school.board("points:board:all:all:everyone").await, expected);
    let each =
        school.running.done(&["stats", "each", "--by", &format!("learner={name}"), "--json"]);
    assert!(each.contains("\"answers\": 7") || each.contains("\"answers\":7"), "{each}");
    // To forget somebody of whom nothing is kept does nothing.
    school.running.done(&["forget", name]);
    school.running.done(&["forget", name, "--id", "again"]);
    school.running.wait();
    assert_eq!(school.found(&[name]).await, [] as [String; 0]);
}

#[tokio::test]
async fn what_can_not_be_done_is_refused_before_it_is_stored() {
    let school = School::start(1).await;
    school.running.wait();
    let cases: [(&[&str], &str); 3] = [
        (&["forget", "ann", "--field", "usr"], "no source has a field \"usr\""),
        (
            &["forget", "ann", "--counts", "halve"],
            "counts can be kept or subtracted, and not \"halve\"",
        ),
        (&["forget", ""], "it names no member"),
    ];
    for (words, expected) in cases {
        let output = school.running.tallyd(words);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {error}");
        assert!(error.contains(expected), "{words:?}: {error}");
    }
    assert_eq!(school.running.done(&["edits", "--json"]), "[]\n");
}
