//! The users of `docs/security.md` on a real redis-server: the rights of each suffice, and one
//! right fewer does not.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod rights;

use rights::{Role, act, ask, roles};
use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tallyd_harness::{Server, ServerOptions};
use tallyd_runtime::store::ErrorKind;
use tallyd_store::{
    Connection,
    rights::{Right, WORKER},
};
use tallyd_topology::RedisAddress;
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

const PASSWORD: &str = "p@ss/w:rd";

/// Makes the user of this name and these rules, and forgets who was refused what.
async fn make(admin: &mut Connection, name: &str, rules: &[String]) {
    let password = format!(">{PASSWORD}");
    let head = ["ACL", "SETUSER", name, "reset", "on", &password];
    let words: Vec<&str> = head.into_iter().chain(rules.iter().map(String::as_str)).collect();
    ask(admin, &words).await.unwrap();
    ask(admin, &["ACL", "LOG", "RESET"]).await.unwrap();
    ask(admin, &["FLUSHALL"]).await.unwrap();
}

fn address(server: &Server, user: &str) -> RedisAddress {
    format!("{}?user={user}&pass=p%40ss%2Fw%3Ard", server.url).as_str().into()
}

/// What the server refused anybody, but for the settings, which a worker can do without.
async fn refused(admin: &mut Connection) -> Vec<String> {
    let log = ask(admin, &["ACL", "LOG"]).await.unwrap();
    let entries: Vec<HashMap<String, redis::Value>> = redis::from_redis_value(log).unwrap();
    let object = |entry: &HashMap<String, redis::Value>| {
        redis::from_redis_value::<String>(entry["object"].clone()).unwrap()
    };
    entries.iter().map(object).filter(|object| object != "config|get").collect()
}

/// The rules with each right taken away in turn: a command, a key, or half of what may be done
/// with a key.
fn one_fewer(role: &Role) -> Vec<(String, Vec<String>)> {
    let mut all = Vec::new();
    for (place, rule) in role.rules.iter().enumerate() {
        let mut fewer = |instead: Option<String>| {
            let mut rules = role.rules.clone();
            rules.splice(place..=place, instead.clone());
            all.push((format!("{rule} -> {instead:?}"), rules));
        };
        if let Some(pattern) = rule.strip_prefix('~').or_else(|| rule.strip_prefix("%RW~")) {
            fewer(Some(format!("%R~{pattern}")));
            fewer(Some(format!("%W~{pattern}")));
            fewer(None);
        } else if rule.starts_with(['+', '%', '&']) {
            fewer(None);
        } else {
            assert!(["on", "resetchannels", "-@all"].contains(&rule.as_str()), "{rule}");
        }
    }
    all
}

#[test]
fn the_page_and_the_doctor_agree_on_what_a_worker_needs() {
    let roles = roles();
    let worker = roles.iter().find(|role| role.name == "tallyd-worker").unwrap();
    let documented: BTreeSet<String> =
        worker.rules.iter().filter_map(|rule| rule.strip_prefix('+')).map(str::to_owned).collect();
    let listed: BTreeSet<String> = WORKER.iter().map(Right::command).collect();
    assert_eq!(documented, listed);
}

#[tokio::test]
async fn each_role_can_do_its_work_and_needs_each_of_its_rights() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
    let mut admin = Connection::open(&server.url).await.unwrap();
    let roles = roles();
    assert_eq!(roles.len(), 4);
    let (mut tried, mut needless) = (0, Vec::new());
    for role in &roles {
        let address = address(&server, &role.name);
        make(&mut admin, &role.name, &role.rules).await;
        if let Err(error) = act(&role.name, &mut admin, &address).await {
            panic!("{}: {error}", role.name);
        }
        assert_eq!(refused(&mut admin).await, Vec::<String>::new(), "{}", role.name);
        for (what, rules) in one_fewer(role) {
            tried += 1;
            make(&mut admin, &role.name, &rules).await;
            match act(&role.name, &mut admin, &address).await {
                Err(error)
                    if error.kind == ErrorKind::Auth
                        && error.message.to_uppercase().contains("NOPERM") => {}
                other => needless.push(format!("{}: {what}: {other:?}", role.name)),
            }
        }
    }
    assert!(
        needless.is_empty(),
        "of {tried} rights these are not needed:\n{}",
        needless.join("\n")
    );
    assert!(tried > 90, "{tried}");
}

/// A program of this user: `tallyd` with these arguments.
fn program(folder: &Path, address: &RedisAddress, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tallyd"));
    command.args(arguments).kill_on_drop(true).stdin(Stdio::null());
    command.env("TALLYD_REDIS", &address.url).env("TALLYD_TOPOLOGY", folder.join("topology.toml"));
    command
}

