//! The program as a user sees it: a real redis-server, a worker, and commands beside it.

use redis::Pipeline;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use tallyd_harness::{Server, ServerOptions, WorkerProcess};
use tallyd_store::Connection;
use tempfile::TempDir;

/// A user, an RFC 3339 time, and further fields.
pub type Sent<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

/// A server, and a worker on it.
pub struct Lab {
    /// The server.
    pub server: Server,
    connection: Connection,
    /// The worker.
    pub worker: WorkerProcess,
    /// The topology file, in a folder that is deleted afterwards.
    pub file: PathBuf,
    /// How many events were sent: each has an id of its own.
    sent: usize,
    _folder: TempDir,
}

impl Lab {
    /// Starts both, with this topology, whose source is `ev`.
    pub async fn start(topology: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), ServerOptions::durable()).await.unwrap();
        let file = folder.path().join("lab.toml");
        std::fs::write(&file, topology).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_tallyd"));
        let worker = WorkerProcess::start(program, folder.path(), &file, &server.url, 0).unwrap();
        let connection = Connection::open(&server.url).await.unwrap();
        Self { server, connection, worker, file, sent: 0, _folder: folder }
    }

    /// Sends events, and waits until they are processed.
    pub async fn send(&mut self, events: &[Sent<'_>]) {
        let mut pipeline = Pipeline::new();
        for (user, at, fields) in events {
            let number = self.sent;
            self.sent += 1;
            let command = pipeline.cmd("XADD").arg("ev").arg("*");
            command.arg("id").arg(format!("{user}/{at}/{number}"));
            command.arg("user").arg(*user).arg("at").arg(*at);
            for (name, value) in *fields {
                command.arg(*name).arg(*value);
            }
        }
        self.connection.all(&pipeline).await.unwrap();
        self.tallyd(&["wait", "--timeout", "60"]);
        self.worker.check().unwrap();
    }

    /// What a command of the program prints.
    pub fn tallyd(&self, words: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_tallyd"))
            .args(words)
            .arg("--topology")
            .arg(&self.file)
            .args(["--redis", &self.server.url])
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The JSON that a command prints.
    pub fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.tallyd(&[words, &["--json"]].concat())).unwrap()
    }
}
