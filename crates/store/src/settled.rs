//! Whether all that arrived before a time is processed by a bolt: then what it closed at that time
//! is final.

use crate::{
    connection::Connection,
    keys::Keys,
    plan::Waiting,
    reply,
    store::server_ms,
    waiting::{self, Oldest},
};
use redis::{Pipeline, Value};
use tallyd_runtime::StoreError;
use tallyd_topology::{Node, NodeKind, Topology};

/// Of some times, in ms since the epoch, each whether the server's clock has reached it and every
/// event that arrived before it is processed by a bolt, by its place in the topology. Dead letters
/// don't count, replayed or not.
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
    let reached = times.iter().any(|time| *time <= now);
    let oldest = match reached {
        true => oldest_waiting(c, topology, keys, bolt).await?,
        false => Oldest::Unknown,
    };
    let is_settled = |time: &i64| match oldest {
        Oldest::At(oldest) => *time <= oldest.unwrap_or(now).min(now),
        Oldest::Unknown => false,
    };
    Ok(times.iter().map(is_settled).collect())
}

/// The oldest event that waits on the way to a bolt. The nodes are asked in the order in which events
/// pass them, so that none slips through.
async fn oldest_waiting(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    bolt: usize,
) -> Result<Oldest, StoreError> {
    let mut way = Vec::new();
    let mut next = Some(topology.head(bolt));
    while let Some(node) = next.and_then(|place| topology.nodes.get(place)) {
        way.push(node);
        next = match &node.kind {
            NodeKind::Bolt(of) => Some(topology.head(of.from)),
            NodeKind::Source(_) => None,
        };
    }
    let mut oldest = None;
    for node in way.into_iter().rev() {
        for waiting in waiting_for(c, topology, keys, node).await? {
            match waiting::of_first(c, &waiting).await? {
                Oldest::At(arrival) => oldest = arrival.into_iter().chain(oldest).min(),
                Oldest::Unknown => return Ok(Oldest::Unknown),
            }
        }
    }
    Ok(Oldest::At(oldest))
}

/// The streams that hold entries for a node, and how far it has come. Where nothing says how far,
/// all of a stream waits.
async fn waiting_for(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    node: &Node,
) -> Result<Vec<Waiting>, StoreError> {
    let inputs = (0..node.partitions).filter_map(|p| Some((p, keys.input(topology, node, p)?)));
    let inputs: Vec<(u16, String)> = inputs.collect();
    let mut ask = Pipeline::new();
    ask.cmd("HGETALL").arg(keys.cursors(&node.name));
    for (_, stream) in &inputs {
        ask.cmd("XLEN").arg(stream);
    }
    let mut answers = c.all(&ask).await?.into_iter();
    let cursors = reply::cursors(answers.next().unwrap_or(Value::Nil))?;
    let frames = matches!(node.kind, NodeKind::Bolt(_));
    let mut waiting = Vec::new();
    for ((partition, stream), length) in inputs.into_iter().zip(answers) {
        if reply::count(&length)? > 0 {
            let after = cursors.get(&partition).map(|cursor| cursor.last).unwrap_or_default();
            waiting.push(Waiting { stream, after, frames });
        }
    }
    Ok(waiting)
}
