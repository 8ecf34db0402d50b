//! The dead letters, for people: list, replay and drop.

use crate::{
    connection::{Connection, checked},
    keys::Keys,
    reply,
    store::server_ms,
};
use redis::{Pipeline, Value};
use std::{collections::BTreeMap, ops::RangeInclusive};
use tallyd_event::{
    EntryId, Event, Schema,
    decode::{self, Arrival, Fields, TimeLimits},
    frame,
};
use tallyd_runtime::{
    ARRIVED_FIELD, FRAME_FIELD, ONLY_FIELD, StoreError,
    store::{Entry, ErrorKind},
};
use tallyd_topology::{NodeKind, Topology};

/// A stored dead letter.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Letter {
    /// Its own id among the dead letters: its milliseconds say when it came.
    #[serde(serialize_with = "as_text")]
    pub id: EntryId,
    /// The source or bolt that rejected it.
    pub node: String,
    /// Why.
    pub reason: String,
    /// The entry of the source that brought it.
    #[serde(serialize_with = "as_text")]
    pub entry: EntryId,
    /// When that arrived, in ms since the epoch.
    pub arrived: Option<i64>,
    /// How many bytes the original fields were long, where only their beginning is kept.
    pub cut: Option<u64>,
    /// The original fields, as text: bytes that are no UTF-8 are shown as `\u{FFFD}`.
    pub fields: Vec<(String, String)>,
    /// The original fields, as they came.
    #[serde(skip)]
    pub raw: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The dead letters of a range of ids, at most `count`, oldest first: fewer, where the server cuts
/// off who asks for so many.
///
/// # Errors
/// Where the server can't be read.
pub async fn list(
    c: &mut Connection,
    keys: &Keys,
    ids: RangeInclusive<EntryId>,
    count: usize,
) -> Result<Vec<Letter>, StoreError> {
    let range = |asked: usize| {
        let mut ask = Pipeline::new();
        let range = ask.cmd("XRANGE").arg(keys.dead());
        range.arg(ids.start().to_string()).arg(ids.end().to_string()).arg("COUNT").arg(asked);
        ask
    };
    read(c, count, range).await
}

/// The newest dead letters, at most `count`, newest first: fewer, as of [`list`].
///
/// # Errors
/// Where the server can't be read.
pub async fn last(
    c: &mut Connection,
    keys: &Keys,
    count: usize,
) -> Result<Vec<Letter>, StoreError> {
    let range = |asked: usize| {
        let mut ask = Pipeline::new();
        ask.cmd("XREVRANGE").arg(keys.dead()).arg("+").arg("-").arg("COUNT").arg(asked);
        ask
    };
    read(c, count, range).await
}

/// Reads at most so many: fewer, where the server cuts off who asks for so many.
async fn read(
    c: &mut Connection,
    count: usize,
    range: impl Fn(usize) -> Pipeline,
) -> Result<Vec<Letter>, StoreError> {
    let mut asked = count;
    loop {
        match c.all(&range(asked)).await {
            Ok(mut replies) => {
                let stored = replies.pop().unwrap_or(Value::Nil);
                return reply::entries(stored)?.into_iter().map(letter).collect();
            }
            // So many at once may be more than the server lets a client have.
            Err(error) if error.kind == ErrorKind::Connection && asked > 1 => {
                c.open_again().await?;
                asked = asked.div_ceil(4);
            }
            Err(error) => return Err(error),
        }
    }
}

/// The id of the newest dead letter, if there is any.
///
/// # Errors
/// Where the server can't be read.
pub async fn newest(c: &mut Connection, keys: &Keys) -> Result<Option<EntryId>, StoreError> {
    Ok(last(c, keys, 1).await?.first().map(|letter| letter.id))
}

/// The dead letter of this id, if it is still there.
///
/// # Errors
/// Where the server can't be read.
pub async fn get(
    c: &mut Connection,
    keys: &Keys,
    id: EntryId,
) -> Result<Option<Letter>, StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("XRANGE").arg(keys.dead()).arg(id.to_string()).arg(id.to_string());
    let stored = c.all(&ask).await?.pop().unwrap_or(Value::Nil);
    reply::entries(stored)?.pop().map(letter).transpose()
}

