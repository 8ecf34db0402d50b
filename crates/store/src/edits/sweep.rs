//! What no bolt keeps of a member who is forgotten: entries of sources up to the edit's own, dead
//! letters, examples of late events, sinks, and the name in the list of edits. Upkeep sweeps them when
//! all bolts are done with the edit, in pages, and notes how far it is: a worker that dies leaves the
//! rest to the next. To sweep a page twice changes nothing; where counts go with it, it can't be done
//! twice ([`guarded`]).

mod counts;
mod free;
pub(super) mod guarded;
pub(super) mod preview;
mod trace;

use super::{Record, SUBTRACT, list::LEFT, one};
use crate::{
    commands::place_field,
    connection::{Connection, checked},
    keys::Keys,
    pages, reply,
    store::server_ms,
};
use free::{Free, edges_are_new, free, probe};
use guarded::{Guarded, counts, note_shared};
use redis::{Pipeline, Value};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tallyd_event::EntryId;
use tallyd_runtime::{
    StoreError, entry_bytes,
    store::{Entry, ErrorKind},
};
use tallyd_topology::{NodeKind, Topology};
use trace::Person;

/// How many pages of a stream are looked at in one turn of upkeep.
const PAGES: usize = 40;
/// After how long the next edit waits for the next turn: nothing else of upkeep goes on meanwhile.
const TURN: Duration = Duration::from_millis(500);
/// How many edits are looked at together for the name.
const EDITS: usize = 500;

/// How far a stream is swept that is swept.
const DONE: &str = "done";

/// A stream that may have something of a member.
struct Stream {
    key: String,
    what: What,
}

/// What a stream holds, with the place of its node.
#[derive(Clone, Copy)]
enum What {
    Source(usize),
    Letters,
    Examples,
    Sink { place: usize, late: bool },
}

impl What {
    /// The field of an edit that counts what was taken out of such streams.
    fn count(self) -> &'static str {
        match self {
            What::Source(_) => "swept:entries",
            What::Letters => "swept:letters",
            What::Examples => "swept:examples",
            What::Sink { .. } => "swept:sinks",
        }
    }
}

/// Goes on with what is to be swept, while the worker's plan is in force: then the generation of plans
/// is this one. One that takes out counts is not overtaken: others would delete what it reads.
///
/// # Errors
/// Where the server can't be read or written.
pub(crate) async fn sweep(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    (ids, generation): (&[String], Option<&str>),
) -> Result<(), StoreError> {
    let began = Instant::now();
    for id in ids.iter().take_while(|_| began.elapsed() < TURN) {
        match one(c, topology, keys, id).await? {
            Some(record) => {
                let is_over = match record.bolts_are_done() {
                    true => go_on(c, topology, keys, (&record, generation)).await?,
                    false => false,
                };
                if !is_over && record.counts == SUBTRACT {
                    break;
                }
            }
            None => {
                let mut drop_id = Pipeline::new();
                drop_id.cmd("ZREM").arg(keys.edit_sweeps()).arg(id);
                c.all(&drop_id).await?;
            }
        }
    }
    Ok(())
}

