//! Edits on a real redis-server: members are hidden and come back while events flow and workers die,
//! and every score is that of a plain recount.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "edits/broken.rs"]
mod broken;
#[path = "edits/moves.rs"]
mod moves;
#[path = "edits/rename.rs"]
mod rename;
#[path = "edits/running.rs"]
mod running;
#[path = "edits/season.rs"]
mod season;

use redis::{Pipeline, Value};
use running::Running;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tallyd_harness::{Server, ServerOptions};
use tallyd_store::{
    Connection,
    edits::{self, Request},
    keys::Keys,
};
use tallyd_topology::{Topology, parse};
use tokio::time::timeout;

/// `played` takes the events of bolts that are partitioned by their ids: members come from all of
/// their partitions.
const FILE: &str = r#"
name = "school"
partitions = 4
[run]
session_timeout = "1s"
[source.answers]
id = "id"
key = "user"
[source.answers.fields]
id = "string"
user = "string"
class = "string"
points = "int"
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
[bolt.once]
type = "dedup"
from = "plays"
window = "1d"
[bolt.played]
type = "leaderboard"
from = "once"
member = "user"
score = "count"
ties = "shared"
"#;

const USERS: usize = 30;
/// How long anything may take. A test that hangs must end all the same.
const PATIENCE: Duration = Duration::from_secs(120);

struct School {
    running: Running,
    sent: usize,
    /// The points of each user, and the plays.
    ledger: BTreeMap<String, (i64, i64)>,
    hidden: BTreeSet<String>,
}

fn topology() -> Topology {
    parse("school.toml", FILE, &|_| None).unwrap()
}

impl School {
    async fn start(workers: usize) -> Self {
        Self::start_with(FILE, workers).await
    }

    async fn start_with(text: &str, workers: usize) -> Self {
        let running = Running::start(text, workers).await;
        Self { running, sent: 0, ledger: BTreeMap::new(), hidden: BTreeSet::new() }
    }

    /// Sends so many events of all users to both sources, some of them twice.
    async fn send(&mut self, events: usize) {
        let mut add = Pipeline::new();
        for _ in 0..events {
            self.sent += 1;
            let (id, number) = (format!("e{}", self.sent), self.sent * 7 % USERS);
            let (user, class) = (format!("u{number}"), format!("c{}", number % 3));
            let points = (self.sent % 5) as i64;
            let counts = self.ledger.entry(user.clone()).or_default();
            (counts.0, counts.1) = (counts.0 + points, counts.1 + 1);
            for _ in 0..=usize::from(self.sent.is_multiple_of(4)) {
                let add = add.cmd("XADD").arg("answers").arg("*").arg("id").arg(&id);
                add.arg("user").arg(&user).arg("class").arg(&class).arg("points").arg(points);
                add.cmd("XADD").arg("plays").arg("*").arg("id").arg(&id).arg("user").arg(&user);
            }
        }
        self.running.open.connection.all(&add).await.unwrap();
    }

    fn edit(&mut self, kind: &str, user: &str) {
        self.running.wait();
        self.running.done(&[kind, user, "--by", "anna"]);
        match kind {
            "hide" => self.hidden.insert(user.to_owned()),
            _ => self.hidden.remove(user),
        };
    }

    async fn board(&mut self, key: &str) -> BTreeMap<String, i64> {
        let key = format!("tallyd:{{school/0}}:bolt:{key}");
        let rows = self.running.ask(&["ZRANGE", &key, "0", "-1", "WITHSCORES"]).await;
        let rows: Vec<(String, f64)> = redis::from_redis_value(rows).unwrap();
        rows.into_iter().map(|(user, score)| (user, score as i64)).collect()
    }

