//! How many of a node's tasks share its partitions. Pure.
//!
//! Each task commits for itself. Two tasks commit twice as often as one, half as many events each
//! time, and a commit has a price of its own: at moderate load three tasks cost about a fifth more
//! CPU an event than one. But a task waits while the server runs its commit, and where there is
//! always a commit to wait for, other tasks compute meanwhile. So one task has all partitions until
//! it is busy nearly all of the time. Where several workers share the node, their tasks do that for
//! each other.

use std::time::Duration;
use tokio::time::Instant;

/// How busy one task has to be before others share its partitions, in percent of the time.
pub const SPREADS_FROM: u8 = 80;
/// The shortest time over which it is measured: looks may come close together.
const SPAN: Duration = Duration::from_millis(900);
/// After how many looks that say so more tasks share.
const SPREAD_AFTER: u32 = 2;
/// After how many looks that say so one task has all again. Twice as many each time that it then
/// was too busy: to move partitions takes over what is pending, and caches begin empty.
const MERGE_AFTER: (u32, u32) = (10, 640);

/// How many tasks share the partitions of one node.
#[derive(Debug)]
pub struct Spread {
    /// How busy one task has to be, in percent.
    from: u8,
    /// How many tasks the node has.
    most: usize,
    /// How many share.
    tasks: usize,
    /// When it was last looked at, and how long all tasks had been busy by then, in µs.
    looked: (Instant, u64),
    /// How many looks in a row said that it should be another number.
    looks: u32,
    merge_after: u32,
}

impl Spread {
    /// One task of so many has all.
    #[must_use]
    pub fn new(from: u8, most: usize, now: Instant) -> Self {
        let merge_after = MERGE_AFTER.0;
        Self { from, most, tasks: 1, looked: (now, 0), looks: 0, merge_after }
    }

    /// How many share from now on. `busy`: how long all tasks together were busy so far, in µs.
    /// `workers`: how many workers serve the node.
    pub fn look(&mut self, now: Instant, busy: u64, workers: usize) -> usize {
        let many = self.most.div_ceil(workers.max(1)).max(1);
        self.tasks = self.tasks.min(many);
        let (before, counted) = self.looked;
        let span = now.saturating_duration_since(before);
        if span < SPAN {
            return self.tasks;
        }
        self.looked = (now, busy);
        let busy = u128::from(busy.saturating_sub(counted)) * 100;
        let each = busy / (span.as_micros().max(1) * self.tasks as u128);
        let from = u128::from(self.from);
        let (should, after) = match self.tasks {
            1 if each >= from => (many, SPREAD_AFTER),
            2.. if each < from / 2 => (1, self.merge_after),
            _ => (self.tasks, 0),
        };
        self.looks = if should == self.tasks { 0 } else { self.looks + 1 };
        if self.looks > 0 && self.looks >= after {
            if should == 1 {
                self.merge_after = (self.merge_after * 2).min(MERGE_AFTER.1);
            }
            (self.tasks, self.looks) = (should, 0);
        }
        self.tasks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many share, look by look, where all tasks together are busy for so many percent.
    fn looks(spread: &mut Spread, percent: u64, workers: usize, times: u32) -> Vec<usize> {
        let look = |_| {
            let (at, busy) = spread.looked;
            spread.look(at + Duration::from_secs(1), busy + percent * 10_000, workers)
        };
        (0..times).map(look).collect()
    }

    #[test]
    fn many_share_where_one_is_always_busy_and_one_has_all_where_it_is_not() {
        let began = Instant::now();
        let mut spread = Spread::new(80, 3, began);
        assert_eq!(looks(&mut spread, 79, 1, 5), [1; 5]);
        assert_eq!(looks(&mut spread, 80, 1, 1), [1], "one look is not enough");
        assert_eq!(looks(&mut spread, 10, 1, 1), [1]);
        assert_eq!(looks(&mut spread, 95, 1, 3), [1, 3, 3]);
        assert_eq!(looks(&mut spread, 121, 1, 30), [3; 30], "forty percent each");
        assert_eq!(looks(&mut spread, 119, 1, 10), [3, 3, 3, 3, 3, 3, 3, 3, 3, 1]);
        // It was too busy again: next time it waits for longer.
        assert_eq!(looks(&mut spread, 90, 1, 2), [1, 3]);
        assert_eq!(looks(&mut spread, 10, 1, 19), [3; 19]);
        assert_eq!(looks(&mut spread, 10, 1, 1), [1]);
        let (at, busy) = spread.looked;
        assert_eq!(spread.look(at + SPAN / 2, busy + 9_000_000, 1), 1, "too short to tell");
    }

    #[test]
    fn where_more_workers_come_fewer_tasks_of_each_share() {
        for (workers, share) in [(0, 3), (1, 3), (2, 2), (3, 1), (9, 1)] {
            let mut spread = Spread::new(80, 3, Instant::now());
            assert_eq!(looks(&mut spread, 100, workers, 2).pop(), Some(share), "{workers}");
        }
        let mut spread = Spread::new(80, 3, Instant::now());
        assert_eq!(looks(&mut spread, 100, 1, 2), [1, 3]);
        assert_eq!(looks(&mut spread, 300, 3, 1), [1], "at once");
    }
}