/// Goes on with one edit whose bolts are done. Returns whether nothing is left to sweep.
async fn go_on(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    (record, generation): (&Record, Option<&str>),
) -> Result<bool, StoreError> {
    let key = keys.edit(&record.id);
    let mut note = Pipeline::new();
    note.cmd("HSETNX").arg(&key).arg("over").arg(server_ms(c).await?);
    note.cmd("HGETALL").arg(&key);
    let stored = reply::facts(c.all(&note).await?.pop().unwrap_or(Value::Nil))?;
    let mut known = BTreeMap::new();
    for (name, value) in stored {
        known.insert(name, reply::text(value)?.unwrap_or_default());
    }
    let over = known.get("over").and_then(|at| at.parse::<u64>().ok()).unwrap_or_default();
    let person = Person::new(topology, &record.field, &record.member);
    let asked = (record.field.as_str(), record.counts == SUBTRACT);
    let counts = counts(c, topology, keys, asked).await?;
    let guarded = Guarded { counts: &counts, topology, keys, id: &record.id, generation };
    let mut is_done = true;
    for stream in of(topology, keys) {
        let at = known.get(&position(&stream.key)).map_or("0-0", String::as_str);
        if at == DONE {
            continue;
        }
        let place = match stream.what {
            What::Source(of) => {
                let node = topology.nodes.get(of);
                // A source that has been added since never had the edit, and none of what is from
                // before.
                let noted = node.and_then(|node| known.get(&place_field(&node.name)));
                let Some(noted) = noted else { continue };
                noted.parse().ok()
            }
            _ => Some(EntryId { ms: over, seq: u64::MAX }),
        };
        let Some(last) = place else {
            // The source has not come to the edit yet.
            is_done = false;
            continue;
        };
        let from: EntryId = at.parse().unwrap_or_default();
        let asked = (&person, &guarded);
        match sweep_stream(c, (topology, keys), (&key, &stream), (from, last), asked).await {
            Ok(done) => is_done &= done,
            Err(error) if is_refused(&error) => {
                leave(c, &key, &stream, &error).await?;
            }
            Err(error) => return Err(error),
        }
    }
    if is_done && edges_are_new(c, topology, keys, over).await? {
        if record.counts == SUBTRACT {
            note_shared(c, topology, keys, &record.id).await?;
        }
        forget_name(c, topology, keys, record).await?;
        return Ok(true);
    }
    Ok(false)
}

/// The streams that may have something of a member.
fn of(topology: &Topology, keys: &Keys) -> Vec<Stream> {
    let mut streams = vec![Stream { key: keys.dead(), what: What::Letters }];
    for (place, node) in topology.nodes.iter().enumerate() {
        if let NodeKind::Source(source) = &node.kind {
            streams.push(Stream { key: source.stream.clone(), what: What::Source(place) });
        }
        streams.push(Stream { key: keys.late_examples(&node.name), what: What::Examples });
        for sink in &node.sinks {
            let what = What::Sink { place, late: sink.late };
            streams.push(Stream { key: sink.stream.clone(), what });
        }
    }
    streams
}

/// The field of an edit that says how far a stream is swept.
fn position(stream: &str) -> String {
    format!("sweep:{stream}")
}

