//! What Redis holds in the model, and what a transaction of the protocol does to it. It knows
//! nothing of workers but the names that they leave.

use crate::safeguard::Safeguard;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that Redis holds. Entry ids are 1, 2, 3…; 0 is below every entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Redis {
    /// The streams.
    pub streams: Vec<Stream>,
    /// The partitions of nodes. Two that read one stream are of two nodes, with a group each.
    pub partitions: Vec<Partition>,
}

/// A stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    /// The lowest entry that was not trimmed.
    pub first: u8,
    /// The last entry.
    pub last: u8,
}

/// A node's partition: all that its owner writes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    /// The place of the stream that it reads.
    pub stream: usize,
    /// Who may commit.
    pub fence: Fence,
    /// How often the fence was written: WATCH notices every write, whatever the value.
    pub fence_writes: u8,
    /// The consumer group; `None` where it was not made or somebody destroyed it.
    pub group: Option<Group>,
    /// The last entry whose effects are in.
    pub cursor: u8,
    /// The entries whose effects are in, where effects are added to what is stored.
    pub added: Vec<u8>,
    /// The same, where effects are written as absolute values from the worker's cache.
    pub written: Vec<u8>,
}

/// The fence of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The worker that may commit.
    pub owner: Option<u8>,
    /// Raised by every take-over.
    pub epoch: u8,
}

/// A consumer group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// The last entry that was delivered to any consumer.
    pub delivered: u8,
    /// Who was given each entry that is not acknowledged.
    pub pending: BTreeMap<u8, u8>,
    /// The consumers.
    pub consumers: BTreeSet<u8>,
}

/// A transaction, as a task sends it between MULTI and EXEC.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Transaction {
    /// `SET` of the fences of partitions: a take-over or a release.
    SetFences(Vec<(usize, Fence)>),
    /// `XGROUP CREATE` of partitions, each at its cursor. One that exists stays as it is.
    MakeGroups(Vec<(usize, u8)>),
    /// `XGROUP SETID` of partitions, each to its cursor.
    MoveGroups(Vec<(usize, u8)>),
    /// `XGROUP DELCONSUMER` of consumers of a partition.
    DeleteConsumers(usize, BTreeSet<u8>),
    /// The effects of a batch, its acknowledgement, the cursors, and the next read.
    Commit(Commit),
}

/// The commit of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Commit {
    /// What is acknowledged, by partition.
    pub acks: Vec<(usize, u8)>,
    /// What the batch changes.
    pub changes: Vec<Change>,
    /// What is read inside the transaction.
    pub next: Next,
}

/// What a commit changes in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// The partition.
    pub partition: usize,
    /// The entries whose effects are added.
    pub add: Vec<u8>,
    /// What is written absolutely: the cached state and the same entries.
    pub write: Vec<u8>,
}

/// What is read next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// New entries of partitions: `XREADGROUP … COUNT count STREAMS … >`.
    New {
        /// The partitions.
        partitions: Vec<usize>,
        /// The most of each.
        count: usize,
    },
    /// Pending entries of a partition: `XAUTOCLAIM … 0 from COUNT count`.
    Pending {
        /// The partition.
        partition: usize,
        /// The lowest id.
        from: u8,
        /// The most entries.
        count: usize,
    },
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Read {
    /// Entries, in order of id within each partition.
    pub entries: Vec<(usize, u8)>,
    /// Where a claim goes on; `None` when nothing more is pending.
    pub pending_from: Option<u8>,
    /// NOGROUP: nothing was read.
    pub group_missing: bool,
}

impl Redis {
    /// Nothing but the streams that the partitions read, without entries.
    #[must_use]
    pub fn new(inputs: &[usize]) -> Self {
        let streams = inputs.iter().max().map_or(0, |last| last + 1);
        let partition = |&stream: &usize| Partition {
            stream,
            fence: Fence::default(),
            fence_writes: 0,
            group: None,
            cursor: 0,
            added: Vec::new(),
            written: Vec::new(),
        };
        Self {
            streams: vec![Stream { first: 1, last: 0 }; streams],
            partitions: inputs.iter().map(partition).collect(),
        }
    }

