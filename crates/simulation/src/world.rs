//! What the simulated server holds, and what each command does to it at once. It knows nothing of
//! faults, sessions or time: those who call it say what time it is.

mod broken;
mod expiry;
mod groups;
mod losses;
mod membership;
mod plans;
mod trim;
mod watch;

pub use broken::OVERWRITTEN;
pub use watch::Watch;

use crate::Mutation;
use membership::Members;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tallyd_bolt::{Effects, Key, memory::Memory};
use tallyd_event::{EntryId, decode::Fields, mark};
use tallyd_runtime::{
    StoreError,
    store::{Commit, Cursor, DeadLetter, ErrorKind, Fence, Part, Read, Span, StreamFacts},
};
use tallyd_store::{Change, keys::Keys};
use tallyd_topology::{NodeKind, Topology};
use watch::Watched;

/// A node's partition.
pub type Slot = (usize, u16);

/// A stream.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// Its entries.
    pub entries: BTreeMap<EntryId, Fields>,
    /// The id of the last entry that it ever had.
    pub last: EntryId,
    /// How many entries it ever had.
    pub added: u64,
    /// Its consumer groups.
    pub groups: BTreeMap<String, Group>,
}

/// A consumer group.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The last entry that was delivered.
    pub delivered: EntryId,
    /// Entries that were delivered and are not acknowledged, with their consumers.
    pub pending: BTreeMap<EntryId, SmolStr>,
    /// Its consumers.
    pub consumers: BTreeSet<SmolStr>,
}

/// The simulated server's data.
pub struct World {
    /// The topology that runs on it: the file that has the most. What another has stands at the
    /// same places.
    pub topology: Arc<Topology>,
    keys: Keys,
    /// The server's clock, in ms since the epoch.
    pub now: i64,
    /// Streams by key.
    pub streams: BTreeMap<String, Stream>,
    /// The state of each node's bolt.
    pub bolts: BTreeMap<usize, Memory>,
    fences: BTreeMap<Slot, Fence>,
    /// How often each was written: what WATCH goes by.
    written: BTreeMap<Watched, u64>,
    /// The cursors.
    pub cursors: BTreeMap<Slot, Cursor>,
    losses: losses::Losses,
    broken: broken::Broken,
    /// When the next key of a bolt expires, if one does.
    next_expiry: Option<i64>,
    plans: plans::Plans,
    members: Members,
    /// Dead letters, each with the place of its node.
    pub dead: Vec<(usize, DeadLetter)>,
    /// How many partitions of a node are done with an edit, by its id and the node's place.
    pub edits: BTreeMap<(SmolStr, usize), u64>,
    /// How often a node has handed something over by an edit: each is to be done too.
    pub handed: BTreeMap<(SmolStr, usize), u64>,
    /// What sinks were given: the node's place, the sink's, and the fields.
    pub published: Vec<(usize, usize, Fields)>,
    /// The most bytes of entries that a connection may be sent at once.
    pub reply_limit: Option<usize>,
    /// Why partitions are halted.
    pub halted: BTreeMap<Slot, String>,
    /// The safeguard that is missing, if any.
    pub mutation: Option<Mutation>,
}

impl World {
    /// An empty server.
    #[must_use]
    pub fn new(topology: Arc<Topology>, now: i64, mutation: Option<Mutation>) -> Self {
        let keys = Keys::new(&topology.name, 0);
        Self {
            topology,
            keys,
            now,
            streams: BTreeMap::new(),
            bolts: BTreeMap::new(),
            fences: BTreeMap::new(),
            plans: plans::Plans::default(),
            written: BTreeMap::new(),
            cursors: BTreeMap::new(),
            losses: losses::Losses::default(),
            broken: broken::Broken::default(),
            next_expiry: None,
            members: Members::default(),
            dead: Vec::new(),
            edits: BTreeMap::new(),
            handed: BTreeMap::new(),
            published: Vec::new(),
            reply_limit: None,
            halted: BTreeMap::new(),
            mutation,
        }
    }

    /// All data is gone. The clock goes on.
    pub fn lose_everything(&mut self) {
        let (mut members, resume_at) = (std::mem::take(&mut self.members), self.broken.resume_at);
        members.lose_workers();
        let mut new = Self::new(Arc::clone(&self.topology), self.now, self.mutation);
        (new.members, new.broken.resume_at) = (members, resume_at);
        // A setting of the server, and no data.
        new.reply_limit = self.reply_limit;
        *self = new;
    }

    /// The stream that a node's partition reads.
    #[must_use]
    pub fn input(&self, (place, partition): Slot) -> Option<String> {
        self.keys.input(&self.topology, self.topology.nodes.get(place)?, partition)
    }

    fn group_of(&self, (place, _): Slot) -> String {
        let node = self.topology.nodes.get(place);
        node.map(|node| self.keys.group(&self.topology, node)).unwrap_or_default()
    }

