//! A school's term at 3,000 events a second, with three workers of which one is killed now and then:
//! a cheater is banned and pardoned, a learner is forgotten, two who are one become one, a player goes
//! to another class, the week is closed, a question is graded again. In the end every board and figure
//! is that of a plain recount of the sources.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "taken_back/matches.rs"]
mod matches;
#[path = "forget/search.rs"]
mod search;

use redis::Pipeline;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tallyd_bolt::calendar::Length;
use tallyd_harness::{Deployment, Server, ServerOptions, WorkerProcess, producer::now_ms};
use tallyd_store::Connection;
use tallyd_topology::parse;
use tempfile::TempDir;
use tokio::time::{Instant, interval};

const USERS: usize = 1_500;
/// So many answers in each tick, and so many matches: 3,000 events a second.
const EACH: usize = 48;
const MATCHES: usize = 12;
const TICK: Duration = Duration::from_millis(20);
/// So many ticks at most: on a slow machine the last of what is asked for comes when all is sent.
const ROUNDS: usize = 600;
const CHEATER: &str = "u17";
/// A name that is no part of another.
const LEAVER: &str = "Ada Lovelace";
/// Which user of the numbered ones is her.
const HER_NUMBER: usize = 7;
const REGRADED: &str = "q2";
const POINTS: i64 = 77;

fn text() -> String {
    // Without its tests, whose events do not say which of two sources they are sent to.
    let (regrade, _) = include_str!("../topologies/regrade.toml").split_once("[[test]]").unwrap();
    format!("{regrade}{}\n[run]\nsession_timeout = \"1s\"\n", matches::BOLTS)
}

struct School {
    open: Deployment,
    server: Server,
    workers: Vec<WorkerProcess>,
    started: usize,
    file: PathBuf,
    folder: TempDir,
}