    /// Waits until all is processed, and holds every board to the recount.
    async fn audit(&mut self) {
        self.running.wait();
        let shown = |of: fn(&(i64, i64)) -> i64, class: Option<usize>| -> BTreeMap<String, i64> {
            let users = self.ledger.iter().filter(|(user, _)| !self.hidden.contains(*user));
            let users = users.filter(|(user, _)| {
                let number: usize = user[1..].parse().unwrap();
                class.is_none_or(|class| number % 3 == class)
            });
            users.map(|(user, counts)| (user.clone(), of(counts))).collect()
        };
        let played = shown(|counts| counts.1, None);
        let points: Vec<_> = [None, Some(0), Some(1), Some(2)]
            .map(|class| (class, shown(|counts| counts.0, class)))
            .into();
        assert_eq!(self.board("played:board:all:all:everyone").await, played);
        for (class, expected) in points {
            let group = class.map_or("everyone".to_owned(), |class| format!("class=c{class}"));
            let found = self.board(&format!("points:board:all:all:{group}")).await;
            assert_eq!(found, expected, "{group}");
        }
    }
}

#[tokio::test]
async fn hidden_members_stand_nowhere_and_miss_nothing_while_workers_die() {
    let mut school = School::start(3).await;
    school.send(600).await;
    for (round, (kind, user)) in
        [("hide", "u3"), ("hide", "u10"), ("unhide", "u3"), ("hide", "u4")].into_iter().enumerate()
    {
        school.edit(kind, user);
        school.send(400).await;
        // In the middle of the edit, or of what came after it.
        let mut killed = school.running.workers.remove(round % 2);
        killed.kill().await.unwrap();
        school.send(400).await;
        school.running.join();
    }
    school.audit().await;
    let edits: serde_json::Value =
        serde_json::from_str(&school.running.done(&["edits", "--json"])).unwrap();
    let edits = edits.as_array().unwrap();
    assert_eq!(edits.len(), 4);
    for edit in edits {
        let bolts = edit["bolts"].as_array().unwrap();
        assert_eq!(bolts.len(), 4, "{edit}");
        assert!(bolts.iter().all(|bolt| bolt["done"] == bolt["of"]), "{edit}");
        let changed = |bolt: &str| {
            let found = bolts.iter().find(|of| of["bolt"] == *bolt).unwrap();
            found["changed"].as_u64().unwrap()
        };
        // Two boards today (and two of yesterday, around midnight), two of all time.
        assert!([4, 6].contains(&changed("points")), "{edit}");
        assert_eq!((changed("played"), changed("unique")), (1, 0), "{edit}");
        assert_eq!((&edit["by"], &edit["field"]), (&json!("anna"), &json!("user")), "{edit}");
    }
    assert!(school.running.done(&["edits"]).contains("hide user u4"));
    let hidden = school.running.done(&["board", "points", "--period", "all", "--top", "100"]);
    assert!(!hidden.contains("u10") && hidden.contains("u11"), "{hidden}");
    for user in ["u10", "u4"] {
        school.edit("unhide", user);
    }
    school.audit().await;
}

#[tokio::test]
async fn any_client_can_edit_and_the_same_id_does_it_once() {
    let mut school = School::start(1).await;
    school.send(60).await;
    school.running.wait();
    let stream = Keys::new("school", 0).edits();
    let hide = ["XADD", &stream, "*", "do", "hide", "member", "u7", "id", "ban-u7", "by", "kim"];
    for _ in 0..2 {
        school.running.ask(&hide).await;
    }
    school.running.ask(&["XADD", &stream, "*", "do", "burn", "member", "u7", "id", "bad"]).await;
    school.hidden.insert("u7".to_owned());
    school.audit().await;
    // What came once more with the same id changes nothing, whatever it says.
    school
        .running
        .ask(&["XADD", &stream, "*", "do", "unhide", "member", "u7", "id", "ban-u7"])
        .await;
    school.audit().await;
    let again = school.running.done(&["hide", "u7", "--id", "ban-u7"]);
    assert!(again.contains("edit ban-u7 was accepted before: hide user u7"), "{again}");
    let listed: serde_json::Value =
        serde_json::from_str(&school.running.done(&["edits", "--json"])).unwrap();
    let ids: Vec<_> = listed.as_array().unwrap().iter().map(|edit| &edit["id"]).collect();
    assert_eq!(ids, [&json!("bad"), &json!("ban-u7")]);
    assert_eq!(
        listed[0]["refused"],
        json!(
            "unknown edit \"burn\" (expected hide, unhide, forget, move, rename, close or reset)"
        )
    );
    assert_eq!(listed[1]["by"], json!("kim"));
    let one = school.running.done(&["edits", "ban-u7"]);
    assert!(one.contains("done") && one.contains("played"), "{one}");
}

