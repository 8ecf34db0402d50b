//! What a paused or killed worker, a lost group and a stopped worker do to the store, on a real
//! redis-server that the test starts itself.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use redis::{Pipeline, Value};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};
use tallyd_bolt::{Address, Cell, Fingerprints, Key, Kind};
use tallyd_event::EntryId;
use tallyd_harness::{Server, ServerOptions, WorkerProcess};
use tallyd_runtime::{
    Session, Store,
    store::{
        Announcement, Beat, Commit, Cursor, Fence, Next, Outcome, Owned, Owner, Part, Span, last,
    },
};
use tallyd_store::{Connection, RedisSession, RedisStore, keys::Keys};
use tallyd_topology::{Topology, parse};
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
[bolt.board]
type = "leaderboard"
from = "s"
member = "user"
score = "count"
"#;

/// How long something may take before the test fails.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// A server, and the folder that it must not outlive.
struct Private {
    url: String,
    _server: Server,
    _folder: TempDir,
}

async fn server() -> Private {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
    Private { url: server.url.clone(), _server: server, _folder: folder }
}

fn topology() -> Arc<Topology> {
    Arc::new(parse("t.toml", FILE, &|_| None).unwrap())
}

async fn add(url: &str, user: &str) {
    let mut add = Pipeline::new();
    add.cmd("XADD").arg("s").arg("*").arg("id").arg("1").arg("user").arg(user);
    Connection::open(url).await.unwrap().all(&add).await.unwrap();
}

async fn ask(url: &str, words: &[&str]) -> Value {
    let mut ask = Pipeline::new();
    let (name, arguments) = words.split_first().unwrap();
    ask.cmd(name).arg(arguments);
    Connection::open(url).await.unwrap().all(&ask).await.unwrap().pop().unwrap()
}

fn new() -> Owned {
    [(0, Fence::default())].into()
}

fn read_new() -> Commit {
    Commit::read(Next::New { partitions: vec![0], count: 10 })
}

fn done(last: EntryId) -> Commit {
    let cursor = Cursor { last, ..Cursor::default() };
    Commit {
        acks: vec![(0, vec![last])],
        parts: vec![Part { node: 0, cursors: vec![(0, cursor)], ..Part::default() }],
        ..Commit::read(Next::Nothing)
    }
}

async fn first_entry(session: &mut impl Session, owned: &Owned, commit: &Commit) -> EntryId {
    match session.commit(owned, commit).await.unwrap() {
        Outcome::Done(read) => read.entries.first().expect("an entry").1.id,
        Outcome::Fenced { .. } => panic!("fenced"),
    }
}

#[tokio::test]
async fn a_zombie_can_neither_commit_nor_read() {
    let server = server().await;
    let store = RedisStore::new(topology(), &server.url);
    store.register().await.unwrap();
    let mut zombie = store.open(0, &"zombie".into()).await.unwrap();
    let owned = zombie.take(&new()).await.unwrap();
    zombie.begin(&owned).await.unwrap();
    add(&server.url, "u").await;
    let entry = first_entry(&mut zombie, &owned, &read_new()).await;

    // While it is paused, another takes the partition over, and with it what is pending.
    let mut heir = store.open(0, &"heir".into()).await.unwrap();
    let taken = heir.take(&owned).await.unwrap();
    assert_eq!(taken[&0].epoch, 2);
    heir.begin(&taken).await.unwrap();
    let pending = Commit::read(Next::Pending { partition: 0, from: EntryId::ZERO, count: 10 });
    assert_eq!(first_entry(&mut heir, &taken, &pending).await, entry);

    assert_eq!(
        zombie.commit(&owned, &done(entry)).await.unwrap(),
        Outcome::Fenced { kept: vec![] }
    );
    assert!(zombie.begin(&owned).await.unwrap().cursors.is_empty());
    heir.begin(&taken).await.unwrap();
    assert!(matches!(heir.commit(&taken, &done(entry)).await.unwrap(), Outcome::Done(_)));
    heir.forget_consumers(&taken, 0).await.unwrap();
    let consumers = ask(&server.url, &["XINFO", "CONSUMERS", "s", "tallyd:t"]).await;
    assert!(!format!("{consumers:?}").contains("zombie"));
    assert_eq!(last(&heir.begin(&taken).await.unwrap().cursors, 0), entry);
}

