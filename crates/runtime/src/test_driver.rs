//! Runs a topology in memory: the real decoding, routing, bolts and commits, with maps in the
//! place of Redis. It knows no clock: the time is that of the entry that is being processed.
//!
//! Entries are taken one at a time, each through all nodes before the next, so that the results
//! are those of events that arrive one by one.

use crate::{
    context::{Context, Stage, StageId},
    guard::{self, Poison},
    store::{Counts, Cursors, DeadLetter, Entry, Frame, Next, Rejected, StoreError},
    work::{self, FRAME_FIELD, Queue, Work},
};
use std::{collections::BTreeMap, sync::Arc};
use tallyd_bolt::{Batch, Bolt, Effects, Reads, State, memory::Memory};
use tallyd_event::{EntryId, decode::Fields};
use tallyd_topology::{NodeKind, TestCase, Topology};

/// The seed of fingerprints: any will do, because nothing outlives the run.
const SEED: [u8; 16] = [0; 16];

/// What a node did with all of the entries.
#[derive(Clone, Debug, Default, PartialEq)]
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
        let id = EntryId { ms: u64::try_from(event.arrival).unwrap_or_default(), seq };
        (event.source, Entry { id, fields: event.fields.iter().map(|(n, v)| (n, v)).collect() })
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
) -> Result<Vec<NodeRun>, StoreError> {
    let places = 0..topology.nodes.len();
    let task = |place| {
        let context = Context::new(topology, place, |node| topology.bolt(node, SEED))?;
        Ok(context.map(Task::new))
    };
    let mut tasks = places.map(task).collect::<Result<Vec<Option<Task>>, StoreError>>()?;
    let mut runs = vec![NodeRun::default(); topology.nodes.len()];
    for (frames, (source, entry)) in entries.into_iter().enumerate() {
        let id = EntryId { ms: entry.id.ms, seq: frames as u64 };
        if let Some(Some(task)) = tasks.get_mut(source).filter(|_| is_source(topology, source)) {
            task.queue.push_back((0, entry));
        }
        // A node comes after the one that it reads from, so one pass empties every queue.
        for place in 0..tasks.len() {
            step(&mut tasks, place, id, &mut runs)?;
        }
    }
    for Task { context, cursors, .. } in tasks.into_iter().flatten() {
        for of_nodes in cursors.into_values() {
            for (stage, cursor) in context.stages.iter().zip(of_nodes) {
                if let Some(run) = runs.get_mut(stage.place) {
                    run.counts.add(&cursor.counts);
                }
            }
        }
    }
    Ok(runs)
}

fn is_source(topology: &Topology, place: usize) -> bool {
    topology.nodes.get(place).is_some_and(|node| matches!(node.kind, NodeKind::Source(_)))
}

/// A node and those fused with it, and what it has to do.
struct Task {
    context: Context,
    queue: Queue,
    cursors: Cursors,
    /// How many frames were handed to each of its partitions: the sequence of their ids.
    delivered: BTreeMap<u16, u64>,
}

/// A frame on its way to a consumer: the place of the node, the partition, the bytes.
type Delivery = (usize, u16, Vec<u8>);

/// Empties the queue of the node at a place.
fn step(
    tasks: &mut [Option<Task>],
    place: usize,
    id: EntryId,
    runs: &mut [NodeRun],
) -> Result<(), StoreError> {
    let count = tasks.len();
    let unknown = |node| StoreError::bug(format!("node {node} of {count}"));
    // A node that is fused with another has no task of its own.
    let Some(task) = tasks.get_mut(place).ok_or_else(|| unknown(place))? else { return Ok(()) };
    let mut deliveries = Vec::new();
    while !task.queue.is_empty() {
        deliveries.extend(task.process(id.time(), runs)?);
    }
    for (consumer, partition, bytes) in deliveries {
        let task = tasks.get_mut(consumer).and_then(Option::as_mut);
        task.ok_or_else(|| unknown(consumer))?.deliver(partition, bytes, id.ms);
    }
    Ok(())
}

impl Task {
    fn new(context: Context) -> Self {
        let (queue, cursors, delivered) = (Queue::new(), Cursors::new(), BTreeMap::new());
        Self { context, queue, cursors, delivered }
    }

    fn deliver(&mut self, partition: u16, bytes: Vec<u8>, ms: u64) {
        let seq = self.delivered.entry(partition).or_default();
        *seq += 1;
        let fields = [(FRAME_FIELD, bytes)].into_iter().collect();
        self.queue.push_back((partition, Entry { id: EntryId { ms, seq: *seq }, fields }));
    }

    /// One batch, as a task processes it, and the frames that it makes.
    fn process(&mut self, now: i64, runs: &mut [NodeRun]) -> Result<Vec<Delivery>, StoreError> {
        let max_events = self.context.topology.settings.max_batch;
        let mut work =
            work::take(&self.context, &mut self.queue, &self.cursors, max_events, i64::MAX);
        for (stage, of) in (0..).map(StageId).zip(&self.context.stages) {
            if let Some(run) = runs.get_mut(of.place) {
                let effects = effects(of, stage, &mut work, now, &run.memory)?;
                run.memory.apply(&effects);
                work.finish(&self.context, stage, effects)?;
            }
        }
        let commit = work.commit(&self.context, &self.cursors, Next::Nothing)?;
        let mut deliveries = Vec::new();
        for (stage, part) in commit.parts.into_iter().enumerate() {
            for (partition, cursor) in part.cursors {
                let of_nodes = self.cursors.entry(partition).or_default();
                of_nodes.truncate(stage);
                of_nodes.push(cursor);
            }
            let to_all = |frame| to_consumers(&self.context.topology, part.node, frame);
            deliveries.extend(part.frames.into_iter().flat_map(to_all));
            if let Some(run) = runs.get_mut(part.node) {
                run.dead.extend(part.dead);
                run.published.extend(part.published);
            }
        }
        Ok(deliveries)
    }
}

fn to_consumers(topology: &Topology, node: usize, frame: Frame) -> Vec<Delivery> {
    let edge = topology.nodes.get(node).and_then(|node| node.edges.get(frame.edge));
    let consumers = edge.map(|edge| edge.consumers.as_slice()).unwrap_or_default();
    let each = |&consumer: &usize| (consumer, frame.partition, frame.bytes.clone());
    consumers.iter().map(each).collect()
}

/// The effects of a stage's batch; events that make the bolt panic are taken out of it.
fn effects(
    of: &Stage,
    stage: StageId,
    work: &mut Work,
    now: i64,
    memory: &Memory,
) -> Result<Effects, StoreError> {
    while let (Some(bolt), Some(batch)) = (&of.bolt, work.batch(stage, of, now)?) {
        let outcome = state(&**bolt, &batch, memory)
            .and_then(|state| guard::process(&**bolt, &batch, &state));
        match outcome {
            Ok(effects) => return Ok(effects),
            Err(poison) => work.reject(stage, of, poison.event, Rejected::Panic, poison.reason)?,
        }
    }
    Ok(Effects::default())
}

/// The state that a bolt asks for, again and again while what it found decides what else it needs.
fn state(bolt: &dyn Bolt, batch: &Batch<'_>, memory: &Memory) -> Result<State, Poison> {
    let mut state = State::default();
    loop {
        let reads = guard::reads(bolt, batch, &Reads::beside(&state, i64::MIN))?;
        let (again, missing) = (reads.is_incomplete(), reads.into_addresses());
        for address in missing {
            let cell = memory.cell(&address);
            state.insert(address, cell);
        }
        if !again {
            return Ok(state);
        }
    }
}

#[cfg(test)]
mod tests;
