//! The store: sessions for tasks, and a connection of its own for membership and upkeep.

use crate::{
    commands::Expiries,
    connection::Connection,
    doctor::{self, Danger},
    keys::Keys,
    named_streams, plan,
    random::{self, Random},
    registration, reply,
    session::{Names, RedisServer, RedisSession},
    tend,
};
use redis::{Pipeline, Value};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex as Lock, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};
use tallyd_runtime::{
    Store, StoreError,
    plan::of_token,
    store::{Announcement, ErrorKind, Fence, Survey, View},
};
use tallyd_topology::{Node, NodeKind, RedisAddress, Topology};
use tokio::sync::Mutex;

/// After how many session timeouts a worker that died is no longer listed.
const FORGOTTEN_AFTER: u64 = 20;

/// A topology's storage on one Redis.
#[derive(Clone)]
pub struct RedisStore {
    topology: Arc<Topology>,
    address: Arc<RedisAddress>,
    keys: Keys,
    allowed: BTreeSet<Danger>,
    control: Arc<Mutex<Option<Connection>>>,
    /// The seed that the registration gave.
    seed: Arc<Mutex<Option<[u8; 16]>>>,
    random: Random,
    /// The generation of plans in which this topology is in force, as it last heard.
    generation: Arc<Lock<Option<SmolStr>>>,
}

impl RedisStore {
    /// The storage of a topology on the Redis of this URL. Connects when it is first used.
    #[must_use]
    pub fn new(topology: Arc<Topology>, url: &str) -> Self {
        Self::at(topology, url.into())
    }

    /// The storage of a topology on the Redis of this address. Connects when it is first used.
    #[must_use]
    pub fn at(topology: Arc<Topology>, address: RedisAddress) -> Self {
        let keys = Keys::new(&topology.name, 0);
        let (address, allowed) = (Arc::new(address), BTreeSet::new());
        let random: Random = Arc::new(random::number);
        Self {
            topology,
            address,
            keys,
            allowed,
            control: Arc::default(),
            seed: Arc::default(),
            generation: Arc::default(),
            random,
        }
    }

    /// The same, on a server with these dangers: a worker then starts all the same.
    #[must_use]
    pub fn allowing(self, dangers: impl IntoIterator<Item = Danger>) -> Self {
        Self { allowed: dangers.into_iter().collect(), ..self }
    }

    /// The same, with these random numbers: for tests that compare what is stored.
    #[must_use]
    pub fn drawing(self, random: Random) -> Self {
        Self { random, ..self }
    }

    /// Sends commands of upkeep. Each may be repeated, so it reconnects where it has to.
    async fn control<T>(
        &self,
        run: impl AsyncFnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut place = self.control.lock().await;
        let mut connection = match place.take() {
            Some(connection) => connection,
            None => Connection::open_at(&self.address).await?,
        };
        // Kept only after a success: a broken connection is opened anew the next time.
        let outcome = run(&mut connection).await?;
        *place = Some(connection);
        Ok(outcome)
    }
}

impl Store for RedisStore {
    type Session = RedisSession;

    async fn open(&self, place: usize, worker: &SmolStr) -> Result<RedisSession, StoreError> {
        let names = Names::new(&self.keys, &self.topology, place)?;
        let mut connection = Connection::open_at(&self.address).await?;
        let clock_offset = server_ms(&mut connection).await? - local_ms();
        let expiries = self.topology.fused(place).into_iter().map(|p| (p, Expiries::default()));
        let is_source = |node: &Node| matches!(node.kind, NodeKind::Source(_));
        let tells_time = self.topology.nodes.get(place).is_some_and(is_source);
        let server = RedisServer {
            connection,
            names,
            topology: Arc::clone(&self.topology),
            keys: self.keys.clone(),
            worker: worker.clone(),
            expiries: expiries.collect(),
            clock_offset,
            random: Arc::clone(&self.random),
            tells_time,
            generation: Arc::clone(&self.generation),
        };
        Ok(RedisSession::new(server, worker.clone()))
    }

    async fn register(&self) -> Result<[u8; 16], StoreError> {
        let register = async |c: &mut Connection| {
            doctor::check_at_start(c, &self.address, &self.allowed).await?;
            named_streams::check(c, &self.topology).await?;
            registration::register(c, &self.topology, &self.keys, None).await
        };
        let seed = self.control(register).await?;
        *self.seed.lock().await = Some(seed);
        Ok(seed)
    }

