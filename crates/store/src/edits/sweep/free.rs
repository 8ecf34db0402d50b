//! What of streams may be swept: what nobody needs any more.

use crate::{
    connection::Connection,
    keys::Keys,
    reply,
    streams::{self, Ask},
    tend::needed,
};
use redis::{Pipeline, Value};
use tallyd_event::EntryId;
use tallyd_runtime::{PROBE_FIELD, StoreError, reckon::began_again};
use tallyd_topology::{NodeKind, Topology};

/// What of a source nobody needs any more.
pub(super) struct Free {
    /// It ends before this entry. A cursor stands at the last one that is processed, which tells whether
    /// the stream began again: that one stays.
    pub(super) before: EntryId,
    /// Whether all has been processed and nothing has come since, so that another entry frees that one
    /// too.
    pub(super) goes_on: bool,
}

/// What of a source nobody needs any more; `None` where that can't be told now.
pub(super) async fn free(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    place: usize,
) -> Result<Option<Free>, StoreError> {
    let Some(node) = topology.nodes.get(place) else { return Ok(None) };
    let NodeKind::Source(source) = &node.kind else { return Ok(None) };
    let group = keys.group(topology, node);
    let mut ask = Pipeline::new();
    ask.cmd("HGETALL").arg(keys.cursors(&node.name));
    let cursors = reply::cursors(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
    let Some(cursor) = cursors.get(&0) else { return Ok(None) };
    let ask = Ask { stream: &source.stream, reader: Some((&group, cursor.last)) };
    let facts = streams::look(c, &[ask]).await?.pop().flatten();
    let sound = facts.filter(|facts| !facts.ungrouped && !began_again(cursor, facts));
    let Some(facts) = sound else { return Ok(None) };
    let needed = needed(c, &source.stream, &group, cursor.last).await?;
    let is_at_end = facts.generated == cursor.last;
    let free = |needed: EntryId| Free {
        before: needed.before(),
        goes_on: is_at_end && needed == cursor.last.next(),
    };
    Ok(needed.map(free))
}

/// Adds a probe to a source, so that its group goes on.
pub(super) async fn probe(c: &mut Connection, stream: &str) -> Result<(), StoreError> {
    let mut add = Pipeline::new();
    add.cmd("XADD").arg(stream).arg("NOMKSTREAM").arg("*").arg(PROBE_FIELD).arg("sweep");
    c.all(&add).await.map(drop)
}

/// Whether the streams between nodes hold nothing from before a time.
pub(super) async fn edges_are_new(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    over: u64,
) -> Result<bool, StoreError> {
    let mut ask = Pipeline::new();
    for node in &topology.nodes {
        for edge in &node.edges {
            for partition in 0..topology.partitions {
                let key = keys.edge(&node.name, edge, partition);
                ask.cmd("XRANGE").arg(key).arg("-").arg(over).arg("COUNT").arg(1);
            }
        }
    }
    for held in c.all(&ask).await? {
        if !reply::array(held)?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}
