//! Who works: heartbeats, each in one round trip, subscriptions, and the view of all.

use crate::{
    address::subscribe,
    connection::{Connection, checked},
    keys::Keys,
    registration, reply,
    store::local_ms,
};
use futures::StreamExt;
use redis::{Pipeline, Value, aio::PubSub};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tallyd_runtime::{
    StoreError,
    store::{Announcement, Beat, ErrorKind, Fence, Listener, Owner, View},
};
use tallyd_topology::{RedisAddress, Topology};

/// Why a partition is halted whose fence is missing.
const LOST: &str = "its fence is missing, which was there: the server lost writes, or somebody \
     deleted it. Compare its figures with the source, then: tallyd resume";

/// The connection of a worker's heart, and what it knows of its server.
pub(crate) struct Heart {
    connection: Connection,
    /// Which run of which server answers.
    server: SmolStr,
    /// The server's clock less this process's, in ms.
    clock_offset: i64,
    /// The announcement that is stored, and the nodes whose fences are asked for with each beat.
    announced: Option<(Announcement, BTreeMap<SmolStr, u16>)>,
}

impl Heart {
    pub(crate) async fn open(address: &RedisAddress) -> Result<Self, StoreError> {
        let mut connection = Connection::open_at(address).await?;
        let mut ask = Pipeline::new();
        ask.cmd("INFO").arg("server").cmd("TIME");
        let mut answers = connection.all(&ask).await?.into_iter();
        let info = reply::text(answers.next().unwrap_or(Value::Nil))?.unwrap_or_default();
        let server = info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default();
        let clock_offset = reply::time(answers.next().unwrap_or(Value::Nil))? - local_ms();
        Ok(Self { connection, server: server.trim().into(), clock_offset, announced: None })
    }

    /// Says that a worker is alive, checks that the data are those of this seed, and asks who else
    /// there is: one round trip, and another where a worker announces nodes that are new.
    pub(crate) async fn beat(
        &mut self,
        topology: &Topology,
        keys: &Keys,
        seed: Option<[u8; 16]>,
        beat: &Beat,
    ) -> Result<View, StoreError> {
        let me = beat.announcement.id.as_str();
        let known = self.announced.take().filter(|(said, _)| *said == beat.announcement);
        let nodes = known.as_ref().map_or_else(|| &beat.announcement.nodes, |(_, nodes)| nodes);
        let mut ask = Pipeline::new();
        ask.cmd("TIME").cmd("HGET").arg(keys.topology()).arg("seed");
        ask.cmd("ZADD").arg(keys.workers()).arg(local_ms() + self.clock_offset).arg(me);
        if known.is_none() {
            let about = serde_json::to_string(&beat.announcement).map_err(|e| {
                StoreError::new(ErrorKind::Other, format!("can't write the announcement: {e}"))
            })?;
            ask.cmd("HSET").arg(keys.announcements()).arg(me).arg(about);
        }
        if !beat.forget.is_empty() {
            let ids: Vec<&str> = beat.forget.iter().map(SmolStr::as_str).collect();
            ask.cmd("ZREM").arg(keys.workers()).arg(&ids);
            ask.cmd("HDEL").arg(keys.announcements()).arg(&ids);
        }
        let before = ask.len();
        ask_members(&mut ask, keys);
        ask_fences(&mut ask, keys, nodes);
        ask_subscribed(&mut ask, keys, &beat.peers);
        let mut answers = self.connection.send(&ask).await?;
        let mut last = answers.split_off(before).into_iter();
        let mut next = || checked(last.next().unwrap_or(Value::Nil));
        let (scores, about, fences) = (next()?, next()?, next()?);
        let subscribed = subscribed(&beat.peers, last.next().unwrap_or(Value::Nil))?;
        let mut first = answers.into_iter().map(checked);
        let now = reply::time(first.next().unwrap_or(Ok(Value::Nil))?)?;
        let stored = reply::bytes(first.next().unwrap_or(Ok(Value::Nil))?)?;
        let all_lost = stored.is_none();
        first.try_for_each(|answer| answer.map(drop))?;
        self.clock_offset = now - local_ms();
        if let Some(seed) = seed {
            let c = &mut self.connection;
            registration::still_registered(c, topology, keys, seed, stored).await?;
        }
        let workers = members(scores, about)?;
        let announces = announced_nodes(&workers);
        let (generation, fences) = if announces == *nodes {
            fences_of(nodes, fences)?
        } else {
            read_fences(&mut self.connection, keys, &announces).await?
        };
        if !all_lost {
            self.halt_lost(keys, &fences).await?;
        }
        // Where somebody has taken it out, the next beat says it again.
        if workers.iter().any(|(worker, _)| *worker == beat.announcement) {
            self.announced = Some((beat.announcement.clone(), announces));
        }
        Ok(View { now, server: self.server.clone(), workers, subscribed, fences, generation })
    }

