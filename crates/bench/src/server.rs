//! A fresh redis-server for each run, reached over TCP on the loopback interface: the one way that
//! every contender knows.

use crate::{BenchError, cpu::Waiting, info::Snapshot};
use redis::{FromRedisValue, Pipeline, Value, from_redis_value};
use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
};
use tallyd_harness::{Server, ServerOptions};
use tallyd_store::Connection;
use tempfile::TempDir;

/// A private server, its folder, and a connection to look at it.
pub struct Private {
    /// Where it listens.
    pub address: SocketAddr,
    /// The same as a URL.
    pub url: String,
    /// A connection that no contender uses.
    pub connection: Connection,
    /// It is killed before its folder goes.
    server: Server,
    folder: TempDir,
}

impl Private {
    /// Starts a server. `aof`: whether it writes an append-only file, synced once a second.
    ///
    /// # Errors
    /// Where there is no server program, or it does not answer.
    pub async fn start(aof: bool) -> Result<Self, BenchError> {
        let folder = tempfile::Builder::new()
            .prefix("tallyd-bench-")
            .tempdir()
            .map_err(BenchError::io("make a folder"))?;
        let address = free_address()?;
        let url = format!("redis://{address}");
        let (port, append) = (address.port().to_string(), if aof { "yes" } else { "no" });
        // No rewrite of the file in the middle of a run.
        let arguments = ["--port", &port, "--bind", "127.0.0.1", "--appendonly", append];
        let arguments = [arguments.as_slice(), &["--auto-aof-rewrite-percentage", "0"]].concat();
        let options = ServerOptions { url: Some(url.clone()), ..ServerOptions::with(&arguments) };
        let server = Server::start(folder.path(), options).await?;
        let connection = Connection::open(&url).await?;
        Ok(Self { address, url, connection, server, folder })
    }

    /// The folder of its files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it says of its costs, and for how long it waited for a processor.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn snapshot(&mut self) -> Result<Snapshot, BenchError> {
        let text: String = self.ask(&["INFO", "everything"]).await?;
        let pid = self.server.pid().ok_or_else(|| BenchError::NoFigure("process id".to_owned()))?;
        Ok(Snapshot::parse(&text, Waiting::of(pid)?))
    }

    /// The reply to one command.
    ///
    /// # Errors
    /// Where it is an error, or of another type.
    pub async fn ask<T: FromRedisValue>(&mut self, words: &[&str]) -> Result<T, BenchError> {
        let mut ask = Pipeline::new();
        let mut command = redis::Cmd::new();
        command.arg(words);
        ask.add_command(command);
        let reply = self.connection.all(&ask).await?.pop().unwrap_or(Value::Nil);
        Ok(from_redis_value(reply)?)
    }

    /// All keys of a pattern.
    ///
    /// # Errors
    /// Where the server can't be read.
    pub async fn keys(&mut self, pattern: &str) -> Result<Vec<String>, BenchError> {
        let mut keys = Vec::new();
        let mut cursor = "0".to_owned();
        loop {
            let (next, found): (String, Vec<String>) =
                self.ask(&["SCAN", &cursor, "MATCH", pattern, "COUNT", "5000"]).await?;
            keys.extend(found);
            cursor = next;
            if cursor == "0" {
                // A scan may give a key twice.
                keys.sort_unstable();
                keys.dedup();
                return Ok(keys);
            }
        }
    }

    /// The replies to one command for each of the keys.
    ///
    /// # Errors
    /// As [`Private::ask`].
    pub async fn of_each<T: FromRedisValue>(
        &mut self,
        before: &[&str],
        keys: &[String],
        after: &[&str],
    ) -> Result<Vec<T>, BenchError> {
        let mut values = Vec::with_capacity(keys.len());
        for keys in keys.chunks(2_000) {
            let mut ask = Pipeline::with_capacity(keys.len());
            for key in keys {
                let mut command = redis::Cmd::new();
                command.arg(before).arg(key).arg(after);
                ask.add_command(command);
            }
            for reply in self.connection.all(&ask).await? {
                values.push(from_redis_value(reply)?);
            }
        }
        Ok(values)
    }
}

/// A port that was free a moment ago.
///
/// # Errors
/// Where the system gives none.
pub fn free_address() -> Result<SocketAddr, BenchError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(BenchError::io("find a port"))?;
    listener.local_addr().map_err(BenchError::io("find a port"))
}
