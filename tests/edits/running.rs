//! A topology that runs on a redis-server of its own, with its workers and the program.

use redis::{Pipeline, Value};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tallyd_harness::{Deployment, Server, ServerOptions, WorkerProcess};
use tallyd_topology::parse;
use tempfile::TempDir;

/// All of it ends when this is dropped.
pub struct Running {
    pub open: Deployment,
    pub server: Server,
    pub workers: Vec<WorkerProcess>,
    pub file: PathBuf,
    started: usize,
    pub folder: TempDir,
}

impl Running {
    /// Starts so many workers of the topology in this text.
    pub async fn start(text: &str, workers: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
        let topology = parse("school.toml", text, &|_| None).unwrap();
        let open = Deployment::open(topology, &server.url).await.unwrap();
        let file = folder.path().join("school.toml");
        std::fs::write(&file, text).unwrap();
        let mut running = Self { open, server, workers: Vec::new(), file, started: 0, folder };
        (0..workers).for_each(|_| running.join());
        running
    }

    /// Starts another worker.
    pub fn join(&mut self) {
        self.started += 1;
        let program = Path::new(env!("CARGO_BIN_EXE_tallyd"));
        let (folder, url) = (self.folder.path(), &self.server.url);
        let worker = WorkerProcess::start(program, folder, &self.file, url, self.started);
        self.workers.push(worker.unwrap());
    }

    /// Runs a command of the program.
    pub fn tallyd(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tallyd"));
        command.args(words).arg("--topology").arg(&self.file);
        command.args(["--redis", &self.server.url]).output().unwrap()
    }

    /// What a command says that must succeed.
    pub fn done(&self, words: &[&str]) -> String {
        let output = self.tallyd(words);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until all that was sent is processed.
    pub fn wait(&self) {
        self.done(&["wait", "--timeout", "100s"]);
    }

    /// Asks a command of Redis.
    pub async fn ask(&mut self, words: &[&str]) -> Value {
        let (name, arguments) = words.split_first().unwrap();
        let mut ask = Pipeline::new();
        ask.cmd(name).arg(arguments);
        self.open.connection.all(&ask).await.unwrap().pop().unwrap()
    }
}
