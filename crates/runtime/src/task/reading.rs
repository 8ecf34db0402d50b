//! What a task reads and how much of it, and what became of the entries that it never read.

use super::Task;
use crate::{
    reckon::{Reach, Reckoning, corrected, reckon},
    sizing::{Ahead, MAX_QUEUE_BYTES},
    store::{Cursors, Next, Read, Session, Span, Store, StoreError, last},
    work::{Queue, Work, entry_bytes},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
    time::Duration,
};
use tallyd_event::EntryId;
use tokio::time::Instant;

/// For how long a stream that was read to its end is known to hold little: what came since then.
const KNOWN_FOR: Duration = Duration::from_secs(1);
/// How often a source is asked what was added to it, and how often an edge, which nobody but
/// tallyd should touch.
const RECKON: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(20));

/// What a task knows of its reads.
#[derive(Default)]
pub(super) struct Reading {
    /// When the last read found all streams at their ends.
    drained: Option<Instant>,
    /// The last read of new entries brought as many as it asked for.
    more: bool,
    /// How many entries the last read asked for.
    asked: usize,
    /// At which of the partitions the next read begins, where it can't ask all of them.
    turn: usize,
    /// How many partitions in a row had nothing new.
    quiet: usize,
    /// How many bytes came into the queue since it was empty.
    bytes: usize,
    /// When the streams were last asked what was added to them.
    reckoned: Option<Instant>,
}

impl Reading {
    /// The streams may have changed meanwhile.
    pub(super) fn forget(&mut self) {
        *self = Self { reckoned: self.reckoned, turn: self.turn, ..Self::default() };
    }

    /// How many entries the last read asked for.
    pub(super) fn asked(&self) -> usize {
        self.asked
    }
}

impl<S: Store> Task<S> {
    /// What the commit of so many events reads: the rest of the queue first, then what is pending, then
    /// what is new, but not before it has rested.
    pub(super) fn next(&mut self, events: usize, began: Instant) -> Next {
        if !self.queue.is_empty() {
            return Next::Nothing;
        }
        if let Some((&partition, &from)) = self.recovering.iter().next() {
            // What is pending was brought by a read that was bounded too.
            let (_, count) = self.sizing.read(1, Ahead::Little);
            self.reading.asked = count;
            return Next::Pending { partition, from, count };
        }
        let paused = self.options.shared.paused.load(Ordering::Relaxed);
        if paused != self.paused {
            self.paused = paused;
            self.metrics.paused(paused);
        }
        if paused || (!self.reading.more && self.pace.batch(events, began)) {
            return Next::Nothing;
        }
        self.next_new()
    }

    /// Whether to read on before what is there is processed: a read of what nobody has looked at
    /// is of few entries, and a commit of few is expensive.
    pub(super) fn fills(&self) -> bool {
        self.reading.more
            && !self.queue.is_empty()
            && self.queue.len() < self.sizing.batch()
            && self.reading.bytes < MAX_QUEUE_BYTES
            && self.may_fill()
    }

    /// Whether new entries may be read without a batch: never before what is pending, which is older.
    pub(super) fn may_fill(&self) -> bool {
        self.recovering.is_empty() && !self.options.shared.paused.load(Ordering::Relaxed)
    }

    /// New entries of as many partitions as one read may ask for.
    pub(super) fn next_new(&mut self) -> Next {
        let drained = self.reading.drained.filter(|at| at.elapsed() < KNOWN_FOR);
        let ahead = if drained.is_some() { Ahead::Little } else { Ahead::Unknown };
        let owned = self.owned.len();
        let (read, count) = self.sizing.read(owned, ahead);
        let from = if read < owned { self.reading.turn % owned.max(1) } else { 0 };
        self.reading.turn = from + read;
        self.reading.asked = read * count;
        let partitions = self.owned.keys().cycle().skip(from).take(read).copied().collect();
        Next::New { partitions, count }
    }

