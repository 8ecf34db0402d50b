//! How much a task reads and commits at once. A commit is bounded, so that the server is never
//! held for long; within that it takes what is there, so batches grow with the load.

use crate::{
    store::{Frame, Part},
    work::MAX_FRAME_BYTES,
};
use tallyd_bolt::Write;
use tallyd_event::{decode::MAX_BATCH_BYTES, frame};

/// How long one commit should hold the server at most, in µs of [`cost`]. More would cost
/// less an event, because more events meet on each member and counter, and keep readers waiting.
const MAX_COST: f64 = 48_000.0;
/// The most bytes that one read may bring: what is asked for never is more, as far as it is known
/// how large an entry can be.
pub const MAX_READ_BYTES: usize = 32 * 1024 * 1024;
/// The most bytes that may wait in the queue of a task before it reads on.
pub const MAX_QUEUE_BYTES: usize = 16 * 1024 * 1024;
/// The most bytes of an entry of a source: those of a batch, and some for what stands beside it.
pub const MAX_SOURCE_ENTRY: usize = MAX_BATCH_BYTES + 64 * 1024;
/// The most bytes of a frame, and some for an event that alone is larger.
pub const MAX_FRAME_ENTRY: usize = 4 * MAX_FRAME_BYTES;
/// How fast the averages follow: the weight of the newest batch.
const WEIGHT: f64 = 0.2;

/// What is known of what a read will meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// Little: what came since the stream was read to its end, what one read brought before, or
    /// what all together is no more than a read may bring.
    Little,
    /// Anything: entries have been waiting that nobody looked at.
    Unknown,
}

/// What the last batches looked like.
#[derive(Clone, Debug)]
pub struct Sizing {
    max_batch: usize,
    /// The most bytes that an entry can have.
    possible: usize,
    /// The largest entry of late, in bytes.
    largest: usize,
    /// The most entries of one read: fewer after a read that failed.
    most: usize,
    events_an_entry: f64,
    cost_an_event: f64,
    events_a_frame: f64,
}

impl Sizing {
    /// Nothing is known yet: entries are taken to hold one event, and to be as large as they can.
    #[must_use]
    pub fn new(max_batch: usize, possible: usize) -> Self {
        Self {
            max_batch: max_batch.max(1),
            possible,
            largest: possible,
            most: usize::MAX,
            events_an_entry: 1.0,
            cost_an_event: 1.0,
            events_a_frame: 1.0,
        }
    }

    /// Nothing is known any more of how large entries are.
    pub fn forget(&mut self) {
        self.largest = self.possible;
    }

    /// A read came in, with its largest entry.
    pub fn arrived(&mut self, largest: usize) {
        self.largest = largest.max(self.largest / 2);
        self.most = self.most.saturating_mul(2);
    }

    /// A read of so many entries may be what broke the connection: the next asks for less. Returns
    /// whether it had asked for a single one.
    pub fn failed(&mut self, asked: usize) -> bool {
        self.forget();
        self.most = (asked / 2).max(1);
        asked == 1
    }

    /// Learns from a batch.
    pub fn learn(&mut self, entries: usize, events: usize, parts: &[Part], emitted: u64) {
        let is_of_events = |frame: &&Frame| frame::probe(&frame.bytes).is_none();
        let frames = |part: &Part| part.frames.iter().filter(is_of_events).count();
        let frames = parts.iter().map(frames).sum();
        let cost = parts.iter().map(|part| cost(&part.writes)).sum();
        follow(&mut self.events_an_entry, events as f64, entries);
        follow(&mut self.cost_an_event, cost, events);
        follow(&mut self.events_a_frame, emitted as f64, frames);
    }

    /// The most events of the next commit.
    #[must_use]
    pub fn events(&self) -> usize {
        let by_cost = MAX_COST / self.cost_an_event.max(0.01);
        // Below some number of events a commit costs more than they do.
        (by_cost as usize).max(16).min(self.max_batch)
    }

    /// How many entries hold a batch.
    #[must_use]
    pub fn batch(&self) -> usize {
        (self.events() as f64 / self.events_an_entry.max(0.01)).ceil() as usize
    }

    /// Of how many partitions to read, of so many, and the most entries of each.
    #[must_use]
    pub fn read(&self, partitions: usize, ahead: Ahead) -> (usize, usize) {
        let largest = match ahead {
            Ahead::Little => self.largest,
            Ahead::Unknown => self.possible,
        };
        let by_bytes = (MAX_READ_BYTES / largest.max(1)).min(self.most).max(1);
        let read = partitions.clamp(1, by_bytes);
        (read, self.batch().div_ceil(read).min(by_bytes / read).clamp(1, self.max_batch))
    }

