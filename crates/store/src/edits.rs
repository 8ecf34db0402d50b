//! Edits: accepted once, and put among the events.
//!
//! Clients add them to a stream of their own. Who accepts one checks it, notes its id, and adds it to
//! the stream of every source, in one transaction that watches the list of edits: of two at once, one
//! happens. From there on it goes the way of events. Where it stands in a source is its place among
//! them.

mod counts;
mod list;
mod moves;
mod rename;
mod request;
mod scope;
mod sweep;
mod value;
mod words;

pub use counts::{CountsRefusal, Subtracted};
pub use list::{OfNode, Record, Swept, list, one};
pub use moves::MoveRefusal;
pub use rename::RenameRefusal;
pub use request::{Refusal, Request, check};
pub use scope::ScopeRefusal;
pub use sweep::preview::{Counted, counted};
pub(crate) use sweep::sweep;

use crate::{
    commands::{done_field, place_field},
    connection::{Connection, checked},
    keys::Keys,
    random, reply,
    store::server_ms,
};
use redis::{Pipeline, Value};
use rename::Underway;
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeSet;
use tallyd_event::{Edit, EditKind, EntryId};
use tallyd_runtime::{
    EDIT_FIELD, StoreError,
    store::{Entry, ErrorKind},
};
use tallyd_topology::{NodeKind, Topology};

/// What becomes of counts to which a member's events added who is forgotten, where they are taken out.
pub(crate) const SUBTRACT: &str = "subtract";
/// How many edits are remembered: of the oldest, those that are done go.
const KEPT: i64 = 10_000;
/// How many are accepted at once.
const PAGE: usize = 100;
/// How often it is tried while others accept edits too.
const TRIES: usize = 50;

/// An id that no other edit has.
///
/// # Errors
/// Where the system gives no random numbers.
pub fn new_id() -> Result<SmolStr, StoreError> {
    random::number().map(|number| format_smolstr!("{number:016x}"))
}

/// Adds an edit to those that wait to be accepted.
///
/// # Errors
/// Where the server can't be written.
pub async fn add(c: &mut Connection, keys: &Keys, request: &Request) -> Result<(), StoreError> {
    let mut add = Pipeline::new();
    let command = add.cmd("XADD").arg(keys.edits()).arg("*");
    for (name, value) in request.fields() {
        command.arg(name).arg(value);
    }
    c.all(&add).await.map(drop)
}

/// Adds an edit and accepts those that wait: what is known of it then. `None` where it is forgotten
/// again already, because many others came.
///
/// # Errors
/// As [`add`] and [`accept`]. It may have happened: sent again with its id, it takes effect once.
pub async fn send(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    request: &Request,
) -> Result<Option<Record>, StoreError> {
    add(c, keys, request).await?;
    accept(c, topology, keys).await?;
    one(c, topology, keys, &request.id).await
}

/// Accepts the edits that wait, in their order: each is checked, its id noted, and an entry of it
/// added to every source. One whose id is known already is dropped. Where it is not known whether it
/// happened, it may be called again.
///
/// # Errors
/// Where the server can't be read or written, or others accept edits all the time.
pub async fn accept(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
) -> Result<(), StoreError> {
    for _ in 0..TRIES {
        let mut watch = Pipeline::new();
        watch.cmd("WATCH").arg(keys.edit_list());
        watch.cmd("XRANGE").arg(keys.edits()).arg("-").arg("+").arg("COUNT").arg(PAGE);
        let waiting = c.all(&watch).await?.pop().unwrap_or(Value::Nil);
        let waiting = reply::entries(waiting)?;
        if waiting.is_empty() {
            let mut forget = Pipeline::new();
            forget.cmd("UNWATCH");
            return c.all(&forget).await.map(drop);
        }
        let found = look(c, topology, keys, &waiting).await?;
        let transaction = transaction(topology, keys, &waiting, found);
        let mut replies = c.send(&transaction).await?;
        let done = replies.pop().unwrap_or(Value::Nil);
        // An error while queueing says why EXEC was refused; nothing happened then.
        replies.into_iter().try_for_each(|queued| checked(queued).map(drop))?;
        if let Value::Array(results) = checked(done)? {
            results.into_iter().try_for_each(|result| checked(result).map(drop))?;
        }
    }
    let message = format!("edits come in too fast: gave up after {TRIES} tries");
    Err(StoreError::new(ErrorKind::Busy, message))
}

