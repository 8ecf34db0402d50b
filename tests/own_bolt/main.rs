//! A program with a bolt type of its own: `latest.rs` and one row of a list. The type is checked, run
//! in memory and by a real worker, and its results are read by the command line and over HTTP, without
//! a change of any other code.
//!
//! This test is that program too: started with [`AS_PROGRAM`] it is `tallyd` with one type more.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod latest;

use serde_json::{Value, json};
use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, ExitCode, Output, Stdio},
    sync::Arc,
};
use tallyd_harness::{Server, ServerOptions};
use tallyd_runtime::test_driver;
use tallyd_topology::{Kinds, bolts, parse_with};

/// The types of the program: tallyd's, and one more.
const KINDS: Kinds = &[
    &bolts::aggregate::AggregateKind,
    &bolts::dedup::DedupKind,
    &bolts::fatigue::FatigueKind,
    &latest::LatestKind,
    &bolts::leaderboard::LeaderboardKind,
    &bolts::mastery::MasteryKind,
];

/// Set for the program.
const AS_PROGRAM: &str = "OWN_BOLT_PROGRAM";

const FILE: &str = r#"
name = "own"
partitions = 2
[source.ev]
id = "id"
key = "user"
[source.ev.fields]
id = "string"
user = "string"
mood = "string"
[bolt.unique]
type = "dedup"
from = "ev"
window = "1h"
[bolt.moods]
type = "latest"
from = "unique"
learner = "user"
value = "mood"
[[test]]
name = "what cannot be kept is a dead letter"
events = [{ id = "1", user = "ann", mood = "good" }, { id = "2", user = "ann", mood = "bad" }]
expect = [
  { dead = "moods", count = 1, reason = "it is bad" },
  { bolt = "moods", learner = "ann", count = 1 },
]
"#;

fn main() -> ExitCode {
    if env::var_os(AS_PROGRAM).is_some() {
        return tallyd::main(KINDS);
    }
    faults_are_said_as_of_any_bolt();
    it_runs_in_memory();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(it_runs_on_a_server_and_is_read_by_all());
    println!("test result: ok");
    ExitCode::SUCCESS
}

fn faults_are_said_as_of_any_bolt() {
    let file = FILE.replace("value = \"mood\"", "value = \"moood\"").replace("latest", "latst");
    let faults = parse_with(KINDS, "own.toml", &file, &|_| None).unwrap_err().render(false);
    for said in ["there is no bolt type \"latst\"", "did you mean \"latest\"?", "moood", "mood"] {
        assert!(faults.contains(said), "{said}: {faults}");
    }
    let schema = tallyd_topology::json_schema(KINDS).to_string();
    assert!(schema.contains("Keeps the last value of each learner."), "{schema}");
}

fn it_runs_in_memory() {
    let topology = Arc::new(parse_with(KINDS, "own.toml", FILE, &|_| None).unwrap());
    let runs = test_driver::run(&topology, test_driver::entries(&topology.tests[0])).unwrap();
    let (place, _) = topology.node("moods").unwrap();
    // Fused with the dedup bolt: it wants the same key.
    assert_eq!(topology.head(place), topology.node("unique").unwrap().0);
    let (_, hash) = runs[place].memory.hashes.first_key_value().unwrap();
    assert_eq!((hash["value"].as_slice(), hash["count"].as_slice()), (&b"good"[..], &b"1"[..]));
    assert_eq!(runs[place].dead.len(), 1);
}

async fn it_runs_on_a_server_and_is_read_by_all() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), ServerOptions::durable()).await.unwrap();
    let file = folder.path().join("own.toml");
    std::fs::write(&file, FILE).unwrap();
    let checked = tallyd(&["check", file.to_str().unwrap()]);
    assert!(checked.status.success(), "{checked:?}");
    let wrong = folder.path().join("wrong.toml");
    std::fs::write(
        &wrong,
        FILE.replace("learner = \"ann\", count = 1", "learner = \"ann\", count = 2"),
    )
    .unwrap();
    let checked = tallyd(&["check", wrong.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(said.contains("moods of ann: count: expected 2, found 1"), "{said}");
    let _worker = Kept::start(&["run"], &file, &server.url);
    let events = folder.path().join("events.csv");
    std::fs::write(&events, "id,user,mood\n1,ann,good\n2,bob,so so\n3,ann,tired\n3,ann,tired\n")
        .unwrap();
    let on = ["--topology", file.to_str().unwrap(), "--redis", &server.url];
    let done = |words: &[&str]| {
        let output = tallyd(&[words, &on].concat());
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    done(&["send", events.to_str().unwrap(), "--source", "ev"]);
    done(&["wait", "--timeout", "60"]);
    let shown = done(&["learner", "ann"]);
    let words: Vec<&str> = shown.split_whitespace().collect();
    assert_eq!(words[..2], ["moods", "values"], "{shown}");
    assert_eq!(words[words.len() - 2..], ["tired", "2"], "{shown}");
    let expected = json!([{ "bolt": "moods", "value": "tired", "count": 2 }]);
    let of_program: Value = serde_json::from_str(&done(&["learner", "ann", "--json"])).unwrap();
    assert_eq!(of_program["latest"], expected);

    let mut serve = Kept::start(&["serve", "--listen", "127.0.0.1:0"], &file, &server.url);
    let mut line = String::new();
    BufReader::new(serve.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().trim_start_matches("http://").trim_end_matches('/');
    let over_http = get(address, "/v1/learners/ann");
    assert_eq!(over_http["latest"], expected);
    assert_eq!(over_http["fatigue"], json!([]));
    let schemas = &get(address, "/openapi.json")["components"]["schemas"];
    assert_eq!(schemas["Latest"]["properties"]["value"]["type"], "string");
    assert_eq!(
        schemas["Learner"]["properties"]["latest"]["items"]["$ref"],
        "#/components/schemas/Latest"
    );
    let named = get(address, "/v1/topology").to_string();
    assert!(named.contains(r#""type":"latest""#), "{named}");
}

/// The program, to its end.
fn tallyd(words: &[&str]) -> Output {
    Command::new(env::current_exe().unwrap()).env(AS_PROGRAM, "1").args(words).output().unwrap()
}

/// The program, as long as this is kept.
struct Kept(std::process::Child);

impl Kept {
    fn start(words: &[&str], file: &Path, redis: &str) -> Self {
        let mut program = Command::new(env::current_exe().unwrap());
        program.env(AS_PROGRAM, "1").args(words).arg(file).args(["--redis", redis]);
        Self(program.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(address: &str, path: &str) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}
