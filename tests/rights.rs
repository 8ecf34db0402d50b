//! What each role of `docs/security.md` does, by the interfaces that the program itself uses.

use redis::Pipeline;
use std::{fs, path::Path, sync::Arc, time::Duration};
use tallyd_bolt::{Address, Key, Kind, Write};
use tallyd_event::EntryId;
use tallyd_query::{Look, QueryError, Ranked, Results, Stored, head, standing};
use tallyd_runtime::{
    Session, Store, StoreError,
    store::{
        Announcement, Beat, Commit, Cursor, DeadLetter, ErrorKind, Fence, Frame, Listener, Next,
        Outcome, Owned, Part, Read, Rejected, Wait,
    },
};
use tallyd_store::{
    Connection, RedisSession, RedisStore, dead,
    edits::{self, Request},
    inspect,
    keys::Keys,
    memory, server_ms,
};
use tallyd_topology::{RedisAddress, Topology, parse};

/// A user of `docs/security.md`, and its rules but for the password.
pub struct Role {
    /// Its name.
    pub name: String,
    /// What it may do, as `ACL SETUSER` takes it.
    pub rules: Vec<String>,
}

/// The users of the page, as it has them.
pub fn roles() -> Vec<Role> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/security.md");
    let page = fs::read_to_string(page).unwrap().replace("\\\n", " ");
    let lines = page.lines().filter_map(|line| line.strip_prefix("redis-cli ACL SETUSER "));
    let role = |line: &str| {
        let mut words = line.split_whitespace().map(|word| word.trim_matches('\'').to_owned());
        let name = words.next().unwrap();
        Role { name, rules: words.filter(|word| word != ">PASSWORD").collect() }
    };
    lines.map(role).collect()
}

fn topology() -> Arc<Topology> {
    Arc::new(
        parse("testprep.toml", include_str!("../topologies/testprep.toml"), &|_| None).unwrap(),
    )
}

/// Sends one command.
pub async fn ask(c: &mut Connection, words: &[&str]) -> Result<redis::Value, StoreError> {
    let (name, arguments) = words.split_first().unwrap();
    let mut ask = Pipeline::new();
    ask.cmd(name).arg(arguments);
    Ok(c.all(&ask).await?.pop().unwrap())
}

const ANSWER: [&str; 14] = [
    "id", "a1", "user", "u7", "question", "q9", "concept", "algebra", "correct", "1", "ms", "5300",
    "points", "4",
];

async fn add_answer(c: &mut Connection) -> Result<redis::Value, StoreError> {
    let words = [&["XADD", "answers", "*"], &ANSWER[..], &["at", "1767225600000"]].concat();
    ask(c, &words).await
}

/// Does all that a role does. `admin` may do anything.
pub async fn act(
    role: &str,
    admin: &mut Connection,
    address: &RedisAddress,
) -> Result<(), StoreError> {
    match role {
        "tallyd-producer" => add_answer(&mut Connection::open_at(address).await?).await.map(drop),
        "tallyd-worker" => work(admin, address).await,
        "tallyd-reader" => read(admin, address).await,
        "tallyd-operator" => operate(admin, address).await,
        other => panic!("{other} is new: say in tests/rights.rs what it does"),
    }
}

async fn done(
    session: &mut RedisSession,
    owned: &Owned,
    commit: &Commit,
) -> Result<Read, StoreError> {
    match session.commit(owned, commit).await? {
        Outcome::Done(read) => Ok(read),
        Outcome::Fenced { .. } => panic!("fenced"),
    }
}

