//! What an operator asks of a running topology: who owns what, what waits, what was done.

mod left;

pub use left::{Gone, Left, drained, gone, left};

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
    store::{Announcement, Counts, Cursor, ErrorKind, Fence, Lag, Late, LateEvent, Owner},
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
    /// Of a source whose ids are ahead of the server's clock: the first entry whose id was, and by
    /// how many ms the last one that was processed is.
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
        let unknown = || StoreError::bug(format!("the head of {} is no node", node.name));
        let head = topology.nodes.get(topology.head(place)).ok_or_else(unknown)?;
        let mut sum = NodeStatus { name: node.name.to_string(), ..NodeStatus::default() };
        sum.fused_with = (head.name != node.name).then(|| head.name.to_string());
        // Before a worker has run for the first time, there is none.
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
            let Cursor { last, ahead, .. } = cursor(0);
            let by_ms = last.time().saturating_sub(now);
            let is_known = ahead > EntryId::ZERO && ahead <= last;
            sum.ahead = (by_ms > AHEAD_MS).then_some((if is_known { ahead } else { last }, by_ms));
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
    status.dead_letters = reply::count(&next())?;
    for (place, reason) in reply::facts(next())? {
        let reason = reply::text(reason)?;
        let none = || reply::unexpected("why a partition is halted", &Value::Nil);
        status.halted.insert(place, reason.ok_or_else(none)?);
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
        late.counts.insert(window.into(), reply::count(&count)?);
    }
    for entry in reply::entries(answers.next().unwrap_or(Value::Nil))? {
        let no = |name: &str| {
            let key = keys.late_examples(node);
            let message = format!("entry {} of {key} has no \"{name}\" of tallyd", entry.id);
            StoreError::new(ErrorKind::Reply, message)
        };
        let text = |name: &str| {
            let field = entry.fields.get(name);
            let text = field.map(|value| SmolStr::from(String::from_utf8_lossy(value)));
            text.ok_or_else(|| no(name))
        };
        let time = |name: &str| text(name)?.parse().map_err(|_| no(name));
        late.examples.push(LateEvent {
            id: text("id")?,
            time: time("time")?,
            arrival: time("arrival")?,
            window: text("window")?,
            label: text("label")?,
        });
    }
    Ok(late)
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
