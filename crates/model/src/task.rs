//! A worker's task in the model: what it remembers, where it stands in its cycle, and what it makes
//! of each reply. It mirrors `crates/runtime/src/task.rs` and the session of `crates/store`, and
//! knows what Redis holds only by replies.

use crate::redis::{Change, Commit, Fence, Next, Read, Transaction};
use std::collections::{BTreeMap, BTreeSet};

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Task {
    /// The worker's name. A worker that starts again has a new one.
    pub worker: u8,
    /// What it does next.
    pub step: Step,
    /// The fences that it took.
    pub owned: BTreeMap<usize, Fence>,
    /// What its connection watches: how often each fence had been written.
    pub watch: BTreeMap<usize, u8>,
    /// The cursors as it knows them.
    pub cursors: BTreeMap<usize, u8>,
    /// The state that it has cached.
    pub cache: BTreeMap<usize, Vec<u8>>,
    /// Entries that it read and has not committed.
    pub queue: Vec<(usize, u8)>,
    /// What must hold no entry, before anything of the queue is committed.
    pub unchecked: Vec<(usize, u8, u8)>,
    /// Partitions whose pending entries are not all claimed, and where to go on.
    pub recovering: BTreeMap<usize, u8>,
}

/// Where a task stands: what the server does for it next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The process is dead.
    Down,
    /// The connection is gone. The task remembers what it owned.
    Cut,
    /// It owns nothing.
    Free,
    /// The fences are watched and as expected; EXEC sets them to these.
    Take {
        /// The new fences.
        fences: Vec<(usize, Fence)>,
        /// It takes over from itself, after a reconnect.
        again: bool,
    },
    /// WATCH and MGET of the fences.
    BeginWatch,
    /// HMGET of the cursors.
    BeginCursors,
    /// EXEC makes the groups that are missing.
    BeginGroups,
    /// WATCH and MGET again: that EXEC ended the WATCH.
    BeginAgain,
    /// Between cycles: fetch what is not cached and look for gaps in one round trip, or commit.
    Ready,
    /// EXEC of the commit was done; WATCH and MGET follow in the same round trip.
    Committed {
        /// What the transaction gave; `None` where a fence had moved.
        outcome: Option<(Commit, Read)>,
        /// The partitions of which an idle task had seen an entry after the cursor.
        woken: Vec<usize>,
    },
    /// Only without the safeguard: a plain read after the commit.
    PlainRead(Next),
    /// WATCH, MGET and XINFO CONSUMERS after the last pending entry of a partition.
    ForgetLook(usize),
    /// EXEC deletes these consumers, who have nothing pending.
    Forget(usize, BTreeSet<u8>),
    /// WATCH and MGET before groups are moved back that did not deliver what they should.
    MoveLook(Vec<usize>),
    /// EXEC moves these groups back to the cursors.
    Move(Vec<(usize, u8)>),
    /// The fence of a partition is watched and the task's own; EXEC gives it back.
    Release(usize, Fence),
}

/// What a commit gave, and whose the partitions are after it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Given {
    /// What was asked for.
    pub next: Next,
    /// What was read.
    pub read: Read,
    /// The partitions of which an idle task had seen an entry after the cursor.
    pub woken: Vec<usize>,
    /// The partitions that are the task's own still.
    pub kept: Vec<usize>,
}

impl Given {
    /// The partitions of which an idle task saw an entry that it was not given.
    #[must_use]
    pub fn withheld(&self) -> Vec<usize> {
        let delivered = |place: &usize| self.read.entries.iter().any(|(of, _)| of == place);
        let new = matches!(self.next, Next::New { .. });
        self.woken.iter().copied().filter(|place| new && !delivered(place)).collect()
    }
}

/// How much a cycle takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cycle {
    /// How many entries of the queue make the batch.
    pub batch: usize,
    /// The most entries that are read of a partition.
    pub count: usize,
}

impl Task {
    /// A task of a worker that just started.
    #[must_use]
    pub fn new(worker: u8) -> Self {
        Self {
            worker,
            step: Step::Free,
            owned: BTreeMap::new(),
            watch: BTreeMap::new(),
            cursors: BTreeMap::new(),
            cache: BTreeMap::new(),
            queue: Vec::new(),
            unchecked: Vec::new(),
            recovering: BTreeMap::new(),
        }
    }

    /// The transaction that it sends next, if its next step is one.
    #[must_use]
    pub fn transaction(&self, cycle: Option<Cycle>, pending_first: bool) -> Option<Transaction> {
        match &self.step {
            Step::Take { fences, .. } => Some(Transaction::SetFences(fences.clone())),
            Step::BeginGroups => Some(Transaction::MakeGroups(
                self.cursors.iter().map(|(&place, &cursor)| (place, cursor)).collect(),
            )),
            Step::Forget(place, consumers) => {
                Some(Transaction::DeleteConsumers(*place, consumers.clone()))
            }
            Step::Move(cursors) => Some(Transaction::MoveGroups(cursors.clone())),
            Step::Release(place, fence) => {
                let fence = Fence { owner: None, ..*fence };
                Some(Transaction::SetFences(vec![(*place, fence)]))
            }
            Step::Ready => {
                cycle.map(|cycle| Transaction::Commit(self.commit(cycle, pending_first)))
            }
            _ => None,
        }
    }

