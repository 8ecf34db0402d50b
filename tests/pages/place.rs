//! A topology that runs and is served, with a key for each role.

use crate::browser::Browser;
use redis::Pipeline;
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};
use tallyd_harness::{Server, ServerOptions, WorkerProcess};
use tallyd_store::Connection;
use tempfile::TempDir;

const TESTPREP: &str = include_str!("../../topologies/testprep.toml");
/// The digests of `learner-key`, `teacher-key` and `operator-key`.
const SERVE: &str = r#"
[bolt.practice]
type = "aggregate"
from = "unique"
by = ["user"]
windows = ["1h", "1d"]
measures = { answers = "count", right = "count(correct)" }
[serve]
# Answers are sent as fast as they are taken.
rate = 1_000_000
[serve.key.learner]
sha256 = "ed2f81d2a7a55faed3299a2479b4a0255e89f6f4f0d7b28dd8c406309a153db1"
read = ["points"]
by = { class = "10B" }
member = "u7"
[serve.key.teacher]
sha256 = "9d9561d4f8278f0b589431a45ac3642cadfc3b89fadb9b9cedc1505acabb2387"
read = ["points", "concepts", "practice"]
by = { class = "10B" }
learners = true
[serve.key.operator]
sha256 = "c9736463f555cdb7d2a78cfd7aa8b8c4f09d906d78f8dab9228eda30a28c2818"
ingest = ["*"]
operator = true
"#;

/// A class, and what it practises, the easiest first.
const LEARNERS: [&str; 24] = [
    "ada", "amir", "bela", "chen", "dara", "emil", "fola", "gita", "hugo", "ines", "jana", "kofi",
    "lena", "mira", "noor", "olga", "petr", "qadir", "rosa", "sami", "tara", "umar", "vera", "zoe",
];
const CONCEPTS: [&str; 7] =
    ["fractions", "percentages", "ratios", "equations", "geometry", "algebra", "probability"];
/// For how long it has practised.
const MINUTES: u64 = 110;

/// What runs.
pub struct Place {
    server: Server,
    worker: Option<WorkerProcess>,
    serve: Child,
    address: String,
    file: PathBuf,
    sent: usize,
    _folder: TempDir,
}

impl Place {
    /// Starts a server, a worker and pages.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
        let file = folder.path().join("testprep.toml");
        let before_tests = TESTPREP.split("\n[[test]]").next().unwrap();
        std::fs::write(&file, format!("{before_tests}\n{SERVE}")).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_tallyd"));
        let worker = WorkerProcess::start(program, folder.path(), &file, &server.url, 0).unwrap();
        let (serve, address) = serve(&file, &server.url, "127.0.0.1:0");
        let worker = Some(worker);
        Self { server, worker, serve, address, file, sent: 0, _folder: folder }
    }

    /// The address of a page, with a key.
    pub fn page(&self, path: &str, key: &str) -> String {
        format!("http://{}{path}#token={key}", self.address)
    }

    /// Right answers of learners of 10B now, with points; waits until they are counted.
    pub fn answers(&mut self, all: &[(&str, i64)]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let events: Vec<Value> = all
            .iter()
            .map(|(user, points)| {
                self.sent += 1;
                json!({
                    "id": self.sent, "user": user, "class": "10B", "question": "q1",
                    "concept": "algebra", "correct": true, "ms": 4000, "points": points, "at": now,
                })
            })
            .collect();
        let accepted = self.post(&Value::from(events));
        assert_eq!(accepted["accepted"], all.len(), "{accepted}");
    }

    /// A day of a class of 24: who is quick, what is hard, and one who grows tired.
    pub fn class(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let mut chance = 7_u64;
        let mut percent = move || {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (chance >> 33) % 100
        };
        let mut events = Vec::new();
        for minute in (0..MINUTES).rev() {
            for (place, learner) in (0..).zip(LEARNERS) {
                let concept = (minute / 9 + place) as usize % CONCEPTS.len();
                if percent() < 35 {
                    continue;
                }
                let is_tired = place == 5 && minute < 45;
                let ease = 88 - 6 * concept as u64 - place;
                let correct = percent() < if is_tired { 15 } else { ease };
                let ms = 2500 + 90 * percent() + if is_tired { 30_000 } else { 0 };
                events.push(json!({
                    "id": format!("day-{learner}-{minute}"), "user": learner, "class": "10B",
                    "question": format!("{}-{}", CONCEPTS[concept], percent() % 20),
                    "concept": CONCEPTS[concept], "correct": correct, "ms": ms,
                    "points": if correct { 4 } else { 0 }, "at": now - minute * 60_000,
                }));
            }
        }
        for some in events.chunks(1000) {
            let accepted = self.post(&Value::from(some));
            assert_eq!(accepted["accepted"], some.len(), "{accepted}");
        }
    }

    /// An event that the source rejects.
    pub async fn reject(&self) {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("XADD").arg("answers").arg("*").arg("id").arg("none");
        Connection::open(&self.server.url).await.unwrap().all(&pipeline).await.unwrap();
    }

    /// What the API says.
    pub fn get(&self, path: &str, key: &str) -> Value {
        self.ask(&format!("GET {path} HTTP/1.1\r\nauthorization: Bearer {key}\r\n"), "")
    }

    fn post(&self, events: &Value) -> Value {
        let body = events.to_string();
        let head = format!(
            "POST /v1/events/answers HTTP/1.1\r\nauthorization: Bearer operator-key\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        );
        self.ask(&head, &body)
    }

    fn ask(&self, head: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "{head}host: localhost\r\nconnection: close\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(body).unwrap()
    }

    /// The pages' server ends.
    pub fn stop_serving(&mut self) {
        self.serve.kill().unwrap();
        self.serve.wait().unwrap();
    }

    /// It starts again where it was.
    pub fn serve_again(&mut self) {
        (self.serve, self.address) = serve(&self.file, &self.server.url, &self.address);
    }

    /// The worker is gone.
    pub fn stop_working(&mut self) {
        drop(self.worker.take());
    }

    /// Nothing went wrong in any page, and none asked another server.
    pub fn clean(&self, browser: &Browser) {
        assert_eq!(browser.wrong, Vec::<String>::new());
        let own = format!("http://{}/", self.address);
        let others = browser.asked.iter().filter(|url| !url.starts_with(&own));
        assert_eq!(others.collect::<Vec<_>>(), Vec::<&String>::new());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.serve.kill();
        let _ = self.serve.wait();
    }
}

fn serve(file: &Path, redis: &str, listen: &str) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tallyd"))
        .arg("serve")
        .arg(file)
        .args(["--listen", listen, "--redis", redis])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
    assert!(!address.is_empty(), "the server did not start");
    (child, address)
}
