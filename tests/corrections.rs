//! Corrections on a real redis-server: snapshots of each student's score on each question, which also
//! fall. In order, shuffled by up to a minute, and twice, with workers that are killed in between, they
//! end at the same board, that of a plain recount. And what a key takes of Redis's memory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use redis::Pipeline;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};
use tallyd_harness::{Deployment, Server, ServerOptions, WorkerProcess};
use tallyd_topology::parse;
use tempfile::TempDir;

const FILE: &str = include_str!("../topologies/regrade.toml");
const PREFIX: &str = "tallyd:{regrade/0}:bolt:";
/// The time of the first snapshot, in ms.
const T: i64 = 1_767_225_600_000;

/// One snapshot.
#[derive(Clone)]
struct Snapshot {
    id: String,
    user: usize,
    question: usize,
    points: i64,
    at: i64,
    withdrawn: bool,
}

impl Snapshot {
    fn json(&self) -> String {
        let Self { id, user, question, points, at, withdrawn } = self;
        format!(
            r#"{{"id":"{id}","user":"u{user}","class":"c{}","question":"q{question}","points":{points},"withdrawn":{withdrawn},"at":{at}}}"#,
            user % 3
        )
    }
}

/// So many snapshots, three seconds apart.
fn snapshots(count: usize, users: usize) -> Vec<Snapshot> {
    let snapshot = |number: usize| Snapshot {
        id: format!("s{number}"),
        user: number * 7919 % users,
        question: number * 31 % 11,
        points: (number * number % 53) as i64,
        at: T + number as i64 * 3_000,
        withdrawn: number.is_multiple_of(29),
    };
    (0..count).map(snapshot).collect()
}

/// The sum over the questions of the latest score, by user.
fn recount(all: &[Snapshot]) -> BTreeMap<String, f64> {
    let mut latest: BTreeMap<(usize, usize), &Snapshot> = BTreeMap::new();
    for one in all {
        let kept = latest.entry((one.user, one.question)).or_insert(one);
        if one.at > kept.at {
            *kept = one;
        }
    }
    let mut board = BTreeMap::new();
    for one in latest.into_values().filter(|one| !one.withdrawn) {
        *board.entry(format!("u{}", one.user)).or_default() += one.points as f64;
    }
    board
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
        let topology = parse("regrade.toml", FILE, &|_| None).unwrap();
        let open = Deployment::open(topology, &server.url).await.unwrap();
        let file = folder.path().join("regrade.toml");
        std::fs::write(&file, FILE).unwrap();
        let mut school = Self { open, server, workers: Vec::new(), started: 0, file, folder };
        school.join();
        school.join();
        school
    }

    fn join(&mut self) {
        self.started += 1;
        let program = Path::new(env!("CARGO_BIN_EXE_tallyd"));
        let (folder, url) = (self.folder.path(), &self.server.url);
        let worker = WorkerProcess::start(program, folder, &self.file, url, self.started);
        self.workers.push(worker.unwrap());
    }

    async fn send(&mut self, snapshots: &[Snapshot]) {
        for some in snapshots.chunks(200) {
            let lines: Vec<String> = some.iter().map(Snapshot::json).collect();
            let mut add = Pipeline::new();
            add.cmd("XADD").arg("scores").arg("*").arg("batch").arg(lines.join("\n"));
            self.open.connection.all(&add).await.unwrap();
        }
    }

    fn wait(&self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tallyd"));
        command.args(["wait", "--timeout", "100s", "--topology"]).arg(&self.file);
        let waited = command.args(["--redis", &self.server.url]).output().unwrap();
        assert!(waited.status.success(), "{}", String::from_utf8_lossy(&waited.stderr));
    }

    async fn board(&mut self) -> BTreeMap<String, f64> {
        let mut ask = Pipeline::new();
        let key = format!("{PREFIX}standings:board:all:all:everyone");
        ask.cmd("ZRANGE").arg(key).arg("0").arg("-1").arg("WITHSCORES");
        let rows = self.open.connection.all(&ask).await.unwrap().pop().unwrap();
        redis::from_redis_value::<Vec<(String, f64)>>(rows).unwrap().into_iter().collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_order_shuffled_and_twice_it_ends_at_the_same_board() {
    let in_order = snapshots(3_000, 40);
    let late = |one: &Snapshot| one.at % 7_919 * 31 % 120_000;
    let mut shuffled = in_order.clone();
    shuffled.sort_by_key(|one| one.at + late(one));
    let moved = in_order.iter().zip(&shuffled).filter(|(one, other)| one.id != other.id).count();
    assert!(moved > 2_000, "{moved}");
    let twice: Vec<Snapshot> = in_order.iter().chain(&shuffled).cloned().collect();
    let expected = recount(&in_order);
    assert!(expected.len() > 30);
    for (how, all) in [("in order", in_order), ("shuffled", shuffled), ("twice", twice)] {
        let mut school = School::start().await;
        for part in all.chunks(all.len() / 3 + 1) {
            school.send(part).await;
            // Whoever is killed is in the midst of it, or not: the board is the same.
            school.workers.remove(0).kill().await.unwrap();
            school.join();
        }
        school.wait();
        assert_eq!(school.board().await, expected, "{how}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_takes_at_most_a_hundred_bytes() {
    let mut school = School::start().await;
    // Of all 16 partitions: a table of each that has just grown is the largest for its keys.
    let users: usize = 40_000;
    let mut all = snapshots(users, users);
    all.iter_mut().for_each(|one| (one.at, one.withdrawn) = (T, false));
    school.send(&all).await;
    school.wait();
    let mut ask = Pipeline::new();
    ask.cmd("KEYS").arg(format!("{PREFIX}latest:versions:*").replace('{', "\\{"));
    let keys = school.open.connection.all(&ask).await.unwrap().pop().unwrap();
    let keys: Vec<String> = redis::from_redis_value(keys).unwrap();
    assert_eq!(keys.len(), 16);
    let mut versions = 0;
    for key in keys {
        let mut ask = Pipeline::new();
        ask.cmd("HLEN").arg(&key).cmd("MEMORY").arg("USAGE").arg(&key).arg("SAMPLES").arg(0);
        let found = school.open.connection.all(&ask).await.unwrap();
        let found = found.into_iter().map(|value| redis::from_redis_value::<u64>(value).unwrap());
        let found: Vec<u64> = found.collect();
        let (length, bytes) = (found.first().unwrap(), found.last().unwrap());
        versions += length;
        assert!(bytes / length <= 100, "{bytes} bytes of {length} keys");
    }
    assert_eq!(versions, users as u64);
}
