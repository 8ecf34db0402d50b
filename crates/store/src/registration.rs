//! The stored topology: what its data depends on, checked before a worker joins.

use crate::{connection::Connection, keys::Keys, random, reply};
use redis::{Pipeline, Value};
use std::collections::BTreeMap;
use tallyd_runtime::{
    StoreError,
    store::{Cursor, ErrorKind, Fence},
};
use tallyd_topology::{Node, Topology};

/// The version of everything that is stored. Raised when an older worker could not read it.
const FORMAT: &str = "16";

/// Checks the stored topology, and stores what is new: the seed that is `known`, or a new one.
/// Returns the stored seed.
pub async fn register(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    known: Option<[u8; 16]>,
) -> Result<[u8; 16], StoreError> {
    let mut shape: BTreeMap<String, String> = BTreeMap::new();
    shape.insert("format".into(), FORMAT.into());
    shape.insert("partitions".into(), topology.partitions.to_string());
    shape.insert("time_zone".into(), topology.time_zone.to_string());
    for node in &topology.nodes {
        shape.extend(node.shape.iter().map(|(k, v)| (format!("{}.{k}", node.name), v.clone())));
    }
    let mut ask = Pipeline::new();
    ask.cmd("HGETALL").arg(keys.topology());
    let stored = reply::facts(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
    for (key, wanted) in &shape {
        let stored = stored.get(key).cloned().map(reply::text).transpose()?.flatten();
        if let Some(stored) = stored.filter(|stored| stored != wanted) {
            return Err(mismatch(topology, key, &stored, wanted));
        }
    }
    let mut put = Pipeline::new();
    let is_made = |name: &str| stored.contains_key(&made(name));
    for (place, node) in topology.nodes.iter().enumerate().filter(|(_, n)| !is_made(&n.name)) {
        make(&mut put, keys, node, topology.head(place) == place);
    }
    for (key, value) in &shape {
        put.cmd("HSETNX").arg(keys.topology()).arg(key).arg(value);
    }
    // It keys the fingerprints, so that nobody can make two ids that collide.
    let seed = known.map_or_else(random::bytes, Ok)?;
    put.cmd("HSETNX").arg(keys.topology()).arg("seed").arg(seed.as_slice());
    put.cmd("HGET").arg(keys.topology()).arg("seed");
    let seed = reply::bytes(c.all(&put).await?.pop().unwrap_or(Value::Nil))?.unwrap_or_default();
    let length = seed.len();
    seed.try_into().map_err(|_| {
        StoreError::new(
            ErrorKind::Mismatch,
            format!("the stored seed is {length} bytes long (expected 16)"),
        )
    })
}

/// The field that says that a node's fences and cursors were made.
fn made(node: &str) -> String {
    format!("{node}.made")
}

/// Makes the cursors of a node, and its fences where it has its own, once for all time: from here
/// on, one that is missing was lost, and is no beginning.
fn make(put: &mut Pipeline, keys: &Keys, node: &Node, is_head: bool) {
    for partition in 0..node.partitions {
        if is_head {
            let fence = reply::fence_text(&Fence::default());
            put.cmd("SET").arg(keys.fence(&node.name, partition)).arg(fence).arg("NX");
        }
        let cursor = reply::cursor_text(&Cursor::default());
        put.cmd("HSETNX").arg(keys.cursors(&node.name)).arg(partition).arg(cursor);
    }
    put.cmd("HSETNX").arg(keys.topology()).arg(made(&node.name)).arg(node.partitions);
}

/// Checks that the data are those that the worker registered with, by the seed that is stored.
/// Where the server lost them, they begin again with the same seed: fingerprints that are made with
/// two seeds don't meet, and a retry would count twice.
pub async fn still_registered(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    seed: [u8; 16],
    stored: Option<Vec<u8>>,
) -> Result<(), StoreError> {
    let stored = match stored {
        Some(stored) => stored,
        None => register(c, topology, keys, Some(seed)).await?.to_vec(),
    };
    if stored == seed {
        return Ok(());
    }
    let message = format!(
        "the data of topology \"{}\" are not those that this worker joined (start the worker again)",
        topology.name
    );
    Err(StoreError::new(ErrorKind::Mismatch, message))
}

fn mismatch(topology: &Topology, key: &str, stored: &str, wanted: &str) -> StoreError {
    let message = format!(
        "topology \"{}\" does not fit what is stored: {key} is \"{stored}\" there and \"{wanted}\" in the file \
         (put it back, or give the topology or the bolt another name to start again)",
        topology.name
    );
    StoreError::new(ErrorKind::Mismatch, message)
}
