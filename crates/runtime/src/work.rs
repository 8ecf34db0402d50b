//! From entries to a batch, and from a batch's effects to a commit. Pure.

use crate::store::{Commit, Counts, Cursor, DeadLetter, Entry, Frame, Next};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use tallyd_bolt::{Bolt, Effects};
use tallyd_event::{EntryId, Event, Schema, decode, frame};
use tallyd_topology::{Node, NodeKind, Topology};

/// The field of an entry that holds a frame.
pub const FRAME_FIELD: &str = "f";
/// The field that names the one node which a replayed frame is for.
pub const ONLY_FIELD: &str = "only";
/// The most events of one frame.
const MAX_FRAME_EVENTS: usize = 1024;
/// The longest reason of a dead letter.
const MAX_REASON_CHARS: usize = 300;
/// The most bytes of entries in one commit.
const MAX_BATCH_BYTES: usize = 1 << 20;

/// A node as its task sees it.
#[derive(Clone)]
pub struct Context {
    /// The topology.
    pub topology: Arc<Topology>,
    /// The node's place in it.
    pub place: usize,
    /// The node's bolt; `None` for a source, which passes events on as they are.
    pub bolt: Option<Arc<dyn Bolt>>,
    /// What the events that it reads look like.
    pub input: Arc<Schema>,
}

impl Context {
    /// The context of a node and its bolt; `None` where the topology has no such node.
    #[must_use]
    pub fn new(
        topology: &Arc<Topology>,
        place: usize,
        bolt: Option<Arc<dyn Bolt>>,
    ) -> Option<Self> {
        let node = topology.nodes.get(place)?;
        let input = match &node.kind {
            NodeKind::Source(_) => Arc::clone(&node.schema),
            NodeKind::Bolt(bolt) => Arc::clone(&topology.nodes.get(bolt.from)?.schema),
        };
        Some(Self { topology: Arc::clone(topology), place, bolt, input })
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> Option<&Node> {
        self.topology.nodes.get(self.place)
    }
}

/// Entries that were read and are not yet committed, in order within each partition.
pub type Queue = VecDeque<(u16, Entry)>;

/// A batch: the events of some entries, and what acknowledges them.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// The events, in order within each partition.
    pub events: Vec<Event>,
    /// What could not be decoded.
    pub dead: Vec<DeadLetter>,
    /// The entries, by partition.
    pub acks: BTreeMap<u16, Vec<EntryId>>,
    /// The last entry of each partition whose effects this batch brings in.
    pub last: BTreeMap<u16, EntryId>,
    /// Events by partition.
    pub counts: BTreeMap<u16, Counts>,
    /// How many entries held events, to learn how many events an entry holds.
    pub entries: usize,
    /// How many bytes those entries are long.
    pub bytes: usize,
}

/// Takes entries off the queue until the batch holds `max_events` events: at least one entry.
///
/// An entry at or below its partition's cursor is acknowledged and skipped: its effects are in.
#[must_use]
pub fn take(
    context: &Context,
    queue: &mut Queue,
    cursors: &BTreeMap<u16, Cursor>,
    max_events: usize,
) -> Work {
    let mut work = Work::default();
    while let Some((partition, entry)) = queue.pop_front() {
        work.acks.entry(partition).or_default().push(entry.id);
        let cursor = cursors.get(&partition).copied().unwrap_or_default();
        let done = work.last.get(&partition).copied().unwrap_or(cursor.last);
        if entry.id <= done {
            continue;
        }
        work.bytes +=
            entry.fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        work.decode(context, partition, &entry);
        work.last.insert(partition, entry.id);
        if work.events.len() >= max_events || work.bytes >= MAX_BATCH_BYTES {
            break;
        }
    }
    work
}

