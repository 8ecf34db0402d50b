//! What of edges every consumer has behind it is dropped.
//!
//! Two things must not happen. A worker that stood still while others put another plan in force
//! would trim by its own file, which does not know a bolt that still needs the entries: so the
//! generation of plans is watched while it trims. And a stream that began again may hold ids below
//! the cursors, which nobody has read yet. Where it was deleted, its groups are missing; where its
//! ids were set back, the last one is below the cursors. Then nothing is trimmed.

use super::Cursors;
use crate::{
    backlog::{self, Backlog},
    connection::{Connection, checked, present},
    keys::Keys,
    reply,
    streams::{self, Ask},
};
use redis::{Pipeline, Value};
use std::collections::BTreeSet;
use tallyd_event::EntryId;
use tallyd_runtime::StoreError;
use tallyd_topology::{Node, Topology};

/// One stream of an edge, and who reads it.
pub(super) struct Stream {
    key: String,
    consumers: Vec<Consumer>,
}

struct Consumer {
    group: String,
    /// The last entry whose effects are in.
    last: EntryId,
    fence: String,
}

/// The streams that these partitions of a node write.
pub(super) fn of(
    topology: &Topology,
    keys: &Keys,
    node: &Node,
    partitions: &[u16],
    cursors: &Cursors,
) -> Result<Vec<Stream>, StoreError> {
    // A source has one partition, and writes all partitions of its edges.
    let own = node.partitions == topology.partitions;
    let mut streams = Vec::new();
    for partition in (0..topology.partitions).filter(|p| !own || partitions.contains(p)) {
        for edge in &node.edges {
            let key = keys.edge(&node.name, edge, partition);
            let mut consumers = Vec::new();
            for &consumer in &edge.consumers {
                let unknown = || StoreError::bug(format!("no node {consumer} reads {key}"));
                let of = topology.nodes.get(consumer).ok_or_else(unknown)?;
                let at = cursors.get(consumer).ok_or_else(unknown)?;
                consumers.push(Consumer {
                    group: keys.group(topology, of),
                    last: at.get(&partition).map(|cursor| cursor.last).unwrap_or_default(),
                    fence: keys.fence(&of.name, partition),
                });
            }
            streams.push(Stream { key, consumers });
        }
    }
    Ok(streams)
}

/// How many streams are looked at together: two frames of each are in one reply.
const PAGE: usize = 32;

/// Drops from each stream what all of its consumers have behind their cursors: a group that is
/// slower still needs the rest. Returns what holds entries afterwards; `None` where another
/// generation of plans is in force, and no more was dropped.
pub(super) async fn trim(
    c: &mut Connection,
    keys: &Keys,
    streams: Vec<Stream>,
    generation: Option<&str>,
) -> Result<Option<Vec<Backlog>>, StoreError> {
    let mut backlogs = Vec::new();
    let mut streams = streams.into_iter().peekable();
    while streams.peek().is_some() {
        let page = streams.by_ref().take(PAGE).collect();
        let Some(held) = trim_page(c, keys, page, generation).await? else { return Ok(None) };
        backlogs.extend(held);
    }
    Ok(Some(backlogs))
}