    /// Takes in what a read brought.
    pub(super) fn arrived(&mut self, next: &Next, read: &mut Read) {
        let largest = read.entries.iter().map(|(_, entry)| entry_bytes(entry)).max();
        if *next != Next::Nothing {
            self.sizing.arrived(largest.unwrap_or_default());
            self.single_failed = 0;
        }
        self.unchecked.extend(spans(next, read, &self.cursors, &self.queue));
        if let Next::New { partitions, count } = next {
            let full = |p: &u16| read.entries.iter().filter(|(of, _)| of == p).count() >= *count;
            self.reading.more = partitions.iter().any(full);
            let all = partitions.len() == self.owned.len();
            self.reading.drained = (all && !self.reading.more).then(Instant::now);
            let quiet = if read.entries.is_empty() { partitions.len() } else { 0 };
            self.reading.quiet = if quiet == 0 { 0 } else { self.reading.quiet + quiet };
            self.idle = self.reading.quiet >= self.owned.len();
        }
        if self.queue.is_empty() {
            self.reading.bytes = 0;
        }
        self.reading.bytes +=
            read.entries.iter().map(|(_, entry)| entry_bytes(entry)).sum::<usize>();
        self.queue.extend(read.entries.drain(..));
    }

    /// Looks, from time to time, whether entries are gone that were never read, and adds them to
    /// what the batch commits. Everything that was read must have been checked for gaps. Returns
    /// whether a stream began again: then the batch must be dropped.
    pub(super) async fn reckon(
        &mut self,
        session: &mut S::Session,
        work: &mut Work,
    ) -> Result<bool, StoreError> {
        let every = if self.context.reads_source() { RECKON.0 } else { RECKON.1 };
        if self.reading.reckoned.is_some_and(|at| at.elapsed() < every) {
            return Ok(false);
        }
        let known = |p: &u16| !self.recovering.contains_key(p) && self.cursors.contains_key(p);
        let partitions = self.owned.keys().copied().filter(known);
        let partitions: Vec<(u16, EntryId)> =
            partitions.map(|partition| (partition, last(&self.cursors, partition))).collect();
        let facts = session.streams(&partitions).await?;
        for ((partition, _), facts) in partitions.into_iter().zip(facts) {
            let of_nodes = self.cursors.get(&partition).and_then(|of_nodes| of_nodes.first());
            let unknown = || StoreError::bug(format!("partition {partition} has no cursor"));
            let cursor = *of_nodes.ok_or_else(unknown)?;
            let reach = reach(work.reach(partition), cursor.last, partition, &self.queue);
            let found = reckon(&cursor, reach, &facts);
            if found == Reckoning::BeganAgain {
                if reach.held == 0 {
                    return Ok(true);
                }
                // What is held came before, and is not to be had again: it is committed first.
                return Ok(false);
            }
            if let Some(cursor) = corrected(&cursor, found, &facts) {
                work.correct(partition, cursor);
            }
        }
        self.reading.reckoned = Some(Instant::now());
        Ok(false)
    }
}

/// How far a task has read in a partition: its batch, then its queue.
fn reach(batch: Option<(EntryId, u64)>, cursor: EntryId, partition: u16, queue: &Queue) -> Reach {
    let (last, held) = batch.unwrap_or((cursor, 0));
    let mut reach = Reach { last, held };
    for (_, entry) in queue.iter().filter(|(of, _)| *of == partition) {
        // One that was delivered a second time is skipped.
        if entry.id > reach.last {
            reach = Reach { last: entry.id, held: reach.held + 1 };
        }
    }
    reach
}

/// What must hold no entry, if what was read is all that there is: from the end of the queue, or
/// the cursor of a partition, to the first entry. What is pending may have gaps further on; new
/// entries have none. Where the wait saw that entry as the first, nothing can be before it.
fn spans(next: &Next, read: &Read, cursors: &Cursors, queue: &Queue) -> Vec<Span> {
    let mut before: BTreeMap<u16, EntryId> = BTreeMap::new();
    for (partition, entry) in queue {
        let last = before.entry(*partition).or_default();
        *last = entry.id.max(*last);
    }
    let mut seen = BTreeSet::new();
    let mut spans = Vec::new();
    for (partition, entry) in &read.entries {
        let cursor = last(cursors, *partition);
        let after = before.insert(*partition, entry.id).unwrap_or(cursor).max(cursor);
        let first = seen.insert(*partition);
        let looked = first || matches!(next, Next::Pending { .. });
        if looked && entry.id > after.next() && !read.woken.contains(&(*partition, entry.id)) {
            spans.push((*partition, after, entry.id));
        }
    }
    spans
}
