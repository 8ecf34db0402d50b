//! Reading replies. Each function takes any reply and says what was wrong with it.

use redis::Value;
use std::collections::BTreeMap;
use tallyd_event::{EntryId, decode::Packed};
use tallyd_runtime::{
    StoreError,
    store::{Counts, Cursor, Entry, ErrorKind, Fence, Owner, StreamFacts},
};

/// An error that names what was expected and a little of what came.
pub fn unexpected(expected: &str, reply: &Value) -> StoreError {
    let came: String = format!("{reply:?}").chars().take(120).collect();
    StoreError::new(ErrorKind::Reply, format!("expected {expected}, got {came}"))
}

pub fn array(reply: Value) -> Result<Vec<Value>, StoreError> {
    match reply {
        Value::Array(items) | Value::Set(items) => Ok(items),
        Value::Nil => Ok(Vec::new()),
        Value::Map(pairs) => Ok(pairs.into_iter().flat_map(|(k, v)| [k, v]).collect()),
        other => Err(unexpected("an array", &other)),
    }
}

pub fn bytes(reply: Value) -> Result<Option<Vec<u8>>, StoreError> {
    match reply {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::SimpleString(text) => Ok(Some(text.into_bytes())),
        Value::Int(number) => Ok(Some(number.to_string().into_bytes())),
        Value::Double(number) => Ok(Some(number.to_string().into_bytes())),
        other => Err(unexpected("a string", &other)),
    }
}

pub fn text(reply: Value) -> Result<Option<String>, StoreError> {
    bytes(reply).map(|bytes| bytes.map(|b| String::from_utf8_lossy(&b).into_owned()))
}

pub fn integer(reply: &Value) -> Result<i64, StoreError> {
    match reply {
        Value::Int(number) => Ok(*number),
        Value::Nil => Ok(0),
        Value::BulkString(bytes) => {
            let number = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
            number.ok_or_else(|| unexpected("a whole number", reply))
        }
        other => Err(unexpected("a whole number", other)),
    }
}

pub fn number(reply: Value) -> Result<Option<f64>, StoreError> {
    match reply {
        Value::Double(number) => Ok(Some(number)),
        reply => {
            let Some(text) = text(reply)? else { return Ok(None) };
            let number = text.parse().ok();
            let message =
                || StoreError::new(ErrorKind::Reply, format!("expected a number, got \"{text}\""));
            number.ok_or_else(message).map(Some)
        }
    }
}

/// A reply to TIME, in ms since the epoch.
pub fn time(reply: Value) -> Result<i64, StoreError> {
    match array(reply)?.as_slice() {
        [seconds, micros] => {
            Ok(integer(seconds)?.saturating_mul(1000).saturating_add(integer(micros)? / 1000))
        }
        _ => Err(StoreError::new(ErrorKind::Reply, "expected the server's time")),
    }
}

pub fn entry_id(reply: Value) -> Result<EntryId, StoreError> {
    let text = text(reply)?.unwrap_or_default();
    text.parse()
        .map_err(|e: tallyd_event::EntryIdError| StoreError::new(ErrorKind::Reply, e.to_string()))
}

/// Entries of a stream, told in either way ([`Entries`](crate::wire::Entries)). Redis 6.2 gives nil
/// for a pending entry that was deleted.
pub fn entries(reply: Value) -> Result<Vec<Entry>, StoreError> {
    let mut items = array(reply)?.into_iter();
    let mut entries = Vec::with_capacity(items.len().div_ceil(3));
    while let Some(item) = items.next() {
        match item {
            Value::Nil => {}
            Value::Int(ms) => match (items.next(), items.next()) {
                (Some(Value::Int(seq)), Some(Value::BulkString(packed))) => {
                    let id = EntryId { ms: ms.cast_unsigned(), seq: seq.cast_unsigned() };
                    entries.push(Entry { id, fields: packed.into() });
                }
                (_, other) => {
                    return Err(unexpected("an entry", &other.unwrap_or(Value::Int(ms))));
                }
            },
            item => entries.push(entry(item)?),
        }
    }
    Ok(entries)
}

