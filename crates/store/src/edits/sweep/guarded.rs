//! Pages of a source whose events bolts have counted: what they added is handed to the bolts in the
//! transaction that deletes the entries and notes how far the stream is swept. So an event is taken out
//! once, whoever dies: the entry is there, or what it added is on its way in the stream that the bolt
//! reads. All such transactions of a topology watch one key and write it, so of two at once one happens.

use super::{
    DONE, Stream,
    counts::{Counts, Mark, Of, Seen, Why},
    position,
    trace::Person,
};
use crate::{
    commands::handed_field,
    connection::Connection,
    keys::Keys,
    plan, reply,
    store::server_ms,
    streams::{self, Ask},
};
use redis::{Pipeline, Value};
use std::collections::BTreeMap;
use tallyd_event::{Edit, EditKind, EntryId, Event, Handed, Taken};
use tallyd_runtime::{
    FRAME_FIELD, StoreError,
    store::{Entry, ErrorKind, Rejected},
};
use tallyd_topology::{NodeKind, Topology};

/// How many events are handed to a bolt in one entry.
const HANDED: usize = 500;
/// How long what is remembered of deleted events stays after the last was noted, beyond the window of
/// the dedup bolts, in ms.
const SPARE_MS: i64 = 86_400_000;
/// The field that every such transaction writes.
const TURN: &str = "turn";

/// The field that counts the entries of a source that were deleted.
fn deleted_field(source: &str) -> String {
    format!("deleted:{source}")
}

/// The field of an edit that counts the events that were taken out of a bolt.
pub(in crate::edits) fn subtracted_field(bolt: &str) -> String {
    format!("subtracted:{bolt}")
}

/// What the field of an edit begins with that counts the events that stay counted in a bolt.
pub(in crate::edits) const KEPT: &str = "kept:";
/// What the field of an edit begins with that says since when a source retains all.
pub(in crate::edits) const SINCE: &str = "since:";
/// What a field begins with that says when the last entry of a source came that was deleted with events
/// of others.
pub(in crate::edits) const SHARED: &str = "shared:";

/// What is known of the bolts that counted what the sources retain.
///
/// # Errors
/// Where the server can't be read.
pub(super) async fn counts<'a>(
    c: &mut Connection,
    topology: &'a Topology,
    keys: &Keys,
    asked: (&str, bool),
) -> Result<Counts<'a>, StoreError> {
    let plan = plan::read(c, keys).await?.unwrap_or_default();
    let bolts: Vec<_> =
        topology.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Bolt(_))).collect();
    let mut ask = Pipeline::new();
    ask.cmd("HGET").arg(keys.topology()).arg("seed");
    for bolt in &bolts {
        ask.cmd("HMGET")
            .arg(keys.dead_counts(&bolt.name))
            .arg(Rejected::ALL.map(Rejected::label).as_slice());
    }
    let mut answers = c.all(&ask).await?.into_iter();
    let seed = reply::bytes(answers.next().unwrap_or(Value::Nil))?.unwrap_or_default();
    let seed = seed.try_into().map_err(|_| {
        StoreError::new(ErrorKind::Mismatch, "the stored seed is not 16 bytes long".to_owned())
    })?;
    let mut dead = Vec::new();
    for (bolt, counts) in bolts.into_iter().zip(answers) {
        if reply::array(counts)?.iter().any(|count| *count != Value::Nil) {
            dead.push(bolt.name.clone());
        }
    }
    Ok(Counts::new(topology, asked, (&plan, seed), |name| dead.contains(name)))
}

/// Pages of a source.
pub(super) struct Guarded<'a> {
    pub(super) counts: &'a Counts<'a>,
    pub(super) topology: &'a Topology,
    pub(super) keys: &'a Keys,
    /// The id of the edit.
    pub(super) id: &'a str,
    /// The plan in whose force the worker is.
    pub(super) generation: Option<&'a str>,
}

