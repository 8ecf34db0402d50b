//! The plan in force, as it is stored: read, and switched.

use crate::{connection::Connection, keys::Keys, random, reply, store::server_ms};
use redis::{Pipeline, Value};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tallyd_event::{EntryId, Event, Schema, frame};
use tallyd_runtime::{
    FRAME_FIELD, StoreError,
    plan::{Input, Moment, Plan, token},
    store::{Entry, ErrorKind},
};
use tallyd_topology::Topology;

/// The plan in force; `None` where no worker has run yet.
///
/// # Errors
/// Where the server can't be read.
pub async fn read(c: &mut Connection, keys: &Keys) -> Result<Option<Plan>, StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("MGET").arg(keys.plan());
    let stored = reply::array(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
    parsed(stored.into_iter().next().unwrap_or(Value::Nil))
}

fn parsed(stored: Value) -> Result<Option<Plan>, StoreError> {
    let Some(text) = reply::text(stored)? else { return Ok(None) };
    let unreadable =
        |e| StoreError::new(ErrorKind::Mismatch, format!("the stored plan can't be read: {e}"));
    serde_json::from_str(&text).map(Some).map_err(unreadable)
}

/// Puts a topology's plan in force, if the generation still is the one that was seen. Every commit
/// of a task watches the generation: what a worker of the plan before still has in flight does not
/// happen any more. Returns whether this worker did it.
pub(crate) async fn switch(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    seen: Option<&str>,
    by: &str,
) -> Result<bool, StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("WATCH").arg(keys.generation()).arg(keys.plan());
    ask.cmd("MGET").arg(keys.generation()).arg(keys.plan());
    let mut stored = reply::array(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?.into_iter();
    let mut next = || stored.next().unwrap_or(Value::Nil);
    if reply::text(next())?.as_deref() != seen {
        return unwatch(c).await;
    }
    let before = parsed(next())?;
    let inputs = inputs(topology, keys);
    let of_before = before.as_ref().map_or(&inputs, |before| &before.inputs);
    let moment = moment(c, keys, of_before).await?;
    let plan = Plan::after(before.as_ref(), topology, inputs, by, moment);
    let text = serde_json::to_string(&plan)
        .map_err(|e| StoreError::new(ErrorKind::Other, format!("can't write the plan: {e}")))?;
    let token = token(&plan.fingerprint(), plan.generation, random::number()?);
    let mut put = Pipeline::new();
    put.cmd("MULTI").cmd("SET").arg(keys.generation()).arg(token.as_str());
    put.cmd("SET").arg(keys.plan()).arg(text).cmd("EXEC");
    Ok(!matches!(c.all(&put).await?.pop(), None | Some(Value::Nil)))
}

async fn unwatch(c: &mut Connection) -> Result<bool, StoreError> {
    let mut end = Pipeline::new();
    end.cmd("UNWATCH");
    c.all(&end).await.map(|_| false)
}

/// What each node reads.
fn inputs(topology: &Topology, keys: &Keys) -> BTreeMap<SmolStr, Input> {
    let nodes = topology.nodes.iter();
    let of_node = nodes.map(|node| {
        let streams = (0..node.partitions).filter_map(|p| keys.input(topology, node, p)).collect();
        (node.name.clone(), Input { streams })
    });
    of_node.collect()
}

/// How far the plan before has come. Its cursors are watched from here on: a commit of a worker
/// that everybody takes for dead would move them.
async fn moment(
    c: &mut Connection,
    keys: &Keys,
    before: &BTreeMap<SmolStr, Input>,
) -> Result<Moment, StoreError> {
    let mut ask = Pipeline::new();
    for node in before.keys() {
        ask.cmd("WATCH").arg(keys.cursors(node)).cmd("HGETALL").arg(keys.cursors(node));
    }
    let mut first = Pipeline::new();
    let mut begun = false;
    let stored = c.all(&ask).await?.into_iter().skip(1).step_by(2);
    for (input, stored) in before.values().zip(stored) {
        let stored = reply::facts(stored)?;
        for (partition, stream) in input.streams.iter().enumerate() {
            let cursor = stored.get(&partition.to_string()).cloned().map(reply::cursor);
            let last = cursor.transpose()?.map_or(EntryId::ZERO, |cursor| cursor.last);
            begun |= last > EntryId::ZERO;
            let after = format!("({last}");
            first.cmd("XRANGE").arg(stream).arg(after).arg("+").arg("COUNT").arg(1);
        }
    }
    let mut waiting_since: Option<i64> = None;
    for answer in c.all(&first).await? {
        let first = reply::entries(answer)?.first().map(arrival);
        waiting_since = [waiting_since, first].into_iter().flatten().min();
    }
    Ok(Moment { now: server_ms(c).await?, waiting_since, begun })
}

/// When the first of an entry's events arrived: a frame carries where each came from.
fn arrival(entry: &Entry) -> i64 {
    let frame = entry.fields.iter().find(|(name, _)| name == FRAME_FIELD.as_bytes());
    let events = frame.and_then(|(_, bytes)| frame::decode(&Schema::default(), bytes).ok());
    let arrivals = events.iter().flatten().map(Event::arrival);
    arrivals.min().unwrap_or_else(|| entry.id.time())
}