fn entry(item: Value) -> Result<Entry, StoreError> {
    let mut parts = array(item)?.into_iter();
    let id = entry_id(parts.next().unwrap_or(Value::Nil))?;
    let mut flat = array(parts.next().unwrap_or(Value::Nil))?.into_iter();
    let mut fields = Packed::default();
    while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
        fields.push(&bytes(name)?.unwrap_or_default(), &bytes(value)?.unwrap_or_default());
    }
    Ok(Entry { id, fields })
}

/// Pairs of names and values, as `XINFO` and `HGETALL` give them.
pub fn facts(reply: Value) -> Result<BTreeMap<String, Value>, StoreError> {
    let mut flat = array(reply)?.into_iter();
    let mut facts = BTreeMap::new();
    while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
        facts.insert(text(name)?.unwrap_or_default(), value);
    }
    Ok(facts)
}

/// The streams of a read, by key, in either protocol version.
pub fn streams(reply: Value) -> Result<Vec<(String, Vec<Entry>)>, StoreError> {
    let pairs: Vec<(Value, Value)> = match reply {
        Value::Nil => Vec::new(),
        Value::Map(pairs) => pairs,
        other => {
            let split = |item: Value| {
                let mut parts = array(item)?.into_iter();
                Ok((parts.next().unwrap_or(Value::Nil), parts.next().unwrap_or(Value::Nil)))
            };
            array(other)?.into_iter().map(split).collect::<Result<_, StoreError>>()?
        }
    };
    pairs
        .into_iter()
        .map(|(key, read)| Ok((text(key)?.unwrap_or_default(), entries(read)?)))
        .collect()
}

/// The mark of a halted partition, in the place of a worker's id.
const HALTED: &str = "!halted";

/// A fence as it is stored.
pub fn fence_text(fence: &Fence) -> String {
    let owner = match &fence.owner {
        Owner::Nobody => "",
        Owner::Worker(id) => id,
        Owner::Halted => HALTED,
    };
    format!("{owner}#{}#{:016x}", fence.epoch, fence.random)
}

/// What a fence reads as that was made when its node was registered and is missing.
pub const LOST_FENCE: Fence = Fence { owner: Owner::Halted, epoch: 0, random: 0 };

/// A fence that was made when its node was registered. Where it is missing, the server has lost it:
/// nobody may take the partition as if it were new.
pub fn made_fence(reply: Value) -> Result<Fence, StoreError> {
    match reply {
        Value::Nil => Ok(LOST_FENCE),
        stored => fence(stored),
    }
}

pub fn fence(reply: Value) -> Result<Fence, StoreError> {
    let Some(stored) = text(reply)? else { return Ok(Fence::default()) };
    // A worker's id may hold a `#` of its own.
    let mut words = stored.rsplitn(3, '#');
    let random = words.next().and_then(|word| u64::from_str_radix(word, 16).ok());
    let epoch = words.next().and_then(|word| word.parse().ok());
    let (Some(random), Some(epoch), Some(owner)) = (random, epoch, words.next()) else {
        let message = format!("\"{stored}\" is not a fence (expected worker#epoch#random)");
        return Err(StoreError::new(ErrorKind::Reply, message));
    };
    let owner = match owner {
        "" => Owner::Nobody,
        HALTED => Owner::Halted,
        worker => Owner::Worker(worker.into()),
    };
    Ok(Fence { owner, epoch, random })
}

/// A cursor as it is stored: the entry's id, then events, emitted, duplicates, dead, late and lost,
/// then how many entries are accounted for, how often the stream began again, the mark of the entry
/// (in hexadecimal digits), and the first entry whose id was ahead.
pub fn cursor_text(cursor: &Cursor) -> String {
    let Cursor { last, mark, ahead, accounted, restarts, counts } = cursor;
    let Counts { events, emitted, duplicates, dead, late, lost } = counts;
    format!(
        "{last} {events} {emitted} {duplicates} {dead} {late} {lost} {accounted} {restarts} {mark:x} {ahead}"
    )
}

