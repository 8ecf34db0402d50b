//! What is left to process, and what will never be: entries that are gone unread.

use crate::{
    connection::Connection,
    keys::Keys,
    lag::{Place, lags},
    reply,
    streams::{self, Ask},
};
use redis::{Pipeline, Value};
use smol_str::SmolStr;
use tallyd_event::EntryId;
use tallyd_runtime::{
    StoreError,
    reckon::{Reach, Reckoning, reckon},
    store::{Cursor, Lag},
};
use tallyd_topology::{NodeKind, Topology};

/// What of the sources is left to process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// Edits that no worker has accepted yet.
    Edits,
    /// Streams that are still to be swept for a member who is forgotten.
    Sweeps,
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
    let mut ask = Pipeline::new();
    ask.cmd("XLEN").arg(keys.edits());
    if reply::count(&c.all(&ask).await?.pop().unwrap_or(Value::Nil))? > 0 {
        return Ok(Left::Edits);
    }
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
    let mut ask = Pipeline::new();
    ask.cmd("ZRANGE").arg(keys.edit_sweeps()).arg(0).arg(0);
    let is_swept = reply::array(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?.is_empty();
    Ok(if is_swept { Left::Nothing } else { Left::Sweeps })
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

/// What of a source was deleted before it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// The source.
    pub node: SmolStr,
    /// How many entries its worker has found gone.
    pub noted: u64,
    /// How many more are, as the server says: its worker notes them with its next look.
    pub unnoted: u64,
    /// How far it is processed: what was read of it before may be gone too, and is not yet noted.
    pub cursor: EntryId,
}

/// What of each source was deleted before it was read. Between two looks of a worker this knows of
/// losses that it does not.
///
/// # Errors
/// Where the server can't be read.
pub async fn gone(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
) -> Result<Vec<Gone>, StoreError> {
    let mut all = Vec::new();
    for node in &topology.nodes {
        let NodeKind::Source(source) = &node.kind else { continue };
        let group = keys.group(topology, node);
        loop {
            let before = cursor(c, &keys.cursors(&node.name)).await?;
            let ask = Ask { stream: &source.stream, reader: Some((&group, before.last)) };
            let facts = streams::look(c, &[ask]).await?.pop().flatten();
            // A commit in between makes it look as if what it did was lost.
            if cursor(c, &keys.cursors(&node.name)).await? != before {
                continue;
            }
            let reach = Reach { last: before.last, held: 0 };
            let found = facts.map(|facts| reckon(&before, reach, &facts));
            all.push(Gone {
                node: node.name.clone(),
                noted: before.counts.lost,
                unnoted: if let Some(Reckoning::Lost(entries)) = found { entries } else { 0 },
                cursor: before.last,
            });
            break;
        }
    }
    Ok(all)
}

/// The cursor of a source. Before a worker has run for the first time, there is none.
async fn cursor(c: &mut Connection, key: &str) -> Result<Cursor, StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("HGETALL").arg(key);
    let cursors = reply::cursors(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
    Ok(cursors.get(&0).copied().unwrap_or_default())
}
