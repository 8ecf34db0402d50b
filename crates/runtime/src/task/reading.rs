//! What a task reads and how much of it, and what became of the entries that it never read.

use super::Task;
use crate::{
    reckon::{Reach, Reckoning, corrected, reckon},
    sizing::{Ahead, MAX_QUEUE_BYTES, MAX_READ_BYTES},
    store::{Cursors, Entry, Next, Read, Session, Span, Store, StoreError, last},
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
/// For how long streams that were weighed are known to be light, and how often they are weighed.
const WEIGHED_FOR: Duration = Duration::from_millis(250);
/// The most nodes of streams that are weighed: that takes the server up to 2 ms. More are hardly
/// ever light: a node has 4 KiB, where entries are not tiny.
const MAX_NODES: u64 = 16_384;
/// How often a source is asked what was added to it, and how often an edge, which nobody but
/// tallyd should touch.
const RECKON: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(20));

/// What a task knows of its reads.
#[derive(Default)]
pub(super) struct Reading {
    /// When the last read found all streams at their ends.
    drained: Option<Instant>,
    /// When they were last weighed, and whether they were light.
    weighed: Option<(Instant, bool)>,
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

    /// What the next read will meet.
    fn ahead(&self) -> Ahead {
        let drained = self.drained.is_some_and(|at| at.elapsed() < KNOWN_FOR);
        match self.weighed {
            Some((at, true)) if at.elapsed() < WEIGHED_FOR => Ahead::Little,
            _ if drained => Ahead::Little,
            _ => Ahead::Unknown,
        }
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
        let owned = self.owned.len();
        let (read, count) = self.sizing.read(owned, self.reading.ahead());
        let from = if read < owned { self.reading.turn % owned.max(1) } else { 0 };
        self.reading.turn = from + read;
        self.reading.asked = read * count;
        let partitions = self.owned.keys().cycle().skip(from).take(read).copied().collect();
        Next::New { partitions, count }
    }

    /// Weighs the streams, from time to time, while more waits in them than was read and nothing
    /// is known of it. Where all that they hold is no more than one read may bring, reads are as
    /// large as batches are; otherwise of a few entries, because each may be as large as it can.
    pub(super) async fn weigh(&mut self, session: &mut S::Session) -> Result<(), StoreError> {
        let lately = self.reading.weighed.is_some_and(|(at, _)| at.elapsed() < WEIGHED_FOR);
        if lately || !self.reading.more || self.reading.ahead() == Ahead::Little {
            return Ok(());
        }
        self.reading.weighed = Some((Instant::now(), false));
        let at = |partition: &u16| (*partition, last(&self.cursors, *partition));
        let asked: Vec<(u16, EntryId)> = self.owned.keys().map(at).collect();
        let facts = session.streams(&asked).await?;
        if facts.iter().map(|facts| facts.nodes).sum::<u64>() > MAX_NODES {
            return Ok(());
        }
        let partitions: Vec<u16> = self.owned.keys().copied().collect();
        if session.weigh(&partitions).await? <= MAX_READ_BYTES as u64 {
            self.reading.weighed = Some((Instant::now(), true));
        }
        Ok(())
    }

    /// Takes in what a read brought.
    pub(super) fn arrived(&mut self, next: &Next, read: &mut Read) {
        let (mut largest, mut bytes) = (0, 0);
        for (_, entry) in &read.entries {
            let long = entry_bytes(entry);
            (largest, bytes) = (long.max(largest), bytes + long);
        }
        if *next != Next::Nothing {
            self.sizing.arrived(largest);
            self.single_failed = 0;
        }
        self.unchecked.extend(spans(next, read, &self.cursors, &self.queue));
        if let Next::New { partitions, count } = next {
            let mut came: BTreeMap<u16, usize> = BTreeMap::new();
            for (partition, run) in runs(&read.entries) {
                *came.entry(partition).or_default() += run.len();
            }
            self.reading.more = came.values().any(|came| came >= count);
            let all = partitions.len() == self.owned.len();
            self.reading.drained = (all && !self.reading.more).then(Instant::now);
            let quiet = if read.entries.is_empty() { partitions.len() } else { 0 };
            self.reading.quiet = if quiet == 0 { 0 } else { self.reading.quiet + quiet };
            self.idle = self.reading.quiet >= self.owned.len();
        }
        if self.queue.is_empty() {
            self.reading.bytes = 0;
        }
        self.reading.bytes += bytes;
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
    let mut seen = BTreeSet::new();
    let mut spans = Vec::new();
    for (partition, run) in runs(&read.entries) {
        let cursor = last(cursors, partition);
        let first = usize::from(seen.insert(partition));
        if first == 1 {
            // From its end: a read of a few entries must not cost a walk through all that wait.
            let waiting = queue.iter().rev().find(|(of, _)| *of == partition);
            before.extend(waiting.map(|(_, entry)| (partition, entry.id)));
        }
        let looked = if matches!(next, Next::Pending { .. }) { run.len() } else { first };
        for (_, entry) in run.iter().take(looked) {
            let after = before.insert(partition, entry.id).unwrap_or(cursor).max(cursor);
            if entry.id > after.next() && !read.woken.contains(&(partition, entry.id)) {
                spans.push((partition, after, entry.id));
            }
        }
        before.extend(run.last().map(|(_, entry)| (partition, entry.id)));
    }
    spans
}

/// Entries in runs of one partition: a read brings each partition's one behind the other, and to
/// look for what is known of the partition with each entry would cost as much as to decode it.
fn runs(entries: &[(u16, Entry)]) -> impl Iterator<Item = (u16, &[(u16, Entry)])> {
    let runs = entries.chunk_by(|(one, _), (next, _)| one == next);
    runs.filter_map(|run| Some((run.first()?.0, run)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Cursor;

    #[test]
    fn gaps_are_looked_for_from_the_end_of_the_queue() {
        let id = |ms, seq| EntryId { ms, seq };
        let entry = |partition, id| (partition, Entry { id, fields: Default::default() });
        let at = |last| vec![Cursor { last, ..Cursor::default() }];
        let cursors = Cursors::from([(0, at(id(1, 0))), (1, at(id(5, 0))), (2, at(id(7, 0)))]);
        let waiting = [(0, id(2, 0)), (1, id(6, 0)), (0, id(4, 0))];
        let queue: Queue = waiting.into_iter().map(|(p, id)| entry(p, id)).collect();
        // What follows at once has no gap before it, nor does what the wait saw as the first.
        let came = [(0, id(5, 0)), (0, id(9, 0)), (1, id(6, 1)), (2, id(8, 0)), (0, id(9, 1))];
        let entries = came.into_iter().map(|(p, id)| entry(p, id)).collect();
        let read = Read { entries, woken: vec![(2, id(8, 0))], ..Read::default() };
        let new = Next::New { partitions: vec![0, 1, 2], count: 9 };
        assert_eq!(spans(&new, &read, &cursors, &queue), [(0, id(4, 0), id(5, 0))]);
        let pending = Next::Pending { partition: 0, from: EntryId::ZERO, count: 9 };
        let each = [(0, id(4, 0), id(5, 0)), (0, id(5, 0), id(9, 0))];
        assert_eq!(spans(&pending, &read, &cursors, &queue), each);
        // Where nothing waits, from the cursor.
        let read = Read { entries: vec![entry(1, id(9, 0))], ..Read::default() };
        assert_eq!(spans(&new, &read, &cursors, &Queue::new()), [(1, id(5, 0), id(9, 0))]);
    }
}
