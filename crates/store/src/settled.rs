//! Whether all that arrived before a time is processed by a bolt: then what it closed at that time
//! is final.

use crate::{connection::Connection, keys::Keys, reply, store::server_ms};
use redis::{Pipeline, Value};
use tallyd_event::{EntryId, frame};
use tallyd_runtime::{
    FRAME_FIELD, StoreError,
    store::{Cursor, Entry},
};
use tallyd_topology::{Node, NodeKind, Topology};

/// The most frames of a partition that are looked into. Where more wait, nothing is settled.
const MOST_FRAMES: usize = 64;

/// Of some times, in ms since the epoch, each whether the server's clock has reached it and every
/// event that arrived before it is processed by a bolt, by its place in the topology.
///
/// # Errors
/// Where the server can't be read.
pub async fn settled(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    bolt: usize,
    times: &[i64],
) -> Result<Vec<bool>, StoreError> {
    let now = server_ms(c).await?;
    let mut reached: Vec<i64> = times.iter().copied().filter(|time| *time <= now).collect();
    reached.sort_unstable();
    reached.dedup();
    // Where a time is settled, so is every earlier one: the greatest that is has to be found.
    let (mut settled, mut open) = (0, reached.len());
    while settled < open {
        // The greatest first: mostly nothing waits.
        let at = if open == reached.len() { open - 1 } else { settled.midpoint(open) };
        let Some(&time) = reached.get(at) else { break };
        if is_settled(c, topology, keys, bolt, time).await? {
            settled = at + 1;
        } else {
            open = at;
        }
    }
    let last = settled.checked_sub(1).and_then(|place| reached.get(place)).copied();
    Ok(times.iter().map(|time| last.is_some_and(|last| *time <= last)).collect())
}

/// The nodes are asked in the order in which events pass them, so that none slips through.
async fn is_settled(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    bolt: usize,
    time: i64,
) -> Result<bool, StoreError> {
    let mut way = Vec::new();
    let mut next = Some(topology.head(bolt));
    while let Some(node) = next.and_then(|place| topology.nodes.get(place)) {
        way.push(node);
        next = match &node.kind {
            NodeKind::Bolt(of) => Some(topology.head(of.from)),
            NodeKind::Source(_) => None,
        };
    }
    for node in way.into_iter().rev() {
        if !passed(c, topology, keys, node, time).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether nothing waits for a node that arrived before a time.
async fn passed(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    node: &Node,
    time: i64,
) -> Result<bool, StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("HGETALL").arg(keys.cursors(&node.name));
    let cursors = reply::facts(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
    // An entry of a source is as old as its id; a frame is younger than its events.
    let (last, count) = match node.kind {
        NodeKind::Source(_) => (time.saturating_sub(1).to_string(), 1),
        NodeKind::Bolt(_) => ("+".to_owned(), MOST_FRAMES),
    };
    let mut ask = Pipeline::new();
    for partition in 0..node.partitions {
        let cursor = cursors.get(&partition.to_string()).cloned().map(reply::cursor).transpose()?;
        let Cursor { last: done, .. } = cursor.unwrap_or_default();
        if let Some(stream) = keys.input(topology, node, partition)
            && (count > 1 || done < first_at(time))
        {
            ask.cmd("XRANGE").arg(stream).arg(format!("({done}")).arg(&last);
            ask.arg("COUNT").arg(count);
        }
    }
    if ask.is_empty() {
        return Ok(true);
    }
    for waiting in c.all(&ask).await? {
        let waiting = reply::entries(waiting)?;
        let is_source = count == 1;
        let is_old = |entry: &Entry| is_source || holds_older(topology, node, entry, time);
        if waiting.len() == count || waiting.iter().any(is_old) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The first id of a time.
fn first_at(time: i64) -> EntryId {
    EntryId { ms: u64::try_from(time).unwrap_or(0), seq: 0 }
}

/// Whether a frame holds an event that arrived before a time; one that can't be read may.
fn holds_older(topology: &Topology, node: &Node, entry: &Entry, time: i64) -> bool {
    let NodeKind::Bolt(bolt) = &node.kind else { return true };
    let frame = entry.fields.iter().find(|(name, _)| name == FRAME_FIELD.as_bytes());
    let events = topology.nodes.get(bolt.from).zip(frame);
    let events = events.and_then(|(from, (_, bytes))| frame::decode(&from.schema, bytes).ok());
    events.is_none_or(|events| events.iter().any(|event| event.arrival() < time))
}
