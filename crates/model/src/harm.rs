//! What must never be seen in Redis, whatever happened before.

use crate::redis::Redis;

/// What went wrong with an entry of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// Its effect is in more than once.
    Twice {
        /// The partition.
        partition: usize,
        /// The entry.
        entry: u8,
    },
    /// Its effect is in after that of a later entry.
    OutOfOrder {
        /// The partition.
        partition: usize,
        /// The entry.
        entry: u8,
    },
    /// Its effect is not in and never will be: the cursor is past it, or it was trimmed.
    Lost {
        /// The partition.
        partition: usize,
        /// The entry.
        entry: u8,
    },
}

/// The first harm that is found.
#[must_use]
pub fn harm(redis: &Redis) -> Option<Harm> {
    redis.partitions.iter().enumerate().find_map(|(place, partition)| {
        let state = [&partition.added, &partition.written];
        let disorder = state.into_iter().find_map(|effects| Harm::of_order(place, effects));
        disorder.or_else(|| {
            let stream = redis.stream_of(place);
            // The cursor is past it, or it was trimmed: nobody will look at it again.
            let past = partition.cursor.max(stream.first - 1);
            let lost =
                (1..=past).find(|entry| !state.iter().all(|effects| effects.contains(entry)));
            lost.map(|entry| Harm::Lost { partition: place, entry })
        })
    })
}

impl Harm {
    /// The first harm in the order of effects.
    #[must_use]
    pub fn of_order(partition: usize, effects: &[u8]) -> Option<Self> {
        (1..effects.len()).find_map(|at| {
            let (entry, before) = (effects[at], &effects[..at]);
            if before.contains(&entry) {
                Some(Self::Twice { partition, entry })
            } else if before.iter().any(|&other| other > entry) {
                Some(Self::OutOfOrder { partition, entry })
            } else {
                None
            }
        })
    }
}
