//! The commands that show figures go by the server's clock, as the workers do that count them: a
//! laptop whose clock is wrong shows the same day.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
};
use tallyd_harness::{Server, ServerOptions, WorkerProcess};
use tallyd_store::Connection;

const FILE: &str = r#"
name = "t"
[source.s]
id = "id"
key = "user"
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
periods = ["day"]
[bolt.figures]
type = "aggregate"
from = "unique"
windows = ["1d"]
measures = { n = "count" }
"#;

/// How many seconds the server is behind.
const BEHIND: i64 = 10 * 86_400;
/// How the reply to TIME begins.
const TIME: &[u8] = b"*2\r\n$10\r\n";

/// A way to the server on which it seems to be ten days behind.
fn ten_days_behind(socket: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = UnixStream::connect(&socket).unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            // A client that is gone ends both ways.
            thread::spawn(move || std::io::copy(&mut from, &mut to));
            thread::spawn(move || replies(server, client));
        }
    });
    url
}

fn replies(mut server: UnixStream, mut client: TcpStream) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(read @ 1..) = server.read(&mut bytes) {
        let reply = bytes.get_mut(..read).unwrap();
        if let Some(seconds) = reply.strip_prefix(TIME).and_then(|rest| rest.get(..10)) {
            let seconds: i64 = std::str::from_utf8(seconds).unwrap().parse().unwrap();
            let place = reply.get_mut(TIME.len()..TIME.len() + 10).unwrap();
            place.copy_from_slice((seconds - BEHIND).to_string().as_bytes());
        }
        if client.write_all(reply).is_err() {
            return;
        }
    }
}

fn tallyd(command: &[&str], file: &Path, url: &str) -> Output {
    let mut tallyd = Command::new(env!("CARGO_BIN_EXE_tallyd"));
    tallyd.args(command).arg("--topology").arg(file).args(["--redis", url, "--json"]);
    tallyd.output().unwrap()
}

fn said(command: &[&str], file: &Path, url: &str) -> serde_json::Value {
    let output = tallyd(command, file, url);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{errors}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_those_of_the_servers_day() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.toml");
    std::fs::write(&file, FILE).unwrap();
    let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
    let behind = ten_days_behind(folder.path().join("redis.sock"));
    let day = |url: &str| said(&["board", "board"], &file, url)["label"].to_string();
    let day_of = |label: String| -> i64 {
        let date: jiff::civil::Date = label.trim_matches('"').parse().unwrap();
        date.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second() / 86_400
    };
    let (today, theirs) = (day_of(day(&server.url)), day_of(day(&behind)));
    // One day more where midnight has passed between the two.
    assert!([10, 9].contains(&(today - theirs)), "{today} and {theirs}");

    let program = Path::new(env!("CARGO_BIN_EXE_tallyd"));
    let worker = WorkerProcess::start(program, folder.path(), &file, &server.url, 1).unwrap();
    let mut ask = redis::Pipeline::new();
    ask.cmd("XADD").arg("s").arg("*").arg("id").arg("a").arg("user").arg("u");
    Connection::open(&server.url).await.unwrap().all(&ask).await.unwrap();
    said(&["wait"], &file, &server.url);
    // Today's event is not on a board, a learner's list or a page of figures of ten days ago.
    let rows = |command: &[&str], url: &str| said(command, &file, url).to_string();
    assert!(rows(&["stats", "figures"], &server.url).contains("\"n\":1"));
    assert_eq!(rows(&["stats", "figures"], &behind), "[]");
    assert!(rows(&["learner", "u"], &server.url).contains("\"rank\":1"));
    let nobody = tallyd(&["learner", "u"], &file, &behind);
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("nothing is stored"), "{nobody:?}");
    worker.stop().await.unwrap();
}
