//! Passwords reach nothing that anybody reads: not output, logs at their fullest, errors, metrics,
//! what workers announce, nor the arguments of processes; in success and in failure.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tallyd_harness::{Server, ServerOptions};
use tallyd_store::Connection;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};

/// What must be seen nowhere: a part of the password that is the same however it is encoded.
const CANARY: &str = "canary7f3a";
const PASSWORD: &str = "canary7f3a/@:% x";
const ENCODED: &str = "canary7f3a%2F%40%3A%25%20x";
const TOPOLOGY: &str = include_str!("../topologies/testprep.toml");
const USUAL: &str = "url = \"${TALLYD_REDIS:-redis://127.0.0.1:6379}\"";

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn program(topology: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tallyd"));
    command.args(arguments).kill_on_drop(true).stdin(Stdio::null());
    command.env("TALLYD_TOPOLOGY", topology).env("TALLYD_REDIS", url);
    command.env("TALLYD_LOG", "trace").env("RUST_BACKTRACE", "full");
    command
}

/// Everything that a program says until it ends.
async fn said(topology: &Path, url: &str, arguments: &[&str]) -> String {
    let output = program(topology, url, arguments).output();
    let output = timeout(Duration::from_secs(60), output).await.unwrap().unwrap();
    let [out, err] =
        [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
    format!("{arguments:?} {}\n{out}{err}", output.status)
}

/// A worker with its log, which is read once it says this.
struct Worker {
    child: Child,
    log: PathBuf,
}

impl Worker {
    fn start(mut command: Command, log: PathBuf) -> Self {
        let file = File::create(&log).unwrap();
        Self { child: command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap(), log }
    }

    async fn says(&self, words: &str) {
        let said = async {
            while !fs::read_to_string(&self.log).unwrap().contains(words) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let found = timeout(Duration::from_secs(60), said).await;
        assert!(found.is_ok(), "{}", fs::read_to_string(&self.log).unwrap());
    }

    /// Its arguments, as everybody on the machine sees them; empty where the system has no /proc.
    fn arguments(&self) -> String {
        let path = format!("/proc/{}/cmdline", self.child.id().unwrap());
        fs::read_to_string(path).unwrap_or_default()
    }

    async fn end(mut self) -> String {
        self.child.kill().await.unwrap();
        fs::read_to_string(&self.log).unwrap()
    }
}

fn assert_silent(what: &str, said: &str) {
    assert!(!said.contains(CANARY), "{what}: {said}");
}

async fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let ask = format!("GET {path} HTTP/1.1\r\nHost: tallyd\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("200 OK"), "{answer}");
    answer
}

#[tokio::test]
async fn nothing_that_succeeds_says_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
    let mut admin = Connection::open(&server.url).await.unwrap();
    let mut make = redis::Pipeline::new();
    let rules = ["on", &format!(">{PASSWORD}"), "~*", "&*", "+@all"];
    make.cmd("ACL").arg("SETUSER").arg("worker").arg(&rules);
    admin.all(&make).await.unwrap();
    let socket = server.url.clone();
    let file = folder.path().join("topology.toml");
    let secret = folder.path().join("password");
    fs::write(&secret, format!("{PASSWORD}\n")).unwrap();
    let by_file = format!("url = \"{socket}?user=worker\"\npassword_file = {secret:?}");
    let ways = [
        (TOPOLOGY.to_owned(), format!("{socket}?user=worker&pass={ENCODED}")),
        (TOPOLOGY.replace(USUAL, &by_file), String::new()),
    ];
    for (text, url) in ways {
        fs::write(&file, &text).unwrap();
        let port = free_port();
        let metrics = format!("127.0.0.1:{port}");
        let run = ["run", file.to_str().unwrap(), "--metrics", &metrics];
        let worker = Worker::start(program(&file, &url, &run), folder.path().join("worker.log"));
        worker.says("took partitions").await;
        assert_silent("arguments", &worker.arguments());
        for path in ["/metrics", "/healthz", "/readyz"] {
            assert_silent(path, &get(port, path).await);
        }
        let commands: [&[&str]; 10] = [
            &["status"],
            &["status", "--json"],
            &["wait", "--timeout", "30"],
            &["dead", "list"],
            &["resume"],
            &["check", file.to_str().unwrap()],
            &["graph", file.to_str().unwrap()],
            &["schema"],
            &["run", "--help"],
            &["doctor", "--help"],
        ];
        for arguments in commands {
            let said = said(&file, &url, arguments).await;
            assert!(said.contains("exit status: 0"), "{said}");
            assert_silent("output", &said);
        }
        // It may find fault with the server: only what it says is looked at.
        for arguments in
            [&["doctor", file.to_str().unwrap()][..], &["doctor", "--json", file.to_str().unwrap()]]
        {
            let said = said(&file, &url, arguments).await;
            assert!(said.contains("persistence"), "{said}");
            assert_silent("doctor", &said);
        }
        let mut ask = redis::Pipeline::new();
        let announced = "tallyd:{testprep/0}:announcements";
        ask.cmd("HVALS").arg(announced).cmd("CLIENT").arg("LIST");
        let stored = format!("{:?}", admin.all(&ask).await.unwrap());
        assert!(stored.contains("unique") && stored.contains("user=worker"), "{stored}");
        assert_silent("stored", &stored);
        assert_silent("log", &worker.end().await);
    }
}

#[tokio::test]
async fn nothing_that_fails_says_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let plain = free_port();
    let arguments = ["--port", &plain.to_string(), "--requirepass", "another"];
    let socket =
        format!("redis+unix://{}?pass=another", folder.path().join("redis.sock").display());
    let options = ServerOptions { url: Some(socket.clone()), ..ServerOptions::with(&arguments) };
    let server = Server::start(folder.path(), options).await.unwrap();
    let file = folder.path().join("topology.toml");
    let secret = folder.path().join("password");
    fs::write(&secret, PASSWORD).unwrap();
    let nobody = free_port();
    let url = |line: &str| format!("url = \"{line}\"");
    // What ends a worker, and what it waits for.
    let (ends, waits) = (true, false);
    let cases = [
        (
            ends,
            url(&format!("redis://u:{ENCODED}@127.0.0.1:{plain}")),
            "knows no such user and password",
        ),
        (
            ends,
            url(&format!("{socket}&user=u").replace("another", ENCODED)),
            "knows no such user and password",
        ),
        (
            ends,
            format!("{}\npassword_file = {secret:?}", url(&format!("redis://u@127.0.0.1:{plain}"))),
            "knows no such user and password",
        ),
        (
            ends,
            format!("{}\npassword_file = {secret:?}", url(&format!("redis://u:{ENCODED}@h"))),
            "leave one out",
        ),
        (waits, url(&format!("redis://u:{ENCODED}@127.0.0.1:{nobody}")), "refused"),
        (waits, url(&format!("redis://u:{ENCODED}@no.such.host.invalid")), "no.such.host.invalid"),
        (waits, url(&format!("rediss://u:{ENCODED}@127.0.0.1:{plain}")), "use its TLS port"),
        (ends, url(&format!("redis://u:{ENCODED}@127.0.0.1/nought")), "can't be used"),
        (ends, url(&format!("redis://u:{PASSWORD}@127.0.0.1")), "percent-encoded"),
        (ends, url(&format!("redis://u:12/{CANARY}@127.0.0.1")), "percent-encoded"),
        (ends, url(&format!("redis://u:{CANARY}%ff@127.0.0.1")), "percent-encoded"),
        (ends, url(&format!("rediss://u:{ENCODED}@127.0.0.1#secure")), "can't be used"),
        (ends, url(&format!("http://u:{ENCODED}@127.0.0.1")), "not the address of a Redis"),
        (ends, format!("password = \"{PASSWORD}\""), "has no key \"password\""),
        (ends, format!("url = \"redis://u:{ENCODED}@127.0.0.1"), "is not TOML"),
    ];
    for (number, (ends, redis, expected)) in cases.into_iter().enumerate() {
        fs::write(&file, TOPOLOGY.replace(USUAL, &redis)).unwrap();
        let run = ["run", file.to_str().unwrap()];
        let mut commands: Vec<&[&str]> =
            vec![&["status"], &["send", "--source", "answers", "--format", "jsonl", "/dev/null"]];
        if ends {
            commands.push(&run);
        }
        for arguments in commands {
            let said = said(&file, "", arguments).await;
            assert!(said.contains("exit status: 1") && said.contains(expected), "{redis}\n{said}");
            assert_silent(&redis, &said);
            assert!(!said.contains("refused") || !said.contains("hung up"), "{said}");
        }
        if !ends {
            let log = folder.path().join(format!("worker-{number}.log"));
            let worker = Worker::start(program(&file, "", &run), log);
            worker.says("trying again").await;
            assert_silent("log", &worker.end().await);
        }
    }
    drop(server);
}

/// A fault is shown with the line that it is in, as it is written: with the variable.
#[tokio::test]
async fn a_fault_shows_the_variable_and_not_its_value() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("topology.toml");
    fs::write(&file, TOPOLOGY.replace(USUAL, "url = \"${TALLYD_REDIS}\"")).unwrap();
    let said = said(&file, &format!("u:{PASSWORD}@h"), &["check", file.to_str().unwrap()]).await;
    assert!(said.contains("url = \"${TALLYD_REDIS}\"") && said.contains("^^^"), "{said}");
    assert_silent("fault", &said);
}