/// What has to be known to accept edits.
struct Found {
    /// The server's clock, in ms since the epoch.
    now: i64,
    /// Of each that waits, whether its id is that of an accepted one.
    known: Vec<bool>,
    /// The bolts that do edits: those that a worker has ever run.
    bolts: Vec<SmolStr>,
    /// The edits that one of them may have to wait for.
    underway: Underway,
    /// Those that are noted as open, and are done.
    over: Vec<String>,
}

async fn look(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    waiting: &[Entry],
) -> Result<Found, StoreError> {
    let now = server_ms(c).await?;
    let bolts = topology.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Bolt(_)));
    let bolts: Vec<SmolStr> = bolts.map(|node| node.name.clone()).collect();
    let mut ask = Pipeline::new();
    for entry in waiting {
        ask.cmd("HMGET").arg(keys.edit(&id(entry))).arg("at").arg("refused");
    }
    for bolt in &bolts {
        ask.cmd("HGET").arg(keys.cursors(bolt)).arg(0);
    }
    for (_, stream) in sources(topology) {
        // What is no stream is known before anything is done.
        ask.cmd("XLEN").arg(stream);
    }
    let mut answers = c.all(&ask).await?.into_iter();
    let mut known = Vec::new();
    for answer in answers.by_ref().take(waiting.len()) {
        let mut fields = reply::array(answer)?.into_iter();
        let (at, refused) = (fields.next(), fields.next());
        let is = |field: Option<Value>| field.is_some_and(|value| value != Value::Nil);
        known.push(is(at) && !is(refused));
    }
    let ran = bolts.into_iter().zip(answers);
    let bolts = ran.filter(|(_, cursor)| *cursor != Value::Nil).map(|(bolt, _)| bolt).collect();
    let requests = waiting.iter().map(|entry| Request::read(&entry.fields));
    let all =
        requests.into_iter().any(|of| of.kind == EditKind::Rename.name() || of.counts == SUBTRACT);
    let (underway, over) = Underway::read(c, topology, keys, all).await?;
    Ok(Found { now, known, bolts, underway, over })
}

/// Whether an edit that is checked may be accepted now: one that meets what another one hands over has
/// to wait for it.
///
/// # Errors
/// Where the server can't be read.
pub async fn may_be_now(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    edit: &Edit,
) -> Result<Result<(), Refusal>, StoreError> {
    let all = edit.kind == EditKind::Rename || edit.subtracts;
    let (underway, _) = Underway::read(c, topology, keys, all).await?;
    Ok(underway.refuse(edit).map_err(Refusal::from))
}

/// Forgets the oldest edits that are done, where there are more than [`KEPT`].
///
/// # Errors
/// Where the server can't be read or written.
pub(crate) async fn forget_old(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
) -> Result<(), StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("ZRANGE").arg(keys.edit_list()).arg(0).arg(-1 - KEPT);
    let old = reply::array(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
    let mut forget = Pipeline::new();
    for id in old.into_iter().take(PAGE) {
        let Some(id) = reply::text(id)? else { continue };
        if one(c, topology, keys, &id).await?.is_none_or(|record| record.is_over()) {
            forget.cmd("ZREM").arg(keys.edit_list()).arg(&id);
            forget.cmd("UNLINK").arg(keys.edit(&id));
            forget.cmd("HDEL").arg(keys.edits_open()).arg(&id);
            forget.cmd("HDEL").arg(keys.edit_renames()).arg(&id);
            forget.cmd("HDEL").arg(keys.edits_subtracting()).arg(&id);
        }
    }
    if forget.is_empty() { Ok(()) } else { c.all(&forget).await.map(drop) }
}

/// Whether an edit is not done that reads what sources retain, to take it out of counts.
///
/// # Errors
/// Where the server can't be read.
pub(crate) async fn holds_sources(c: &mut Connection, keys: &Keys) -> Result<bool, StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("HGETALL").arg(keys.edits_subtracting());
    Ok(!reply::facts(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?.is_empty())
}