#[tokio::test]
async fn one_of_two_takes_a_partition() {
    let server = server().await;
    let store = RedisStore::new(topology(), &server.url);
    store.register().await.unwrap();
    let mut first = store.open(0, &"first".into()).await.unwrap();
    let mut second = store.open(0, &"second".into()).await.unwrap();
    let free = new();
    assert_eq!(first.take(&free).await.unwrap().len(), 1);
    assert!(second.take(&free).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_destroyed_group_is_made_again_from_the_cursor() {
    let server = server().await;
    let store = RedisStore::new(topology(), &server.url);
    store.register().await.unwrap();
    let mut session = store.open(0, &"w".into()).await.unwrap();
    let owned = session.take(&new()).await.unwrap();
    session.begin(&owned).await.unwrap();
    add(&server.url, "a").await;
    let first = first_entry(&mut session, &owned, &read_new()).await;
    session.commit(&owned, &done(first)).await.unwrap();
    ask(&server.url, &["XGROUP", "DESTROY", "s", "tallyd:t"]).await;
    add(&server.url, "b").await;
    match session.commit(&owned, &read_new()).await.unwrap() {
        Outcome::Done(read) => assert!(read.group_missing),
        Outcome::Fenced { .. } => panic!("fenced"),
    }
    session.begin(&owned).await.unwrap();
    // Only the second comes: the first is at the cursor.
    let second = first_entry(&mut session, &owned, &read_new()).await;
    assert!(second > first);
}

async fn skipped(session: &mut RedisSession, span: Span) -> Vec<u16> {
    session.fetch(Vec::new(), &[span]).await.unwrap().skipped
}

#[tokio::test]
async fn a_group_that_was_moved_past_an_entry_is_set_back() {
    let server = server().await;
    let store = RedisStore::new(topology(), &server.url);
    store.register().await.unwrap();
    let mut session = store.open(0, &"w".into()).await.unwrap();
    let owned = session.take(&new()).await.unwrap();
    session.begin(&owned).await.unwrap();
    add(&server.url, "a").await;
    let first = first_entry(&mut session, &owned, &read_new()).await;
    session.commit(&owned, &done(first)).await.unwrap();

    // The group will deliver the third, and never the second.
    add(&server.url, "b").await;
    ask(&server.url, &["XGROUP", "SETID", "s", "tallyd:t", "$"]).await;
    add(&server.url, "c").await;
    match session.commit(&owned, &read_new()).await.unwrap() {
        Outcome::Done(read) => {
            let third = read.entries.first().expect("an entry").1.id;
            assert_eq!(skipped(&mut session, (0, first, third)).await, [0]);
        }
        Outcome::Fenced { .. } => panic!("fenced"),
    }
    session.rewind(&owned, &[(0, first)]).await.unwrap();
    session.begin(&owned).await.unwrap();
    match session.commit(&owned, &read_new()).await.unwrap() {
        Outcome::Done(read) => {
            let second = read.entries.first().expect("an entry").1.id;
            assert_eq!(skipped(&mut session, (0, first, second)).await, [0_u16; 0]);
            assert_eq!(read.entries.len(), 2);
        }
        Outcome::Fenced { .. } => panic!("fenced"),
    }
}

/// The first heartbeat of a worker that serves nothing.
fn beat(worker: &str) -> Beat {
    let announcement = Announcement { id: worker.into(), ..Announcement::default() };
    Beat { announcement, peers: vec![worker.into()], forget: Vec::new() }
}

#[tokio::test]
async fn a_server_that_lost_its_data_gets_the_same_seed_again() {
    let server = server().await;
    let beat = beat("w");
    let old = RedisStore::new(topology(), &server.url);
    let seed = old.register().await.unwrap();
    ask(&server.url, &["FLUSHALL"]).await;
    old.heartbeat(&beat).await.unwrap();
    let other = RedisStore::new(topology(), &server.url);
    assert_eq!(other.register().await.unwrap(), seed);

    // Where another was quicker, the old one must not go on with its own.
    ask(&server.url, &["FLUSHALL"]).await;
    assert_ne!(RedisStore::new(topology(), &server.url).register().await.unwrap(), seed);
    let error = old.heartbeat(&beat).await.unwrap_err();
    assert!(error.message.contains("start the worker again"), "{error}");
}

/// Longer than what is asked for at first and once more.
#[tokio::test]
async fn a_long_log_is_fetched_whole() {
    const LONG: u128 = 70_000;
    let server = server().await;
    let store = RedisStore::new(topology(), &server.url);
    store.register().await.unwrap();
    let mut session = store.open(1, &"w".into()).await.unwrap();
    for (name, length) in [("long", LONG), ("short", 3), ("none", 0)] {
        let mut put = Pipeline::new();
        for fingerprint in 0..length {
            let log = format!("tallyd:{{t/0}}:bolt:board:{name}");
            put.cmd("RPUSH").arg(log).arg(&fingerprint.to_be_bytes());
        }
        Connection::open(&server.url).await.unwrap().all(&put).await.unwrap();
        let key = Key::new(&[name]);
        let address = Address { kind: Kind::Log, key, name: "".into() };
        let cells = session.fetch(vec![(1, vec![address.clone()])], &[]).await.unwrap().cells;
        let expected: Fingerprints = (0..length).collect();
        assert!(cells == [(1, address, Cell::Log(Box::new(expected)))], "{name}");
    }
}

#[tokio::test]
async fn another_number_of_partitions_is_refused() {
    let server = server().await;
    RedisStore::new(topology(), &server.url).register().await.unwrap();
    let other =
        parse("t.toml", &FILE.replace("partitions = 2", "partitions = 4"), &|_| None).unwrap();
    let error = RedisStore::new(Arc::new(other), &server.url).register().await.unwrap_err();
    assert!(error.message.contains("is \"2\" there and \"4\" in the file"), "{error}");
}

#[tokio::test]
async fn a_fence_never_repeats_even_where_the_server_went_back() {
    let server = server().await;
    let store = RedisStore::new(topology(), &server.url);
    store.register().await.unwrap();
    let mut session = store.open(0, &"me".into()).await.unwrap();
    let first = session.take(&new()).await.unwrap();
    let fence = Keys::new(&topology().name, 0).fence(&topology().nodes[0].name, 0);
    let written = ask(&server.url, &["GET", &fence]).await;

    // A failover that loses the take-over: the worker takes the partition as for the first time.
    ask(&server.url, &["SET", &fence, "#0#0000000000000000"]).await;
    let second = session.take(&new()).await.unwrap();
    assert_eq!((&first[&0].owner, first[&0].epoch), (&second[&0].owner, second[&0].epoch));
    assert_ne!(first, second);
    assert_ne!(ask(&server.url, &["GET", &fence]).await, written);
    assert!(session.begin(&first).await.unwrap().cursors.is_empty(), "the first fence is as good");
}

#[tokio::test]
async fn what_was_there_and_is_missing_is_no_beginning() {
    let server = server().await;
    let store = RedisStore::new(topology(), &server.url);
    store.register().await.unwrap();
    let keys = Keys::new(&topology().name, 0);
    let mut session = store.open(0, &"me".into()).await.unwrap();
    let owned = session.take(&new()).await.unwrap();
    assert_eq!(session.begin(&owned).await.unwrap().cursors.len(), 1);

    // Without its cursor, all that the stream holds would count again: the partition is halted.
    // Of the five that its stream ever had, three are gone.
    for id in ["1-1", "1-2", "1-3", "1-4", "1-5"] {
        ask(&server.url, &["XADD", "s", id, "f", "v"]).await;
    }
    ask(&server.url, &["XTRIM", "s", "MAXLEN", "2"]).await;
    ask(&server.url, &["HDEL", &keys.cursors("s"), "0"]).await;
    let begun = session.begin(&owned).await.unwrap();
    assert_eq!((begun.cursors.len(), begun.lost.len()), (0, 1));
    let reason = &begun.lost[0].1;
    let written = "0-0 0 0 0 0 0 0 3 0 0 0-0";
    assert!(reason.contains(&format!("HSET {} 0 \"{written}\"", keys.cursors("s"))), "{reason}");
    let fence = keys.fence("s", 0);
    let stored = ask(&server.url, &["GET", &fence]).await;
    assert!(format!("{stored:?}").contains("!halted#1"), "{stored:?}");

    // A fence that is missing is nobody's to take, neither as seen before nor as a new one.
    ask(&server.url, &["DEL", &fence]).await;
    assert_eq!(session.take(&new()).await.unwrap(), Owned::new());
    let seen = store.heartbeat(&Beat { announcement: serves("w"), ..beat("w") }).await.unwrap();
    assert_eq!(seen.fences["s"][0].owner, Owner::Halted);
    let reason = ask(&server.url, &["HGET", &keys.halted(), "s:0"]).await;
    assert!(format!("{reason:?}").contains("its fence is missing"), "{reason:?}");
    // Nor does registering once more make it: it was made before.
    store.register().await.unwrap();
    assert_eq!(session.take(&new()).await.unwrap(), Owned::new());
}

/// A worker that serves the source.
fn serves(worker: &str) -> Announcement {
    let nodes = [("s".into(), 1)].into();
    Announcement { id: worker.into(), nodes, ..Announcement::default() }
}

#[tokio::test]
async fn a_switch_of_plans_fences_all_that_the_old_one_has_in_flight() {
    let server = server().await;
    let id: SmolStr = "old".into();
    let old = RedisStore::new(topology(), &server.url);
    old.register().await.unwrap();
    assert!(old.switch(None, &id).await.unwrap());
    let token = old.heartbeat(&beat(&id)).await.unwrap().generation;
    assert!(!old.switch(None, &id).await.unwrap(), "there is a plan by now");
    let mut session = old.open(0, &id).await.unwrap();
    let owned = session.take(&new()).await.unwrap();
    session.begin(&owned).await.unwrap();
    add(&server.url, "ann").await;
    let entry = first_entry(&mut session, &owned, &read_new()).await;

    let more = format!(
        "{FILE}\n[bolt.more]\ntype = \"leaderboard\"\nfrom = \"s\"\nmember = \"user\"\nscore = \"count\"\n"
    );
    let more = Arc::new(parse("t.toml", &more, &|_| None).unwrap());
    let new = RedisStore::new(more, &server.url);
    new.register().await.unwrap();
    assert!(new.switch(token.as_ref(), &"new".into()).await.unwrap());
    // Nobody has taken the partition: its fence is as it was.
    let late = session.commit(&owned, &done(entry)).await.unwrap();
    assert_eq!(late, Outcome::Fenced { kept: Vec::new() });
    // A session that keeps nothing begins again, and gets nothing either.
    assert_eq!(session.take(&owned).await.unwrap(), Owned::new());
    assert_eq!(session.begin(&owned).await.unwrap().cursors, BTreeMap::new());
}

#[tokio::test]
async fn a_worker_that_stops_leaves_nothing_of_itself() {
    let private = server().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.toml");
    std::fs::write(&file, FILE).unwrap();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_tallyd"));
    let workers = Keys::new("t", 0).workers();
    // It stops while its heart beats, early in its life and a little later.
    for number in 0..12 {
        let folder = folder.path();
        let worker = WorkerProcess::start(program, folder, &file, &private.url, number).unwrap();
        let began = std::time::Instant::now();
        while ask(&private.url, &["ZCARD", &workers]).await == Value::Int(0) {
            assert!(began.elapsed() < PATIENCE, "worker {number} does not join");
        }
        for _ in 0..number * 5 {
            ask(&private.url, &["PING"]).await;
        }
        worker.stop().await.unwrap();
        assert_eq!(ask(&private.url, &["ZCARD", &workers]).await, Value::Int(0), "{number}");
    }
}
