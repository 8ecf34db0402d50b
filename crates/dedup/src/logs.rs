//! The logs that a batch's events look into, each named once, and what the batch adds to them.

use crate::buckets::{Buckets, log_key};
use std::collections::BTreeMap;
use tallyd_bolt::{Effects, Fingerprints, Key, Reads, State, Write};

/// The logs of one batch.
pub(crate) struct Logs {
    buckets: Buckets,
    logs: Vec<Log>,
    /// The places in `logs`, by partition and bucket.
    places: BTreeMap<(u16, i64), usize>,
    /// The places of all logs that an event of a partition and bucket looks into, its own first.
    spans: BTreeMap<(u16, i64), Vec<usize>>,
}

struct Log {
    key: Key,
    bucket: i64,
    /// What this batch adds, to look up.
    fresh: Fingerprints,
    /// The same in the order of the events.
    added: Vec<u128>,
}

impl Logs {
    /// The logs of a new batch: none yet.
    pub(crate) fn new(buckets: Buckets) -> Self {
        Self { buckets, logs: Vec::new(), places: BTreeMap::new(), spans: BTreeMap::new() }
    }

    /// Names the logs that an event of this partition and arrival looks into.
    pub(crate) fn open(&mut self, partition: u16, arrival: i64) -> &[usize] {
        let bucket = self.buckets.number(arrival);
        let Self { buckets, logs, places, spans } = self;
        spans.entry((partition, bucket)).or_insert_with(|| {
            let oldest = bucket.saturating_sub(buckets.live).max(0);
            let log = |bucket| {
                *places.entry((partition, bucket)).or_insert_with(|| {
                    let key = log_key(partition, bucket);
                    let (fresh, added) = (Fingerprints::default(), Vec::new());
                    logs.push(Log { key, bucket, fresh, added });
                    logs.len() - 1
                })
            };
            (oldest..=bucket).rev().map(log).collect()
        })
    }

    /// Records a fingerprint in the log of its partition and arrival. False where that log or an
    /// older one that is still alive holds it already; then nothing is recorded.
    pub(crate) fn record(
        &mut self,
        state: &State,
        partition: u16,
        arrival: i64,
        fingerprint: u128,
    ) -> bool {
        self.open(partition, arrival);
        let span = self.spans.get(&(partition, self.buckets.number(arrival)));
        let span = span.map_or(&[][..], Vec::as_slice);
        let seen = span.iter().filter_map(|&place| self.logs.get(place)).any(|log| {
            log.fresh.contains(&fingerprint) || state.log_contains(&log.key, fingerprint)
        });
        if !seen && let Some(log) = span.first().and_then(|&own| self.logs.get_mut(own)) {
            log.fresh.insert(fingerprint);
            log.added.push(fingerprint);
        }
        !seen
    }

    /// Asks for all logs that were opened.
    pub(crate) fn ask(&self, reads: &mut Reads) {
        for log in &self.logs {
            reads.log(&log.key);
        }
    }

    /// Writes what was recorded.
    pub(crate) fn write(self, now: i64, effects: &mut Effects) {
        for Log { key, bucket, added, .. } in self.logs {
            if !added.is_empty() {
                effects.expiries.push((key.clone(), self.buckets.expiry(bucket, now)));
                effects.writes.push(Write::Append { key, fingerprints: added });
            }
        }
    }
}