    /// The commit of the first entries of the queue. Entries at or below the cursor are
    /// acknowledged and skipped.
    fn commit(&self, cycle: Cycle, pending_first: bool) -> Commit {
        let acks = self.queue[..cycle.batch].to_vec();
        let mut changes: Vec<Change> = Vec::new();
        for &(place, entry) in &acks {
            let known = changes.iter().position(|change| change.partition == place);
            let done = known.and_then(|at| changes[at].add.last().copied());
            if entry <= done.unwrap_or_else(|| self.cursors.get(&place).copied().unwrap_or(0)) {
                continue;
            }
            let at = known.unwrap_or_else(|| {
                let write = self.cache.get(&place).cloned().unwrap_or_default();
                changes.push(Change { partition: place, add: Vec::new(), write });
                changes.len() - 1
            });
            changes[at].add.push(entry);
            changes[at].write.push(entry);
        }
        let next = if cycle.batch < self.queue.len() {
            Next::Nothing
        } else {
            self.next(cycle.count, pending_first)
        };
        Commit { acks, changes, next }
    }

    /// What is read once the queue is empty: what is pending first, then what is new.
    #[must_use]
    pub fn next(&self, count: usize, pending_first: bool) -> Next {
        match self.recovering.iter().next().filter(|_| pending_first) {
            Some((&partition, &from)) => Next::Pending { partition, from, count },
            None => Next::New { partitions: self.owned.keys().copied().collect(), count },
        }
    }

    /// Forgets everything but what it owned: its connection is gone.
    pub fn cut(&mut self, drop_caches: bool) {
        self.watch.clear();
        self.cursors.clear();
        self.queue.clear();
        self.unchecked.clear();
        self.recovering.clear();
        if drop_caches {
            self.cache.clear();
        }
        self.step = if self.owned.is_empty() { Step::Free } else { Step::Cut };
    }

    /// The EXEC of a take-over happened, or a fence had moved.
    pub fn took(&mut self, fences: &[(usize, Fence)], again: bool, done: bool) {
        if again {
            self.owned.clear();
        }
        if done {
            self.owned.extend(fences.iter().copied());
            self.recovering.extend(fences.iter().map(|&(place, _)| (place, 0)));
        }
        self.begin();
    }

    /// Looks at fences, cursors and groups again.
    pub fn begin(&mut self) {
        self.cursors.clear();
        self.watch.clear();
        self.step = Step::BeginWatch;
        if self.owned.is_empty() {
            self.retain(&[], false);
        }
    }

    /// Goes on with these partitions only: `begin` saw whose they are. Caches are dropped where one
    /// is lost, because it may come back after another changed its state.
    pub fn retain(&mut self, kept: &[usize], drop_caches: bool) {
        if drop_caches && kept.len() < self.owned.len() {
            self.cache.clear();
        }
        self.owned.retain(|place, _| kept.contains(place));
        self.cursors.retain(|place, _| kept.contains(place));
        self.queue.retain(|(place, _)| kept.contains(place));
        self.unchecked.retain(|(place, ..)| kept.contains(place));
        self.recovering.retain(|place, _| kept.contains(place));
        if self.owned.is_empty() {
            self.watch.clear();
            self.step = Step::Free;
        }
    }

    /// Goes on with these partitions only, after a commit or a release showed it. With
    /// `all_again`, what was read of them is claimed again.
    pub fn keep(&mut self, kept: &[usize], all_again: bool, drop_caches: bool) {
        self.owned.retain(|place, _| kept.contains(place));
        if drop_caches {
            self.cache.clear();
        }
        if all_again {
            self.claim_all_again();
        }
        self.begin();
    }

    fn claim_all_again(&mut self) {
        self.queue.clear();
        self.unchecked.clear();
        self.recovering = self.owned.keys().map(|&place| (place, 0)).collect();
    }

    /// Drops what it has read, and moves the groups of these partitions back: they skipped entries.
    pub fn go_back(&mut self, skipped: &[usize]) {
        self.claim_all_again();
        self.recovering.retain(|place, _| !skipped.contains(place));
        self.step = Step::MoveLook(skipped.to_vec());
    }

    /// Its commit happened and the partitions are its own still.
    pub fn note(&mut self, commit: &Commit) {
        self.queue.drain(..commit.acks.len());
        for change in &commit.changes {
            self.cache.insert(change.partition, change.write.clone());
            if let Some(&last) = change.add.last() {
                self.cursors.insert(change.partition, last);
            }
        }
    }

    /// What must hold no entry, if what was read is all that there is: from the cursor to the first
    /// entry that was read of a partition; between pending entries, too.
    #[must_use]
    pub fn gaps(&self, next: &Next, read: &Read) -> Vec<(usize, u8, u8)> {
        let mut last: BTreeMap<usize, u8> = BTreeMap::new();
        let mut gaps = Vec::new();
        for &(place, entry) in &read.entries {
            let cursor = self.cursors.get(&place).copied().unwrap_or(0);
            let before = last.insert(place, entry);
            let after = before.unwrap_or(cursor).max(cursor);
            let asks = before.is_none() || matches!(next, Next::Pending { .. });
            if asks && entry > after + 1 {
                gaps.push((place, after, entry));
            }
        }
        gaps
    }

    /// Goes on after a commit. `skipped` are the partitions whose group does not deliver what is
    /// there.
    pub fn after_read(&mut self, given: &Given, skipped: &[usize], drop_caches: bool) {
        let Given { next, read, kept, .. } = given;
        if read.group_missing {
            return self.begin();
        }
        self.queue.extend(&read.entries);
        self.step = Step::Ready;
        if kept.len() < self.owned.len() {
            self.keep(kept, false, drop_caches);
        } else if !skipped.is_empty() {
            self.recovering.retain(|place, _| !skipped.contains(place));
            self.step = Step::MoveLook(skipped.to_vec());
        } else if let Next::Pending { partition, .. } = *next {
            match read.pending_from {
                Some(from) => {
                    self.recovering.insert(partition, from);
                }
                None => {
                    self.recovering.remove(&partition);
                    self.step = Step::ForgetLook(partition);
                }
            }
        }
    }
}