    /// Halts the partitions whose fences are missing: they were made when the nodes were
    /// registered, so the server lost writes, or somebody deleted them. Nobody takes them for new.
    async fn halt_lost(
        &mut self,
        keys: &Keys,
        fences: &BTreeMap<SmolStr, Vec<Fence>>,
    ) -> Result<(), StoreError> {
        let halted = Fence { owner: Owner::Halted, epoch: 1, random: 0 };
        let mut put = Pipeline::new();
        for (node, of_node) in fences {
            for (partition, fence) in (0..).zip(of_node) {
                if *fence == reply::LOST_FENCE {
                    let key = keys.fence(node, partition);
                    put.cmd("SET").arg(key).arg(reply::fence_text(&halted)).arg("NX");
                    let field = format!("{node}:{partition}");
                    put.cmd("HSET").arg(keys.halted()).arg(field).arg(LOST);
                }
            }
        }
        if put.is_empty() {
            return Ok(());
        }
        self.connection.all(&put).await.map(drop)
    }

    /// Asks only which of these workers are subscribed.
    pub(crate) async fn look(
        &mut self,
        keys: &Keys,
        workers: &[SmolStr],
    ) -> Result<BTreeMap<SmolStr, bool>, StoreError> {
        let mut ask = Pipeline::new();
        ask_subscribed(&mut ask, keys, workers);
        let answer = self.connection.all(&ask).await?.pop().unwrap_or(Value::Nil);
        subscribed(workers, answer)
    }

    /// Makes all who listen look at once.
    pub(crate) async fn nudge(&mut self, keys: &Keys) -> Result<(), StoreError> {
        let mut tell = Pipeline::new();
        tell.cmd("PUBLISH").arg(keys.nudges()).arg("");
        self.connection.all(&tell).await.map(drop)
    }

    /// Ends the wait of a connection, if it waits.
    pub(crate) async fn wake(&mut self, client: u64) -> Result<(), StoreError> {
        let mut wake = Pipeline::new();
        wake.cmd("CLIENT").arg("UNBLOCK").arg(client);
        self.connection.all(&wake).await.map(drop)
    }
}

/// By what [`Heart::wake`] knows a connection; `None` where the user may not ask, or the server (a
/// proxy) does not know the command.
pub(crate) async fn client_id(c: &mut Connection) -> Result<Option<u64>, StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("CLIENT").arg("ID");
    match c.send(&ask).await?.pop() {
        Some(Value::Int(id)) => Ok(u64::try_from(id).ok()),
        _ => Ok(None),
    }
}

/// The workers and fences as they are stored. Only reads: who looks at a topology may have no right
/// to write.
pub(crate) async fn view(c: &mut Connection, keys: &Keys, now: i64) -> Result<View, StoreError> {
    let mut ask = Pipeline::new();
    ask_members(&mut ask, keys);
    let mut answers = c.all(&ask).await?.into_iter();
    let mut next = || answers.next().unwrap_or(Value::Nil);
    let workers = members(next(), next())?;
    let (generation, fences) = read_fences(c, keys, &announced_nodes(&workers)).await?;
    Ok(View { now, workers, fences, generation, ..View::default() })
}

fn ask_members(ask: &mut Pipeline, keys: &Keys) {
    ask.cmd("ZRANGE").arg(keys.workers()).arg(0).arg(-1).arg("WITHSCORES");
    ask.cmd("HGETALL").arg(keys.announcements());
}

