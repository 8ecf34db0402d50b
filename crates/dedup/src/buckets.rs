//! How a window is cut into buckets of arrival time, each with a log of its own: a whole log is
//! deleted at once, and nothing has to be taken out of one.

use crate::Options;
use tallyd_bolt::Key;

/// How many buckets a window is cut into.
const BUCKETS: i64 = 8;
/// The shortest bucket, in ms.
const SHORTEST_MS: i64 = 1000;
/// For how many new buckets that are too far away to meet it a log is kept all the same. An
/// arrival that jumps (a server whose clock was set forward for a while) begins one new bucket;
/// with two to spare, the clock has to stay wrong for a whole bucket before anything is forgotten.
pub(crate) const SPARE: u8 = 2;
/// After how long a log that nothing writes to any more is collected, in ms, beyond the time in
/// which it can be met: only what a topology that was removed has left is older.
const GARBAGE_MS: i64 = 30 * 86_400_000;

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

    /// How many logs a partition keeps whose events arrive all the time.
    #[must_use]
    pub fn kept(self) -> i64 {
        self.live + 1 + i64::from(SPARE)
    }

    /// Whether the events of two buckets meet: an identity of the one is a duplicate in the other.
    pub(crate) fn meet(self, one: i64, other: i64) -> bool {
        one.abs_diff(other) <= self.live.unsigned_abs()
    }

    /// When the server may collect the log of a bucket that was written to at `now`. Logs are
    /// deleted by their partition, as it goes on: this is for those that no partition has any more.
    pub(crate) fn garbage(self, bucket: i64, now: i64) -> i64 {
        let end = bucket.saturating_add(1).saturating_mul(self.length_ms);
        let met = self.kept().saturating_mul(self.length_ms);
        end.max(now).saturating_add(met).saturating_add(GARBAGE_MS)
    }
}

/// The key of the log of a bucket in a partition.
#[must_use]
pub fn log_key(partition: u16, bucket: i64) -> Key {
    Key::new(&["seen", &partition.to_string(), &bucket.to_string()])
}

/// The hash that lists the logs of a partition, in the field [`KEPT`].
#[must_use]
pub fn list_key(partition: u16) -> Key {
    Key::new(&["buckets", &partition.to_string()])
}

/// The field of the list: `bucket:idle` for each log, with spaces between; `idle` counts the
/// buckets that began out of its reach since it was met last.
pub const KEPT: &str = "kept";

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
    fn the_server_collects_a_log_long_after_it_can_be_met() {
        let buckets = Buckets::new(&Options { window_ms: 8_000 });
        assert_eq!(buckets.garbage(5, 5_500), 6_000 + 11_000 + GARBAGE_MS);
        assert_eq!(buckets.garbage(5, 100_000), 100_000 + 11_000 + GARBAGE_MS);
        assert_eq!(buckets.garbage(i64::MAX, 0), i64::MAX);
        let year = Buckets::new(&Options { window_ms: 365 * 86_400_000 });
        assert!(year.garbage(0, 0) > 365 * 86_400_000);
    }
}
