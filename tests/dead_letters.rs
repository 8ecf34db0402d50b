//! Dead letters on a real redis-server: found by filters, replayed exactly once whatever happens
//! to the connection, and bounded with a noise.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use redis::{Pipeline, Value, from_redis_value};
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};
use tallyd_bolt::Key;
use tallyd_event::{
    EntryId,
    decode::{self, TimeLimits},
    frame,
};
use tallyd_harness::{Deployment, Server, ServerOptions, WorkerProcess};
use tallyd_runtime::store::ErrorKind;
use tallyd_store::{Connection, dead, inspect, server_ms};
use tallyd_topology::{Topology, parse};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixListener, UnixStream},
    process::Command,
    time::{Instant, sleep},
};

const FILE: &str = r#"
name = "t"
partitions = 2
[run]
dead_letters = 10
[source.s]
id = "id"
key = "user"
[source.s.fields]
id = "string"
user = "string"
points = { type = "int", max = 10 }
[bolt.unique]
type = "dedup"
from = "s"
window = "1d"
[bolt.board]
type = "leaderboard"
from = "unique"
member = "user"
score = "sum(points)"
"#;

/// How long anything may take. A test that hangs must end all the same.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server of its own, and a topology on it.
struct Bench {
    open: Deployment,
    server: Server,
    folder: TempDir,
}