/// A worker's life: it joins, reads, dies, is succeeded, commits effects of every kind, trims,
/// halts and leaves.
async fn work(admin: &mut Connection, address: &RedisAddress) -> Result<(), StoreError> {
    let topology = topology();
    let store = RedisStore::at(Arc::clone(&topology), address.clone());
    store.register().await?;
    let nodes = topology.nodes.iter().map(|node| (node.name.clone(), node.partitions)).collect();
    let announcement = Announcement { id: "first".into(), nodes, ..Announcement::default() };
    let mut listener = store.listen(&"first".into()).await?;
    let (peers, forget) = (vec!["first".into()], vec!["long dead".into()]);
    let view = store.heartbeat(&Beat { announcement, peers: peers.clone(), forget }).await?;
    assert!(!view.server.is_empty(), "the server tells its runs apart");
    assert_eq!(store.look(&peers).await?, [("first".into(), true)].into());
    store.switch(Some(&"of-another-time".into()), &"first".into()).await?;
    store.switch(None, &"first".into()).await?;
    let announcement = view.workers.first().map(|(worker, _)| worker.clone()).unwrap_or_default();
    store.heartbeat(&Beat { announcement, peers: peers.clone(), forget: Vec::new() }).await?;
    store.nudge().await?;
    listener.nudged().await?;

    let mut first = store.open(0, &"first".into()).await?;
    // Without the right to ask, it waits for short times.
    let connection =
        first.connection().ok_or_else(|| StoreError::new(ErrorKind::Auth, "NOPERM client|id"))?;
    store.wake(connection).await?;
    let owned = first.take(&[(0, Fence::default())].into()).await?;
    first.begin(&owned).await?;
    add_answer(admin).await?;
    let wait = Wait { after: vec![(0, EntryId::ZERO)], at_most: Duration::from_secs(5) };
    let new = Commit::read(Next::New { partitions: vec![0], count: 10 });
    let read = done(&mut first, &owned, &Commit { wait: Some(wait), ..new }).await?;
    let entry = read.entries[0].1.id;
    assert_eq!(read.woken, [(0, entry)]);
    store.tend(&[(0, vec![0])]).await?;

    let mut second = store.open(0, &"second".into()).await?;
    let owned = second.take(&owned).await?;
    second.begin(&owned).await?;
    let pending = Next::Pending { partition: 0, from: EntryId::ZERO, count: 10 };
    assert_eq!(done(&mut second, &owned, &Commit::read(pending)).await?.entries.len(), 1);
    let letter = DeadLetter {
        kind: Rejected::Bolt,
        reason: "test".to_owned(),
        entry,
        arrived: 0,
        fields: Vec::new(),
        cut: None,
    };
    let part = Part {
        node: 0,
        frames: vec![Frame { edge: 0, partition: 0, bytes: vec![0] }],
        dead: vec![letter],
        cursors: vec![(0, Cursor { last: entry, ..Cursor::default() })],
        ..Part::default()
    };
    let acks = vec![(0, vec![entry])];
    let commit = Commit { parts: vec![part], acks, ..Commit::read(Next::Nothing) };
    done(&mut second, &owned, &commit).await?;
    second.forget_consumers(&owned, 0).await?;
    second.rewind(&owned, &[(0, entry)]).await?;
    second.fetch(Vec::new(), &[(0, EntryId::ZERO, entry)]).await?;
    // A group of somebody else keeps an entry of the source: what is trimmed depends on it.
    ask(admin, &["XGROUP", "CREATE", "answers", "others", "0"]).await?;
    let theirs = ["XREADGROUP", "GROUP", "others", "one", "STREAMS", "answers", ">"];
    ask(admin, &theirs).await?;
    bolt(&store, &topology).await?;
    let edits = Keys::new(&topology.name, 0).edits();
    ask(admin, &["XADD", &edits, "*", "do", "hide", "member", "u7"]).await?;
    store.tend(&[(0, vec![0])]).await?;
    second.release(&owned).await?;
    store.leave(&"first".into()).await
}

/// Effects of every kind, and a halt.
async fn bolt(store: &RedisStore, topology: &Topology) -> Result<(), StoreError> {
    let (place, _) = topology.node("fatigue").unwrap();
    let mut session = store.open(topology.head(place), &"second".into()).await?;
    let owned = session.take(&[(0, Fence::default())].into()).await?;
    session.begin(&owned).await?;
    let key = |kind: &str| Key::new(&[kind, "x"]);
    let kinds = [
        ("hash", Kind::Field),
        ("board", Kind::Score),
        ("seen", Kind::Log),
        ("groups", Kind::Names),
        ("board", Kind::Ranked(0, 1)),
    ];
    let address = |(name, kind)| Address { kind, key: key(name), name: "f".into() };
    session.fetch(vec![(place, kinds.into_iter().map(address).collect())], &[]).await?;
    let part = Part {
        node: place,
        writes: vec![
            Write::Add { key: key("shared"), names: &["n"], deltas: vec![1] },
            Write::Append { key: key("seen"), fingerprints: vec![7] },
            Write::DropLog { key: key("seen") },
            Write::Distinct { key: key("distinct"), items: vec!["a".into()] },
            Write::Field { key: key("hash"), name: "f".into(), value: b"v".to_vec() },
            Write::Member { key: key("groups"), members: vec!["a".into()] },
            Write::Score { key: key("board"), member: "m".into(), score: 1.0 },
            Write::RemoveField { key: key("hash"), name: "g".into() },
            Write::RemoveMember { key: key("groups"), members: vec!["b".into()] },
            Write::RemoveScore { key: key("board"), member: "n".into() },
        ],
        expiries: vec![(key("hash"), i64::MAX / 2)],
        published: vec![(0, vec![(b"id".to_vec(), b"1".to_vec())])],
        ..Part::default()
    };
    let new = Commit::read(Next::New { partitions: vec![0], count: 10 });
    let commit = Commit { parts: vec![part], ..new };
    done(&mut session, &owned, &commit).await?;
    session.halt(&owned, "test").await
}

