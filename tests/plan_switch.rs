//! What a switch of plans leaves behind, and who may trim afterwards, on a real redis-server.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use redis::{Pipeline, Value};
use std::sync::Arc;
use tallyd_harness::{Server, ServerOptions};
use tallyd_runtime::{
    Store,
    store::{Announcement, Beat},
};
use tallyd_store::{Connection, RedisStore, keys::Keys, reply};
use tallyd_topology::{Topology, parse};

const FILE: &str = r#"
name = "t"
partitions = 1
[run]
fuse = false
[source.s]
id = "id"
key = "user"
[source.s.fields]
id = "string"
user = "string"
class = "string"
[bolt.unique]
type = "dedup"
from = "s"
window = "1h"
[bolt.classes]
type = "aggregate"
from = "unique"
by = ["class"]
windows = ["all"]
[bolt.classes.measures]
n = "count"
"#;

/// On the edge of `classes`.
const BESIDE: &str = r#"
[bolt.beside]
type = "leaderboard"
from = "unique"
member = "class"
score = "count"
"#;

fn topology(text: &str) -> Arc<Topology> {
    Arc::new(parse("t.toml", text, &|_| None).unwrap())
}

struct Lab {
    _folder: tempfile::TempDir,
    server: Server,
    connection: Connection,
    keys: Keys,
    edge: String,
    /// The place of the node that writes it.
    writer: usize,
}

impl Lab {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
        let connection = Connection::open(&server.url).await.unwrap();
        let (topology, keys) = (topology(FILE), Keys::new("t", 0));
        let (writer, unique) = topology.node("unique").unwrap();
        let edge = keys.edge("unique", &unique.edges[0], 0);
        Self { _folder: folder, server, connection, keys, edge, writer }
    }

    async fn ask(&mut self, words: &[&str]) -> Value {
        let mut ask = Pipeline::new();
        let command = ask.cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        self.connection.all(&ask).await.unwrap().remove(0)
    }

    /// A worker with this file, which puts it in force.
    async fn join(&mut self, id: &str, text: &str) -> RedisStore {
        let topology = topology(text);
        let store = RedisStore::new(Arc::clone(&topology), &self.server.url);
        store.register().await.unwrap();
        let plan = topology.fingerprint();
        let announcement = Announcement { id: id.into(), plan, ..Announcement::default() };
        let beat = Beat { announcement, peers: Vec::new(), forget: Vec::new() };
        let view = store.heartbeat(&beat).await.unwrap();
        assert!(store.switch(view.generation.as_ref(), &id.into()).await.unwrap());
        store.heartbeat(&beat).await.unwrap();
        store
    }

    /// Adds entries to the edge with these ids.
    async fn add(&mut self, ids: std::ops::RangeInclusive<u64>) {
        let edge = self.edge.clone();
        for id in ids {
            self.ask(&["XADD", &edge, &format!("{id}-0"), "f", "x"]).await;
        }
    }

    /// A bolt has brought in all up to this entry.
    async fn has_done(&mut self, bolt: &str, last: u64) {
        let (cursors, edge) = (self.keys.cursors(bolt), self.edge.clone());
        let cursor = format!("{last}-0 0 0 0 0 0 0 {last} 0 0 0-0");
        self.ask(&["HSET", &cursors, "0", &cursor]).await;
        let mut make = Pipeline::new();
        make.cmd("XGROUP").arg("CREATE").arg(&edge).arg(bolt).arg("0").arg("MKSTREAM");
        // It may be there.
        self.connection.send(&make).await.unwrap();
    }

    async fn tend(&mut self, store: &RedisStore) -> i64 {
        store.tend(&[(self.writer, vec![0])]).await.unwrap();
        let edge = self.edge.clone();
        reply::integer(&self.ask(&["XLEN", &edge]).await).unwrap()
    }
}

#[tokio::test]
async fn a_worker_that_missed_a_switch_trims_nothing_that_a_new_bolt_needs() {
    let mut lab = Lab::new().await;
    let old = lab.join("old", FILE).await;
    lab.add(1..=5).await;
    lab.has_done("classes", 3).await;
    assert_eq!(lab.tend(&old).await, 2);
    let new = lab.join("new", &format!("{FILE}{BESIDE}")).await;
    // It begins where the edge ended: what was trimmed before is in its gap, and not lost.
    let cursors = lab.keys.cursors("beside");
    let stored = reply::text(lab.ask(&["HGET", &cursors, "0"]).await).unwrap();
    assert_eq!(stored.as_deref(), Some("5-0 0 0 0 0 0 0 5 0 0 0-0"));
    lab.add(6..=7).await;
    lab.has_done("classes", 7).await;
    // The old one was asleep, and wakes up with what it last heard.
    assert_eq!(lab.tend(&old).await, 4);
    // What waits for it is told all the same.
    let survey = old.tend(&[(lab.writer, vec![0])]).await.unwrap();
    assert_eq!((survey.lags.len(), survey.backlogs.len()), (1, 0));
    lab.has_done("beside", 6).await;
    assert_eq!(lab.tend(&new).await, 1);
}

#[tokio::test]
async fn an_edge_that_began_again_is_not_trimmed_before_its_readers_know() {
    let mut lab = Lab::new().await;
    let worker = lab.join("worker", FILE).await;
    lab.add(1..=9).await;
    lab.has_done("classes", 9).await;
    assert_eq!(lab.tend(&worker).await, 0);
    // Somebody deletes it, and a clock that is behind gives lower ids.
    let edge = lab.edge.clone();
    lab.ask(&["DEL", &edge]).await;
    lab.add(2..=4).await;
    assert_eq!(lab.tend(&worker).await, 3);
    lab.has_done("classes", 3).await;
    assert_eq!(lab.tend(&worker).await, 1);
    // Somebody sets its ids back: then its groups stand.
    lab.has_done("classes", 4).await;
    assert_eq!(lab.tend(&worker).await, 0);
    lab.ask(&["XSETID", &edge, "1-0"]).await;
    lab.add(2..=3).await;
    assert_eq!(lab.tend(&worker).await, 2);
}