async fn succeeds(folder: &Path, address: &RedisAddress, arguments: &[&str]) -> String {
    let output = program(folder, address, arguments).output();
    let output = timeout(Duration::from_secs(120), output).await.unwrap().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn worker(folder: &Path, address: &RedisAddress, number: usize) -> Child {
    let file = folder.join("topology.toml");
    let log = File::create(folder.join(format!("worker-{number}.log"))).unwrap();
    program(folder, address, &["run", file.to_str().unwrap()]).stderr(log).spawn().unwrap()
}

/// A file with answers, of which one is no answer.
fn answers(folder: &Path, name: &str, count: usize) -> PathBuf {
    let answer = |n: usize| {
        let correct = n % 20 < 10;
        format!(
            r#"{{"id":"{name}-{n}","user":"u{}","question":"q{}","concept":"algebra","correct":{correct},"ms":5300,"points":4,"at":"2026-01-01T00:00:00Z"}}"#,
            n % 20,
            n % 7
        )
    };
    let lines: Vec<String> = (0..count).map(answer).collect();
    let file = folder.join(format!("{name}.jsonl"));
    fs::write(&file, lines.join("\n")).unwrap();
    file
}

#[tokio::test]
async fn the_roles_suffice_for_everything_together() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = Server::start(folder, ServerOptions::default()).await.unwrap();
    let mut admin = Connection::open(&server.url).await.unwrap();
    for role in roles() {
        make(&mut admin, &role.name, &role.rules).await;
    }
    let text = include_str!("../topologies/testprep.toml");
    let text = format!("{text}\n[run]\nsession_timeout = \"1s\"\n");
    fs::write(folder.join("topology.toml"), text).unwrap();
    let [producer, works, reader, operator] = ["producer", "worker", "reader", "operator"]
        .map(|n| address(&server, &format!("tallyd-{n}")));

    let mut first = worker(folder, &works, 1);
    let second = worker(folder, &works, 2);
    let send = async |name, count| {
        let file = answers(folder, name, count);
        succeeds(folder, &producer, &["send", "--source", "answers", file.to_str().unwrap()]).await
    };
    assert!(send("a", 200).await.contains("sent 200 events"));
    misfit(&mut admin, "a-bad").await;
    succeeds(folder, &reader, &["wait", "--timeout", "60"]).await;
    first.kill().await.unwrap();
    assert!(send("b", 100).await.contains("sent 100 events"));
    misfit(&mut admin, "b-bad").await;
    succeeds(folder, &reader, &["wait", "--timeout", "60"]).await;

    let stats = ["stats", "concepts", "--by", "concept=algebra", "--window", "all", "--json"];
    let stats = succeeds(folder, &reader, &stats).await;
    assert!(stats.contains("\"answers\": 300"), "{stats}");
    let board = ["board", "points", "--period", "all", "--around", "u7"];
    assert!(succeeds(folder, &reader, &board).await.contains("u7"));
    assert!(succeeds(folder, &reader, &["learner", "u7"]).await.contains("algebra"));
    let status = succeeds(folder, &reader, &["status"]).await;
    assert!(status.contains("dead letters stored: 2"), "{status}");
    timeout(Duration::from_secs(60), trimmed(&mut admin)).await.unwrap();
    let dead = succeeds(folder, &operator, &["dead", "list"]).await;
    assert!(dead.contains("below the minimum"), "{dead}");
    let again = succeeds(folder, &operator, &["dead", "replay", "--all"]).await;
    assert!(again.contains("2 replayed"), "{again}");
    succeeds(folder, &reader, &["wait", "--timeout", "60"]).await;
    let dropped = succeeds(folder, &operator, &["dead", "drop", "--all"]).await;
    assert!(dropped.contains("2 dropped"), "{dropped}");
    assert!(succeeds(folder, &operator, &["resume"]).await.contains("nothing is halted"));

    stop(second).await;
    assert_eq!(refused(&mut admin).await, Vec::<String>::new());
}

/// An event that becomes a dead letter. `tallyd send` would not send it.
async fn misfit(admin: &mut Connection, id: &str) {
    let event =
        "user u1 question q1 concept algebra correct 1 ms -1 points 4 at 2026-01-01T00:00:00Z";
    let words: Vec<&str> =
        ["XADD", "answers", "*", "id", id].into_iter().chain(event.split(' ')).collect();
    ask(admin, &words).await.unwrap();
}

/// Waits until the source holds nothing any more.
async fn trimmed(admin: &mut Connection) {
    while ask(admin, &["XLEN", "answers"]).await.unwrap() != redis::Value::Int(0) {
        sleep(Duration::from_millis(50)).await;
    }
}

/// Ends a worker as an operator does: it hands its partitions over.
async fn stop(mut worker: Child) {
    let pid = worker.id().unwrap().to_string();
    Command::new("kill").arg(pid).status().await.unwrap();
    let ended = timeout(Duration::from_secs(30), worker.wait()).await.unwrap().unwrap();
    assert!(ended.success(), "{ended}");
}