fn as_text<S: serde::Serializer>(id: &EntryId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

fn letter(entry: Entry) -> Result<Letter, StoreError> {
    let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let about = |name: &str| entry.fields.get(name).map(show);
    let no = |name: &str| {
        let message = format!(
            "{} is no dead letter of tallyd: its field \"{name}\" is missing or can't be read \
             (whoever added it to this stream, drop it: tallyd dead drop {})",
            entry.id, entry.id
        );
        StoreError::new(ErrorKind::Reply, message)
    };
    let written = |name: &str| about(name).ok_or_else(|| no(name));
    let original = |(name, value): (&[u8], &[u8])| {
        Some((name.strip_prefix(b"field:")?.to_vec(), value.to_vec()))
    };
    let raw: Vec<(Vec<u8>, Vec<u8>)> = entry.fields.iter().filter_map(original).collect();
    Ok(Letter {
        id: entry.id,
        node: written("node")?,
        reason: written("reason")?,
        entry: written("entry")?.parse().map_err(|_| no("entry"))?,
        arrived: about("arrived").map(|at| at.parse().map_err(|_| no("arrived"))).transpose()?,
        cut: about("cut").map(|bytes| bytes.parse().map_err(|_| no("cut"))).transpose()?,
        fields: raw.iter().map(|(name, value)| (show(name), show(value))).collect(),
        raw,
    })
}

/// Deletes a dead letter. Returns whether it was there.
///
/// # Errors
/// Where the server can't be written.
pub async fn remove(c: &mut Connection, keys: &Keys, id: EntryId) -> Result<bool, StoreError> {
    let mut delete = Pipeline::new();
    delete.cmd("XDEL").arg(keys.dead()).arg(id.to_string());
    let gone = c.all(&delete).await?.pop().unwrap_or(Value::Nil);
    Ok(reply::integer(&gone)? == 1)
}

/// Sends a dead letter again to the node that rejected it, and deletes it, in one transaction: a
/// source's as an entry of its stream, a bolt's as frames for that bolt alone. Its events keep the
/// time at which they arrived first. Returns whether
/// it was still there, so that of two replays one is told that it came too late. After a lost
/// connection it may be tried again: a replay that happened has deleted the letter.
///
/// # Errors
/// Where the node is gone, the fields still are no event of its input, or the server can't be
/// written.
pub async fn replay(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    id: EntryId,
) -> Result<bool, StoreError> {
    // Dead letters that others add meanwhile move the WATCH too, so it may take some tries.
    for _ in 0..MAX_TRIES {
        let mut watch = Pipeline::new();
        watch.cmd("WATCH").arg(keys.dead());
        c.all(&watch).await?;
        let Some(letter) = get(c, keys, id).await? else {
            let mut forget = Pipeline::new();
            forget.cmd("UNWATCH");
            c.all(&forget).await?;
            return Ok(false);
        };
        let entries = again(topology, keys, &letter, server_ms(c).await?)?;
        let mut all = Pipeline::new();
        all.cmd("MULTI");
        for (stream, fields) in &entries {
            let add = all.cmd("XADD").arg(stream).arg("*");
            for (name, value) in fields {
                add.arg(name.as_slice()).arg(value.as_slice());
            }
        }
        all.cmd("XDEL").arg(keys.dead()).arg(id.to_string()).cmd("EXEC");
        let mut replies = c.send(&all).await?;
        let done = replies.pop().unwrap_or(Value::Nil);
        replies.into_iter().try_for_each(|queued| checked(queued).map(drop))?;
        if let Value::Array(results) = checked(done)? {
            results.into_iter().try_for_each(|result| checked(result).map(drop))?;
            return Ok(true);
        }
    }
    let message = format!("the dead letters change too fast: gave up after {MAX_TRIES} tries");
    Err(StoreError::new(ErrorKind::Busy, message))
}

const MAX_TRIES: usize = 50;

/// The entries that a dead letter becomes, each with its stream. Their events enter now, and keep the
/// time at which they arrived first.
fn again(
    topology: &Topology,
    keys: &Keys,
    letter: &Letter,
    now: i64,
) -> Result<Vec<(String, Fields)>, StoreError> {
    let no_node = || {
        StoreError::new(
            ErrorKind::Mismatch,
            format!("no source or bolt \"{}\" any more", letter.node),
        )
    };
    let (place, node) = topology.node(&letter.node).ok_or_else(no_node)?;
    if let Some(bytes) = letter.cut {
        let message = format!(
            "only the beginning of its {bytes} bytes is kept (send entry {} of source \"{}\" again, where that is still there)",
            letter.entry, letter.node
        );
        return Err(StoreError::new(ErrorKind::Other, message));
    }
    let NodeKind::Bolt(bolt) = &node.kind else {
        let stream = keys.input(topology, node, 0).ok_or_else(no_node)?;
        let arrived = arrival(letter, now).arrived.to_string().into_bytes();
        let mut fields = letter.raw.clone();
        fields.push((ARRIVED_FIELD.as_bytes().to_vec(), arrived));
        return Ok(vec![(stream, fields)]);
    };
    let from = topology.nodes.get(bolt.from).ok_or_else(no_node)?;
    let schema: &Schema = &from.schema;
    let key = topology.partitioned_by(place).ok_or_else(no_node)?;
    let mut parts: BTreeMap<u16, Vec<Event>> = BTreeMap::new();
    for event in events(schema, letter, now)? {
        let partition = key.partition(schema, &event, topology.partitions);
        parts.entry(partition).or_default().push(event);
    }
    let entry = |(partition, events): (u16, Vec<Event>)| {
        let bytes = frame::encode(schema, &events)
            .map_err(|e| StoreError::new(ErrorKind::Other, e.to_string()))?;
        let fields = vec![
            (FRAME_FIELD.as_bytes().to_vec(), bytes),
            (ONLY_FIELD.as_bytes().to_vec(), node.name.as_bytes().to_vec()),
        ];
        Ok((keys.input(topology, node, partition).ok_or_else(no_node)?, fields))
    };
    parts.into_iter().map(entry).collect()
}

/// When a dead letter arrived first: as it says, or else as the id of its entry does, but never after
/// now.
fn arrival(letter: &Letter, now: i64) -> Arrival {
    Arrival { entered: now, ..Arrival::of(letter.entry, letter.arrived, now) }
}

/// The events of a bolt's dead letter: the one that it rejected, or those of a frame that could
/// not be read when it came.
fn events(schema: &Schema, letter: &Letter, now: i64) -> Result<Vec<Event>, StoreError> {
    let refused = |reason: String| StoreError::new(ErrorKind::Other, reason);
    let is_frame = |(name, _): &&(Vec<u8>, Vec<u8>)| name == FRAME_FIELD.as_bytes();
    if schema.index(FRAME_FIELD).is_none()
        && let Some((_, bytes)) = letter.raw.iter().find(is_frame)
    {
        let events = frame::decode(schema, bytes).map_err(|error| refused(error.to_string()))?;
        let again = |event: Event| match event.taken_back {
            true => event,
            false => Event { arrived: event.arrived.min(now), entered: now, ..event },
        };
        return Ok(events.into_iter().map(again).collect());
    }
    let decoded = decode::decode_at(schema, TimeLimits::NONE, arrival(letter, now), &letter.raw);
    if let Some(reject) = decoded.rejects.into_iter().next() {
        return Err(refused(reject.reason.to_string()));
    }
    // What was to be taken back still is, and as late as it was.
    let since = letter.raw.iter().find(|(name, _)| name == decode::TAKEN_BACK_FIELD.as_bytes());
    let since = since.and_then(|(_, text)| std::str::from_utf8(text).ok()?.parse::<i64>().ok());
    let again = |event: Event| match since {
        Some(entered) => Event { taken_back: true, entered, ..event },
        None => event,
    };
    Ok(decoded.events.into_iter().map(again).collect())
}