pub fn cursor(reply: Value) -> Result<Cursor, StoreError> {
    let Some(stored) = text(reply)? else { return Ok(Cursor::default()) };
    let read = || {
        let (last, rest) = stored.split_once(' ')?;
        let (rest, ahead) = rest.rsplit_once(' ')?;
        let (numbers, mark) = rest.rsplit_once(' ')?;
        let numbers = numbers.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
        let [events, emitted, duplicates, dead, late, lost, accounted, restarts] =
            <[u64; 8]>::try_from(numbers).ok()?;
        let counts = Counts { events, emitted, duplicates, dead, late, lost };
        let (last, ahead) = (last.parse().ok()?, ahead.parse().ok()?);
        let mark = u64::from_str_radix(mark, 16).ok()?;
        Some(Cursor { last, mark, ahead, accounted, restarts, counts })
    };
    read().ok_or_else(|| {
        let wanted = "an entry id, eight numbers, a mark and an entry id";
        let message = format!("\"{stored}\" is not a cursor (expected {wanted})");
        StoreError::new(ErrorKind::Reply, message)
    })
}

/// The cursors of a node, by partition.
pub fn cursors(reply: Value) -> Result<BTreeMap<u16, Cursor>, StoreError> {
    let mut cursors = BTreeMap::new();
    for (partition, stored) in facts(reply)? {
        let number = partition.parse().map_err(|_| {
            let message = format!("\"{partition}\" is no number of a partition");
            StoreError::new(ErrorKind::Reply, message)
        })?;
        cursors.insert(number, cursor(stored)?);
    }
    Ok(cursors)
}

/// The names of the groups that `XINFO GROUPS` tells.
pub fn group_names(reply: Value) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    for group in array(reply)? {
        names.extend(text(facts(group)?.remove("name").unwrap_or(Value::Nil))?);
    }
    Ok(names)
}

/// What `XINFO STREAM` says.
pub fn stream_facts(reply: Value) -> Result<StreamFacts, StoreError> {
    let mut facts = facts(reply)?;
    let first = entries(Value::Array(facts.remove("first-entry").into_iter().collect()))?;
    let last = entries(Value::Array(facts.remove("last-entry").into_iter().collect()))?;
    let added = facts.get("entries-added").map(count).transpose()?;
    Ok(StreamFacts {
        length: count(facts.get("length").unwrap_or(&Value::Nil))?,
        generated: entry_id(facts.remove("last-generated-id").unwrap_or(Value::Nil))?,
        ends: first.first().zip(last.first()).map(|(first, last)| (first.id, last.id)),
        added,
        nodes: count(facts.get("radix-tree-keys").unwrap_or(&Value::Nil))?,
        ..StreamFacts::default()
    })
}

/// A number of things.
pub fn count(reply: &Value) -> Result<u64, StoreError> {
    let number = integer(reply)?;
    u64::try_from(number).map_err(|_| unexpected("a number of things", reply))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_and_cursors_read_what_they_write() {
        for owner in [Owner::Nobody, Owner::Halted, Owner::Worker("host#1-7".into())] {
            let written = Fence { owner, epoch: 12, random: u64::MAX - 1 };
            let stored = Value::BulkString(fence_text(&written).into_bytes());
            assert_eq!(fence(stored).unwrap(), written);
        }
        let counts = Counts { events: 1, emitted: 2, duplicates: 3, dead: 4, late: 5, lost: 6 };
        let last = EntryId { ms: 9, seq: 8 };
        let ahead = EntryId { ms: 10, seq: 0 };
        let written = Cursor { last, mark: u64::MAX, ahead, accounted: 7, restarts: 1, counts };
        let stored = Value::BulkString(cursor_text(&written).into_bytes());
        assert_eq!(cursor(stored).unwrap(), written);
        assert!(cursor(Value::BulkString(b"9-8 1".to_vec())).is_err());
        for stored in ["worker", "worker#1", "worker#x#1", "worker#1#x"] {
            assert!(fence(Value::BulkString(stored.into())).is_err(), "{stored}");
        }
    }
}
