//! `tallyd correct` on a real redis-server: a question is regraded while events flow and a worker is
//! killed; its preview is what the boards show afterwards, and doing it twice changes nothing.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use redis::Pipeline;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tallyd_harness::{Deployment, Server, ServerOptions, WorkerProcess};
use tallyd_topology::parse;
use tempfile::TempDir;

const FILE: &str = include_str!("../topologies/regrade.toml");

/// What counts the answers of a source in front of the bolt that corrects.
const UNGUARDED: &str = r#"
[bolt.before]
type = "leaderboard"
from = "unique"
member = "user"
score = "count"
"#;

/// The points of each user for each question.
type Points = BTreeMap<(usize, usize), i64>;

struct School {
    open: Deployment,
    server: Server,
    workers: Vec<WorkerProcess>,
    file: PathBuf,
    folder: TempDir,
    sent: usize,
    points: Points,
}

impl School {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
        let open =
            Deployment::open(parse("regrade.toml", FILE, &|_| None).unwrap(), &server.url).await;
        let file = folder.path().join("regrade.toml");
        std::fs::write(&file, FILE).unwrap();
        let (workers, points) = (Vec::new(), Points::new());
        let open = open.unwrap();
        let mut school = Self { open, server, workers, file, folder, sent: 0, points };
        school.join(1);
        school.join(2);
        school
    }

    fn join(&mut self, number: usize) {
        let program = Path::new(env!("CARGO_BIN_EXE_tallyd"));
        let (folder, url) = (self.folder.path(), &self.server.url);
        let worker = WorkerProcess::start(program, folder, &self.file, url, number);
        self.workers.push(worker.unwrap());
    }

    /// Sends so many answers, some of them later versions of ones that were sent.
    async fn send(&mut self, count: usize) {
        let mut add = Pipeline::new();
        for _ in 0..count {
            self.sent += 1;
            let number = self.sent;
            let (user, question) = (number * 7 % 20, number * 5 % 6);
            let points = (number * 13 % 9) as i64;
            self.points.insert((user, question), points);
            let add = add.cmd("XADD").arg("scores").arg("*").arg("id").arg(format!("s{number}"));
            add.arg("user").arg(format!("u{user}")).arg("class").arg(format!("c{}", user % 2));
            add.arg("question").arg(format!("q{question}")).arg("points").arg(points);
            add.arg("at").arg(1_767_225_600_000 + number as i64 * 1000);
        }
        self.open.connection.all(&add).await.unwrap();
    }

    fn tallyd(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tallyd"));
        command.args(words).arg("--topology").arg(&self.file);
        command.args(["--redis", &self.server.url]).output().unwrap()
    }

    fn done(&self, words: &[&str]) -> String {
        let output = self.tallyd(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[words, &["--json"]].concat())).unwrap()
    }

    fn refused(&self, words: &[&str]) -> String {
        let output = self.tallyd(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn wait(&self) {
        self.done(&["wait", "--timeout", "100s"]);
    }

    /// The sum of the points by user, and the rank of each: of users with one sum the same.
    fn expected(&self) -> BTreeMap<String, (i64, u64)> {
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for ((user, _), points) in &self.points {
            *sums.entry(format!("u{user}")).or_default() += points;
        }
        let rank = |sum: i64| 1 + sums.values().filter(|other| **other > sum).count() as u64;
        sums.iter().map(|(user, sum)| (user.clone(), (*sum, rank(*sum)))).collect()
    }

    fn board(&self) -> BTreeMap<String, (i64, u64)> {
        let words = ["board", "standings", "--period", "all", "--top", "100"];
        let board = self.json(&words);
        let rows = board["rows"].as_array().unwrap().iter();
        let row = |row: &Value| {
            let score = row["score"].as_f64().unwrap() as i64;
            (row["member"].as_str().unwrap().to_owned(), (score, row["rank"].as_u64().unwrap()))
        };
        rows.map(row).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_regraded_once_and_the_preview_comes_true() {
    let mut school = School::start().await;
    school.send(400).await;
    school.wait();
    assert_eq!(school.board(), school.expected());

    let regrade = ["correct", "--source", "scores", "--where", "question=q3", "--set", "points=9"];
    let preview = school.json(&[&regrade[..], &["--dry-run"]].concat());
    let before = school.board();
    assert_eq!((school.expected(), &preview["sent"]), (before.clone(), &Value::Bool(false)));
    for ((_, question), points) in &mut school.points {
        *points = if *question == 3 { 9 } else { *points };
    }
    let after = school.expected();
    assert_ne!(after, before);
    // Of everyone's board, each that changes with its rank, and no other.
    let of_all = |change: &&Value| change["group"] == "everyone" && change["period"] == "all";
    let changes: Vec<&Value> =
        preview["changes"].as_array().unwrap().iter().filter(of_all).collect();
    let changed: Vec<&String> = after.keys().filter(|u| after[*u].0 != before[*u].0).collect();
    assert_eq!(changes.iter().map(|c| c["member"].as_str().unwrap()).collect::<Vec<_>>(), changed);
    for change in changes {
        let user = change["member"].as_str().unwrap();
        let score = |name: &str| change[name].as_str().unwrap().parse::<i64>().unwrap();
        let rank = |name: &str| change[name].as_u64().unwrap();
        assert_eq!((score("before"), rank("rank_before")), before[user], "{change}");
        assert_eq!((score("after"), rank("rank_after")), after[user], "{change}");
    }

    // Twice at once, with a worker that is killed in between.
    let done = school.json(&regrade);
    assert_eq!(
        (&done["corrected"], &done["changes"]),
        (&preview["corrected"], &preview["changes"])
    );
    school.json(&regrade);
    school.workers.remove(0).kill().await.unwrap();
    school.join(3);
    school.wait();
    assert_eq!(school.board(), after);
    let again = school.json(&regrade);
    assert_eq!((again["corrected"].as_u64(), &again["changes"]), (Some(0), &Value::Array(vec![])));

    // A later answer counts again, and what is regraded once more too.
    school.send(37).await;
    school.wait();
    assert_eq!(school.board(), school.expected());
    let back = ["correct", "--where", "question=q3", "--where", "class=c1", "--set", "points=1"];
    let shown = school.done(&back);
    assert!(shown.contains("also changes: questions") && shown.contains("are sent"), "{shown}");
    for ((user, question), points) in &mut school.points {
        *points = if *question == 3 && user % 2 == 1 { 1 } else { *points };
    }
    school.wait();
    assert_eq!(school.board(), school.expected());
    school.done(&["correct", "--where", "user=u4", "--set", "withdrawn=true"]);
    school.points.retain(|(user, _), _| *user != 4);
    school.wait();
    assert_eq!(school.board(), school.expected());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_count_twice_is_refused_before_anything_is_sent() {
    let school = School::start().await;
    let correct = |words: &[&str]| school.refused(&[&["correct"], words].concat());
    let cases: [(&[&str], &str); 8] = [
        (&["--where", "question=q1", "--set", "question=q2"], "would be another event"),
        (&["--where", "question=q1", "--set", "user=u1"], "would be another event"),
        (&["--where", "question=q1", "--set", "at=0"], "which version is the later one"),
        (&["--where", "question=q1", "--set", "id=x"], "the event's identity"),
        (&["--where", "question=q1", "--set", "points=101"], "above the maximum 100"),
        (&["--where", "question=q1", "--set", "points="], "can't be left out"),
        (&["--where", "item=q1", "--set", "points=1"], "have no field \"item\""),
        (&["--source", "s", "--where", "question=q1", "--set", "points=1"], "no source \"s\""),
    ];
    for (words, reason) in cases {
        let said = correct(words);
        assert!(said.contains(reason), "{words:?}: {said}");
    }
    std::fs::write(&school.file, format!("{FILE}{UNGUARDED}")).unwrap();
    let said = correct(&["--where", "question=q1", "--set", "points=1"]);
    assert!(
        said.contains("\"before\" counts the events of \"scores\" in front of \"latest\""),
        "{said}"
    );
    assert!(said.contains("let it read from \"latest\""), "{said}");
    let shipped = include_str!("../topologies/testprep.toml");
    std::fs::write(&school.file, shipped).unwrap();
    let said = correct(&["--where", "question=q1", "--set", "points=1"]);
    assert!(said.contains("nothing corrects the events of \"answers\""), "{said}");
}