impl Guarded<'_> {
    /// Watches what another one would write. Returns whether the stream is swept up to here and the plan
    /// still in force; else nothing is watched.
    pub(super) async fn watch(
        &self,
        c: &mut Connection,
        stream: &Stream,
        from: EntryId,
    ) -> Result<bool, StoreError> {
        let mut ask = Pipeline::new();
        ask.cmd("WATCH").arg(self.keys.edits_taken()).arg(self.keys.generation());
        ask.cmd("MGET").arg(self.keys.generation());
        ask.cmd("HGET").arg(self.keys.edit(self.id)).arg(position(&stream.key));
        let mut answers = c.all(&ask).await?.into_iter().skip(1);
        let mut next = || answers.next().unwrap_or(Value::Nil);
        let stored = reply::array(next())?.into_iter().next().unwrap_or(Value::Nil);
        let in_force = reply::text(stored)?.as_deref() == self.generation;
        let at = reply::text(next())?.unwrap_or_default();
        let stands = at != DONE && at.parse::<EntryId>().unwrap_or_default() == from;
        if !(in_force && stands) {
            let mut end = Pipeline::new();
            end.cmd("UNWATCH");
            c.all(&end).await?;
        }
        Ok(in_force && stands)
    }

    /// Notes from when on a source has all that came, where it does not.
    pub(super) async fn note_since(
        &self,
        c: &mut Connection,
        source: usize,
    ) -> Result<(), StoreError> {
        if let Some((stream, since)) = self.since(c, source).await? {
            let mut note = Pipeline::new();
            let field = [SINCE, stream].concat();
            note.cmd("HSET").arg(self.keys.edit(self.id)).arg(field).arg(since);
            c.all(&note).await?;
        }
        Ok(())
    }

    /// The stream of a source, and from when on it has all that came, in ms since the epoch; `None` where
    /// nothing of it is gone but what was swept.
    pub(super) async fn since(
        &self,
        c: &mut Connection,
        source: usize,
    ) -> Result<Option<(&str, i64)>, StoreError> {
        let Some(node) = self.topology.nodes.get(source) else { return Ok(None) };
        let NodeKind::Source(of) = &node.kind else { return Ok(None) };
        let mut ask = Pipeline::new();
        ask.cmd("HGET").arg(self.keys.edits_swept()).arg(deleted_field(&node.name));
        let swept = reply::text(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
        let swept: u64 = swept.and_then(|count| count.parse().ok()).unwrap_or_default();
        let ask = Ask { stream: &of.stream, reader: None };
        let facts = streams::facts(c, &[ask]).await?.pop().unwrap_or_default();
        if facts.added.is_some_and(|added| added == facts.length.saturating_add(swept)) {
            return Ok(None);
        }
        let since = match facts.ends {
            Some((first, _)) => first.time(),
            None => server_ms(c).await?,
        };
        Ok(Some((&of.stream, since)))
    }

    /// The commands that go with the deletion of these entries of a source.
    pub(super) async fn commands(
        &self,
        c: &mut Connection,
        (source, person): (usize, &Person<'_>),
        entries: &[&Entry],
    ) -> Result<Pipeline, StoreError> {
        let (mut with, now) = (Pipeline::new(), server_ms(c).await?);
        let events = person.events(source, entries, now);
        let events: Vec<Of<'_>> =
            events.iter().map(|(event, own)| Of { event, own: *own }).collect();
        let mut seen = self.seen(c, &self.counts.marks(source, &events)).await?;
        let judged = self.counts.judge((source, &events), &mut seen, now);
        let (edit, taken) = (self.keys.edit(self.id), self.keys.edits_taken());
        with.cmd("HINCRBY").arg(&taken).arg(TURN).arg(1);
        for (mark, seen) in &judged.marks {
            with.cmd("HSET").arg(&taken).arg(self.mark(mark)).arg(text(*seen));
        }
        if !judged.marks.is_empty() {
            let window = self.counts.remembered_ms(&events);
            let gone = now.saturating_add(window).saturating_add(SPARE_MS);
            with.cmd("PEXPIREAT").arg(&taken).arg(gone);
        }
        for ((place, partition), events) in judged.taken {
            self.hand(&mut with, (place, partition), events)?;
        }
        for ((place, why), count) in judged.kept {
            if let Some(way) = self.counts.ways.get(place) {
                let field = format!("{KEPT}{}:{}", why.name(), way.node.name);
                with.cmd("HINCRBY").arg(&edit).arg(field).arg(count);
            }
        }
        // What is deleted of others can't be taken out when they are forgotten.
        let shared = events.iter().filter(|of| !of.own).map(|of| of.event.origin.time()).max();
        if let Some(node) = self.topology.nodes.get(source).filter(|_| !entries.is_empty()) {
            let (swept, deleted) = (self.keys.edits_swept(), deleted_field(&node.name));
            with.cmd("HINCRBY").arg(&swept).arg(deleted).arg(entries.len());
            if let Some(at) = shared {
                with.cmd("HSET").arg(&swept).arg([SHARED, &node.name].concat()).arg(at);
            }
        }
        Ok(with)
    }

    /// Hands events to a partition of a bolt: they stand among the frames of its stream.
    fn hand(
        &self,
        with: &mut Pipeline,
        (place, partition): (usize, u16),
        events: Vec<Event>,
    ) -> Result<(), StoreError> {
        let Some(way) = self.counts.ways.get(place) else { return Ok(()) };
        let bug = |error: &dyn std::fmt::Display| {
            StoreError::bug(format!("events of a member can't be handed over: {error}"))
        };
        let stream = self.keys.input(self.topology, way.node, partition);
        let stream = stream.ok_or_else(|| bug(&format!("{} reads nothing", way.node.name)))?;
        let (edit, bolt) = (self.keys.edit(self.id), way.node.name.clone());
        for some in events.chunks(HANDED) {
            let taken = Taken { events: some.to_vec(), whole: way.whole };
            let state = taken.to_text(way.input).map_err(|error| bug(&error))?;
            let handed = Some(Handed { bolt: bolt.clone(), state });
            let entry = Edit { handed, ..Edit::new(self.id, EditKind::Forget, "", "") };
            let bytes = entry.encode().map_err(|error| bug(&error))?;
            with.cmd("XADD").arg(&stream).arg("*").arg(FRAME_FIELD).arg(bytes);
            with.cmd("HINCRBY").arg(&edit).arg(handed_field(&bolt)).arg(1);
            with.cmd("HINCRBY").arg(&edit).arg(subtracted_field(&bolt)).arg(some.len());
        }
        Ok(())
    }

    /// What is known of identities.
    pub(super) async fn seen(
        &self,
        c: &mut Connection,
        marks: &[Mark],
    ) -> Result<BTreeMap<Mark, Seen>, StoreError> {
        let mut seen = BTreeMap::new();
        if marks.is_empty() {
            return Ok(seen);
        }
        let mut ask = Pipeline::new();
        let fields: Vec<String> = marks.iter().map(|mark| self.mark(mark)).collect();
        ask.cmd("HMGET").arg(self.keys.edits_taken()).arg(fields);
        let answers = reply::array(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
        for (mark, answer) in marks.iter().zip(answers) {
            if let Some(known) = reply::text(answer)? {
                // To take it for unknown would take its event out a second time.
                let unread = || {
                    let what = format!("\"{known}\" of {} can't be read", self.keys.edits_taken());
                    StoreError::new(ErrorKind::Reply, what)
                };
                seen.insert(*mark, read(&known).ok_or_else(unread)?);
            }
        }
        Ok(seen)
    }

    /// The field of an identity.
    fn mark(&self, (place, fingerprint): &Mark) -> String {
        let bolt = self.topology.nodes.get(*place).map_or("", |node| node.name.as_str());
        format!("{bolt}:{fingerprint:032x}")
    }
}

/// Of each source, when the last entry came that was deleted with events of others, in ms since the
/// epoch.
pub(super) async fn shared(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
) -> Result<Vec<(String, i64)>, StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("HGETALL").arg(keys.edits_swept());
    let stored = reply::facts(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
    let mut shared = Vec::new();
    for (field, at) in stored {
        let node = field.strip_prefix(SHARED).and_then(|name| topology.node(name));
        if let Some(NodeKind::Source(source)) = node.map(|(_, node)| &node.kind) {
            let at = reply::text(at)?.and_then(|at| at.parse().ok());
            shared.extend(at.map(|at| (source.stream.clone(), at)));
        }
    }
    Ok(shared)
}

/// Notes of each source when the last entry came that was deleted with events of others: theirs could
/// not be taken out any more.
pub(super) async fn note_shared(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    id: &str,
) -> Result<(), StoreError> {
    for (stream, at) in shared(c, topology, keys).await? {
        let mut note = Pipeline::new();
        note.cmd("HSET").arg(keys.edit(id)).arg([SHARED, &stream].concat()).arg(at);
        c.all(&note).await?;
    }
    Ok(())
}

/// What is known of an identity, as text.
fn text(seen: Seen) -> String {
    let unsure = if seen.sure { "" } else { "?" };
    format!("{}{unsure}", seen.bucket)
}

fn read(text: &str) -> Option<Seen> {
    let (bucket, sure) = text.strip_suffix('?').map_or((text, true), |bucket| (bucket, false));
    Some(Seen { bucket: bucket.parse().ok()?, sure })
}

/// The reason and the bolt of a field that counts events which stay counted.
pub(in crate::edits) fn kept(field: &str) -> Option<(&str, &str)> {
    let (reason, bolt) = field.strip_prefix(KEPT)?.split_once(':')?;
    Why::ALL.iter().any(|why| why.name() == reason).then_some((reason, bolt))
}