/// The transaction that accepts what waits.
fn transaction(topology: &Topology, keys: &Keys, waiting: &[Entry], found: Found) -> Pipeline {
    let mut all = Pipeline::new();
    all.cmd("MULTI");
    let mut met: BTreeSet<SmolStr> = BTreeSet::new();
    let mut underway = found.underway;
    for id in &found.over {
        all.cmd("HDEL").arg(keys.edits_open()).arg(id);
        all.cmd("HDEL").arg(keys.edit_renames()).arg(id);
        all.cmd("HDEL").arg(keys.edits_subtracting()).arg(id);
    }
    for (place, (entry, known)) in (0..).zip(waiting.iter().zip(&found.known)) {
        all.cmd("XDEL").arg(keys.edits()).arg(entry.id.to_string());
        let id = id(entry);
        if *known || met.contains(&id) {
            continue;
        }
        let request = Request::read(&entry.fields);
        let checked = match found.bolts.is_empty() {
            false => check(topology, &request, found.now),
            true => Err(Refusal::NeverRan),
        };
        let checked = checked.map(|edit| Edit { id: id.clone(), ..edit });
        let checked = checked.and_then(|edit| Ok(underway.refuse(&edit).map(|()| edit)?));
        let key = keys.edit(&id);
        all.cmd("UNLINK").arg(&key);
        let note = all.cmd("HSET").arg(&key);
        note.arg("at").arg(found.now).arg("by").arg(request.by.as_str());
        let kind = checked.as_ref().ok().map(|edit| edit.kind);
        let subtracts = checked.as_ref().is_ok_and(|edit| edit.subtracts);
        let shown = checked.as_ref().map_or_else(|_| request.clone(), Request::of);
        for (name, value) in shown.fields().filter(|(name, _)| !["id", "by"].contains(name)) {
            note.arg(name).arg(value);
        }
        match checked {
            Ok(edit) => {
                underway.note(&edit);
                note.arg("partitions").arg(topology.partitions);
                for bolt in &found.bolts {
                    note.arg(done_field(bolt)).arg(0);
                }
                for (source, _) in sources(topology) {
                    // Known to be on its way, until the task of the source says where it stands.
                    note.arg(place_field(source)).arg("-");
                }
                for (_, stream) in sources(topology) {
                    all.cmd("XADD").arg(stream).arg("*").arg(EDIT_FIELD).arg(edit.to_text());
                }
                met.insert(id.clone());
            }
            Err(refusal) => drop(note.arg("refused").arg(refusal.to_string())),
        }
        // In their order, those of one moment too.
        let when = found.now.saturating_mul(1000).saturating_add(place);
        if kind.is_some() {
            all.cmd("HSET").arg(keys.edits_open()).arg(id.as_str()).arg(found.now);
        }
        if subtracts {
            all.cmd("HSET").arg(keys.edits_subtracting()).arg(id.as_str()).arg(found.now);
        }
        match kind {
            Some(EditKind::Forget) => {
                all.cmd("ZADD").arg(keys.edit_sweeps()).arg(when).arg(id.as_str());
            }
            Some(EditKind::Rename) => {
                all.cmd("HSET").arg(keys.edit_renames()).arg(id.as_str()).arg(found.now);
            }
            _ => {}
        }
        all.cmd("ZADD").arg(keys.edit_list()).arg(when).arg(id.as_str());
    }
    all.cmd("EXEC");
    all
}

/// The id of an edit that waits: the one that its client gave it, or that of its entry.
fn id(entry: &Entry) -> SmolStr {
    let EntryId { ms, seq } = entry.id;
    let own = || format_smolstr!("{ms}-{seq}");
    let given = entry.fields.get("id").map(|value| String::from_utf8_lossy(value).into_owned());
    given.filter(|id| !id.is_empty()).map_or_else(own, SmolStr::from)
}

/// The sources, each with its stream.
fn sources(topology: &Topology) -> impl Iterator<Item = (&str, &str)> {
    topology.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::Source(source) => Some((node.name.as_str(), source.stream.as_str())),
        NodeKind::Bolt(_) => None,
    })
}