    /// Adds an entry to a stream.
    pub fn add(&mut self, stream: &str, fields: Fields) -> EntryId {
        let id = self.new_id(stream);
        let stream = self.streams.entry(stream.to_owned()).or_default();
        stream.entries.insert(id, fields);
        stream.last = id;
        stream.added += 1;
        self.stir();
        id
    }

    /// A fence; that of a partition which was never taken where there is none.
    #[must_use]
    pub fn fence(&self, slot: Slot) -> Fence {
        self.fences.get(&slot).cloned().unwrap_or_default()
    }

    /// Does a change of a partition of a task of these nodes.
    pub fn change(&mut self, nodes: &[usize], change: &Change) {
        let place = nodes.first().copied().unwrap_or(usize::MAX);
        match change {
            Change::Cursor(stage, partition, cursor) => {
                if let Some(node) = nodes.get(*stage) {
                    self.set_cursor((*node, *partition), *cursor);
                }
            }
            Change::Fence(partition, fence) => self.set_fence((place, *partition), fence.clone()),
            Change::ForgetConsumer(partition, name) => {
                if let Some(group) = self.group((place, *partition)) {
                    group.consumers.remove(name);
                    group.pending.retain(|_, owner| owner != name);
                }
            }
            Change::Halt(partition, reason) => {
                self.halted.insert((place, *partition), reason.clone());
                self.broken.halts.insert((place, *partition));
            }
            Change::MakeGroup(partition, last) => self.make_group((place, *partition), *last),
            Change::MoveGroup(partition, id) => {
                if let Some(group) = self.group((place, *partition)) {
                    group.delivered = *id;
                }
            }
        }
    }

    fn set_fence(&mut self, slot: Slot, fence: Fence) {
        let before = self.fences.insert(slot, fence.clone());
        let same = before.is_some_and(|before| before.owner == fence.owner);
        if !same || self.mutation != Some(Mutation::FenceNotRaised) {
            self.note_written(Watched::Fence(slot));
        }
    }

    fn set_cursor(&mut self, slot: Slot, cursor: Cursor) {
        self.cursors.insert(slot, cursor);
        self.note_written(Watched::Cursors(slot.0));
    }

    /// What is known of the stream that a partition reads, with this cursor.
    #[must_use]
    pub fn facts(&self, slot: Slot, at: EntryId) -> StreamFacts {
        let Some(input) = self.input(slot) else { return StreamFacts::default() };
        let facts = self.facts_of(&input);
        let node = self.topology.nodes.get(slot.0);
        let is_source = node.is_some_and(|node| matches!(node.kind, NodeKind::Source(_)));
        let Some(stream) = self.streams.get(&input).filter(|_| is_source) else { return facts };
        if self.mutation == Some(Mutation::NoFacts) {
            return facts;
        }
        let ungrouped = !stream.groups.contains_key(&self.group_of(slot));
        let mark = |of: &Fields| mark(of.iter().map(|(name, value)| (&name[..], &value[..])));
        StreamFacts { ungrouped, at: stream.entries.get(&at).map(mark), ..facts }
    }

    /// How many bytes the stream takes that a partition reads.
    #[must_use]
    pub fn weight(&self, slot: Slot) -> u64 {
        let stream = self.input(slot).and_then(|input| self.streams.get(&input));
        let fields = stream.into_iter().flat_map(|stream| stream.entries.values().flatten());
        fields.map(|(name, value)| (name.len() + value.len()) as u64).sum()
    }

    /// What is known of a stream.
    #[must_use]
    pub fn facts_of(&self, stream: &str) -> StreamFacts {
        let Some(stream) = self.streams.get(stream) else { return StreamFacts::default() };
        if self.mutation == Some(Mutation::NoFacts) {
            return losses::nothing_known();
        }
        let ends = stream.entries.keys().next().zip(stream.entries.keys().next_back());
        StreamFacts {
            length: stream.entries.len() as u64,
            nodes: stream.entries.len().div_ceil(100) as u64,
            generated: stream.last,
            ends: ends.map(|(first, last)| (*first, *last)),
            added: Some(stream.added),
            ..StreamFacts::default()
        }
    }

    /// The cursor of a partition.
    #[must_use]
    pub fn cursor(&self, slot: Slot) -> Cursor {
        self.cursors.get(&slot).copied().unwrap_or_default()
    }

    /// The cursors of a partition, as its task of these nodes is told them.
    #[must_use]
    pub fn cursors_of(&self, nodes: &[usize], partition: u16) -> Vec<Cursor> {
        let cursor = |node: &usize| self.cursor((*node, partition));
        let mut cursors: Vec<Cursor> = nodes.iter().map(cursor).collect();
        if self.mutation == Some(Mutation::NoCursor) {
            cursors.iter_mut().for_each(|cursor| cursor.last = EntryId::ZERO);
        }
        cursors
    }

