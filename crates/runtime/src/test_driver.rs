//! Runs a topology in memory: the real decoding, routing, bolts and commits, with maps in the
//! place of Redis. It knows no clock: the time is that of the entry that is being processed.
//!
//! Entries are taken one at a time, each through all nodes before the next, so that the results
//! are those of events that arrive one by one.

use crate::{
    guard,
    store::{Counts, Cursor, DeadLetter, Entry, Next},
    work::{self, Context, FRAME_FIELD, Queue},
};
use std::{collections::BTreeMap, sync::Arc};
use tallyd_bolt::{Batch, Effects, Reads, memory::Memory};
use tallyd_event::{EntryId, decode::Fields, frame::EncodeError};
use tallyd_topology::{NodeKind, TestCase, Topology};

/// The seed of fingerprints: any will do, because nothing outlives the run.
const SEED: [u8; 16] = [0; 16];

/// What a node did with all of the entries.
#[derive(Clone, Debug, Default)]
pub struct NodeRun {
    /// What it stored.
    pub memory: Memory,
    /// How many events it read, emitted, dropped as duplicates and rejected.
    pub counts: Counts,
    /// What it could not process.
    pub dead: Vec<DeadLetter>,
    /// The entries that it wrote to its sinks: the place of the sink, and the fields.
    pub published: Vec<(usize, Fields)>,
}

/// The events of a test as entries of source streams, each with the place of its source.
#[must_use]
pub fn entries(test: &TestCase) -> Vec<(usize, Entry)> {
    let entry = |(seq, event): (u64, &tallyd_topology::test_case::TestEvent)| {
        let bytes = |(name, text): &(smol_str::SmolStr, String)| {
            (name.as_bytes().to_vec(), text.as_bytes().to_vec())
        };
        let id = EntryId { ms: u64::try_from(event.arrival).unwrap_or_default(), seq };
        (event.source, Entry { id, fields: event.fields.iter().map(bytes).collect() })
    };
    // From 1 on, because no entry is at or below the cursor 0-0.
    (1..).zip(&test.events).map(entry).collect()
}

/// Runs a topology on entries of its sources, in the order of their ids. What each node did, in
/// the order of [`Topology::nodes`].
///
/// # Errors
/// Where a frame can't be encoded, which no event is known to cause.
pub fn run(
    topology: &Arc<Topology>,
    entries: impl IntoIterator<Item = (usize, Entry)>,
) -> Result<Vec<NodeRun>, EncodeError> {
    let nodes = topology.nodes.iter().enumerate();
    let context = |(place, node)| Context::new(topology, place, topology.bolt(node, SEED));
    let mut stages: Vec<Stage> = nodes.filter_map(context).map(Stage::new).collect();
    for (frames, (source, entry)) in entries.into_iter().enumerate() {
        let id = EntryId { ms: entry.id.ms, seq: frames as u64 };
        if let Some(stage) = stages.get_mut(source).filter(|stage| stage.is_source()) {
            stage.queue.push_back((0, entry));
        }
        // A node comes after the one that it reads from, so one pass empties every queue.
        for place in 0..stages.len() {
            step(&mut stages, place, id)?;
        }
    }
    Ok(stages.into_iter().map(Stage::finish).collect())
}

/// A node with what it has to do and what it did.
struct Stage {
    context: Context,
    queue: Queue,
    cursors: BTreeMap<u16, Cursor>,
    /// How many frames were handed to each of its partitions: the sequence of their ids.
    delivered: BTreeMap<u16, u64>,
    run: NodeRun,
}

/// A frame on its way to a consumer: the place of the node, the partition, the bytes.
type Delivery = (usize, u16, Vec<u8>);

/// Empties the queue of the node at a place.
fn step(stages: &mut [Stage], place: usize, id: EntryId) -> Result<(), EncodeError> {
    let Some(stage) = stages.get_mut(place) else { return Ok(()) };
    let mut deliveries = Vec::new();
    while !stage.queue.is_empty() {
        deliveries.extend(stage.process(id.time())?);
    }
    for (consumer, partition, bytes) in deliveries {
        if let Some(stage) = stages.get_mut(consumer) {
            stage.deliver(partition, bytes, id.ms);
        }
    }
    Ok(())
}

impl Stage {
    fn new(context: Context) -> Self {
        let (queue, cursors, delivered) = (Queue::new(), BTreeMap::new(), BTreeMap::new());
        Self { context, queue, cursors, delivered, run: NodeRun::default() }
    }

    fn is_source(&self) -> bool {
        self.context.node().is_some_and(|node| matches!(node.kind, NodeKind::Source(_)))
    }

    fn deliver(&mut self, partition: u16, bytes: Vec<u8>, ms: u64) {
        let seq = self.delivered.entry(partition).or_default();
        *seq += 1;
        let fields = vec![(FRAME_FIELD.as_bytes().to_vec(), bytes)];
        self.queue.push_back((partition, Entry { id: EntryId { ms, seq: *seq }, fields }));
    }

    /// One batch, as a task processes it, and the frames that it makes.
    fn process(&mut self, now: i64) -> Result<Vec<Delivery>, EncodeError> {
        let max_events = self.context.topology.settings.max_batch;
        let mut work = work::take(&self.context, &mut self.queue, &self.cursors, max_events);
        let effects = self.effects(&mut work, now);
        self.run.memory.apply(&effects);
        let commit = work.commit(&self.context, effects, &self.cursors, Next::Nothing)?;
        self.cursors.extend(commit.cursors);
        self.run.dead.extend(commit.dead);
        self.run.published.extend(commit.published);
        let Some(node) = self.context.node() else { return Ok(Vec::new()) };
        let consumers = |edge: usize| node.edges.get(edge).map(|edge| edge.consumers.as_slice());
        let to_all = |frame: crate::store::Frame| {
            let each = move |&consumer: &usize| (consumer, frame.partition, frame.bytes.clone());
            consumers(frame.edge).unwrap_or_default().iter().map(each).collect::<Vec<_>>()
        };
        Ok(commit.frames.into_iter().flat_map(to_all).collect())
    }

    /// The effects of a batch; events that make the bolt panic are taken out of it.
    fn effects(&self, work: &mut work::Work, now: i64) -> Effects {
        let Some(bolt) = &self.context.bolt else { return Effects::default() };
        loop {
            let batch = Batch { schema: &self.context.input, events: &work.events, now };
            let outcome = guard::reads(&**bolt, &batch, &Reads::default())
                .and_then(|reads| guard::process(&**bolt, &batch, &self.run.memory.load(&reads)));
            match outcome {
                Ok(effects) => return effects,
                Err(poison) if poison.event < work.events.len() => {
                    work.reject(&self.context, poison.event, poison.reason);
                }
                // It panics on a batch without events: there is nothing to blame it on.
                Err(_) => return Effects::default(),
            }
        }
    }

    fn finish(mut self) -> NodeRun {
        for cursor in self.cursors.values() {
            self.run.counts.add(&cursor.counts);
        }
        self.run
    }
}

#[cfg(test)]
mod tests;