/// What the command line and an application read.
async fn read(admin: &mut Connection, address: &RedisAddress) -> Result<(), StoreError> {
    add_answer(admin).await?;
    let topology = topology();
    let keys = Keys::new(&topology.name, 0);
    let mut c = Connection::open_at(address).await?;
    inspect::status(&mut c, &topology, &keys).await?;
    memory(&mut c).await?;
    inspect::drained(&mut c, &topology, &keys).await?;
    // What `status` asks of a stream whose entries are too large to be read.
    ask(&mut c, &["XINFO", "STREAM", "answers"]).await?;
    let refused = |error| match error {
        QueryError::Store(error) => error,
        other => panic!("{other}"),
    };
    head(&mut c, &keys, "points").await.map_err(refused)?;
    queries(&mut Stored::new(&mut c, &keys, "points")).await.map_err(refused)?;
    let learners = keys.bolt("fatigue", &Key::new(&["learners", "0"]));
    ask(&mut c, &["HGET", &learners, "u7"]).await?;
    ask(&mut c, &["XREAD", "STREAMS", "fatigue-alerts", "0"]).await.map(drop)
}

/// Every read of results that there is.
async fn queries(stored: &mut Stored<'_>) -> Result<(), QueryError> {
    let keys = [Key::new(&["x"])];
    let key = &keys[0];
    stored.hash(key).await?;
    stored.fields(&keys, &["f".into()]).await?;
    stored.distinct(&keys).await?;
    stored.sizes(&keys).await?;
    stored.members(&keys).await?;
    for ascending in [false, true] {
        let (places, members) = (0..10, vec!["m".into()]);
        stored.look(key, &Look { ascending, places, members, scores: vec![1.0] }).await?;
        stored.worse(key, ascending, None, 10).await?;
    }
    Ok(())
}

/// Dead letters of a source and of a bolt, and a halted partition.
async fn operate(admin: &mut Connection, address: &RedisAddress) -> Result<(), StoreError> {
    let topology = topology();
    let keys = Keys::new(&topology.name, 0);
    let fields = ANSWER.chunks(2).flat_map(|pair| [format!("field:{}", pair[0]), pair[1].into()]);
    let fields: Vec<String> = fields.chain(["field:at".into(), "1767225600000".into()]).collect();
    for node in ["answers", "unique"] {
        let dead = keys.dead();
        let head = ["XADD", &dead, "*", "node", node, "reason", "test", "entry", "1-1"];
        let words: Vec<&str> = head.into_iter().chain(fields.iter().map(String::as_str)).collect();
        ask(admin, &words).await?;
    }
    ask(admin, &["SET", &keys.fence("unique", 0), "!halted#3#0"]).await?;

    let mut c = Connection::open_at(address).await?;
    server_ms(&mut c).await?;
    let newest = dead::newest(&mut c, &keys).await?.unwrap();
    let letters = dead::list(&mut c, &keys, EntryId::ZERO..=newest, 10).await?;
    assert_eq!(letters.len(), 2);
    for letter in &letters {
        let id = letter.id;
        assert!(dead::get(&mut c, &keys, id).await?.is_some());
        assert!(dead::replay(&mut c, &topology, &keys, id).await?);
        assert!(!dead::replay(&mut c, &topology, &keys, id).await?);
        assert!(!dead::remove(&mut c, &keys, id).await?);
    }
    let resumed = inspect::resume(&mut c, &topology, &keys).await?;
    assert_eq!(resumed, ["unique:0"]);
    edit(admin, &mut c, &topology, &keys).await
}

/// Hides a member, where a worker has made a board.
async fn edit(
    admin: &mut Connection,
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
) -> Result<(), StoreError> {
    let bolt = |parts: &[&str]| keys.bolt("points", &Key::new(parts));
    ask(admin, &["HSET", &keys.cursors("points"), "0", "0-0"]).await?;
    ask(admin, &["SADD", &bolt(&["labels", "day"]), "2026-01-01 4102444800000"]).await?;
    ask(admin, &["SADD", &bolt(&["groups", "day", "2026-01-01"]), "everyone"]).await?;
    let board = bolt(&["board", "day", "2026-01-01", "everyone"]);
    ask(admin, &["ZADD", &board, "1", "u7"]).await?;
    let request =
        Request { id: "e1".into(), kind: "hide".into(), member: "u7".into(), ..Request::default() };
    let stands = standing(c, topology, keys, "user", "u7").await?;
    assert_eq!((stands.boards, stands.is_hidden), (1, false));
    edits::add(c, keys, &request).await?;
    edits::accept(c, topology, keys).await?;
    let listed = edits::list(c, topology, keys, 10).await?;
    assert_eq!(listed.iter().map(|edit| edit.id.as_str()).collect::<Vec<_>>(), ["e1"]);
    assert_eq!(listed[0].refused, None);
    Ok(())
}
