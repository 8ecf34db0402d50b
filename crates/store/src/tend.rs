//! Upkeep: trims the streams that a worker's partitions write, and says how long streams are.

mod edges;
mod source;

pub(crate) use source::needed;

use crate::{
    backlog,
    connection::Connection,
    edits,
    keys::Keys,
    lag::{Place, lags},
    reply,
    store::server_ms,
};
use redis::{Pipeline, Value};
use std::collections::BTreeMap;
use tallyd_runtime::{
    StoreError,
    store::{Cursor, ErrorKind, Lag, Survey},
};
use tallyd_topology::{NodeKind, Topology};

/// The cursors of all nodes, by place and partition.
pub type Cursors = Vec<BTreeMap<u16, Cursor>>;

/// Trims and surveys for the partitions that a worker owns, where its plan is in force: then the
/// generation of plans is this one.
pub async fn tend(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    owned: &[(usize, Vec<u16>)],
    generation: Option<&str>,
) -> Result<Survey, StoreError> {
    let cursors = cursors(c, topology, keys).await?;
    let now = server_ms(c).await?;
    let mut survey = Survey::default();
    let mut asked = Vec::new();
    let mut in_force = true;
    // What is to be taken out of counts is read from the sources: they keep it until then.
    let holds = edits::holds_sources(c, keys).await?;
    for (place, partitions) in owned.iter().filter(|(_, partitions)| !partitions.is_empty()) {
        let count = topology.nodes.len();
        let unknown = || StoreError::bug(format!("a worker owns node {place} of {count}"));
        let node = topology.nodes.get(*place).ok_or_else(unknown)?;
        if let NodeKind::Source(of) = &node.kind {
            // Where it is missing, nothing is known to be done.
            let done = cursors.get(*place).and_then(|of_node| of_node.get(&0));
            if let Some(done) = done.filter(|_| !holds) {
                source::trim(c, &keys.group(topology, node), of, done, now).await?;
            }
        }
        let edges = edges::of(topology, keys, node, partitions, &cursors)?;
        // Where another plan is in force, other workers look after them now.
        let held = if in_force { edges::trim(c, keys, edges, generation).await? } else { None };
        in_force = held.is_some();
        if let Some(held) = held {
            let bytes = backlog::bytes(c, held.iter().filter(|edge| edge.stalled)).await?;
            survey.stalled.push((*place, bytes));
            let bound = topology.settings.max_stalled_bytes;
            survey.backlogs.push((*place, backlog::longest(&held, bytes > bound)));
        }
        if topology.head(*place) != *place {
            // What waits for it is what waits for its head.
            continue;
        }
        let known = cursors.get(*place);
        for &partition in partitions {
            let cursor = known.and_then(|of_node| of_node.get(&partition)).copied();
            asked.push((*place, (node, partition, cursor.unwrap_or_default())));
        }
    }
    let places: Vec<Place<'_>> = asked.iter().map(|(_, place)| *place).collect();
    let lags = lags(c, topology, keys, &places).await?;
    let of =
        |((place, (_, partition, _)), lag): (&(usize, Place<'_>), Lag)| (*place, *partition, lag);
    survey.lags = asked.iter().zip(lags).map(of).collect();
    let mut ask = Pipeline::new();
    ask.cmd("XLEN").arg(keys.edits());
    ask.cmd("ZRANGE").arg(keys.edit_sweeps()).arg(0).arg(-1);
    ask.cmd("XLEN").arg(keys.dead());
    let mut lengths = c.all(&ask).await?;
    survey.dead_letters = reply::count(&lengths.pop().unwrap_or(Value::Nil))?;
    let sweeps = reply::array(lengths.pop().unwrap_or(Value::Nil))?.into_iter();
    let sweeps = sweeps.map(|id| Ok(reply::text(id)?.unwrap_or_default()));
    let sweeps = sweeps.collect::<Result<Vec<String>, StoreError>>()?;
    survey.sweeps = !sweeps.is_empty();
    let edits = reply::count(&lengths.pop().unwrap_or(Value::Nil))?;
    // One worker is enough: the one that reads the first source.
    if owned.iter().any(|(place, partitions)| *place == 0 && !partitions.is_empty()) {
        if edits > 0 {
            edits::accept(c, topology, keys).await?;
            edits::forget_old(c, topology, keys).await?;
            survey.sweeps = true;
        }
        let bound = topology.settings.dead_letters_bytes;
        survey.dead_dropped = trim_dead_letters(c, keys, survey.dead_letters, bound).await?;
        survey.dead_letters = survey.dead_letters.saturating_sub(survey.dead_dropped);
        if in_force {
            // The last, and bounded: what it can't do must not keep the rest of upkeep from its work.
            match edits::sweep(c, topology, keys, (&sweeps, generation)).await {
                Err(error) if error.kind == ErrorKind::Connection => return Err(error),
                Err(error) => tracing::warn!(%error, "forgetting goes on as soon as Redis lets it"),
                Ok(()) => {}
            }
        }
    }
    Ok(survey)
}

/// Drops the oldest dead letters while all take more than so many bytes of memory. Returns how
/// many were dropped.
async fn trim_dead_letters(
    c: &mut Connection,
    keys: &Keys,
    mut stored: u64,
    bound: u64,
) -> Result<u64, StoreError> {
    let mut dropped = 0;
    while stored > 0 {
        let mut ask = Pipeline::new();
        // Without a sample: letters differ in length by thousands of times.
        ask.cmd("MEMORY").arg("USAGE").arg(keys.dead()).arg("SAMPLES").arg(0);
        let bytes = reply::integer(&c.all(&ask).await?.pop().unwrap_or(Value::Nil))?.unsigned_abs();
        if bytes <= bound {
            break;
        }
        // A tenth less than may be, so that not every letter after it costs a look at all of them.
        let kept = u128::from(stored) * u128::from(bound / 10 * 9) / u128::from(bytes);
        let kept = u64::try_from(kept).unwrap_or(stored).min(stored - 1);
        let mut trim = Pipeline::new();
        trim.cmd("XTRIM").arg(keys.dead()).arg("MAXLEN").arg("=").arg(kept);
        let gone = reply::integer(&c.all(&trim).await?.pop().unwrap_or(Value::Nil))?;
        dropped += gone.unsigned_abs();
        stored = kept;
    }
    Ok(dropped)
}

/// Reads the cursors of all nodes.
pub async fn cursors(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
) -> Result<Cursors, StoreError> {
    let mut ask = Pipeline::new();
    for node in &topology.nodes {
        ask.cmd("HGETALL").arg(keys.cursors(&node.name));
    }
    c.all(&ask).await?.into_iter().map(reply::cursors).collect()
}

pub(crate) fn command_is(command: &redis::Cmd, name: &str) -> bool {
    matches!(command.args_iter().next(), Some(redis::Arg::Simple(arg)) if arg == name.as_bytes())
}
