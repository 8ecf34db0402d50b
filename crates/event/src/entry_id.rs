//! The id of a stream entry: the Redis server's clock in milliseconds, and a sequence number.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{fmt, str::FromStr};

/// The beginning of 2018, the year of Redis 5, in ms since the epoch.
const FIRST_MS: u64 = 1_514_764_800_000;

/// The id of one entry of a Redis stream. Ordered as Redis orders it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// Milliseconds since the epoch, on the Redis server's clock.
    pub ms: u64,
    /// The place among the entries of one millisecond.
    pub seq: u64,
}

impl EntryId {
    /// `0-0`: below every entry.
    pub const ZERO: Self = Self { ms: 0, seq: 0 };

    /// The id right after this one: the lowest that is greater.
    #[must_use]
    pub fn next(self) -> Self {
        match self.seq.checked_add(1) {
            Some(seq) => Self { ms: self.ms, seq },
            None => Self { ms: self.ms.saturating_add(1), seq: 0 },
        }
    }

    /// The id right before this one: the greatest that is lower; of the lowest, itself.
    #[must_use]
    pub fn before(self) -> Self {
        match (self.seq.checked_sub(1), self.ms.checked_sub(1)) {
            (Some(seq), _) => Self { ms: self.ms, seq },
            (None, Some(ms)) => Self { ms, seq: u64::MAX },
            (None, None) => self,
        }
    }

    /// The lowest that a server's clock can have made.
    pub const FIRST_OF_A_CLOCK: Self = Self { ms: FIRST_MS, seq: 0 };

    /// Whether a server's clock made it. Somebody wrote those by hand that lie before there were
    /// streams, such as `1-1`: they say nothing of a time.
    #[must_use]
    pub fn is_of_a_clock(self) -> bool {
        self.ms >= FIRST_MS
    }

    /// When a server's clock made it, in ms since the epoch; `None` where no clock did.
    #[must_use]
    pub fn clock_time(self) -> Option<i64> {
        self.is_of_a_clock().then(|| self.time())
    }

    /// Its milliseconds, signed as event times are. They are a time only where a clock made it:
    /// [`EntryId::clock_time`].
    #[must_use]
    pub fn time(self) -> i64 {
        i64::try_from(self.ms).unwrap_or(i64::MAX)
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// As its text.
impl Serialize for EntryId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EntryId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// A text that is no entry id.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is not an entry id (expected milliseconds-sequence, such as 1767225600000-0)")]
pub struct EntryIdError(String);

impl FromStr for EntryId {
    type Err = EntryIdError;

    fn from_str(text: &str) -> Result<Self, EntryIdError> {
        let (ms, seq) = text.split_once('-').unwrap_or((text, "0"));
        match (ms.parse(), seq.parse()) {
            (Ok(ms), Ok(seq)) => Ok(Self { ms, seq }),
            _ => Err(EntryIdError(text.chars().take(64).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_orders_by_number() {
        let id: EntryId = "10-2".parse().unwrap();
        assert_eq!(id.to_string(), "10-2");
        assert!(id > "9-99".parse().unwrap());
        assert_eq!(id.next(), "10-3".parse().unwrap());
        assert_eq!(EntryId { ms: 1, seq: u64::MAX }.next(), EntryId { ms: 2, seq: 0 });
        assert!("x-1".parse::<EntryId>().is_err());
    }

    #[test]
    fn an_id_that_was_written_by_hand_is_no_time() {
        for (id, is_of_a_clock) in
            [("1-1", false), ("1795832107-0", false), ("1795832107290-0", true)]
        {
            let id: EntryId = id.parse().unwrap();
            assert_eq!(id.is_of_a_clock(), is_of_a_clock, "{id}");
            assert_eq!(id.clock_time(), is_of_a_clock.then_some(1_795_832_107_290), "{id}");
            assert_eq!(id >= EntryId::FIRST_OF_A_CLOCK, is_of_a_clock, "{id}");
        }
    }
}