    /// What a commit does, its read at the end included. What it brings in was read at this time
    /// at the latest.
    ///
    /// # Errors
    /// Where a command failed inside it, or the reply is too long: the rest happened.
    pub fn commit(
        &mut self,
        place: usize,
        worker: &SmolStr,
        commit: &Commit,
        read_at: i64,
    ) -> Result<Read, StoreError> {
        let mut failed = Vec::new();
        for part in &commit.parts {
            self.apply(part, &mut failed);
        }
        for (partition, ids) in &commit.acks {
            self.note_processed(place, ids, read_at);
            if let Some(group) = self.group((place, *partition)) {
                ids.iter().for_each(|id| drop(group.pending.remove(id)));
            }
        }
        let read = self.read(place, worker, &commit.next);
        if self.reply_limit.is_some_and(|limit| groups::weight(&read) > limit) {
            // All of it happened, and nobody hears of it.
            return Err(StoreError::new(ErrorKind::Connection, "the reply was too long"));
        }
        if failed.is_empty() { Ok(read) } else { Err(self.halts(failed)) }
    }

    /// What a commit changes of one node.
    fn apply(&mut self, part: &Part, failed: &mut Vec<(usize, Key)>) {
        let (writes, expiries) = (self.writable(part, failed), part.expiries.clone());
        let effects = Effects { writes, expiries, ..Effects::default() };
        self.bolts.entry(part.node).or_default().apply(&effects);
        self.note_expiries(part);
        let topology = Arc::clone(&self.topology);
        if let Some(node) = topology.nodes.get(part.node) {
            for frame in &part.frames {
                if let Some(edge) = node.edges.get(frame.edge) {
                    let stream = self.keys.edge(&node.name, edge, frame.partition);
                    let field = tallyd_runtime::FRAME_FIELD.as_bytes().to_vec();
                    self.add(&stream, vec![(field, frame.bytes.clone())]);
                }
            }
        }
        let published = part.published.iter().cloned();
        self.published.extend(published.map(|(sink, fields)| (part.node, sink, fields)));
        self.dead.extend(part.dead.iter().cloned().map(|letter| (part.node, letter)));
        if let Some(edit) = part.edit.as_ref().filter(|edit| edit.done) {
            *self.edits.entry((edit.id.clone(), part.node)).or_default() += 1;
        }
        for edit in part.edit.iter().filter(|edit| !edit.handed.is_empty()) {
            *self.handed.entry((edit.id.clone(), part.node)).or_default() +=
                edit.handed.len() as u64;
        }
        for (partition, bytes) in part.edit.iter().flat_map(|edit| &edit.handed) {
            let field = tallyd_runtime::FRAME_FIELD.as_bytes().to_vec();
            if let Some(stream) = self.input((topology.head(part.node), *partition)) {
                self.add(&stream, vec![(field, bytes.clone())]);
            }
        }
        for (partition, cursor) in &part.cursors {
            self.set_cursor((part.node, *partition), *cursor);
        }
    }

    /// Whether all partitions of all bolts are done with an edit, with what was handed over too.
    #[must_use]
    pub fn is_edited(&self, id: &str) -> bool {
        self.topology.nodes.iter().enumerate().all(|(place, node)| {
            let of = (SmolStr::from(id), place);
            let [done, handed] = [&self.edits, &self.handed].map(|by| by.get(&of).copied());
            let all = u64::from(node.partitions) + handed.unwrap_or_default();
            matches!(node.kind, NodeKind::Source(_)) || done.is_some_and(|done| done >= all)
        })
    }

    /// The first entry of a partition's stream after an id.
    #[must_use]
    pub fn after(&self, slot: Slot, id: EntryId) -> Option<EntryId> {
        let stream = self.streams.get(&self.input(slot)?)?;
        stream.entries.range(id.next()..).next().map(|(id, _)| *id)
    }

    /// The partitions whose stream holds an entry in one of these spans.
    #[must_use]
    pub fn skipped(&self, place: usize, spans: &[Span]) -> Vec<u16> {
        let blind = self.mutation.is_some_and(Mutation::blinds);
        let holds = |(partition, after, before): &&Span| {
            !blind && self.after((place, *partition), *after).is_some_and(|id| id < *before)
        };
        spans.iter().filter(holds).map(|(partition, ..)| *partition).collect()
    }

    /// Entries after a partition's cursor: how many, and when the oldest arrived.
    #[must_use]
    pub fn waiting(&self, slot: Slot) -> (u64, Option<i64>) {
        let Some(stream) = self.input(slot).and_then(|input| self.streams.get(&input)) else {
            return (0, None);
        };
        let mut after = stream.entries.range(self.cursor(slot).last.next()..);
        let oldest = after.next().map(|(id, _)| id.time());
        (u64::from(oldest.is_some()) + after.count() as u64, oldest)
    }
}