#[tokio::test]
async fn an_edit_that_changes_nothing_is_refused_before_it_is_stored() {
    let mut school = School::start(1).await;
    let nobody = school.running.tallyd(&["hide", "u1"]);
    assert_eq!(nobody.status.code(), Some(2), "{nobody:?}");
    school.send(60).await;
    school.running.wait();
    let cases: [(&[&str], &str); 5] = [
        (&["hide", "ann"], "no board has a user \"ann\" (names are as events write them)"),
        (&["unhide", "u1"], "user \"u1\" is not hidden"),
        (
            &["hide", "u1", "--field", "class"],
            "no leaderboard ranks by \"class\" (they rank by user)",
        ),
        (&["hide", ""], "it names no member"),
        (&["hide", "u1", "--id", &"i".repeat(201)], "its id has 201 bytes (at most 200)"),
    ];
    for (words, expected) in cases {
        let output = school.running.tallyd(words);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {error}");
        assert!(error.contains(expected), "{words:?}: {error}");
    }
    let dry = school.running.done(&["hide", "u1", "--dry-run"]);
    // Two of today (and two of yesterday, around midnight), two of all time, and the plays.
    let boards = ["5", "7"].map(|boards| format!("hide u1 would change {boards} boards\n"));
    assert!(boards.contains(&dry), "{dry}");
    assert_eq!(school.running.done(&["edits", "--json"]), "[]\n");
    let missing = school.running.tallyd(&["edits", "e1"]);
    assert_eq!(missing.status.code(), Some(1));
}

#[tokio::test]
async fn of_those_who_accept_at_once_one_does() {
    const EDITS: usize = 40;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
    let (topology, keys) = (topology(), Keys::new("school", 0));
    let mut c = Connection::open(&server.url).await.unwrap();
    let request = |number: usize| Request {
        id: format!("e{number}").into(),
        kind: "hide".into(),
        member: "u1".into(),
        ..Request::default()
    };
    // No worker has ever run: nothing would do it.
    edits::add(&mut c, &keys, &request(0)).await.unwrap();
    edits::accept(&mut c, &topology, &keys).await.unwrap();
    let refused = edits::one(&mut c, &topology, &keys, "e0").await.unwrap().unwrap().refused;
    assert!(refused.unwrap().contains("no worker has run this topology yet"));
    let mut ran = Pipeline::new();
    for bolt in ["unique", "points"] {
        ran.cmd("HSET").arg(keys.cursors(bolt)).arg(0).arg("0-0");
    }
    c.all(&ran).await.unwrap();
    // Where one was refused, its id can be used again.
    for number in (0..EDITS).chain([5, 6, 5]) {
        edits::add(&mut c, &keys, &request(number)).await.unwrap();
    }
    let accept = async || {
        let mut c = Connection::open(&server.url).await.unwrap();
        edits::accept(&mut c, &topology, &keys).await
    };
    let all = futures(accept).await;
    assert!(all.iter().any(Result::is_ok), "{all:?}");
    let mut look = Pipeline::new();
    for stream in ["answers", "plays"] {
        look.cmd("XRANGE").arg(stream).arg("-").arg("+");
    }
    look.cmd("XLEN").arg(keys.edits());
    let mut found = c.all(&look).await.unwrap();
    assert_eq!(found.pop(), Some(Value::Int(0)));
    for stream in found {
        let entries: Vec<(String, Vec<String>)> = redis::from_redis_value(stream).unwrap();
        let edits: Vec<serde_json::Value> =
            entries.iter().map(|(_, fields)| serde_json::from_str(&fields[1]).unwrap()).collect();
        let ids: Vec<&str> = edits.iter().map(|edit| edit["id"].as_str().unwrap()).collect();
        let expected: Vec<String> = (0..EDITS).map(|number| format!("e{number}")).collect();
        assert_eq!(ids, expected);
    }
}

/// Runs something four times at once.
async fn futures<T>(run: impl AsyncFn() -> T) -> Vec<T> {
    let (a, b, c, d) = timeout(PATIENCE, async { tokio::join!(run(), run(), run(), run()) })
        .await
        .unwrap_or_else(|_| panic!("it hangs"));
    vec![a, b, c, d]
}
