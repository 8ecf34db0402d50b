//! Asks for what is stored of a topology: its streams with their groups, the logs of its dedup
//! bolts, and streams that nobody has any more. It changes nothing.

use super::{
    facts::{Facts, Group, Logs, Role, Stored, Stream},
    gather::refuse,
};
use crate::{
    connection::{Connection, checked},
    inspect,
    keys::Keys,
    reply,
};
use redis::{Pipeline, Value};
use std::collections::BTreeSet;
use tallyd_runtime::{StoreError, store::ErrorKind};
use tallyd_topology::{
    Node, NodeKind, Topology,
    bolts::dedup::{Buckets, Options, log_key},
};

/// How many streams are asked for in one round trip, so that the server is never held for long.
const CHUNK: usize = 128;
/// How many keys one SCAN looks at, and how many are looked at in all.
const SCAN_STEP: u64 = 1000;
const SCAN_MOST: u64 = 1_000_000;

/// Reads what is stored of a topology. What the server refuses to tell is noted among the facts.
///
/// # Errors
/// Where the server can't be read.
pub async fn stored(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    facts: &mut Facts,
) -> Result<Stored, StoreError> {
    let status = inspect::status(c, topology, keys).await?;
    let mut streams = named_streams(topology, keys);
    for chunk in streams.chunks_mut(CHUNK) {
        measure(c, chunk, facts).await?;
        add_consumers(c, chunk).await?;
    }
    let known: BTreeSet<&str> = streams.iter().map(|stream| stream.key.as_str()).collect();
    let (strays, looked_at) = strays(c, keys, &known, facts).await?;
    let mut logs = Vec::new();
    for node in &topology.nodes {
        let NodeKind::Bolt(bolt) = &node.kind else { continue };
        if let Some(options) = bolt.options.of::<Options>() {
            logs.extend(logs_of(c, keys, node, Buckets::new(options), status.now, facts).await?);
        }
    }
    let mut ask = Pipeline::new();
    ask.cmd("MEMORY").arg("USAGE").arg(keys.dead());
    let dead_bytes = c.send(&ask).await?.pop().unwrap_or(Value::Nil);
    let dead_bytes = told("MEMORY USAGE", dead_bytes, facts);
    let dead_bytes = dead_bytes.map(|bytes| count(&bytes)).transpose()?;
    Ok(Stored { status, streams, strays, looked_at, logs, dead_bytes })
}

/// The reply, unless it is an error. One of a missing right is noted, by the command's name.
fn told(command: &'static str, answer: Value, facts: &mut Facts) -> Option<Value> {
    match checked(answer) {
        Ok(answer) => Some(answer),
        Err(error) => {
            if error.kind == ErrorKind::Auth || error.message.contains("unknown command") {
                refuse(facts, command, &error);
            }
            None
        }
    }
}

fn named_streams(topology: &Topology, keys: &Keys) -> Vec<Stream> {
    let mut streams = Vec::new();
    for (place, node) in topology.nodes.iter().enumerate() {
        let mut add = |key: String, role| {
            streams.push(Stream { key, node: place, role, ..Stream::default() });
        };
        if let NodeKind::Source(source) = &node.kind {
            add(source.stream.clone(), Role::Source);
        }
        for (place, edge) in node.edges.iter().enumerate() {
            for partition in 0..topology.partitions {
                let key = keys.edge(&node.name, edge, partition);
                add(key, Role::Edge { edge: place, partition });
            }
        }
        for (place, sink) in node.sinks.iter().enumerate() {
            add(sink.stream.clone(), Role::Sink { sink: place });
        }
    }
    streams
}

/// Fills in what the server says of streams. One that is not there yet stays empty.
async fn measure(
    c: &mut Connection,
    streams: &mut [Stream],
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let mut ask = Pipeline::new();
    for stream in &*streams {
        ask.cmd("XLEN").arg(&stream.key);
        ask.cmd("XRANGE").arg(&stream.key).arg("-").arg("+").arg("COUNT").arg(1);
        ask.cmd("XINFO").arg("GROUPS").arg(&stream.key);
        ask.cmd("MEMORY").arg("USAGE").arg(&stream.key);
    }
    let mut replies = c.send(&ask).await?.into_iter();
    let mut next = || replies.next().unwrap_or(Value::Nil);
    for stream in streams {
        stream.length = count(&checked(next())?)?;
        stream.first = reply::entries(checked(next())?)?.first().map(|entry| entry.id);
        let groups = told("XINFO GROUPS", next(), facts).unwrap_or(Value::Nil);
        for group in reply::array(groups)? {
            stream.groups.push(group_of(group)?);
        }
        let bytes = told("MEMORY USAGE", next(), facts);
        stream.bytes = bytes.map(|bytes| count(&bytes)).transpose()?;
    }
    Ok(())
}

