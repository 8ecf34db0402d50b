//! What an operator asks of a running topology: who owns what, what waits, what was done.

use crate::{
    connection::{Connection, checked},
    keys::Keys,
    lag::{Place, lags},
    membership::view,
    plan, random, reply,
    store::server_ms,
    tend::cursors,
};
use redis::{Pipeline, Value};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tallyd_event::EntryId;
use tallyd_runtime::{
    StoreError,
    plan::Plan,
    store::{Announcement, Counts, Fence, Lag, Late, LateEvent, Owner},
};
use tallyd_topology::{NodeKind, Topology};

/// A node's state over all of its partitions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeStatus {
    /// The node's name.
    pub name: String,
    /// The bolt that it is fused with, if any: that one's commits do its work.
    pub fused_with: Option<String>,
    /// The owner of each partition.
    pub owners: Vec<Owner>,
    /// What it has done.
    pub counts: Counts,
    /// How often its streams were deleted and made again, or their ids were set back.
    pub restarts: u64,
    /// What waits.
    pub lag: Lag,
    /// Of a source: the last entry that was processed, where its id is ahead of the server's clock
    /// by this many ms.
    pub ahead: Option<(EntryId, i64)>,
    /// How many dead letters it made, by the kind of the reason.
    pub dead: BTreeMap<String, u64>,
    /// What came too late for its windows or periods.
    pub late: Late,
}

/// How far an id may be ahead before it is told, in ms: a clock that is set back by a little makes
/// one too.
const AHEAD_MS: i64 = 1000;

/// A topology's state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// The server's clock, in ms since the epoch.
    pub now: i64,
    /// The workers, and when each was last heard of.
    pub workers: Vec<(Announcement, i64)>,
    /// The nodes, sources first.
    pub nodes: Vec<NodeStatus>,
    /// How many dead letters are stored.
    pub dead_letters: u64,
    /// Why partitions are halted, by `node:partition`.
    pub halted: BTreeMap<String, String>,
    /// The plan in force; `None` where no worker has run yet.
    pub plan: Option<Plan>,
}

/// Reads a topology's state.
///
/// # Errors
/// Where the server can't be read.
pub async fn status(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
) -> Result<Status, StoreError> {
    let now = server_ms(c).await?;
    let view = view(c, keys, now).await?;
    let cursors = cursors(c, topology, keys).await?;
    let plan = plan::read(c, keys).await?;
    let mut status = Status { now, workers: view.workers, plan, ..Status::default() };
    for (place, (node, of_node)) in topology.nodes.iter().zip(&cursors).enumerate() {
        let head = topology.nodes.get(topology.head(place)).unwrap_or(node);
        let mut sum = NodeStatus { name: node.name.to_string(), ..NodeStatus::default() };
        sum.fused_with = (head.name != node.name).then(|| head.name.to_string());
        let cursor = |partition| of_node.get(&partition).copied().unwrap_or_default();
        let places: Vec<Place<'_>> =
            (0..node.partitions).map(|partition| (node, partition, cursor(partition))).collect();
        for (_, _, cursor) in &places {
            sum.counts.add(&cursor.counts);
            sum.restarts += cursor.restarts;
        }
        for lag in lags(c, topology, keys, &places).await? {
            sum.lag.entries += lag.entries;
            sum.lag.unreadable |= lag.unreadable;
            sum.lag.oldest = [sum.lag.oldest, lag.oldest].into_iter().flatten().min();
        }
        if matches!(node.kind, NodeKind::Source(_)) {
            let last = cursor(0).last;
            let by_ms = last.time().saturating_sub(now);
            sum.ahead = (by_ms > AHEAD_MS).then_some((last, by_ms));
        }
        let fences = (0..node.partitions).map(|p| keys.fence(&head.name, p)).collect::<Vec<_>>();
        let mut ask = Pipeline::new();
        ask.cmd("MGET").arg(fences);
        for stored in reply::array(c.all(&ask).await?.pop().unwrap_or(Value::Nil))? {
            let Fence { owner, .. } = reply::fence(stored)?;
            sum.owners.push(owner);
        }
        sum.dead = dead(c, keys, &node.name).await?;
        sum.late = late(c, keys, &node.name).await?;
        status.nodes.push(sum);
    }
    let mut ask = Pipeline::new();
    ask.cmd("XLEN").arg(keys.dead()).cmd("HGETALL").arg(keys.halted());
    let mut answers = c.all(&ask).await?.into_iter();
    let mut next = || answers.next().unwrap_or(Value::Nil);
    status.dead_letters = u64::try_from(reply::integer(&next())?).unwrap_or(0);
    for (place, reason) in reply::facts(next())? {
        status.halted.insert(place, reply::text(reason)?.unwrap_or_default());
    }
    Ok(status)
}

