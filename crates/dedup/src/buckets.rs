//! How a window is cut into buckets of arrival time, each with a log of its own: a whole log
//! expires at once, and nothing has to be taken out of one.

use crate::Options;
use tallyd_bolt::Key;

/// How many buckets a window is cut into.
const BUCKETS: i64 = 8;
/// The shortest bucket, in ms.
const SHORTEST_MS: i64 = 1000;

/// The buckets of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// How long one is, in ms.
    pub length_ms: i64,
    /// For how many buckets after its own an identity is remembered.
    pub live: i64,
}

impl Buckets {
    /// Cuts the window of these options.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        let window_ms = options.window_ms.max(1);
        let length_ms = divide_up(window_ms, BUCKETS).max(SHORTEST_MS);
        Self { length_ms, live: divide_up(window_ms, length_ms) }
    }

    /// The number of the bucket that an arrival lies in.
    #[must_use]
    pub fn number(self, arrival: i64) -> i64 {
        arrival.div_euclid(self.length_ms)
    }

    /// When the log of a bucket goes, if its last fingerprint was written at `now`: after the last
    /// event that can meet it, and one bucket more.
    ///
    /// Events meet it as late after their arrival as they are processed. So where processing lags
    /// behind, a log lives the longer, and a backlog longer than the window loses no identity.
    pub(crate) fn expiry(self, bucket: i64, now: i64) -> i64 {
        let end = bucket.saturating_add(1).saturating_mul(self.length_ms);
        end.max(now).saturating_add((self.live + 1).saturating_mul(self.length_ms))
    }
}

/// The key of the log of a bucket in a partition.
#[must_use]
pub fn log_key(partition: u16, bucket: i64) -> Key {
    Key::new(&["seen", &partition.to_string(), &bucket.to_string()])
}

fn divide_up(dividend: i64, divisor: i64) -> i64 {
    dividend / divisor + i64::from(dividend % divisor != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_cover_the_window() {
        let cases = [
            (86_400_000, 10_800_000, 8),
            (8_001, 1_001, 8),
            (8_000, 1_000, 8),
            (2_500, 1_000, 3),
            (1, 1_000, 1),
            (i64::MAX, i64::MAX / 8 + 1, 8),
        ];
        for (window_ms, length_ms, live) in cases {
            assert_eq!(Buckets::new(&Options { window_ms }), Buckets { length_ms, live });
        }
    }

    #[test]
    fn a_log_outlives_the_events_that_can_meet_it() {
        let buckets = Buckets::new(&Options { window_ms: 8_000 });
        // Bucket 5 ends at 6,000; bucket 13, the last that meets it, at 14,000.
        assert_eq!(buckets.expiry(5, 5_500), 15_000);
        assert_eq!(buckets.expiry(5, 100_000), 109_000);
        assert_eq!(buckets.expiry(i64::MAX, 0), i64::MAX);
    }
}