async fn trim_page(
    c: &mut Connection,
    keys: &Keys,
    streams: Vec<Stream>,
    generation: Option<&str>,
) -> Result<Option<Vec<Backlog>>, StoreError> {
    let mut ask = Pipeline::new();
    for Stream { key, .. } in &streams {
        ask.cmd("XLEN").arg(key);
    }
    let lengths = c.all(&ask).await?;
    let lengths = lengths.iter().map(reply::count).collect::<Result<Vec<u64>, _>>()?;
    // Most hold nothing most of the time: of them no more is asked.
    let held = streams.into_iter().zip(lengths).filter(|(_, length)| *length > 0);
    let held: Vec<(Stream, u64)> = held.collect();
    if held.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let mut ask = Pipeline::new();
    for (Stream { key, .. }, _) in &held {
        ask.cmd("XINFO").arg("GROUPS").arg(key);
    }
    let answers = c.send(&ask).await?;
    let of = |((stream, length), groups): ((Stream, u64), Value)| {
        let groups = present(groups)?.map_or(Ok(Vec::new()), reply::group_names)?;
        let done = stream.done(&groups.into_iter().collect());
        Ok(Held { stream, length, done })
    };
    let mut held = held.into_iter().zip(answers).map(of).collect::<Result<Vec<_>, StoreError>>()?;
    let dones = held.iter_mut().filter(|of| of.done.is_some());
    let mut dones: Vec<&mut Held> = dones.collect();
    let asks: Vec<Ask<'_>> =
        dones.iter().map(|of| Ask { stream: &of.stream.key, reader: None }).collect();
    let looks = streams::look(c, &asks).await?;
    for (of, facts) in dones.iter_mut().zip(looks) {
        // One over which the server cuts off who asks is not known either.
        of.done = of.done.filter(|done| facts.is_some_and(|facts| facts.generated >= *done));
    }
    if !drop_done(c, keys, &mut held, generation).await? {
        return Ok(None);
    }
    let held = held.into_iter().map(|of| (of.stream.slowest(), of.length)).collect();
    backlog::of(c, held).await.map(Some)
}

/// A stream that holds entries.
struct Held {
    stream: Stream,
    length: u64,
    /// Up to where nobody needs it any more, if anything is known to be done.
    done: Option<EntryId>,
}

/// Drops what is done, while the generation of plans stands. Returns whether it did.
async fn drop_done(
    c: &mut Connection,
    keys: &Keys,
    held: &mut [Held],
    generation: Option<&str>,
) -> Result<bool, StoreError> {
    let mut watch = Pipeline::new();
    watch.cmd("WATCH").arg(keys.generation()).cmd("MGET").arg(keys.generation());
    let stored = c.all(&watch).await?.pop().unwrap_or(Value::Nil);
    let stored = reply::array(stored)?.into_iter().next().unwrap_or(Value::Nil);
    let in_force = reply::text(stored)?.as_deref() == generation;
    let mut trim = Pipeline::new();
    trim.cmd("MULTI");
    for Held { stream, done, .. } in held.iter() {
        if let Some(done) = done {
            trim.cmd("XTRIM").arg(&stream.key).arg("MINID").arg(done.next().to_string());
        }
    }
    if !in_force || trim.len() == 1 {
        let mut end = Pipeline::new();
        end.cmd("UNWATCH");
        c.all(&end).await?;
        return Ok(in_force);
    }
    trim.cmd("EXEC");
    let dropped = match c.all(&trim).await?.pop() {
        None | Some(Value::Nil) => return Ok(false),
        Some(dropped) => reply::array(dropped)?,
    };
    let trimmed = held.iter_mut().filter(|of| of.done.is_some());
    for (of, dropped) in trimmed.zip(dropped) {
        of.length = of.length.saturating_sub(reply::count(&checked(dropped)?)?);
    }
    Ok(true)
}

impl Stream {
    /// Up to where nobody needs it any more, if anything is known to be done: each consumer's group
    /// must be there.
    fn done(&self, groups: &BTreeSet<String>) -> Option<EntryId> {
        let all = self.consumers.iter().all(|consumer| groups.contains(&consumer.group));
        self.lowest().filter(|done| all && *done > EntryId::ZERO)
    }

    fn lowest(&self) -> Option<EntryId> {
        self.consumers.iter().map(|consumer| consumer.last).min()
    }

    /// Its key, and the fences of those that are the furthest behind.
    fn slowest(self) -> (String, Vec<String>) {
        let lowest = self.lowest();
        let slowest = self.consumers.into_iter().filter(|of| Some(of.last) == lowest);
        (self.key, slowest.map(|consumer| consumer.fence).collect())
    }
}
