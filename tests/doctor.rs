//! `tallyd doctor` and what `tallyd run` refuses, on real servers with bad settings, which the
//! doctor's own commands then fix.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use redis::{Pipeline, Value};
use std::{
    collections::BTreeMap,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};
use tallyd_harness::{Server, ServerOptions};
use tallyd_store::{Connection, doctor::Danger, rights};
use tempfile::TempDir;

const FILE: &str = r#"
name = "t"
partitions = 2
[source.s]
key = "user"
id = "id"
[source.s.fields]
id = "string"
user = "string"
[bolt.unique]
type = "dedup"
from = "s"
window = "1h"
[bolt.board]
type = "leaderboard"
from = "unique"
member = "user"
score = "count"
[bolt.figures]
type = "aggregate"
from = "unique"
windows = ["1h", "all"]
measures = { n = "count", users = "distinct(user)" }
[sink.out]
from = "unique"
max_len = 1000
"#;

struct Place {
    server: Server,
    folder: TempDir,
}

impl Place {
    async fn new(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("t.toml"), FILE).unwrap();
        let server = Server::start(folder.path(), ServerOptions::with(arguments)).await.unwrap();
        Self { server, folder }
    }

    fn file(&self) -> String {
        self.folder.path().join("t.toml").display().to_string()
    }

    async fn ask(&self, words: &[&str]) -> Value {
        let mut ask = Pipeline::new();
        let (name, arguments) = words.split_first().unwrap();
        ask.cmd(name).arg(arguments);
        let mut connection = Connection::open(&self.server.url).await.unwrap();
        connection.all(&ask).await.unwrap().pop().unwrap()
    }

    /// The server's address as another user.
    fn url_of(&self, user: &str) -> String {
        format!("{}?user={user}&pass=secret", self.server.url)
    }
}

fn tallyd(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tallyd")).args(arguments).output().unwrap()
}

/// What the doctor said: its exit code, and by check how bad it is and what fixes it.
struct Said {
    code: i32,
    text: String,
    findings: BTreeMap<String, Vec<(String, Vec<String>)>>,
}

impl Said {
    fn level(&self, check: &str) -> &str {
        self.findings.get(check).map_or("none", |found| &found[0].0)
    }
}

fn doctor(url: &str, file: Option<&str>) -> Said {
    let mut arguments = vec!["doctor", "--redis", url, "--json"];
    arguments.extend(file);
    let output = tallyd(&arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let json: serde_json::Value =
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{errors}"));
    let mut findings: BTreeMap<String, Vec<(String, Vec<String>)>> = BTreeMap::new();
    for finding in json["findings"].as_array().unwrap() {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let fix = finding["fix"].as_array().unwrap().iter().map(text).collect();
        let check = findings.entry(text(&finding["check"])).or_default();
        check.push((text(&finding["level"]), fix));
    }
    Said { code: output.status.code().unwrap(), text: text + &errors, findings }
}

/// Does what a fix says, as far as it is commands for this server.
async fn fix(place: &Place, said: &Said, check: &str) {
    let begin = format!("redis-cli -s {}/redis.sock ", place.folder.path().display());
    for line in said.findings[check].iter().flat_map(|(_, fix)| fix) {
        let Some(command) = line.strip_prefix(&begin) else { continue };
        let bare = command.replace('\'', " ");
        let words: Vec<&str> = match command.split_once('\'') {
            // The one value that is quoted is the last.
            Some((words, value)) if command.starts_with("CONFIG") => {
                words.split_whitespace().chain([value.trim_end_matches('\'')]).collect()
            }
            _ => bare.split_whitespace().collect(),
        };
        place.ask(&words).await;
    }
}

#[tokio::test]
async fn bad_settings_are_found_and_the_doctors_commands_fix_them() {
    let bad = [
        "--maxmemory 100mb",
        "--maxmemory-policy allkeys-lru",
        "--appendonly no",
        "--appendfsync no",
        "--timeout 10",
        "--proto-max-bulk-len 1mb",
        "--client-output-buffer-limit normal 1mb 0 0",
        "--min-replicas-to-write 1",
    ];
    let words: Vec<&str> = bad.iter().flat_map(|setting| setting.split(' ')).collect();
    let place = Place::new(&words).await;
    let url = place.server.url.as_str();
    let said = doctor(url, None);
    assert_eq!(said.code, 1, "{}", said.text);
    let broken = ["append-only-file", "eviction", "longest-value", "replicas"];
    for check in broken {
        assert_eq!(said.level(check), "broken-promise", "{check}: {}", said.text);
    }
    for check in ["idle-timeout", "output-buffers"] {
        assert_eq!(said.level(check), "warning", "{check}: {}", said.text);
    }
    for check in broken.into_iter().chain(["idle-timeout", "output-buffers"]) {
        fix(&place, &said, check).await;
    }
    // Only with a file is it of interest how soon it is on disk, and what a crash makes of it.
    let said = doctor(url, None);
    for check in ["appendfsync", "known-faults"] {
        assert_eq!(said.level(check), "warning", "{}", said.text);
        fix(&place, &said, check).await;
    }
    let said = doctor(url, None);
    assert_eq!(said.code, 0, "{}", said.text);
    let bad = said.findings.iter().filter(|(_, found)| found[0].0 != "fine");
    // There is none now to be had.
    assert_eq!(bad.map(|(check, _)| check.as_str()).collect::<Vec<_>>(), ["replicas"]);
}

#[tokio::test]
async fn a_full_server_is_a_broken_promise_and_status_says_so() {
    let place = Place::new(&["--appendonly", "yes"]).await;
    let (url, file) = (place.server.url.as_str(), place.file());
    let status = || {
        let output = tallyd(&["status", "--topology", &file, "--redis", url]);
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!status().contains("FULL"), "{}", status());
    // A server that has nothing yet uses more than that.
    place.ask(&["CONFIG", "SET", "maxmemory", "100kb"]).await;
    let said = doctor(url, None);
    assert_eq!((said.code, said.level("limit")), (1, "broken-promise"), "{}", said.text);
    assert!(status().contains("FULL: Redis refuses writes"), "{}", status());
}

/// How often, and how many times, it is looked whether a worker has joined or ended.
const LOOK: Duration = Duration::from_millis(10);
const LOOKS: u32 = 2000;

/// What the worker said.
fn log(place: &Place) -> String {
    std::fs::read_to_string(place.folder.path().join("worker.log")).unwrap()
}

/// A worker that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(place: &Place, url: &str, more: &[&str]) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tallyd"));
    command.args(["run", &place.file(), "--redis", url]).args(more);
    let log = std::fs::File::create(place.folder.path().join("worker.log")).unwrap();
    Running(command.stdout(Stdio::null()).stderr(log).spawn().unwrap())
}