impl Work {
    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.acks.is_empty()
    }

    fn decode(&mut self, context: &Context, partition: u16, entry: &Entry) {
        if entry.fields.is_empty() {
            // Deleted while it was pending: there is nothing left to process.
            return;
        }
        self.entries += 1;
        let (events, dead) = match context.node().map(|node| &node.kind) {
            Some(NodeKind::Source(source)) => decode_source(context, source.max_ahead_ms, entry),
            _ => decode_frame(context, entry),
        };
        let counts = self.counts.entry(partition).or_default();
        counts.events += events.len() as u64;
        counts.dead += dead.len() as u64;
        self.events.extend(events);
        self.dead.extend(dead);
    }

    /// Moves an event from the batch to the dead letters.
    pub fn reject(&mut self, context: &Context, event: usize, reason: String) {
        if event < self.events.len() {
            let event = self.events.remove(event);
            self.bury(context, &event, reason);
        }
    }

    fn bury(&mut self, context: &Context, event: &Event, reason: String) {
        let fields = decode::to_fields(&context.input, event);
        self.dead.push(dead_letter(reason, event.origin, fields));
        if let Some(counts) = self.counts.values_mut().next() {
            counts.dead += 1;
        }
    }

    /// The commit of this batch with the effects of its events.
    ///
    /// # Errors
    /// Where a frame can't be encoded, which no event of this process is known to cause.
    pub fn commit(
        mut self,
        context: &Context,
        mut effects: Effects,
        cursors: &BTreeMap<u16, Cursor>,
        next: Next,
    ) -> Result<Commit, frame::EncodeError> {
        for rejection in std::mem::take(&mut effects.rejects) {
            if let Some(event) = self.events.get(rejection.event).cloned() {
                self.bury(context, &event, rejection.reason);
            }
        }
        let emits = match context.bolt {
            Some(_) => std::mem::take(&mut effects.emits),
            None => std::mem::take(&mut self.events),
        };
        // What a bolt did is not told by partition: it is added to one of the batch, and only the
        // sum over the partitions means something.
        if let Some(counts) = self.counts.values_mut().next() {
            counts.emitted += emits.len() as u64;
            counts.duplicates += effects.duplicates;
            counts.late += effects.late;
        }
        let frames = frames(context, &emits)?;
        let published = publish(context, &emits);
        let cursors = self.cursors(cursors);
        Ok(Commit {
            wait: None,
            writes: effects.writes,
            expiries: effects.expiries,
            frames,
            published,
            dead: self.dead,
            acks: self.acks.into_iter().collect(),
            cursors,
            next,
        })
    }

    fn cursors(&self, before: &BTreeMap<u16, Cursor>) -> Vec<(u16, Cursor)> {
        let advance = |(&partition, &last): (&u16, &EntryId)| {
            let mut cursor = before.get(&partition).copied().unwrap_or_default();
            cursor.last = last;
            if let Some(counts) = self.counts.get(&partition) {
                cursor.counts.add(counts);
            }
            (partition, cursor)
        };
        self.last.iter().map(advance).collect()
    }
}

fn decode_source(
    context: &Context,
    max_ahead_ms: i64,
    entry: &Entry,
) -> (Vec<Event>, Vec<DeadLetter>) {
    let decoded = decode::decode(&context.input, max_ahead_ms, entry.id, &entry.fields);
    let bury =
        |reject: decode::Reject| dead_letter(reject.reason.to_string(), entry.id, reject.fields);
    (decoded.events, decoded.rejects.into_iter().map(bury).collect())
}

/// A dead letter with a reason that can be shown: a parser's message may quote all of what came.
fn dead_letter(reason: String, entry: EntryId, fields: decode::Fields) -> DeadLetter {
    let shown = reason.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut cut: String = shown.take(MAX_REASON_CHARS).collect();
    if reason.chars().nth(MAX_REASON_CHARS).is_some() {
        cut.push('…');
    }
    DeadLetter { reason: cut, entry, fields }
}

fn decode_frame(context: &Context, entry: &Entry) -> (Vec<Event>, Vec<DeadLetter>) {
    let field =
        |name: &str| entry.fields.iter().find(|(n, _)| n == name.as_bytes()).map(|(_, v)| v);
    let for_another = |only: &Vec<u8>| context.node().is_some_and(|n| n.name.as_bytes() != only);
    if field(ONLY_FIELD).is_some_and(for_another) {
        return (Vec::new(), Vec::new());
    }
    let outcome = match field(FRAME_FIELD) {
        Some(bytes) => frame::decode(&context.input, bytes).map_err(|e| e.to_string()),
        None => Err(format!("the entry has no field \"{FRAME_FIELD}\"")),
    };
    match outcome {
        Ok(events) => (events, Vec::new()),
        Err(reason) => (Vec::new(), vec![dead_letter(reason, entry.id, entry.fields.clone())]),
    }
}

fn frames(context: &Context, emits: &[Event]) -> Result<Vec<Frame>, frame::EncodeError> {
    let Some(node) = context.node() else { return Ok(Vec::new()) };
    let mut frames = Vec::new();
    for (place, edge) in node.edges.iter().enumerate() {
        let mut parts: BTreeMap<u16, Vec<&Event>> = BTreeMap::new();
        for event in emits {
            let partition = edge.key.partition(&node.schema, event, context.topology.partitions);
            parts.entry(partition).or_default().push(event);
        }
        for (partition, events) in parts {
            for chunk in events.chunks(MAX_FRAME_EVENTS) {
                let bytes = frame::encode(&node.schema, chunk.iter().copied())?;
                frames.push(Frame { edge: place, partition, bytes });
            }
        }
    }
    Ok(frames)
}

type Published = Vec<(usize, Vec<(Vec<u8>, Vec<u8>)>)>;

fn publish(context: &Context, emits: &[Event]) -> Published {
    let Some(node) = context.node() else { return Vec::new() };
    let entries =
        |sink| emits.iter().map(move |event| (sink, decode::to_fields(&node.schema, event)));
    (0..node.sinks.len()).flat_map(entries).collect()
}
