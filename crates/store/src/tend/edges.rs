//! What of edges every consumer has behind it is dropped.
//!
//! Two things must not happen. A worker that stood still while others put another plan in force
//! would trim by its own file, which does not know a bolt that still needs the entries: so the
//! generation of plans is watched while it trims. And a stream that was deleted and began again
//! may hold ids below the cursors, which nobody has read yet: its groups are missing then, and
//! without the groups nothing is trimmed.

use super::Cursors;
use crate::{
    backlog::{self, Backlog},
    connection::{Connection, checked, present},
    keys::Keys,
    reply,
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

/// Drops from each stream what all of its consumers have behind their cursors: a group that is
/// slower still needs the rest. Returns what holds entries afterwards; `None` where another
/// generation of plans is in force, and nothing was dropped.
pub(super) async fn trim(
    c: &mut Connection,
    keys: &Keys,
    streams: Vec<Stream>,
    generation: Option<&str>,
) -> Result<Option<Vec<Backlog>>, StoreError> {
    if streams.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let mut ask = Pipeline::new();
    ask.cmd("WATCH").arg(keys.generation()).cmd("MGET").arg(keys.generation());
    for Stream { key, .. } in &streams {
        ask.cmd("XLEN").arg(key).cmd("XINFO").arg("GROUPS").arg(key);
    }
    let mut answers = c.send(&ask).await?.into_iter().skip(1);
    let mut next = || answers.next().unwrap_or(Value::Nil);
    let stored = reply::array(checked(next())?)?.into_iter().next().unwrap_or(Value::Nil);
    let in_force = reply::text(stored)?.as_deref() == generation;
    let mut held = Vec::new();
    for stream in streams {
        let (length, groups) = (reply::integer(&checked(next())?)?, present(next())?);
        if length > 0 {
            held.push((stream, length, names(groups)?));
        }
    }
    if !in_force {
        unwatch(c).await?;
        return Ok(None);
    }
    let mut trim = Pipeline::new();
    trim.cmd("MULTI");
    for (stream, _, groups) in &held {
        if let Some(done) = stream.done(groups) {
            trim.cmd("XTRIM").arg(&stream.key).arg("MINID").arg(done.next().to_string());
        }
    }
    if trim.len() == 1 {
        unwatch(c).await?;
    } else {
        trim.cmd("EXEC");
        let dropped = match c.all(&trim).await?.pop() {
            None | Some(Value::Nil) => return Ok(None),
            Some(dropped) => reply::array(dropped)?,
        };
        let trimmed = held.iter_mut().filter(|(stream, _, groups)| stream.done(groups).is_some());
        for ((_, length, _), dropped) in trimmed.zip(dropped) {
            *length -= reply::integer(&checked(dropped)?)?;
        }
    }
    let (asked, lengths): (Vec<_>, Vec<i64>) =
        held.into_iter().map(|(stream, length, _)| (stream.slowest(), length)).unzip();
    backlog::of(c, asked, lengths).await.map(Some)
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

/// The names of groups, as XINFO GROUPS tells them; none of a stream that is not there.
fn names(groups: Option<Value>) -> Result<BTreeSet<String>, StoreError> {
    let mut names = BTreeSet::new();
    for group in groups.map_or(Ok(Vec::new()), reply::array)? {
        let name = reply::facts(group)?.remove("name").unwrap_or(Value::Nil);
        names.extend(reply::text(name)?);
    }
    Ok(names)
}

async fn unwatch(c: &mut Connection) -> Result<(), StoreError> {
    let mut end = Pipeline::new();
    end.cmd("UNWATCH");
    c.all(&end).await.map(drop)
}