fn group_of(group: Value) -> Result<Group, StoreError> {
    let mut facts = reply::facts(group)?;
    let mut take = |name: &str| facts.remove(name).unwrap_or(Value::Nil);
    Ok(Group {
        name: reply::text(take("name"))?.unwrap_or_default(),
        delivered: reply::entry_id(take("last-delivered-id"))?,
        ..Group::default()
    })
}

async fn add_consumers(c: &mut Connection, streams: &mut [Stream]) -> Result<(), StoreError> {
    let mut ask = Pipeline::new();
    for stream in &*streams {
        for group in &stream.groups {
            ask.cmd("XINFO").arg("CONSUMERS").arg(&stream.key).arg(&group.name);
            ask.cmd("XPENDING").arg(&stream.key).arg(&group.name);
        }
    }
    let mut replies = c.send(&ask).await?.into_iter();
    let mut next = || checked(replies.next().unwrap_or(Value::Nil));
    for group in streams.iter_mut().flat_map(|stream| &mut stream.groups) {
        // A group that somebody destroyed meanwhile has none.
        let (consumers, pending) = (next(), next());
        for consumer in consumers.map_or(Ok(Vec::new()), reply::array)? {
            let mut facts = reply::facts(consumer)?;
            let mut take = |name: &str| facts.remove(name).unwrap_or(Value::Nil);
            let name = reply::text(take("name"))?.unwrap_or_default();
            group.consumers.push((name, count(&take("pending"))?));
        }
        let lowest = pending.map_or(Ok(Vec::new()), reply::array)?.into_iter().nth(1);
        let lowest = lowest.filter(|lowest| !matches!(lowest, Value::Nil));
        group.lowest_pending = lowest.map(reply::entry_id).transpose()?;
    }
    Ok(())
}

/// The streams of edges that are stored and not known. Also how many keys were looked at, where
/// those were not all.
async fn strays(
    c: &mut Connection,
    keys: &Keys,
    known: &BTreeSet<&str>,
    facts: &mut Facts,
) -> Result<(Vec<(String, u64)>, Option<u64>), StoreError> {
    let mut found = BTreeSet::new();
    let mut cursor = "0".to_owned();
    for step in 1.. {
        let mut ask = Pipeline::new();
        ask.cmd("SCAN").arg(&cursor).arg("MATCH").arg(keys.edges());
        ask.arg("COUNT").arg(SCAN_STEP).arg("TYPE").arg("stream");
        let page = c.send(&ask).await?.pop().unwrap_or(Value::Nil);
        let Some(page) = told("SCAN", page, facts) else { return Ok((Vec::new(), None)) };
        let mut page = reply::array(page)?.into_iter();
        cursor = reply::text(page.next().unwrap_or(Value::Nil))?.unwrap_or_default();
        for key in reply::array(page.next().unwrap_or(Value::Nil))? {
            found.extend(reply::text(key)?.filter(|key| !known.contains(key.as_str())));
        }
        if cursor == "0" {
            return Ok((lengths(c, found).await?, None));
        }
        if step * SCAN_STEP >= SCAN_MOST {
            break;
        }
    }
    Ok((lengths(c, found).await?, Some(SCAN_MOST)))
}

async fn lengths(
    c: &mut Connection,
    keys: BTreeSet<String>,
) -> Result<Vec<(String, u64)>, StoreError> {
    let mut ask = Pipeline::new();
    for key in &keys {
        ask.cmd("XLEN").arg(key);
    }
    let replies = c.all(&ask).await?;
    keys.into_iter().zip(&replies).map(|(key, length)| Ok((key, count(length)?))).collect()
}

async fn logs_of(
    c: &mut Connection,
    keys: &Keys,
    node: &Node,
    buckets: Buckets,
    now: i64,
    facts: &mut Facts,
) -> Result<Option<Logs>, StoreError> {
    let kept = buckets.kept();
    let last = buckets.number(now);
    let mut logs = Logs {
        bolt: node.name.to_string(),
        bucket_ms: buckets.length_ms,
        kept: kept.unsigned_abs(),
        ..Logs::default()
    };
    for bucket in last - kept + 1..=last {
        let mut ask = Pipeline::new();
        for partition in 0..node.partitions {
            let key = keys.bolt(&node.name, &log_key(partition, bucket));
            ask.cmd("MEMORY").arg("USAGE").arg(key);
        }
        let mut sum = 0;
        for length in c.send(&ask).await? {
            let Some(length) = told("MEMORY USAGE", length, facts) else { return Ok(None) };
            sum += count(&length)?;
        }
        logs.buckets.push(sum);
    }
    Ok(Some(logs))
}

fn count(number: &Value) -> Result<u64, StoreError> {
    Ok(u64::try_from(reply::integer(number)?).unwrap_or(0))
}
