//! From entries to a batch, through the bolts, to a commit. Pure.

mod edit;
mod emit;
mod entry;
mod late;
mod probe;
mod take;

pub use edit::{EditWork, edit_of};
pub use emit::MAX_FRAME_BYTES;
pub use entry::arrival;
pub use probe::is_probe;
pub use take::take;

use crate::{
    context::{Context, Stage, StageId, no_stage},
    store::{
        Commit, Counts, Cursor, Cursors, DeadLetter, Entry, Late, Next, Part, Rejected, StoreError,
    },
};
use entry::{arrivals, dead_letter, decode_frame, decode_source, field};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};
use tallyd_bolt::{Batch, Effects};
use tallyd_event::{EntryId, Event, decode};
use tallyd_topology::NodeKind;

/// The field of an entry that holds a frame.
pub const FRAME_FIELD: &str = "f";
/// The field that names the one node which a replayed frame is for.
pub const ONLY_FIELD: &str = "only";
/// The field of a source's entry that says when it arrived first, in ms since the epoch: that of a
/// dead letter which is replayed. No field of an event has such a name.
pub const ARRIVED_FIELD: &str = "tallyd:arrived";
/// The one field of an entry of a source that is a probe. No field of an event has such a name.
pub const PROBE_FIELD: &str = "tallyd:probe";
/// The one field of an entry of a source that is an edit. No field of an event has such a name.
pub const EDIT_FIELD: &str = "tallyd:edit";

/// Entries that were read and are not yet committed, in order within each partition.
pub type Queue = VecDeque<(u16, Entry)>;

/// A batch: the events of some entries, and what acknowledges them.
#[derive(Debug, Default)]
pub struct Work {
    /// What each stage of the task is given and does.
    stages: Vec<StageWork>,
    /// The entries, by partition.
    pub acks: BTreeMap<u16, Vec<EntryId>>,
    /// The last entry of each partition whose effects this batch brings in.
    last: BTreeMap<u16, EntryId>,
    /// The mark of that entry, of a source: nobody but tallyd adds to the others.
    mark: u64,
    /// How many entries of each partition it brings in.
    read: BTreeMap<u16, u64>,
    /// By partition: the cursor of the node that reads, where a look at its stream changed it.
    corrected: BTreeMap<u16, Cursor>,
    /// How many entries held events, to learn how many events an entry holds.
    pub entries: usize,
    /// Entries of a source whose ids are ahead of the server's clock.
    pub ahead: Option<Ahead>,
    /// When the oldest probe among the entries was sent, in ms since the epoch.
    pub probe: Option<i64>,
    /// The edit that it is, and then it is nothing else.
    pub edit: Option<EditWork>,
}

/// Entries whose ids are ahead of the server's clock: they arrived when they were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// How many.
    pub entries: u64,
    /// The first of them.
    pub first: EntryId,
    /// By how much its id is ahead, in ms.
    pub by_ms: i64,
}

/// The events of a batch by stage, as its bolts took them.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// By stage.
    pub events: Vec<Arc<Vec<Event>>>,
    /// The time of the batch.
    pub now: i64,
}

/// What one stage is given and does.
#[derive(Debug, Default)]
struct StageWork {
    /// The events, in order within each partition. Those that take the events of one stage share
    /// them.
    events: Arc<Vec<Event>>,
    dead: Vec<DeadLetter>,
    counts: BTreeMap<u16, Counts>,
    effects: Effects,
    emits: Arc<Vec<Event>>,
    late: Late,
}

/// How many bytes an entry is long.
#[must_use]
pub fn entry_bytes(entry: &Entry) -> usize {
    entry.fields.iter().map(|(name, value)| name.len() + value.len()).sum()
}