impl Bench {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
        let open = Deployment::open(topology(), &server.url).await.unwrap();
        Self { open, server, folder }
    }

    /// Writes a topology file.
    fn file(&self, text: &str) -> PathBuf {
        let file = self.folder.path().join("t.toml");
        std::fs::write(&file, text).unwrap();
        file
    }

    fn worker(&self, file: &Path) -> WorkerProcess {
        let program = Path::new(env!("CARGO_BIN_EXE_tallyd"));
        WorkerProcess::start(program, self.folder.path(), file, &self.server.url, 1).unwrap()
    }

    async fn tallyd(&self, words: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tallyd"));
        command.args(words.split('|')).arg("--topology").arg(self.file(FILE));
        command.args(["--redis", &self.server.url]).output().await.unwrap()
    }

    async fn ask(&mut self, words: &[&str]) -> Value {
        let (name, arguments) = words.split_first().unwrap();
        let mut ask = Pipeline::new();
        ask.cmd(name).arg(arguments);
        self.open.connection.all(&ask).await.unwrap().pop().unwrap()
    }

    async fn length(&mut self, stream: &str) -> u64 {
        from_redis_value(self.ask(&["XLEN", stream]).await).unwrap()
    }

    async fn send(&mut self, id: &str, points: &str) {
        self.ask(&["XADD", "s", "*", "id", id, "user", "u", "points", points]).await;
    }

    /// Puts a dead letter of an event with too many points where a worker would put it.
    async fn bury(&mut self, letter: &str, node: &str, id: &str) -> EntryId {
        let key = self.open.keys.dead();
        let words = ["XADD", &key, letter, "node", node, "reason", "too many", "entry", "1-0"];
        let fields = ["field:id", id, "field:user", "u", "field:points", "11"];
        let id = self.ask(&[words.as_slice(), &fields].concat()).await;
        from_redis_value::<String>(id).unwrap().parse().unwrap()
    }

    async fn drain(&mut self) {
        let began = Instant::now();
        let Deployment { topology, keys, connection } = &mut self.open;
        while !inspect::drained(connection, topology, keys).await.unwrap() {
            assert!(began.elapsed() < PATIENCE, "still processing");
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn score(&mut self) -> Option<i64> {
        let parts = ["board", "all", "all", "everyone"];
        let key = self.open.keys.bolt("board", &Key::new(&parts));
        let stored: Option<f64> = from_redis_value(self.ask(&["ZSCORE", &key, "u"]).await).unwrap();
        stored.map(|score| score.floor() as i64)
    }
}

fn topology() -> Topology {
    parse("t.toml", FILE, &|_| None).unwrap()
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn filters_find_by_bolt_reason_and_time() {
    let mut bench = Bench::start().await;
    let now = server_ms(&mut bench.open.connection).await.unwrap();
    let hours_ago = |hours: i64| format!("{}-0", now - hours * 3_600_000);
    let old = bench.bury("1767225600000-0", "s", "old").await.to_string();
    let middle = bench.bury(&hours_ago(3), "board", "middle").await.to_string();
    let new = bench.bury(&hours_ago(1), "s", "new").await.to_string();
    let cases = [
        ("--from|2h", vec![&new]),
        ("--since|2h ago|--bolt|s", vec![&new]),
        ("--to|-2h", vec![&old, &middle]),
        ("--from|2026-01-01T00:00:01Z|--until|2h", vec![&middle]),
        ("--from|2026-01-01T05:30:00+05:30|--to|2026-01-01T00:00:00Z", vec![&old]),
        ("--from|2026-01-01|--to|2026-01-01", vec![&old]),
        ("--to|2025-12-31", vec![]),
        ("--bolt|board", vec![&middle]),
        ("--reason|too many", vec![&old, &middle, &new]),
        ("--reason|too few", vec![]),
        ("--limit|2", vec![&old, &middle]),
    ];
    for (filter, ids) in cases {
        let output = bench.tallyd(&format!("dead|list|--json|{filter}")).await;
        let listed: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
        let listed: Vec<&str> =
            listed.iter().map(|letter| letter["id"].as_str().unwrap()).collect();
        assert_eq!(listed, ids, "{filter}");
    }
    // Neither command touches everything by mistake, nor guesses what ids and filters mean.
    let wrong =
        ["dead|drop", "dead|replay", &format!("dead|drop|{old}|--bolt|s"), "dead|drop|--from|2"];
    for words in wrong {
        assert_eq!(bench.tallyd(words).await.status.code(), Some(2), "{words}");
    }
    let dropped = bench.tallyd("dead|drop|--to|2h|--bolt|s").await;
    assert_eq!(said(&dropped), "1 dropped\n");
    let replayed = bench.tallyd("dead|replay|--from|-2h").await;
    assert_eq!(said(&replayed), "1 replayed\n");
    assert_eq!(bench.length("s").await, 1);
    let replayed = bench.tallyd(&format!("dead|replay|{new}")).await;
    assert!(said(&replayed).contains(&format!("{new}: no such dead letter")));
    assert_eq!(replayed.status.code(), Some(1));
    let shown = said(&bench.tallyd(&format!("dead|show|{middle}")).await);
    assert!(shown.contains("reason   too many") && shown.contains(r#""points" = "11""#), "{shown}");
    let dropped = bench.tallyd("dead|drop|--all").await;
    assert_eq!(said(&dropped), "1 dropped\n");
}

#[tokio::test]
async fn two_replays_at_once_send_each_letter_once() {
    let mut bench = Bench::start().await;
    let mut ids = Vec::new();
    for number in 0..100 {
        ids.push(bench.bury("*", "s", &number.to_string()).await);
    }
    let all = |ids: Vec<EntryId>, url: String| async move {
        let mut open = Deployment::open(topology(), &url).await.unwrap();
        let mut replayed = 0;
        for id in ids {
            let done = dead::replay(&mut open.connection, &open.topology, &open.keys, id).await;
            replayed += u64::from(done.unwrap());
        }
        replayed
    };
    let url = bench.server.url.clone();
    let one = tokio::spawn(all(ids.clone(), url.clone()));
    let other = tokio::spawn(all(ids, url));
    assert_eq!(one.await.unwrap() + other.await.unwrap(), 100);
    assert_eq!(bench.length("s").await, 100);
    assert_eq!(bench.length(&bench.open.keys.dead()).await, 0);
}

/// When the connection breaks.
#[derive(Clone, Copy)]
enum Cut {
    BeforeExec,
    BeforeItsReply,
}

/// Passes on what one client and the server say, until the client says EXEC.
async fn cut(listener: UnixListener, server: PathBuf, cut: Cut) {
    let (mut client, _) = listener.accept().await.unwrap();
    let mut server = UnixStream::connect(server).await.unwrap();
    let (mut said, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            length = client.read(&mut said) => {
                let said = &said[..length.unwrap()];
                let is_exec = said.windows(4).any(|word| word == b"EXEC");
                if is_exec && matches!(cut, Cut::BeforeExec) {
                    return;
                }
                server.write_all(said).await.unwrap();
                if is_exec {
                    assert!(server.read(&mut answered).await.unwrap() > 0);
                    return;
                }
            }
            length = server.read(&mut answered) => {
                client.write_all(&answered[..length.unwrap()]).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_replay_whose_connection_broke_may_be_tried_again() {
    let mut bench = Bench::start().await;
    for (number, (when, happened)) in
        [(Cut::BeforeExec, false), (Cut::BeforeItsReply, true)].into_iter().enumerate()
    {
        let id = bench.bury("*", "s", &number.to_string()).await;
        let folder = bench.folder.path();
        let socket = folder.join(format!("proxy-{number}.sock"));
        let listener = UnixListener::bind(&socket).unwrap();
        let proxy = tokio::spawn(cut(listener, folder.join("redis.sock"), when));
        let url = format!("redis+unix://{}", socket.display());
        let mut through = Connection::open(&url).await.unwrap();
        let Deployment { topology, keys, connection } = &mut bench.open;
        let error = dead::replay(&mut through, topology, keys, id).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Connection, "{error}");
        proxy.await.unwrap();
        let again = dead::replay(connection, topology, keys, id).await.unwrap();
        assert_eq!(again, !happened);
        assert_eq!(bench.length("s").await, number as u64 + 1);
    }
}

#[tokio::test]
async fn what_is_replayed_goes_through_dedup() {
    let mut bench = Bench::start().await;
    let worker = bench.worker(&bench.file(FILE));
    bench.send("a", "11").await;
    bench.send("b", "12").await;
    // The producer fixes one of them itself, and sends it again.
    bench.send("a", "1").await;
    bench.drain().await;
    assert_eq!(bench.score().await, Some(1));
    worker.stop().await.unwrap();

    // The operator fixes the topology.
    let fixed = bench.file(&FILE.replace("max = 10", "max = 100"));
    let worker = bench.worker(&fixed);
    let Deployment { topology, keys, connection } = &mut bench.open;
    let all = EntryId::ZERO..=EntryId { ms: u64::MAX, seq: 0 };
    let letters = dead::list(connection, keys, all, 10).await.unwrap();
    assert_eq!(letters.len(), 2);
    for letter in &letters {
        assert!(dead::replay(connection, topology, keys, letter.id).await.unwrap());
        assert!(!dead::replay(connection, topology, keys, letter.id).await.unwrap());
    }
    bench.drain().await;
    assert_eq!(bench.score().await, Some(13));
    assert_eq!(bench.length(&bench.open.keys.dead()).await, 0);
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_bolts_letter_goes_to_that_bolt_alone() {
    let mut bench = Bench::start().await;
    // An event that the board refused, and a frame that no version could read until now.
    let event = bench.bury("*", "board", "x").await;
    let schema = bench.open.topology.nodes[0].schema.clone();
    let fields = ["id", "y", "user", "u", "points", "5"].map(|text| text.as_bytes().to_vec());
    let fields: Vec<(Vec<u8>, Vec<u8>)> =
        fields.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    let decoded = decode::decode(&schema, TimeLimits::NONE, EntryId { ms: 1, seq: 0 }, &fields);
    let sound = frame::encode(&schema, &decoded.events).unwrap();
    let mut letters = Vec::new();
    for (node, bytes) in [("board", sound.as_slice()), ("unique", b"garbage")] {
        let mut add = Pipeline::new();
        let command = add.cmd("XADD").arg(bench.open.keys.dead()).arg("*").arg("node").arg(node);
        command.arg("reason").arg("").arg("entry").arg("2-0").arg("field:f").arg(bytes);
        let id = bench.open.connection.all(&add).await.unwrap().pop().unwrap();
        letters.push(from_redis_value::<String>(id).unwrap().parse::<EntryId>().unwrap());
    }
    let Deployment { topology, keys, connection } = &mut bench.open;
    // As it was buried it still has too many points for its source.
    let refused = dead::replay(connection, topology, keys, event).await.unwrap_err();
    assert_eq!(refused.message, "field \"points\": 11 is above the maximum 10");
    assert!(dead::replay(connection, topology, keys, letters[0]).await.unwrap());
    let refused = dead::replay(connection, topology, keys, letters[1]).await.unwrap_err();
    assert_eq!(refused.message, "not a frame: invalid type: integer `103`, expected a frame");
    assert_eq!(bench.length(&bench.open.keys.dead()).await, 2);

    let worker = bench.worker(&bench.file(FILE));
    bench.send("y", "3").await;
    bench.drain().await;
    // Once through the board alone, and once through all, where dedup never saw it before.
    assert_eq!(bench.score().await, Some(8));
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_full_dead_letter_stream_is_loud() {
    let mut bench = Bench::start().await;
    let file = bench.file(FILE);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let log = std::fs::File::create(bench.folder.path().join("log")).unwrap();
    let _worker = Command::new(env!("CARGO_BIN_EXE_tallyd"))
        .arg("run")
        .arg(&file)
        .args(["--redis", &bench.server.url, "--metrics", &port.to_string()])
        .stdin(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let status = |json: bool| if json { "status|--json" } else { "status" };
    for number in 0..10 {
        bench.send(&number.to_string(), "11").await;
    }
    bench.drain().await;
    assert_eq!(bench.length(&bench.open.keys.dead()).await, 10);
    let full = said(&bench.tallyd(status(false)).await);
    assert!(
        full.contains("dead letters stored: 10 of at most 10, or 256.0 MiB\nDEAD LETTERS FULL"),
        "{full}"
    );
    let log = || std::fs::read_to_string(bench.folder.path().join("log")).unwrap();
    assert!(!log().contains("DEAD LETTERS LOST"), "{}", log());

    for number in 10..25 {
        bench.send(&number.to_string(), "11").await;
    }
    bench.drain().await;
    let Deployment { keys, connection, .. } = &mut bench.open;
    let all = EntryId::ZERO..=EntryId { ms: u64::MAX, seq: 0 };
    let kept = dead::list(connection, keys, all, 100).await.unwrap();
    let kept: Vec<&str> = kept.iter().map(|letter| letter.fields[0].1.as_str()).collect();
    assert_eq!(kept, ["15", "16", "17", "18", "19", "20", "21", "22", "23", "24"]);
    await_metric(&port.to_string(), "tallyd_dead_letters_dropped_total{node=\"s\"} 15").await;
    await_metric(&port.to_string(), "tallyd_dead_letters 10").await;
    let log = std::fs::read_to_string(bench.folder.path().join("log")).unwrap();
    assert!(log.contains("ERROR") && log.contains("DEAD LETTERS LOST"), "{log}");
    let json = bench.tallyd(status(true)).await;
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (&json["dead_letters_stored"], &json["dead_letters_full"]),
        (&10.into(), &true.into())
    );

    assert_eq!(said(&bench.tallyd("dead|drop|--reason|maximum").await), "10 dropped\n");
    let json = bench.tallyd(status(true)).await;
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["dead_letters_full"], false);
}

/// Waits until a metric has a value: a worker counts a commit just after it happened.
async fn await_metric(address: &str, line: &str) {
    let began = Instant::now();
    loop {
        let mut stream = TcpStream::connect(address).await.expect("the metrics address");
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        if answer.lines().any(|found| found == line) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "no {line} in {answer}");
        sleep(Duration::from_millis(20)).await;
    }
}