    async fn heartbeat(&self, announcement: &Announcement) -> Result<View, StoreError> {
        let topology = &self.topology;
        let seed = *self.seed.lock().await;
        let view = self
            .control(async |c| {
                if let Some(seed) = seed {
                    registration::still_registered(c, topology, &self.keys, seed).await?;
                }
                let now = server_ms(c).await?;
                let about = serde_json::to_string(announcement).map_err(|e| {
                    StoreError::new(ErrorKind::Other, format!("can't write the announcement: {e}"))
                })?;
                let kept = topology.settings.session_timeout_ms.saturating_mul(FORGOTTEN_AFTER);
                let mut beat = Pipeline::new();
                beat.cmd("ZADD").arg(self.keys.workers()).arg(now).arg(announcement.id.as_str());
                beat.cmd("HSET")
                    .arg(self.keys.announcements())
                    .arg(announcement.id.as_str())
                    .arg(about);
                beat.cmd("ZREMRANGEBYSCORE")
                    .arg(self.keys.workers())
                    .arg("-inf")
                    .arg(now - kept as i64);
                c.all(&beat).await?;
                let (view, gone) = view(c, &self.keys, now).await?;
                if !gone.is_empty() {
                    let mut forget = Pipeline::new();
                    forget.cmd("HDEL").arg(self.keys.announcements()).arg(gone);
                    c.all(&forget).await?;
                }
                Ok(view)
            })
            .await?;
        let mine = self.topology.fingerprint();
        let in_force = view.generation.clone().filter(|token| of_token(token) == mine);
        *self.generation.lock().unwrap_or_else(PoisonError::into_inner) = in_force;
        Ok(view)
    }

    async fn switch(&self, seen: Option<&SmolStr>, worker: &SmolStr) -> Result<bool, StoreError> {
        let seen = seen.map(SmolStr::as_str);
        self.control(async |c| plan::switch(c, &self.topology, &self.keys, seen, worker).await)
            .await
    }

    async fn leave(&self, worker: &SmolStr) -> Result<(), StoreError> {
        let mut leave = Pipeline::new();
        leave.cmd("ZREM").arg(self.keys.workers()).arg(worker.as_str());
        leave.cmd("HDEL").arg(self.keys.announcements()).arg(worker.as_str());
        self.control(async |c| c.all(&leave).await.map(drop)).await
    }

    async fn tend(&self, owned: &[(usize, Vec<u16>)]) -> Result<Survey, StoreError> {
        self.control(async |c| tend::tend(c, &self.topology, &self.keys, owned).await).await
    }
}

/// The workers and fences as they are stored, and the announcements that are of no use any more.
/// Only reads: who looks at a topology may have no right to write.
pub(crate) async fn view(
    c: &mut Connection,
    keys: &Keys,
    now: i64,
) -> Result<(View, Vec<String>), StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("ZRANGE").arg(keys.workers()).arg(0).arg(-1).arg("WITHSCORES");
    ask.cmd("HGETALL").arg(keys.announcements()).cmd("MGET").arg(keys.generation());
    let mut answers = c.all(&ask).await?.into_iter();
    let mut beats: BTreeMap<String, i64> = BTreeMap::new();
    let mut scores = reply::array(answers.next().unwrap_or(Value::Nil))?.into_iter();
    while let (Some(id), Some(beat)) = (scores.next(), scores.next()) {
        beats.insert(
            reply::text(id)?.unwrap_or_default(),
            reply::number(beat)?.unwrap_or(0.0) as i64,
        );
    }
    let mut view = View { now, ..View::default() };
    let mut gone = Vec::new();
    for (id, about) in reply::facts(answers.next().unwrap_or(Value::Nil))? {
        let about = reply::text(about)?.unwrap_or_default();
        match (beats.get(&id), serde_json::from_str::<Announcement>(&about)) {
            (Some(beat), Ok(worker)) => view.workers.push((worker, *beat)),
            // Nobody hears of it any more, or a version that is not ours wrote it.
            _ => gone.push(id),
        }
    }
    let generation = reply::array(answers.next().unwrap_or(Value::Nil))?.into_iter().next();
    view.generation = reply::text(generation.unwrap_or(Value::Nil))?.map(SmolStr::from);
    view.fences = fences(c, keys, &view.workers).await?;
    Ok((view, gone))
}

async fn fences(
    c: &mut Connection,
    keys: &Keys,
    workers: &[(Announcement, i64)],
) -> Result<BTreeMap<SmolStr, Vec<Fence>>, StoreError> {
    let nodes: BTreeMap<SmolStr, u16> =
        workers.iter().flat_map(|(worker, _)| worker.nodes.clone()).collect();
    let mut ask = Pipeline::new();
    for (node, partitions) in &nodes {
        ask.cmd("MGET").arg((0..*partitions).map(|p| keys.fence(node, p)).collect::<Vec<_>>());
    }
    if nodes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut fences = BTreeMap::new();
    for ((node, _), stored) in nodes.into_iter().zip(c.all(&ask).await?) {
        let of_node: Result<Vec<Fence>, StoreError> =
            reply::array(stored)?.into_iter().map(reply::fence).collect();
        fences.insert(node, of_node?);
    }
    Ok(fences)
}

/// The server's clock, in ms since the epoch.
///
/// # Errors
/// Where the server can't be asked.
pub async fn server_ms(c: &mut Connection) -> Result<i64, StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("TIME");
    server_time(c.all(&ask).await?.pop().unwrap_or(Value::Nil))
}

/// What TIME replied, in ms since the epoch.
pub(crate) fn server_time(reply: Value) -> Result<i64, StoreError> {
    let time = reply::array(reply)?;
    match time.as_slice() {
        [seconds, micros] => Ok(reply::integer(seconds)?
            .saturating_mul(1000)
            .saturating_add(reply::integer(micros)? / 1000)),
        _ => Err(StoreError::new(ErrorKind::Reply, "expected the server's time")),
    }
}

/// This process's clock, in ms since the epoch: only ever used with its offset to the server's.
pub(crate) fn local_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
