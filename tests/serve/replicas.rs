//! Results that are read from a replica: while one keeps up, and when none does.

use crate::{
    FILE,
    server::{Serve, until},
};
use redis::{Pipeline, Value};
use std::{net::TcpListener, path::Path};
use tallyd_harness::{Server, ServerOptions, WorkerProcess};
use tallyd_store::{Connection, reply};
use tempfile::TempDir;

/// A primary, a replica of it, and a worker.
struct Pair {
    primary: Server,
    replica: Server,
    file: std::path::PathBuf,
    sent: u64,
    _worker: WorkerProcess,
    _folders: [TempDir; 3],
}

impl Pair {
    async fn start() -> Self {
        let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let [primary_port, replica_port] = free_ports();
        let primary = server(&folders[0], primary_port, &["--repl-diskless-sync-delay", "0"]).await;
        let follows = ["--replicaof", "127.0.0.1", &primary_port.to_string()];
        let replica = server(&folders[1], replica_port, &follows).await;
        let file = folders[2].path().join("lab.toml");
        std::fs::write(&file, FILE).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_tallyd"));
        let worker =
            WorkerProcess::start(program, folders[2].path(), &file, &primary.url, 0).unwrap();
        Self { primary, replica, file, sent: 0, _worker: worker, _folders: folders }
    }

    /// One more event, of a point.
    async fn send(&mut self) {
        self.sent += 1;
        let mut add = Pipeline::new();
        add.cmd("XADD").arg("ev").arg("*").arg("id").arg(self.sent).arg("user").arg("u1");
        add.arg("pts").arg(1).arg("at").arg("2026-01-05T10:00:00Z");
        Connection::open(&self.primary.url).await.unwrap().all(&add).await.unwrap();
    }

    /// Waits until the board shows all that was sent. Every request is answered meanwhile.
    fn until_shown(&self, serve: &Serve, what: &str) {
        until(what, || {
            let answer = serve.get("/v1/boards/board", &[]);
            assert_eq!(answer.status, 200, "{what}: {}", String::from_utf8_lossy(&answer.body));
            let json = answer.json();
            json["rows"][0]["score"] == self.sent && json["as_of"].as_i64() > Some(0)
        });
    }
}

/// Two ports that were free at the same time.
fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

async fn server(folder: &TempDir, port: u16, more: &[&str]) -> Server {
    let port = port.to_string();
    let arguments = [&["--port", port.as_str(), "--bind", "127.0.0.1"], more].concat();
    let url = format!("redis://127.0.0.1:{port}");
    let options = ServerOptions { url: Some(url), ..ServerOptions::with(&arguments) };
    Server::start(folder.path(), options).await.unwrap()
}

/// How often boards were read on a server.
async fn reads(server: &Server) -> u64 {
    let mut ask = Pipeline::new();
    ask.cmd("INFO").arg("commandstats");
    let mut connection = Connection::open(&server.url).await.unwrap();
    let answer = connection.all(&ask).await.unwrap().pop().unwrap_or(Value::Nil);
    let text = reply::text(answer).unwrap().unwrap();
    let calls = text.split("cmdstat_zcard:calls=").nth(1);
    calls.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

/// Asks for the board until this server is read for it, and no longer another.
async fn until_read_on(serve: &Serve, server: &Server, what: &str) {
    let began = std::time::Instant::now();
    loop {
        let before = reads(server).await;
        assert_eq!(serve.get("/v1/boards/board", &[]).status, 200, "{what}");
        if reads(server).await > before {
            return;
        }
        assert!(began.elapsed().as_secs() < 20, "still not so: {what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_read_while_it_keeps_up_and_the_primary_when_it_does_not() {
    let mut pair = Pair::start().await;
    let serve = Serve::start_with(&pair.file, &pair.primary.url, &["--read-from", "replica"]);
    pair.send().await;
    pair.until_shown(&serve, "the first event");
    until_read_on(&serve, &pair.replica, "the replica is read").await;
    pair.send().await;
    pair.until_shown(&serve, "an event, by the replica");
    let on_primary = reads(&pair.primary).await;
    until_read_on(&serve, &pair.replica, "the replica goes on").await;
    assert_eq!(reads(&pair.primary).await, on_primary, "the primary is spared");

    // One that hangs costs a moment, and no answer.
    pair.replica.pause().unwrap();
    pair.send().await;
    pair.until_shown(&serve, "an event while the replica hangs");
    pair.replica.go_on().unwrap();
    until_read_on(&serve, &pair.replica, "it is read again once it goes on").await;

    pair.replica.kill().await.unwrap();
    pair.send().await;
    pair.until_shown(&serve, "an event while the replica is away");
    pair.replica.restart().await.unwrap();
    until_read_on(&serve, &pair.replica, "it is read again once it is back").await;

    // One that has lost its primary answers, with what it had then.
    let mut part = Pipeline::new();
    part.cmd("REPLICAOF").arg("127.0.0.1").arg("1");
    let mut replica = Connection::open(&pair.replica.url).await.unwrap();
    replica.all(&part).await.unwrap();
    pair.send().await;
    pair.until_shown(&serve, "an event while the replica follows nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_may_be_named_and_one_of_another_server_is_not_read() {
    let mut pair = Pair::start().await;
    let folder = tempfile::tempdir().unwrap();
    let [port, _] = free_ports();
    let stranger = server(&folder, port, &[]).await;
    let named = format!("redis://127.0.0.1:1,{},{}", stranger.url, pair.replica.url);
    let serve = Serve::start_with(&pair.file, &pair.primary.url, &["--read-from", &named]);
    pair.send().await;
    pair.until_shown(&serve, "an event");
    until_read_on(&serve, &pair.replica, "the one that follows the primary is read").await;
    assert_eq!(reads(&stranger).await, 0);
}