impl School {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
        let topology = parse("regrade.toml", &text(), &|_| None).unwrap();
        let open = Deployment::open(topology, &server.url).await.unwrap();
        let file = folder.path().join("regrade.toml");
        std::fs::write(&file, text()).unwrap();
        let mut school = Self { open, server, workers: Vec::new(), started: 0, file, folder };
        (0..3).for_each(|_| school.join());
        school
    }

    fn join(&mut self) {
        self.started += 1;
        let program = Path::new(env!("CARGO_BIN_EXE_tallyd"));
        let (folder, url) = (self.folder.path(), &self.server.url);
        let worker = WorkerProcess::start(program, folder, &self.file, url, self.started);
        self.workers.push(worker.unwrap());
    }

    async fn kill_one(&mut self) {
        self.workers.remove(0).kill().await.unwrap();
        self.join();
    }

    fn done(&self, words: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tallyd"));
        let command = command.args(words).arg("--topology").arg(&self.file);
        let output = command.args(["--redis", &self.server.url]).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until all bolts are done with an edit; events are sent meanwhile.
    async fn edited(&self, id: &str) {
        let began = Instant::now();
        loop {
            let edit: Value = serde_json::from_str(&self.done(&["edits", id, "--json"])).unwrap();
            let edit = if edit.is_array() { edit[0].clone() } else { edit };
            let bolts = edit["bolts"].as_array().unwrap();
            if bolts.iter().all(|of| of["done"] == of["of"]) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(100), "{edit}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn board(&mut self, bolt: &str, period: (&str, &str), group: &str) -> Scores {
        let (period, label) = period;
        let mut ask = Pipeline::new();
        let key = format!("tallyd:{{regrade/0}}:bolt:{bolt}:board:{period}:{label}:{group}");
        ask.cmd("ZRANGE").arg(key).arg(0).arg(-1).arg("WITHSCORES");
        let rows = self.open.connection.all(&ask).await.unwrap().pop().unwrap();
        let rows: Vec<(String, f64)> = redis::from_redis_value(rows).unwrap();
        rows.into_iter().map(|(user, score)| (user, score.floor() as i64)).collect()
    }

    /// Who stands on the board of all time for everyone, by answers.
    async fn standings(&mut self) -> Scores {
        self.board("standings", ("all", "all"), "everyone").await
    }

    /// All entries of a stream, each by its fields.
    async fn entries(&mut self, stream: &str) -> Vec<BTreeMap<String, String>> {
        let mut ask = Pipeline::new();
        ask.cmd("XRANGE").arg(stream).arg("-").arg("+");
        let entries = self.open.connection.all(&ask).await.unwrap().pop().unwrap();
        let entries: Vec<(String, BTreeMap<String, String>)> =
            redis::from_redis_value(entries).unwrap();
        entries.into_iter().map(|(_, fields)| fields).collect()
    }
}

/// Members with their scores.
type Scores = BTreeMap<String, i64>;

/// What the producer and the test tell each other.
#[derive(Default)]
struct Load {
    /// She answers no more.
    has_left: AtomicBool,
    matches: matches::Now,
    /// Which round the producer is in.
    rounds: AtomicUsize,
}

impl Load {
    /// Waits until a round has come, or all are over.
    async fn round(&self, until: usize) {
        while self.rounds.load(Ordering::Relaxed) < until {
            tokio::time::sleep(TICK).await;
        }
    }

    /// Waits for so many more. The first of them may not know yet what the producer was told.
    async fn rounds(&self, more: usize) {
        self.round(self.rounds.load(Ordering::Relaxed).saturating_add(more)).await;
    }
}

/// Answers, each to a question that its user has not answered: of each question first all
/// users, then the next one. Returns how many answers she gave to each question, and their points.
async fn produce(load: Arc<Load>, url: String, at: i64) -> BTreeMap<String, (i64, i64)> {
    let mut connection = Connection::open(&url).await.unwrap();
    let (mut number, mut hers) = (0, BTreeMap::<String, (i64, i64)>::new());
    let mut clock = interval(TICK);
    for round in 0..ROUNDS {
        clock.tick().await;
        load.rounds.store(round, Ordering::Relaxed);
        let has_left = load.has_left.load(Ordering::Relaxed);
        let mut add = Pipeline::new();
        for _ in 0..EACH {
            number += 1;
            let (user, question) = (number % USERS, format!("q{}", number / USERS));
            let points = (number * 13 % 9) as i64;
            let is_her = user == HER_NUMBER;
            if is_her && has_left {
                continue;
            }
            let name = if is_her { LEAVER.to_owned() } else { format!("u{user}") };
            if is_her {
                let of = hers.entry(question.clone()).or_default();
                *of = (of.0 + 1, of.1 + points);
            }
            // Some are sent twice.
            for _ in 0..=usize::from(number.is_multiple_of(50)) {
                let add =
                    add.cmd("XADD").arg("scores").arg("*").arg("id").arg(format!("s{number}"));
                add.arg("user").arg(&name).arg("class").arg(format!("c{}", user % 3));
                add.arg("question").arg(&question).arg("points").arg(points);
                add.arg("at").arg(at + number as i64);
            }
        }
        load.matches.add(&mut add, round, at);
        connection.all(&add).await.unwrap();
    }
    load.rounds.store(usize::MAX, Ordering::Relaxed);
    hers
}

/// An answer as it stands in the source.
#[derive(Clone)]
struct Answer {
    class: String,
    points: i64,
    /// Whether it stands before the close of the week.
    in_week: bool,
    /// Whether it is a correction.
    is_later: bool,
}

/// All answers of the source by user and question, in the order of the stream, and how many
/// corrections are among them.
async fn answers(school: &mut School) -> BTreeMap<(String, String), Vec<Answer>> {
    let (mut all, mut in_week) = (BTreeMap::<_, Vec<Answer>>::new(), true);
    for of in school.entries("scores").await {
        in_week &= !of.get("tallyd:edit").is_some_and(|edit| edit.contains("\"close\""));
        let Some(user) = of.get("user") else { continue };
        let answer = Answer {
            class: of["class"].clone(),
            points: of["points"].parse().unwrap(),
            in_week,
            is_later: of["id"].contains('~'),
        };
        all.entry((user.clone(), of["question"].clone())).or_default().push(answer);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_under_load_is_exact_whatever_workers_are_killed() {
    let mut school = School::start().await;
    let load = Arc::new(Load::default());
    // All of it happens in this week, also if that ends meanwhile.
    let week = school.open.topology.calendar.window(Length::Week, now_ms());
    let (at, week) = (week.start + 1_000, week.label.to_string());
    let producing = tokio::spawn(produce(Arc::clone(&load), school.server.url.clone(), at));
    // Workers know the topology by then, and boards the cheater.
    while !school.standings().await.contains_key(CHEATER) {
        tokio::time::sleep(TICK).await;
    }
    school.done(&["hide", CHEATER, "--field", "user", "--id", "ban"]);
    school.kill_one().await;
    load.round(100).await;
    load.has_left.store(true, Ordering::Relaxed);
    load.rounds(2).await;
    school.done(&["forget", LEAVER, "--field", "user", "--id", "leaves"]);
    school.kill_one().await;
    matches::merge_and_move(&mut school, &load).await;
    load.round(260).await;
    let close = ["close", "standings", "--period", "week", "--label", &week, "--id", "term"];
    school.done(&close);
    school.kill_one().await;
    // Banned when the week was closed, pardoned afterwards.
    school.edited("term").await;
    assert!(!school.standings().await.contains_key(CHEATER));
    school.done(&["unhide", CHEATER, "--field", "user", "--id", "pardon"]);
    school.kill_one().await;
    let question = format!("question={REGRADED}");
    let set = format!("points={POINTS}");
    school.done(&["correct", "--source", "scores", "--where", &question, "--set", &set]);
    school.kill_one().await;
    let hers = producing.await.unwrap();
    school.done(&["wait", "--timeout", "300s"]);

    let answers = answers(&mut school).await;
    assert!(!answers.keys().any(|(user, _)| user == LEAVER));
    let (mut all, mut of_week, mut figures) =
        (BTreeMap::<(String, String), i64>::new(), BTreeMap::<(String, String), i64>::new(), hers);
    let mut corrected = 0;
    for ((user, question), versions) in &answers {
        let first = &versions[0];
        let latest = versions.iter().rev().find(|of| of.is_later).unwrap_or(first);
        corrected += u64::from(latest.is_later);
        for group in ["everyone".to_owned(), format!("class={}", first.class)] {
            *all.entry((group.clone(), user.clone())).or_default() += latest.points;
            if first.in_week {
                // What is corrected after the close stays as it was.
                *of_week.entry((group, user.clone())).or_default() += first.points;
            }
        }
        let of = figures.entry(question.clone()).or_default();
        *of = (of.0 + 1, of.1 + latest.points);
    }
    assert!(corrected > 1_000, "{corrected} answers were graded again");
    assert_ne!(all, of_week);
    for (period, expected) in [(("all", "all"), &all), (("week", week.as_str()), &of_week)] {
        for group in ["everyone", "class=c0", "class=c1", "class=c2"] {
            let of_group = expected.iter().filter(|((of, _), _)| of == group);
            let of_group = of_group.map(|((_, user), score)| (user.clone(), *score)).collect();
            let found = school.board("standings", period, group).await;
            assert_eq!(found, of_group, "{period:?} {group}");
        }
    }
    for (question, (count, points)) in figures {
        let mut ask = Pipeline::new();
        let key = format!("tallyd:{{regrade/0}}:bolt:questions:window:all:all:question={question}");
        ask.cmd("HMGET").arg(key).arg("answers").arg("points");
        let found = school.open.connection.all(&ask).await.unwrap().pop().unwrap();
        let found: (i64, i64) = redis::from_redis_value(found).unwrap();
        assert_eq!(found, (count, points), "{question}");
    }
    matches::audit(&mut school, &week).await;
    let folder = school.folder.path().to_owned();
    let left = search::found(&mut school.open.connection, &folder, &[LEAVER]).await;
    assert_eq!(left, [""; 0]);
}
