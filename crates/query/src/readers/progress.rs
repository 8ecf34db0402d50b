//! How far a primary was and when, and whether a replica keeps up with it.

use std::{collections::VecDeque, time::Duration};
use tallyd_store::Replication;
use tokio::time::Instant;

/// How far behind the primary a replica may be.
pub const MOST_BEHIND: Duration = Duration::from_secs(2);

/// How far a primary was, at the times when it was asked.
#[derive(Debug, Default)]
pub struct Progress {
    /// What the offsets count in.
    history: String,
    /// When it was asked, and how many bytes it had written. The first one alone may be more than
    /// [`MOST_BEHIND`] before the last.
    offsets: VecDeque<(Instant, u64)>,
}

impl Progress {
    /// The primary has written so much now.
    pub fn wrote(&mut self, history: &str, offset: u64, now: Instant) {
        if self.history != history {
            history.clone_into(&mut self.history);
            self.offsets.clear();
        }
        self.offsets.push_back((now, offset));
        let is_old = |at: &(Instant, u64)| now.duration_since(at.0) >= MOST_BEHIND;
        while self.offsets.get(1).is_some_and(is_old) {
            self.offsets.pop_front();
        }
    }

    /// Whether a replica may be read that says this of itself; else why not.
    pub fn judge(&self, said: &Replication) -> Result<(), &'static str> {
        match said {
            Replication::Primary { .. } => Err("it is no replica"),
            Replication::Replica { is_following: false, .. } => {
                Err("it is not connected to its primary, or loads what it begins with")
            }
            Replication::Replica { history, .. } if *history != self.history => {
                Err("it follows another server")
            }
            // Where the primary is not known for so long, what it had at first.
            Replication::Replica { offset, .. }
                if self.offsets.front().is_none_or(|(_, least)| offset < least) =>
            {
                Err("it is more than 2 s behind")
            }
            Replication::Replica { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(history: &str, offset: u64) -> Replication {
        Replication::Replica { history: history.to_owned(), offset, is_following: true }
    }

    #[test]
    fn a_replica_keeps_up_that_has_what_the_primary_had_two_seconds_ago() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut progress = Progress::default();
        assert!(progress.judge(&replica("", 9)).is_err(), "nothing is known");
        progress.wrote("a", 100, at(0));
        // It may have been behind for long: it has to be where the primary was at first.
        assert!(progress.judge(&replica("a", 99)).is_err());
        assert!(progress.judge(&replica("a", 100)).is_ok());
        for (ms, offset) in [(500, 200), (1_000, 300), (1_999, 400)] {
            progress.wrote("a", offset, at(ms));
        }
        assert!(progress.judge(&replica("a", 100)).is_ok());
        progress.wrote("a", 500, at(2_500));
        assert!(progress.judge(&replica("a", 199)).is_err());
        assert!(progress.judge(&replica("a", 200)).is_ok());
        progress.wrote("a", 500, at(60_000));
        assert!(progress.judge(&replica("a", 499)).is_err());
        assert!(progress.judge(&replica("a", 500)).is_ok(), "idle, it is as far as the primary");
    }

    #[test]
    fn another_history_counts_in_other_bytes() {
        let began = Instant::now();
        let mut progress = Progress::default();
        progress.wrote("a", 1_000, began);
        assert!(progress.judge(&replica("b", 2_000)).is_err());
        progress.wrote("b", 10, began + Duration::from_secs(1));
        assert!(progress.judge(&replica("b", 10)).is_ok());
        assert!(progress.judge(&replica("a", 2_000)).is_err());
        let loads = Replication::Replica { history: "b".into(), offset: 10, is_following: false };
        assert!(progress.judge(&loads).is_err());
        let other = Replication::Primary { history: "b".into(), offset: 10, replicas: Vec::new() };
        assert!(progress.judge(&other).is_err());
    }
}
