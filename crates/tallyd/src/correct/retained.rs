//! What a source retains: which events match, which of them are the versions that count, and what
//! they are once they are corrected.

use super::guard::Guard;
use redis::{Pipeline, Value as Reply};
use smol_str::{SmolStr, format_smolstr};
use std::collections::{BTreeMap, HashMap};
use tallyd_event::{
    EntryId, Event, Field, FieldType, Schema, Value,
    decode::{self, TimeLimits},
};
use tallyd_runtime::{ARRIVED_FIELD, StoreError, arrival, entry_bytes, store::Entry};
use tallyd_store::{Connection, pages, reply};
use tallyd_topology::{
    NodeKind, Topology,
    bolts::latest::{self, Version},
};

/// By how much a version may be younger than its window at least, in ms: a correction is processed a
/// little later.
const MARGIN_MS: i64 = 60_000;

/// A field and a value, as they are typed.
pub type Pair = (String, String);

/// What is asked for.
pub struct Wanted<'a> {
    /// The source's name.
    pub name: &'a str,
    /// Its stream.
    pub stream: &'a str,
    /// What its events look like.
    pub schema: &'a Schema,
    /// The topology.
    pub topology: &'a Topology,
    /// The bolts that correct its events.
    pub guards: &'a [Guard<'a>],
    conditions: Vec<(usize, Value)>,
    set: Vec<(usize, Value)>,
}

/// What was found.
#[derive(Default)]
pub struct Found {
    /// When the first entry came, in ms since the epoch.
    pub since: Option<i64>,
    /// How many events match.
    pub matching: u64,
    /// How many of the versions that count are as they should be already.
    pub unchanged: u64,
    /// How many may be forgotten.
    pub too_old: u64,
    /// By guard: each version that counts, and the one that replaces it.
    pub corrected: Vec<Vec<(Event, Event)>>,
}

/// The latest version of a key, and the event where it matches.
struct Latest {
    version: Version,
    event: Option<Event>,
}

impl<'a> Wanted<'a> {
    /// Reads the values of the fields.
    pub fn new(
        topology: &'a Topology,
        source: usize,
        guards: &'a [Guard<'a>],
        (conditions, set): (&[Pair], &[Pair]),
    ) -> Result<Self, String> {
        let node = topology.nodes.get(source).ok_or("there is no such source")?;
        let NodeKind::Source(of) = &node.kind else { return Err("it is no source".to_owned()) };
        let schema: &Schema = &node.schema;
        let is_text =
            |place| schema.fields.get(place).is_some_and(|f: &Field| f.kind == FieldType::String);
        if !schema.id.is_some_and(is_text) {
            return Err(format!(
                "the events of \"{}\" need an id of type string, to tell a correction from its event",
                node.name
            ));
        }
        let read = |(name, text): &Pair| value(schema, &node.name, name, text);
        let conditions = conditions.iter().map(read).collect::<Result<Vec<_>, String>>()?;
        let set = set.iter().map(read).collect::<Result<Vec<_>, String>>()?;
        for (place, value) in &set {
            let Some(field) = schema.fields.get(*place) else { continue };
            may_be_set(schema, guards, *place, field)?;
            if value.is_null() && !field.optional {
                return Err(format!("field \"{}\" can't be left out", field.name));
            }
        }
        let (name, stream) = (node.name.as_str(), of.stream.as_str());
        Ok(Self { name, stream, schema, topology, guards, conditions, set })
    }

    fn matches(&self, event: &Event) -> bool {
        self.conditions.iter().all(|(place, value)| event.value(*place) == value)
    }

    /// Whether a version of an event that matches does so too: then the others need no look.
    fn matches_whole_keys(&self, guard: &Guard<'_>) -> bool {
        let is_key = |place: &usize| guard.options.key.iter().any(|field| field.index == *place);
        self.conditions.iter().all(|(place, _)| is_key(place))
    }

    /// The version that replaces an event: `None` where it says already what it should.
    fn correction(&self, event: &Event, guard: &Guard<'_>) -> Option<Event> {
        let mut corrected = event.clone();
        for (place, value) in &self.set {
            if let Some(of) = corrected.values.get_mut(*place) {
                *of = value.clone();
            }
        }
        let retract = guard.options.retract.as_ref();
        let is_out = |event: &Event| {
            retract.is_some_and(|field| event.value(field.index).as_bool() == Some(true))
        };
        if corrected.values == event.values || (is_out(event) && is_out(&corrected)) {
            return None;
        }
        let place = self.schema.id?;
        let id = event.value(place).to_text();
        let (base, revision) = latest::revision(&id);
        let id = format_smolstr!("{base}~{}", revision.saturating_add(1));
        *corrected.values.get_mut(place)? = Value::Str(id);
        Some(corrected)
    }
}

