//! How much a task reads and commits at once. A commit is bounded, so that the server is never
//! held for long; within that it takes what is there, so batches grow with the load.

use crate::store::Part;
use tallyd_bolt::Write;

/// How long one commit should hold the server at most, in µs of [`cost`]. More would cost
/// less an event, because more events meet on each member and counter, and keep readers waiting.
const MAX_COST: f64 = 48_000.0;
/// The most bytes that one read should bring: entries may be as large as producers like.
const MAX_READ_BYTES: f64 = 16.0 * 1024.0 * 1024.0;
/// How large an entry is taken to be before the first: no small one, so that the first read of a
/// backlog of huge ones is small too.
const FIRST_ENTRY_BYTES: f64 = 64.0 * 1024.0;
/// How fast the averages follow: the weight of the newest batch.
const WEIGHT: f64 = 0.2;

/// What the last batches looked like.
#[derive(Clone, Debug)]
pub struct Sizing {
    max_batch: usize,
    bytes_an_entry: f64,
    events_an_entry: f64,
    cost_an_event: f64,
    events_a_frame: f64,
}

impl Sizing {
    /// Nothing is known yet: entries are taken to hold one event.
    #[must_use]
    pub fn new(max_batch: usize) -> Self {
        Self {
            max_batch,
            bytes_an_entry: FIRST_ENTRY_BYTES,
            events_an_entry: 1.0,
            cost_an_event: 1.0,
            events_a_frame: 1.0,
        }
    }

    /// Learns how large entries are.
    pub fn weigh(&mut self, entries: usize, bytes: usize) {
        follow(&mut self.bytes_an_entry, bytes as f64, entries);
    }

    /// Learns from a batch.
    pub fn learn(&mut self, entries: usize, events: usize, parts: &[Part], emitted: u64) {
        let frames = parts.iter().map(|part| part.frames.len()).sum();
        let cost = parts.iter().map(|part| cost(&part.writes)).sum();
        follow(&mut self.events_an_entry, events as f64, entries);
        follow(&mut self.cost_an_event, cost, events);
        follow(&mut self.events_a_frame, emitted as f64, frames);
    }

    /// The most events of the next commit.
    #[must_use]
    pub fn events(&self) -> usize {
        let by_cost = MAX_COST / self.cost_an_event.max(0.01);
        (by_cost as usize).clamp(16, self.max_batch.max(16))
    }

    /// The most entries to read of each of so many partitions.
    #[must_use]
    pub fn entries(&self, partitions: usize) -> usize {
        let by_events = self.events() as f64 / self.events_an_entry.max(0.01);
        let entries = by_events.min(MAX_READ_BYTES / self.bytes_an_entry.max(1.0));
        (entries / partitions.max(1) as f64).ceil().clamp(1.0, self.max_batch.max(16) as f64)
            as usize
    }

    /// Events in a frame that the task writes, times 1,000.
    #[must_use]
    pub fn frame_events(&self) -> u64 {
        (self.events_a_frame * 1000.0) as u64
    }
}

/// About how long the server needs for these writes, in µs: rounded from what the server says of
/// its commands in `by_command` of `docs/performance.json`.
fn cost(writes: &[Write]) -> f64 {
    let one = |write: &Write| match write {
        Write::Add { deltas, .. } => deltas.iter().filter(|delta| **delta != 0).count() as f64,
        Write::Append { .. } | Write::DropLog { .. } => 1.0,
        Write::Distinct { items, .. } => 1.0 + items.len() as f64 * 0.3,
        Write::Field { .. } => 0.5,
        Write::Member { members, .. } => 1.0 + members.len() as f64 * 0.5,
        Write::Score { .. } => 2.0,
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

    #[test]
    fn huge_entries_make_small_reads() {
        let mut sizing = Sizing::new(2048);
        assert_eq!(sizing.entries(1), 256);
        sizing.weigh(0, 0);
        for _ in 0..100 {
            sizing.weigh(3, 3 << 20);
        }
        assert_eq!((sizing.entries(1), sizing.entries(16)), (17, 2));
    }

    #[test]
    fn heavy_entries_and_many_writes_make_small_reads() {
        let mut sizing = Sizing::new(2048);
        for _ in 0..100 {
            sizing.weigh(1, 300);
        }
        assert_eq!((sizing.events(), sizing.entries(16)), (2048, 128));
        let score = Write::Score { key: Key::new(&["b"]), member: "u".into(), score: 1.0 };
        let frame = crate::store::Frame { edge: 0, partition: 0, bytes: Vec::new() };
        let part = Part { writes: vec![score; 12_000], ..Part::default() };
        let parts = [Part { frames: vec![frame; 4], ..part.clone() }, part];
        for _ in 0..100 {
            sizing.learn(10, 1000, &parts, 1000);
        }
        assert_eq!((sizing.events(), sizing.entries(16), sizing.entries(1)), (1000, 1, 11));
        assert_eq!(sizing.frame_events(), 250_000 - 1);
    }
}
