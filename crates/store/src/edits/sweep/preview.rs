//! What an edit would take out of counts, before it is sent: the sources are read as they would be, and
//! nothing is changed.

use super::{
    counts::Of,
    guarded::{Guarded, counts, shared},
    trace::Person,
};
use crate::{
    connection::Connection, edits::Subtracted, keys::Keys, pages, reply, store::server_ms,
};
use redis::{Pipeline, Value};
use std::collections::BTreeMap;
use tallyd_event::{Edit, EntryId};
use tallyd_runtime::{StoreError, entry_bytes, store::Entry};
use tallyd_topology::{NodeKind, Topology};

/// What would be taken out of counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counted {
    /// Of each bolt.
    pub subtracted: Vec<Subtracted>,
    /// Of the sources that do not retain all that came, from when on they do, in ms since the epoch.
    pub retained_since: BTreeMap<String, i64>,
    /// Of sources of which entries were deleted that had events of others too, when the last of these
    /// came, in ms since the epoch.
    pub shared: BTreeMap<String, i64>,
}

/// What an edit would take out of counts that forgets a member, as far as the sources go now.
///
/// # Errors
/// Where the server can't be read.
pub async fn counted(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    edit: &Edit,
) -> Result<Counted, StoreError> {
    let person = Person::new(topology, &edit.field, &edit.member);
    let known = counts(c, topology, keys, (&edit.field, edit.subtracts)).await?;
    let guarded = Guarded { counts: &known, topology, keys, id: &edit.id, generation: None };
    let ways = known.ways.iter().map(|way| way.node.name.clone());
    let subtracted = ways.map(|bolt| Subtracted { bolt, ..Subtracted::default() }).collect();
    let shared = shared(c, topology, keys).await?.into_iter().collect();
    let mut found = Counted { subtracted, shared, retained_since: BTreeMap::new() };
    for (place, node) in topology.nodes.iter().enumerate() {
        let NodeKind::Source(source) = &node.kind else { continue };
        if !known.is_of(place) {
            continue;
        }
        let since = guarded.since(c, place).await?;
        found.retained_since.extend(since.map(|(stream, since)| (stream.to_owned(), since)));
        let of = (place, source.stream.as_str());
        read(c, of, (&person, &guarded), &mut found.subtracted).await?;
    }
    Ok(found)
}

async fn read(
    c: &mut Connection,
    (place, stream): (usize, &str),
    (person, guarded): (&Person<'_>, &Guarded<'_>),
    found: &mut [Subtracted],
) -> Result<(), StoreError> {
    let (mut from, mut count, mut seen) = (EntryId::ZERO, pages::FIRST, BTreeMap::new());
    let now = server_ms(c).await?;
    loop {
        let mut ask = Pipeline::new();
        let range = ask.cmd("XRANGE").arg(stream).arg(from.to_string()).arg("+");
        range.arg("COUNT").arg(count);
        let entries = reply::entries(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
        let bytes: usize = entries.iter().map(entry_bytes).sum();
        let own: Vec<&Entry> =
            entries.iter().filter(|entry| person.is_in_source(place, entry)).collect();
        let events = person.events(place, &own, now);
        let events: Vec<Of<'_>> =
            events.iter().map(|(event, own)| Of { event, own: *own }).collect();
        let stored = guarded.seen(c, &guarded.counts.marks(place, &events)).await?;
        for (mark, known) in stored {
            seen.entry(mark).or_insert(known);
        }
        let judged = guarded.counts.judge((place, &events), &mut seen, now);
        for ((way, _), events) in judged.taken {
            if let Some(of) = found.get_mut(way) {
                of.events += events.len() as u64;
            }
        }
        for ((way, why), events) in judged.kept {
            if let Some(of) = found.get_mut(way) {
                *of.left.entry(why.name().to_owned()).or_default() += events;
            }
        }
        if entries.len() < count {
            return Ok(());
        }
        from = entries.last().map_or(from, |entry| entry.id.next());
        count = pages::next(count, bytes);
    }
}