fn value(schema: &Schema, source: &str, name: &str, text: &str) -> Result<(usize, Value), String> {
    let names = || {
        let names: Vec<&str> = schema.fields.iter().map(|field| field.name.as_str()).collect();
        names.join(", ")
    };
    let unknown =
        || format!("the events of \"{source}\" have no field \"{name}\" (they have {})", names());
    let place = schema.index(name).ok_or_else(unknown)?;
    let field = schema.fields.get(place).ok_or_else(unknown)?;
    if text.is_empty() {
        return Ok((place, Value::Null));
    }
    let given = [(name.as_bytes().to_vec(), text.as_bytes().to_vec())];
    let alone = Schema { fields: vec![field.clone()], ..Schema::default() };
    let decoded = decode::decode(&alone, TimeLimits::NONE, EntryId::ZERO, &given);
    match (decoded.events.first(), decoded.rejects.first()) {
        (Some(event), _) => Ok((place, event.value(0).clone())),
        (None, Some(reject)) => Err(reject.reason.to_string()),
        (None, None) => Err(unknown()),
    }
}

fn may_be_set(
    schema: &Schema,
    guards: &[Guard<'_>],
    place: usize,
    field: &Field,
) -> Result<(), String> {
    let no = |why: &str| Err(format!("field \"{}\" can't be corrected: {why}", field.name));
    if schema.id == Some(place) {
        return no("it is the event's identity");
    }
    if schema.time == Some(place) {
        return no("it says which version is the later one");
    }
    let is_key = |guard: &Guard<'_>| guard.options.key.iter().any(|of| of.index == place);
    if schema.key == Some(place) || guards.iter().any(is_key) {
        return no("another value would be another event (take this one out, and send that)");
    }
    Ok(())
}

/// Reads all that a source retains.
pub async fn read(c: &mut Connection, wanted: &Wanted<'_>, now: i64) -> anyhow::Result<Found> {
    let mut found = Found::default();
    let mut latest: Vec<HashMap<Vec<SmolStr>, Latest>> = Vec::new();
    latest.resize_with(wanted.guards.len(), HashMap::new);
    let (mut from, mut count) = ("-".to_owned(), pages::FIRST);
    loop {
        let entries = page(c, wanted.stream, &from, count).await?;
        let Some(last) = entries.last() else { break };
        count = pages::next(count, entries.iter().map(entry_bytes).sum());
        from = format!("({}", last.id);
        for entry in &entries {
            found.since = found.since.or(Some(entry.id.time()));
            for event in events(wanted.schema, entry, now) {
                let matches = wanted.matches(&event);
                found.matching += u64::from(matches);
                for (guard, latest) in wanted.guards.iter().zip(&mut latest) {
                    if matches || !wanted.matches_whole_keys(guard) {
                        note(wanted.schema, guard, latest, &event, matches);
                    }
                }
            }
        }
    }
    for (guard, latest) in wanted.guards.iter().zip(latest) {
        let mut corrected = Vec::new();
        for event in latest.into_values().filter_map(|latest| latest.event) {
            let Some(correction) = wanted.correction(&event, guard) else {
                found.unchanged += 1;
                continue;
            };
            if event.entered.saturating_add(guard.options.window_ms) < now + MARGIN_MS {
                found.too_old += 1;
                continue;
            }
            corrected.push((event, correction));
        }
        corrected.sort_by_key(|(event, _)| (event.origin, event.index));
        found.corrected.push(corrected);
    }
    Ok(found)
}

fn note(
    schema: &Schema,
    guard: &Guard<'_>,
    latest: &mut HashMap<Vec<SmolStr>, Latest>,
    event: &Event,
    matches: bool,
) {
    let key = guard.options.key.iter().map(|field| field.text(event).unwrap_or_default()).collect();
    let version = Version::of(event, schema);
    let is_later = |known: &Latest| known.version < version;
    if latest.get(&key).is_none_or(is_later) {
        latest.insert(key, Latest { version, event: matches.then(|| event.clone()) });
    }
}

/// The events of an entry, as its source reads them.
fn events(schema: &Schema, entry: &Entry, now: i64) -> Vec<Event> {
    let arrival = arrival(entry, now);
    let sent = entry.fields.iter().filter(|(name, _)| *name != ARRIVED_FIELD.as_bytes());
    decode::decode_pairs(schema, TimeLimits::NONE, arrival, sent).events
}

async fn page(
    c: &mut Connection,
    stream: &str,
    from: &str,
    count: usize,
) -> Result<Vec<Entry>, StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("XRANGE").arg(stream).arg(from).arg("+").arg("COUNT").arg(count);
    reply::entries(c.all(&ask).await?.pop().unwrap_or(Reply::Nil))
}

impl Found {
    /// The later versions, each once.
    pub fn events(&self) -> Vec<&Event> {
        let all = self.corrected.iter().flatten().map(|(_, event)| event);
        let each: BTreeMap<_, _> = all.map(|event| ((event.origin, event.index), event)).collect();
        each.into_values().collect()
    }
}