impl Work {
    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.acks.is_empty()
    }

    /// What the stages were given: for whoever has to find out what a part of it did.
    #[must_use]
    pub fn inputs(&self, now: i64) -> Inputs {
        Inputs { events: self.stages.iter().map(|stage| Arc::clone(&stage.events)).collect(), now }
    }

    /// How far it reaches in a partition: the last entry, and how many it brings in.
    #[must_use]
    pub fn reach(&self, partition: u16) -> Option<(EntryId, u64)> {
        Some((*self.last.get(&partition)?, self.read.get(&partition).copied().unwrap_or_default()))
    }

    /// Goes on from another cursor of the node that reads, in the commit of this batch.
    pub fn correct(&mut self, partition: u16, cursor: Cursor) {
        self.corrected.insert(partition, cursor);
    }

    /// Whether there is anything to write but acknowledgements.
    #[must_use]
    pub fn corrects(&self) -> bool {
        !self.corrected.is_empty()
    }

    /// How many events the task has read.
    #[must_use]
    pub fn events(&self) -> usize {
        self.stages.first().map_or(0, |stage| stage.events.len())
    }

    /// By stage, when its events came, and how many at each time. A time may stand there more
    /// than once.
    #[must_use]
    pub fn arrivals(&self) -> Vec<Vec<(i64, u64)>> {
        self.stages.iter().map(|stage| arrivals(&stage.events)).collect()
    }

    /// What a stage's bolt is to process; `None` where there is nothing.
    ///
    /// # Errors
    /// Where there is no such stage.
    pub fn batch<'a>(
        &'a self,
        stage: StageId,
        of: &'a Stage,
        now: i64,
    ) -> Result<Option<Batch<'a>>, StoreError> {
        let count = self.stages.len();
        let stage = self.stages.get(stage.0).ok_or_else(|| no_stage(stage, count))?;
        let events = stage.events.as_slice();
        Ok((!events.is_empty()).then_some(Batch { schema: &of.input, events, now }))
    }

    fn stage_mut(&mut self, stage: StageId) -> Result<&mut StageWork, StoreError> {
        let count = self.stages.len();
        self.stages.get_mut(stage.0).ok_or_else(|| no_stage(stage, count))
    }

    /// Decodes an entry, and says how much it adds to the size of a batch: its events.
    fn decode(&mut self, context: &Context, partition: u16, entry: &Entry, read_at: i64) -> usize {
        if entry.fields.is_empty() {
            // Deleted while it was pending: there is nothing left to process.
            if let Some(stage) = self.stages.first_mut() {
                stage.counts.entry(partition).or_default().lost += 1;
            }
            return 0;
        }
        if let Some(sent) = probe::sent(context, entry, read_at) {
            self.probe = Some(self.probe.map_or(sent, |oldest| oldest.min(sent)));
            // No event, but a batch of nothing else has an end too.
            return 1;
        }
        self.entries += 1;
        // A replayed frame is for one of the nodes alone.
        let only = field(entry, ONLY_FIELD);
        let is_for = |stage: &Stage| {
            let node = context.topology.nodes.get(stage.place);
            only.is_none_or(|only| node.is_some_and(|node| node.name.as_bytes() == only))
        };
        let mut stages = context.stages.iter().zip(&mut self.stages);
        let Some((of, stage)) = stages.find(|(of, _)| is_for(of)) else { return 0 };
        let (events, dead) = match context.topology.nodes.get(of.place).map(|node| &node.kind) {
            Some(NodeKind::Source(source)) => {
                let arrival = arrival(entry, read_at);
                if arrival.entered < entry.id.time() {
                    let by_ms = entry.id.time().saturating_sub(arrival.entered);
                    let first = Ahead { entries: 0, first: entry.id, by_ms };
                    self.ahead.get_or_insert(first).entries += 1;
                }
                decode_source(of, source.limits, entry, arrival)
            }
            _ => decode_frame(of, entry),
        };
        let counts = stage.counts.entry(partition).or_default();
        counts.events += events.len() as u64;
        counts.dead += dead.len() as u64;
        let decoded = events.len();
        Arc::make_mut(&mut stage.events).extend(events);
        stage.dead.extend(dead);
        decoded
    }

    /// Moves an event that a stage's bolt can't process from its batch to the dead letters.
    ///
    /// # Errors
    /// Where there is no such stage or event.
    pub fn reject(
        &mut self,
        stage: StageId,
        of: &Stage,
        event: usize,
        kind: Rejected,
        reason: String,
    ) -> Result<(), StoreError> {
        let stage = self.stage_mut(stage)?;
        stage.event(event)?;
        let event = Arc::make_mut(&mut stage.events).remove(event);
        stage.bury(of, &event, kind, reason);
        Ok(())
    }

    /// Takes in what a stage's bolt made of its events, and gives what it emits to those that
    /// take it.
    ///
    /// # Errors
    /// Where there is no such stage, or the bolt rejects an event that it was not given.
    pub fn finish(
        &mut self,
        context: &Context,
        id: StageId,
        mut effects: Effects,
    ) -> Result<(), StoreError> {
        // What a bolt did is not told by partition: it is added to one of the batch, and only the
        // sum over the partitions means something.
        let partition = self.last.keys().next().copied().unwrap_or_default();
        let (stage, of) = (self.stage_mut(id)?, context.stage(id)?);
        for rejection in std::mem::take(&mut effects.rejects) {
            let event = stage.event(rejection.event)?.clone();
            stage.bury(of, &event, Rejected::Bolt, rejection.reason);
        }
        stage.emits = match of.bolt {
            Some(_) => Arc::new(std::mem::take(&mut effects.emits)),
            None => Arc::clone(&stage.events),
        };
        // A stage without events has nothing to count.
        if let Some(counts) = stage.counts.values_mut().next() {
            counts.emitted += stage.emits.len() as u64;
            counts.duplicates += effects.duplicates;
            counts.late += effects.late.len() as u64;
        }
        stage.late = late::summary(&of.input, &stage.events, &effects.late)?;
        stage.effects = effects;
        let emits = Arc::clone(&stage.emits);
        for taker in context.takers(id).filter(|_| !emits.is_empty()) {
            let taker = self.stage_mut(taker)?;
            taker.counts.entry(partition).or_default().events += emits.len() as u64;
            if taker.events.is_empty() {
                taker.events = Arc::clone(&emits);
            } else {
                Arc::make_mut(&mut taker.events).extend(emits.iter().cloned());
            }
        }
        Ok(())
    }

    /// The commit of this batch.
    ///
    /// # Errors
    /// Where a frame can't be encoded, which no event of this process is known to cause, or a
    /// stage's node is not in the topology.
    pub fn commit(
        self,
        context: &Context,
        cursors: &Cursors,
        next: Next,
    ) -> Result<Commit, StoreError> {
        let mut parts = Vec::with_capacity(self.stages.len());
        let partitions: BTreeSet<u16> =
            self.last.keys().chain(self.corrected.keys()).copied().collect();
        for (number, (stage, of)) in self.stages.into_iter().zip(&context.stages).enumerate() {
            let advance = |partition: u16| {
                let before = cursors.get(&partition).and_then(|of| of.get(number)).copied();
                let mut cursor = before.unwrap_or_default();
                if let Some(corrected) = self.corrected.get(&partition) {
                    cursor = if number == 0 {
                        *corrected
                    } else {
                        // Those that are fused with it never are at another entry.
                        Cursor { last: corrected.last, mark: corrected.mark, ..cursor }
                    };
                }
                if let Some(last) = self.last.get(&partition) {
                    (cursor.last, cursor.mark) = (*last, self.mark);
                }
                if number == 0 {
                    let read = self.read.get(&partition).copied().unwrap_or_default();
                    cursor.accounted += read;
                    cursor.ahead = match &self.ahead {
                        Some(ahead) if cursor.ahead == EntryId::ZERO => ahead.first,
                        None if read > 0 => EntryId::ZERO,
                        _ => cursor.ahead,
                    };
                }
                if let Some(counts) = stage.counts.get(&partition) {
                    cursor.counts.add(counts);
                }
                (partition, cursor)
            };
            let node = context.node(of)?;
            let partitions_of_edges = context.topology.partitions;
            let frames = emit::frames(node, partitions_of_edges, &stage.emits).and_then(|frames| {
                let probe = probe::frames(node, partitions_of_edges, self.probe)?;
                let edit = edit::frames(context, (of.place, node), self.edit.as_ref())?;
                Ok(frames.into_iter().chain(probe).chain(edit).collect())
            });
            parts.push(Part {
                node: of.place,
                cursors: partitions.iter().copied().map(advance).collect(),
                frames: frames.map_err(|error| {
                    StoreError::bug(format!("a frame of {} can't be encoded: {error}", node.name))
                })?,
                published: emit::publish(node, &stage.emits)
                    .chain(late::publish(node, &of.input, &stage.events, &stage.effects.late)?)
                    .collect(),
                writes: stage.effects.writes,
                expiries: stage.effects.expiries,
                dead: stage.dead,
                late: stage.late,
                edit: self.edit.as_ref().and_then(|edit| match of.bolt {
                    Some(_) => edit.part(number, &node.name),
                    None => edit.note(self.last.get(&edit.partition).copied()),
                }),
            });
        }
        Ok(Commit { wait: None, parts, acks: self.acks.into_iter().collect(), next })
    }
}

impl StageWork {
    fn event(&self, event: usize) -> Result<&Event, StoreError> {
        let count = self.events.len();
        let unknown =
            || StoreError::bug(format!("event {event} of a batch of {count} is rejected"));
        self.events.get(event).ok_or_else(unknown)
    }

    fn bury(&mut self, of: &Stage, event: &Event, kind: Rejected, reason: String) {
        let fields = decode::to_fields(&of.input, event);
        let letter = dead_letter(kind, reason, (event.origin, event.arrived), fields);
        self.dead.push(letter);
        if let Some(counts) = self.counts.values_mut().next() {
            counts.dead += 1;
        }
    }
}

#[cfg(test)]
mod tests;