/// Sweeps some pages of a stream, up to its `last` entry that may be the member's. Returns whether it
/// is swept.
async fn sweep_stream(
    c: &mut Connection,
    (topology, keys): (&Topology, &Keys),
    (edit, stream): (&str, &Stream),
    (mut from, last): (EntryId, EntryId),
    (person, guarded): (&Person<'_>, &Guarded<'_>),
) -> Result<bool, StoreError> {
    let all = Free { before: last.next(), goes_on: false };
    let free = match stream.what {
        What::Source(place) => free(c, topology, keys, place).await?,
        _ => Some(all),
    };
    let Some(free) = free else { return Ok(false) };
    let counted = match stream.what {
        What::Source(place) if guarded.counts.is_of(place) => Some(place),
        _ => None,
    };
    if let Some(place) = counted.filter(|_| from == EntryId::ZERO) {
        guarded.note_since(c, place).await?;
    }
    let mut count = pages::FIRST;
    for _ in 0..PAGES {
        if counted.is_some() && !guarded.watch(c, stream, from).await? {
            return Ok(false);
        }
        let mut ask = Pipeline::new();
        let range = ask.cmd("XRANGE").arg(&stream.key).arg(from.to_string());
        range.arg(last.to_string()).arg("COUNT").arg(count);
        let entries = reply::entries(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
        let bytes: usize = entries.iter().map(entry_bytes).sum();
        let is_last = entries.len() < count;
        let may = entries.iter().take_while(|entry| entry.id < free.before);
        let looked: Vec<&Entry> = may.collect();
        let is_whole = looked.len() == entries.len();
        let is_his = |entry: &&&Entry| match stream.what {
            What::Source(place) => person.is_in_source(place, entry),
            What::Letters => person.is_in_letter(entry),
            What::Examples => person.is_in_example(entry),
            What::Sink { place, late } => person.is_in_sink(place, late, entry),
        };
        let found: Vec<&Entry> = looked.iter().filter(is_his).copied().collect();
        let with = match counted {
            Some(place) => guarded.commands(c, (place, person), &found).await?,
            None => Pipeline::new(),
        };
        from = looked.last().map_or(from, |entry| entry.id.next());
        let at = if is_last && is_whole { DONE.to_owned() } else { from.to_string() };
        if !take_out(c, (edit, stream), (&found, with), &at).await? {
            return Ok(false);
        }
        if !is_whole {
            if free.goes_on {
                probe(c, &stream.key).await?;
            }
            return Ok(false);
        }
        if is_last {
            return Ok(true);
        }
        count = pages::next(count, bytes);
    }
    Ok(false)
}

/// Deletes entries, and notes how far the stream is swept, with what goes with it, at once. Returns
/// whether it did: not, where something changed that was watched.
async fn take_out(
    c: &mut Connection,
    (edit, stream): (&str, &Stream),
    (found, with): (&[&Entry], Pipeline),
    at: &str,
) -> Result<bool, StoreError> {
    let mut all = Pipeline::new();
    all.cmd("MULTI");
    if !found.is_empty() {
        let ids: Vec<String> = found.iter().map(|entry| entry.id.to_string()).collect();
        all.cmd("XDEL").arg(&stream.key).arg(ids);
        all.cmd("HINCRBY").arg(edit).arg(stream.what.count()).arg(found.len());
    }
    all.cmd("HSET").arg(edit).arg(position(&stream.key)).arg(at);
    for command in with.cmd_iter() {
        all.add_command(command.clone());
    }
    all.cmd("EXEC");
    // Where a command is refused while it is queued, EXEC says no more than that one was.
    let mut replies = c.send(&all).await?;
    let done = replies.pop().unwrap_or(Value::Nil);
    replies.into_iter().try_for_each(|reply| checked(reply).map(drop))?;
    match checked(done)? {
        Value::Array(results) => {
            results.into_iter().try_for_each(|result| checked(result).map(drop))?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Takes the name out of the list of edits, the last step: until then it has to be known. Of other
/// edits of the member too, if they are over.
async fn forget_name(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    record: &Record,
) -> Result<(), StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("ZRANGE").arg(keys.edit_list()).arg(0).arg(-1);
    let ids = reply::array(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
    let ids = ids.into_iter().map(|id| Ok(reply::text(id)?.unwrap_or_default()));
    let ids = ids.collect::<Result<Vec<String>, StoreError>>()?;
    let mut same = Vec::new();
    for some in ids.chunks(EDITS) {
        let mut ask = Pipeline::new();
        for id in some {
            ask.cmd("HMGET").arg(keys.edit(id)).arg("member").arg("to");
        }
        for (id, names) in some.iter().zip(c.all(&ask).await?) {
            for (field, name) in ["member", "to"].into_iter().zip(reply::array(names)?) {
                if *id != record.id && reply::text(name)?.as_ref() == Some(&record.member) {
                    same.push((id, field));
                }
            }
        }
    }
    let mut end = Pipeline::new();
    end.cmd("MULTI");
    for (id, field) in same {
        if one(c, topology, keys, id).await?.is_some_and(|other| other.is_over()) {
            end.cmd("HDEL").arg(keys.edit(id)).arg(field);
        }
    }
    let key = keys.edit(&record.id);
    let done = end.cmd("HDEL").arg(&key).arg("member").arg("over");
    for stream in of(topology, keys) {
        done.arg(position(&stream.key));
    }
    for node in &topology.nodes {
        done.arg(place_field(&node.name));
    }
    end.cmd("HSET").arg(&key).arg("swept").arg(server_ms(c).await?);
    end.cmd("ZREM").arg(keys.edit_sweeps()).arg(&record.id);
    end.cmd("HDEL").arg(keys.edits_subtracting()).arg(&record.id);
    end.cmd("EXEC");
    c.all(&end).await.map(drop)
}

/// Whether a stream can't be swept by this worker, however often it is tried.
fn is_refused(error: &StoreError) -> bool {
    matches!(error.kind, ErrorKind::Auth | ErrorKind::WrongType)
}

/// A stream that can't be swept is left, and said.
async fn leave(
    c: &mut Connection,
    edit: &str,
    stream: &Stream,
    error: &StoreError,
) -> Result<(), StoreError> {
    let mut note = Pipeline::new();
    let note_in = note.cmd("HSET").arg(edit).arg(position(&stream.key)).arg(DONE);
    note_in.arg([LEFT, &stream.key].concat()).arg(&error.message);
    c.all(&note).await.map(drop)
}