/// Waits until a worker has joined.
async fn joined(place: &Place) {
    for _ in 0..LOOKS {
        if place.ask(&["ZCARD", "tallyd:{t/0}:workers"]).await != Value::Int(0) {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
    panic!("{}", log(place));
}

async fn refused(danger: Danger, arguments: &[&str]) -> Place {
    let place = Place::new(arguments).await;
    let mut worker = run(&place, &place.server.url, &[]);
    let mut code = None;
    for _ in 0..LOOKS {
        code = worker.0.try_wait().unwrap().and_then(|status| status.code());
        if code.is_some() {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let errors = log(&place);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains(&format!("--allow {}", danger.name())), "{errors}");
    assert!(errors.contains("fix:"), "{errors}");
    place
}

#[tokio::test]
async fn a_worker_refuses_an_evicting_server_unless_it_is_allowed() {
    let bad = ["--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"];
    let place = refused(Danger::Eviction, &bad).await;
    let _worker = run(&place, &place.server.url, &["--allow", "eviction"]);
    joined(&place).await;
}

#[tokio::test]
async fn a_worker_refuses_a_replica() {
    let place = refused(Danger::Replica, &["--replicaof", "127.0.0.1", "1"]).await;
    // Allowed, it waits until the replica becomes the master.
    let _worker = run(&place, &place.server.url, &["--allow", "replica"]);
    let said = doctor(&place.server.url, None);
    assert_eq!(said.level("role"), "broken-promise", "{}", said.text);
    fix(&place, &said, "role").await;
    joined(&place).await;
}

/// Every key and its serialized value.
async fn contents(place: &Place) -> Vec<(Value, Value)> {
    let Value::Array(keys) = place.ask(&["KEYS", "*"]).await else { panic!("no keys") };
    let mut contents = Vec::new();
    for key in keys {
        let Value::BulkString(name) = &key else { panic!("no key") };
        let value = place.ask(&["DUMP", std::str::from_utf8(name).unwrap()]).await;
        contents.push((key, value));
    }
    contents.sort_by_key(|(key, _)| format!("{key:?}"));
    contents
}

/// The commands that the server refused to users, and the keys.
async fn denied(place: &Place) -> Vec<String> {
    let Value::Array(entries) = place.ask(&["ACL", "LOG"]).await else { panic!("no log") };
    let mut denied = Vec::new();
    for entry in entries {
        let Value::Array(facts) = entry else { panic!("no entry: {entry:?}") };
        let texts: Vec<String> =
            facts.iter().filter_map(|f| redis::from_redis_value_ref(f).ok()).collect();
        let object = texts.iter().position(|text| text == "object").unwrap();
        denied.push(texts[object + 1].clone());
    }
    denied
}

#[tokio::test]
async fn the_listed_rights_are_enough_and_a_missing_one_is_named() {
    let place = Place::new(&["--appendonly", "yes"]).await;
    let commands: Vec<String> =
        rights::WORKER.iter().map(|r| format!("+{}", r.command())).collect();
    let mut user =
        vec!["ACL", "SETUSER", "worker", "on", ">secret", "~tallyd:{t/0}:*", "~s", "~out"];
    user.push("&tallyd:{t/0}:*");
    user.extend(commands.iter().map(String::as_str));
    place.ask(&user).await;
    let url = place.url_of("worker");
    let worker = run(&place, &url, &[]);
    for (id, user) in [("1", "u"), ("2", "v"), ("2", "v"), ("3", "")] {
        place.ask(&["XADD", "s", "*", "id", id, "user", user]).await;
    }
    let output = tallyd(&[
        "wait",
        "--topology",
        &place.file(),
        "--redis",
        &place.server.url,
        "--timeout",
        "60",
    ]);
    let log = log(&place);
    assert!(output.status.success(), "{log}");
    // Until the source is trimmed, which is the last that is done.
    for _ in 0..LOOKS {
        if place.ask(&["XLEN", "s"]).await == Value::Int(0) {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    assert_eq!(place.ask(&["XLEN", "s"]).await, Value::Int(0), "{log}");
    // What the worker asks for and does without.
    let without = ["client|setinfo", "config|get"];
    let denied = denied(&place).await;
    assert!(denied.iter().all(|command| without.contains(&command.as_str())), "{denied:?}");
    assert!(log.contains("could not be checked"), "{log}");

    let said = doctor(&url, Some(&place.file()));
    assert_eq!(said.level("rights"), "fine", "{}", said.text);
    assert_eq!(said.level("unchecked"), "warning", "{}", said.text);
    assert_eq!(said.code, 0, "{}", said.text);
    assert!(!said.text.contains("secret"), "{}", said.text);
    drop(worker);
    place.ask(&["ACL", "SETUSER", "worker", "-xtrim", "resetkeys", "~tallyd:{t/0}:*", "~s"]).await;
    let before = contents(&place).await;
    let said = doctor(&url, Some(&place.file()));
    assert_eq!((said.code, said.level("rights")), (1, "broken-promise"), "{}", said.text);
    let fix = &said.findings["rights"][0].1[0];
    assert!(fix.ends_with("ACL SETUSER worker +xtrim '~out'"), "{fix}");
    // Nothing of what was tried was done.
    assert_eq!(contents(&place).await, before);
}

#[tokio::test]
async fn what_nobody_owns_and_what_only_grows_is_found() {
    let place = Place::new(&["--appendonly", "yes"]).await;
    let (url, file) = (place.server.url.clone(), place.file());
    let said = doctor(&url, Some(&file));
    assert_eq!(said.level("workers"), "warning", "{}", said.text);
    let worker = run(&place, &url, &[]);
    joined(&place).await;
    place.ask(&["XADD", "s", "*", "id", "1", "user", "u"]).await;
    let output = tallyd(&["wait", "--topology", &file, "--redis", &url, "--timeout", "60"]);
    assert!(output.status.success());
    let said = doctor(&url, Some(&file));
    for check in ["owners", "halted", "sources", "sinks", "dead-letters", "headroom"] {
        assert_eq!(said.level(check), "fine", "{check}: {}", said.text);
    }
    for check in ["consumers", "groups", "left-over", "other-readers", "workers"] {
        assert_eq!(said.level(check), "none", "{check}: {}", said.text);
    }
    // The edge's name is taken from the server, so that no test spells it twice.
    let edge = "tallyd:{t/0}:edge:s:user:0";
    assert_eq!(place.ask(&["TYPE", edge]).await, Value::SimpleString("stream".into()));
    place.ask(&["XGROUP", "CREATE", edge, "taken-out", "0"]).await;
    place.ask(&["XADD", "tallyd:{t/0}:edge:old:user:0", "*", "f", "v"]).await;
    place.ask(&["HSET", "tallyd:{t/0}:halted", "board:0", "WRONGTYPE"]).await;
    let said = doctor(&url, Some(&file));
    assert_eq!(said.level("halted"), "broken-promise", "{}", said.text);
    for check in ["groups", "left-over"] {
        assert_eq!(said.level(check), "warning", "{check}: {}", said.text);
        fix(&place, &said, check).await;
    }
    place.ask(&["HDEL", "tallyd:{t/0}:halted", "board:0"]).await;
    drop(worker);
    let said = doctor(&url, Some(&file));
    for check in ["groups", "left-over"] {
        assert_eq!(said.level(check), "none", "{check}: {}", said.text);
    }
    assert_eq!(said.level("halted"), "fine", "{}", said.text);
}

#[test]
fn a_server_that_is_not_there_is_an_error() {
    let output = tallyd(&["doctor", "--redis", "redis://ann:secret@127.0.0.1:1"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("can't look at Redis at redis://127.0.0.1:1"), "{errors}");
    assert!(!errors.contains("secret"), "{errors}");
    assert_eq!(tallyd(&["doctor", "--nothing"]).status.code(), Some(2));
    assert_eq!(tallyd(&["run", "x.toml", "--allow", "everything"]).status.code(), Some(2));
}