/// How many dead letters a node made, by the kind of the reason.
async fn dead(
    c: &mut Connection,
    keys: &Keys,
    node: &str,
) -> Result<BTreeMap<String, u64>, StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("HGETALL").arg(keys.dead_counts(node));
    let stored = reply::facts(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
    stored.into_iter().map(|(kind, count)| Ok((kind, reply::count(&count)?))).collect()
}

/// What came too late for a node.
async fn late(c: &mut Connection, keys: &Keys, node: &str) -> Result<Late, StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("HGETALL").arg(keys.late(node));
    ask.cmd("XRANGE").arg(keys.late_examples(node)).arg("-").arg("+");
    let mut answers = c.all(&ask).await?.into_iter();
    let mut late = Late::default();
    for (window, count) in reply::facts(answers.next().unwrap_or(Value::Nil))? {
        let count = u64::try_from(reply::integer(&count)?).unwrap_or(0);
        late.counts.insert(window.into(), count);
    }
    for entry in reply::entries(answers.next().unwrap_or(Value::Nil))? {
        let text = |name: &str| {
            let field = entry.fields.iter().find(|(field, _)| field == name.as_bytes());
            field.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
        };
        let time = |name: &str| text(name).parse().unwrap_or_default();
        late.examples.push(LateEvent {
            id: text("id").into(),
            time: time("time"),
            arrival: time("arrival"),
            window: text("window").into(),
            label: text("label").into(),
        });
    }
    Ok(late)
}

/// What of the sources is left to process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// Something waits for this node.
    Waits {
        /// Its name.
        node: SmolStr,
        /// The first entry is larger than the server lets a client have: nobody can read it.
        unreadable: bool,
    },
}

/// Whether everything that was in the sources when it was asked is processed by every bolt. Nodes
/// are asked in the order in which events pass them, so one pass is enough.
///
/// # Errors
/// Where the server can't be read.
pub async fn left(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
) -> Result<Left, StoreError> {
    for node in &topology.nodes {
        let mut ask = Pipeline::new();
        ask.cmd("HGETALL").arg(keys.cursors(&node.name));
        let cursors = reply::cursors(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
        let cursor = |partition| cursors.get(&partition).copied().unwrap_or_default();
        let places: Vec<Place<'_>> =
            (0..node.partitions).map(|partition| (node, partition, cursor(partition))).collect();
        let lags = lags(c, topology, keys, &places).await?;
        let waits = |lag: &&Lag| lag.entries > 0;
        if lags.iter().any(|lag| lag.entries > 0) {
            let unreadable = lags.iter().filter(waits).any(|lag| lag.unreadable);
            return Ok(Left::Waits { node: node.name.clone(), unreadable });
        }
    }
    Ok(Left::Nothing)
}

/// Whether [`left`] says that nothing is.
///
/// # Errors
/// As [`left`].
pub async fn drained(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
) -> Result<bool, StoreError> {
    Ok(left(c, topology, keys).await? == Left::Nothing)
}

/// Lets workers take the halted partitions again. Returns which they were.
///
/// # Errors
/// Where the server can't be written.
pub async fn resume(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
) -> Result<Vec<String>, StoreError> {
    let mut resumed = Vec::new();
    for node in &topology.nodes {
        for partition in 0..node.partitions {
            if free(c, keys, &node.name, partition).await? {
                resumed.push(format!("{}:{partition}", node.name));
            }
        }
    }
    Ok(resumed)
}

/// Frees a partition if it is halted, and says whether it did. The fence is watched meanwhile: who
/// else resumes at the same time may have let a worker take it already.
async fn free(
    c: &mut Connection,
    keys: &Keys,
    node: &str,
    partition: u16,
) -> Result<bool, StoreError> {
    let key = keys.fence(node, partition);
    loop {
        let mut ask = Pipeline::new();
        ask.cmd("WATCH").arg(&key).cmd("GET").arg(&key);
        let fence = reply::fence(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
        if fence.owner != Owner::Halted {
            let mut leave = Pipeline::new();
            leave.cmd("UNWATCH");
            c.all(&leave).await?;
            return Ok(false);
        }
        let (epoch, random) = (fence.epoch + 1, random::number()?);
        let free = Fence { owner: Owner::Nobody, epoch, random };
        let mut put = Pipeline::new();
        put.cmd("MULTI").cmd("SET").arg(&key).arg(reply::fence_text(&free));
        put.cmd("HDEL").arg(keys.halted()).arg(format!("{node}:{partition}")).cmd("EXEC");
        match c.all(&put).await?.pop() {
            // The fence moved: look again.
            Some(Value::Nil) => {}
            Some(done) => {
                reply::array(done)?.into_iter().try_for_each(|done| checked(done).map(drop))?;
                return Ok(true);
            }
            None => return Err(StoreError::bug("no reply to EXEC")),
        }
    }
}