/// The workers that are listed and announced, with their heartbeats.
fn members(scores: Value, about: Value) -> Result<Vec<(Announcement, i64)>, StoreError> {
    let mut beats: BTreeMap<String, i64> = BTreeMap::new();
    let mut scores = reply::array(scores)?.into_iter();
    while let (Some(id), Some(beat)) = (scores.next(), scores.next()) {
        beats.insert(
            reply::text(id)?.unwrap_or_default(),
            reply::number(beat)?.unwrap_or(0.0) as i64,
        );
    }
    let mut workers = Vec::new();
    for (id, about) in reply::facts(about)? {
        let about = reply::text(about)?.unwrap_or_default();
        // One that can't be read is of another version, which looks after it.
        if let (Some(beat), Ok(worker)) = (beats.get(&id), serde_json::from_str(&about)) {
            workers.push((worker, *beat));
        }
    }
    Ok(workers)
}

fn announced_nodes(workers: &[(Announcement, i64)]) -> BTreeMap<SmolStr, u16> {
    workers.iter().flat_map(|(worker, _)| worker.nodes.clone()).collect()
}

/// The generation of the plan in force, and the fences of each node.
type Held = (Option<SmolStr>, BTreeMap<SmolStr, Vec<Fence>>);

/// One command, whose reply [`fences_of`] reads.
fn ask_fences(ask: &mut Pipeline, keys: &Keys, nodes: &BTreeMap<SmolStr, u16>) {
    let fences = nodes.iter().flat_map(|(node, partitions)| {
        (0..*partitions).map(|partition| keys.fence(node, partition))
    });
    let all: Vec<String> = std::iter::once(keys.generation()).chain(fences).collect();
    ask.cmd("MGET").arg(all);
}

fn fences_of(nodes: &BTreeMap<SmolStr, u16>, stored: Value) -> Result<Held, StoreError> {
    let mut stored = reply::array(stored)?.into_iter();
    let generation = reply::text(stored.next().unwrap_or(Value::Nil))?.map(SmolStr::from);
    let mut fences = BTreeMap::new();
    for (node, partitions) in nodes {
        let of_node = stored.by_ref().take(usize::from(*partitions)).map(reply::made_fence);
        fences.insert(node.clone(), of_node.collect::<Result<Vec<_>, _>>()?);
    }
    Ok((generation, fences))
}

async fn read_fences(
    c: &mut Connection,
    keys: &Keys,
    nodes: &BTreeMap<SmolStr, u16>,
) -> Result<Held, StoreError> {
    let mut ask = Pipeline::new();
    ask_fences(&mut ask, keys, nodes);
    fences_of(nodes, c.all(&ask).await?.pop().unwrap_or(Value::Nil))
}

fn ask_subscribed(ask: &mut Pipeline, keys: &Keys, workers: &[SmolStr]) {
    let channels: Vec<String> = workers.iter().map(|id| keys.alive(id)).collect();
    ask.cmd("PUBSUB").arg("NUMSUB").arg(channels);
}

/// Of each worker, whether somebody is subscribed in its name. Nothing where the user may not ask,
/// or the server (a proxy) does not know the command: then heartbeats alone count.
fn subscribed(workers: &[SmolStr], answer: Value) -> Result<BTreeMap<SmolStr, bool>, StoreError> {
    let counts = match answer {
        Value::ServerError(_) => return Ok(BTreeMap::new()),
        answer => reply::array(answer)?,
    };
    let counts = counts.chunks(2).map(|pair| match pair {
        [_, count] => reply::integer(count),
        _ => Err(StoreError::new(ErrorKind::Reply, "expected the subscribers of each channel")),
    });
    workers.iter().zip(counts).map(|(id, count)| Ok((id.clone(), count? > 0))).collect()
}

/// A worker's subscription.
pub struct RedisListener(PubSub);

impl RedisListener {
    pub(crate) async fn open(
        address: &RedisAddress,
        keys: &Keys,
        worker: &str,
    ) -> Result<Self, StoreError> {
        subscribe(address, &[keys.alive(worker), keys.nudges()]).await.map(Self)
    }
}

impl Listener for RedisListener {
    async fn nudged(&mut self) -> Result<(), StoreError> {
        let message = self.0.on_message().next().await;
        let broken = || StoreError::new(ErrorKind::Connection, "the subscription broke");
        message.map(drop).ok_or_else(broken)
    }
}