    /// Runs a transaction whose WATCH still holds.
    pub fn execute(
        &mut self,
        transaction: &Transaction,
        consumer: u8,
        has: impl Fn(Safeguard) -> bool,
    ) -> Read {
        match transaction {
            Transaction::SetFences(fences) => {
                for &(place, fence) in fences {
                    self.partitions[place].fence = fence;
                    self.partitions[place].fence_writes += 1;
                }
            }
            Transaction::MakeGroups(cursors) => {
                for &(place, cursor) in cursors {
                    let end = self.stream_of(place).last;
                    let at = if has(Safeguard::GroupMadeAtCursor) { cursor } else { end };
                    let group = &mut self.partitions[place].group;
                    group.get_or_insert_with(|| Group {
                        delivered: at,
                        pending: BTreeMap::new(),
                        consumers: BTreeSet::new(),
                    });
                }
            }
            Transaction::MoveGroups(cursors) => {
                for &(place, cursor) in cursors {
                    if let Some(group) = &mut self.partitions[place].group {
                        group.delivered = cursor;
                    }
                }
            }
            Transaction::DeleteConsumers(place, consumers) => {
                if let Some(group) = &mut self.partitions[*place].group {
                    group.consumers.retain(|name| !consumers.contains(name));
                    group.pending.retain(|_, name| !consumers.contains(name));
                }
            }
            Transaction::Commit(commit) => {
                self.apply(commit, has(Safeguard::Cursor));
                if has(Safeguard::ReadInsideCommit) {
                    return self.read(&commit.next, consumer);
                }
            }
        }
        Read::default()
    }

    fn apply(&mut self, commit: &Commit, cursor: bool) {
        for change in &commit.changes {
            let partition = &mut self.partitions[change.partition];
            partition.added.extend(&change.add);
            partition.written.clone_from(&change.write);
            if let Some(&last) = change.add.last().filter(|_| cursor) {
                partition.cursor = last;
            }
        }
        for &(place, entry) in &commit.acks {
            if let Some(group) = &mut self.partitions[place].group {
                group.pending.remove(&entry);
            }
        }
    }

    /// Reads for a consumer, which makes the entries pending with it.
    pub fn read(&mut self, next: &Next, consumer: u8) -> Read {
        let mut read = Read::default();
        match next {
            Next::Nothing => {}
            Next::New { partitions, count } => {
                // One missing group fails the whole command.
                if partitions.iter().any(|&place| self.partitions[place].group.is_none()) {
                    return Read { group_missing: true, ..read };
                }
                for &place in partitions {
                    let entries = self.unread(place).take(*count).collect::<Vec<_>>();
                    if let (Some(group), Some(&last)) =
                        (&mut self.partitions[place].group, entries.last())
                    {
                        group.consumers.insert(consumer);
                        group.delivered = last;
                        group.pending.extend(entries.iter().map(|&entry| (entry, consumer)));
                        read.entries.extend(entries.iter().map(|&entry| (place, entry)));
                    }
                }
            }
            &Next::Pending { partition: place, from, count } => {
                let first = self.stream_of(place).first;
                let Some(group) = &mut self.partitions[place].group else {
                    return Read { group_missing: true, ..read };
                };
                group.consumers.insert(consumer);
                let mut claimable = group.pending.range(from..).map(|(&entry, _)| entry);
                let claimed: Vec<u8> = claimable.by_ref().take(count).collect();
                read.pending_from = claimable.next();
                for entry in claimed {
                    if entry < first {
                        // Trimmed while it was pending: Redis drops it.
                        group.pending.remove(&entry);
                    } else {
                        group.pending.insert(entry, consumer);
                        read.entries.push((place, entry));
                    }
                }
            }
        }
        read
    }

    /// Whether a stream has an entry after this one: what an XREAD waits for.
    #[must_use]
    pub fn has_after(&self, place: usize, entry: u8) -> bool {
        let stream = self.stream_of(place);
        stream.first.max(entry + 1) <= stream.last
    }

    /// The entries that a partition's group was not given yet.
    pub fn unread(&self, place: usize) -> impl Iterator<Item = u8> + use<> {
        let stream = self.stream_of(place);
        let delivered = self.partitions[place].group.as_ref().map_or(stream.last, |g| g.delivered);
        stream.first.max(delivered + 1)..=stream.last
    }

    /// The stream that a partition reads.
    #[must_use]
    pub fn stream_of(&self, place: usize) -> &Stream {
        &self.streams[self.partitions[place].stream]
    }

    /// The writes of fences so far: what WATCH notes.
    #[must_use]
    pub fn watch(&self, places: impl IntoIterator<Item = usize>) -> BTreeMap<usize, u8> {
        places.into_iter().map(|place| (place, self.partitions[place].fence_writes)).collect()
    }

    /// Whether no fence was written since it was watched.
    #[must_use]
    pub fn unchanged(&self, watch: &BTreeMap<usize, u8>) -> bool {
        watch.iter().all(|(&place, &writes)| self.partitions[place].fence_writes == writes)
    }

    /// Up to where a stream may be trimmed: by the cursors of all partitions that read it, or of
    /// the first alone.
    #[must_use]
    pub fn trimmable(&self, stream: usize, by_all: bool) -> u8 {
        let readers = self.partitions.iter().filter(|partition| partition.stream == stream);
        let mut cursors = readers.map(|partition| partition.cursor);
        if by_all { cursors.min() } else { cursors.next() }.unwrap_or(0)
    }
}