    /// Events in a frame that the task writes, times 1,000.
    #[must_use]
    pub fn frame_events(&self) -> u64 {
        (self.events_a_frame * 1000.0) as u64
    }
}

/// About how long the server needs for these writes, in µs: rounded from what the server says of
/// its commands in `by_command` of `docs/internals/performance.json`.
fn cost(writes: &[Write]) -> f64 {
    let one = |write: &Write| match write {
        Write::Add { deltas, .. } => deltas.iter().filter(|delta| **delta != 0).count() as f64,
        Write::Append { .. } | Write::Drop { .. } | Write::DropLog { .. } => 1.0,
        Write::Distinct { items, .. } => 1.0 + items.len() as f64 * 0.3,
        Write::Field { .. } => 0.5,
        Write::Member { members, .. } | Write::RemoveMember { members, .. } => {
            1.0 + members.len() as f64 * 0.5
        }
        Write::RemoveField { .. } => 1.0,
        Write::RemoveScore { .. } | Write::Score { .. } => 2.0,
    };
    writes.iter().map(one).sum()
}

fn follow(average: &mut f64, amount: f64, of: usize) {
    if of > 0 {
        *average += WEIGHT * (amount / of as f64 - *average);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallyd_bolt::Key;

    const SMALL: usize = 300;

    fn settled() -> Sizing {
        let mut sizing = Sizing::new(2048, MAX_SOURCE_ENTRY);
        (0..30).for_each(|_| sizing.arrived(SMALL));
        sizing
    }

    #[test]
    fn nothing_that_came_before_makes_a_read_of_more_than_it_may_be() {
        // What nobody has looked at may be as large as it can, on as many partitions as there are.
        for sizing in [Sizing::new(8192, MAX_SOURCE_ENTRY), settled()] {
            for partitions in [1, 3, 16, 4096] {
                let (read, count) = sizing.read(partitions, Ahead::Unknown);
                assert!(read * count * MAX_SOURCE_ENTRY <= MAX_READ_BYTES, "{read} {count}");
                assert!(read <= partitions && read * count >= 3, "{read} {count}");
            }
        }
        assert_eq!(settled().read(1, Ahead::Little), (1, 2048));
        assert_eq!(settled().read(16, Ahead::Little), (16, 128));
    }

    #[test]
    fn a_large_entry_makes_small_reads_at_once_and_they_grow_again() {
        let mut sizing = settled();
        sizing.arrived(4 << 20);
        assert_eq!(sizing.read(1, Ahead::Little), (1, 8));
        sizing.arrived(SMALL);
        assert_eq!(sizing.read(1, Ahead::Little), (1, 16));
        (0..9).for_each(|_| sizing.arrived(SMALL));
        assert_eq!(sizing.read(1, Ahead::Little), (1, 2048));
    }

    #[test]
    fn a_read_that_failed_asks_for_less_down_to_one() {
        let mut sizing = Sizing::new(2048, MAX_SOURCE_ENTRY);
        let mut asked = Vec::new();
        for _ in 0..5 {
            let (read, count) = sizing.read(4, Ahead::Unknown);
            asked.push(read * count);
            assert_eq!(sizing.failed(read * count), read * count == 1);
        }
        assert_eq!(asked, [4, 2, 1, 1, 1]);
        sizing.arrived(SMALL);
        assert_eq!(sizing.read(4, Ahead::Unknown), (2, 1));
    }

    #[test]
    fn a_batch_is_never_of_more_events_than_was_set() {
        for max_batch in [1, 3, 15, 16, 17] {
            let sizing = Sizing::new(max_batch, SMALL);
            assert_eq!(sizing.events(), max_batch);
            assert_eq!(sizing.read(1, Ahead::Little), (1, max_batch));
        }
    }

    #[test]
    fn heavy_entries_and_many_writes_make_small_reads() {
        let mut sizing = settled();
        assert_eq!(sizing.events(), 2048);
        let score = Write::Score { key: Key::new(&["b"]), member: "u".into(), score: 1.0 };
        let frame = crate::store::Frame { edge: 0, partition: 0, bytes: Vec::new() };
        let part = Part { writes: vec![score; 12_000], ..Part::default() };
        let parts = [Part { frames: vec![frame; 4], ..part.clone() }, part];
        for _ in 0..100 {
            sizing.learn(10, 1000, &parts, 1000);
        }
        assert_eq!((sizing.events(), sizing.batch()), (1000, 11));
        let read = |partitions| sizing.read(partitions, Ahead::Little).1;
        assert_eq!((read(16), read(1)), (1, 11));
        assert_eq!(sizing.frame_events(), 250_000 - 1);
    }
}
