//! The logs of a batch's partitions: which are kept, what they hold, and what the batch changes.
//!
//! A partition lists its logs. It deletes one by the arrivals that it processes, never by a clock:
//! only once more than [`SPARE`] buckets have begun out of its reach, and no event has come within
//! its reach meanwhile. So neither a partition that stands still for a weekend forgets anything,
//! nor one whose arrivals jump for a while and come back.

use crate::buckets::{Buckets, KEPT, SPARE, list_key, log_key};
use std::collections::{BTreeMap, btree_map::Entry};
use tallyd_bolt::{Effects, Fingerprints, Key, Reads, State, Write};

/// Asks for the list of a partition, and for the logs that an event of a bucket can meet.
pub(crate) fn ask(buckets: Buckets, partition: u16, bucket: i64, reads: &mut Reads<'_>) {
    reads.field(&list_key(partition), KEPT);
    let lowest = bucket.saturating_sub(buckets.live).max(0);
    for bucket in lowest..=bucket.saturating_add(buckets.live) {
        reads.log(&log_key(partition, bucket));
    }
}

/// The logs of one batch.
pub(crate) struct Logs {
    buckets: Buckets,
    partitions: BTreeMap<u16, Partition>,
}

struct Partition {
    logs: Vec<Log>,
    /// The bucket of the event before.
    last: Option<i64>,
    /// Whether the list differs from the stored one.
    changed: bool,
    /// The logs that were deleted.
    dropped: Vec<Key>,
}

struct Log {
    key: Key,
    bucket: i64,
    /// How many buckets began out of its reach, since an event was within it.
    idle: u8,
    /// Whether what is stored counts: not, where this batch deleted the log and began it again.
    stored: bool,
    /// What this batch adds, to look up.
    fresh: Fingerprints,
    /// The same in the order of the events.
    added: Vec<u128>,
}

impl Logs {
    /// The logs of a new batch: none yet.
    pub(crate) fn new(buckets: Buckets) -> Self {
        Self { buckets, partitions: BTreeMap::new() }
    }

    /// Records a fingerprint in the log of its partition and bucket. False where a log within reach
    /// holds it already; then nothing is recorded.
    ///
    /// # Errors
    /// Where the stored list of the partition's logs can't be read: nothing can be told then.
    pub(crate) fn record(
        &mut self,
        state: &State,
        partition: u16,
        bucket: i64,
        fingerprint: u128,
    ) -> Result<bool, String> {
        let Self { buckets, partitions } = self;
        let of = match partitions.entry(partition) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Partition::load(state, partition)?),
        };
        of.go_to(*buckets, partition, bucket);
        let mut near = of.logs.iter().filter(|log| buckets.meet(log.bucket, bucket));
        if near.any(|log| log.holds(state, fingerprint)) {
            return Ok(false);
        }
        let Some(own) = of.logs.iter_mut().find(|log| log.bucket == bucket) else {
            return Err(format!("bucket {bucket} has no log (please report this)"));
        };
        own.fresh.insert(fingerprint);
        own.added.push(fingerprint);
        Ok(true)
    }

    /// Writes what was recorded and what was deleted.
    pub(crate) fn write(self, now: i64, effects: &mut Effects) {
        let buckets = self.buckets;
        for (partition, of) in self.partitions {
            let dropped = of.dropped.into_iter().map(|key| Write::DropLog { key });
            effects.writes.extend(dropped);
            let list = list_key(partition);
            if of.changed {
                let kept = of.logs.iter().map(|log| format!("{}:{}", log.bucket, log.idle));
                effects.set_field(&list, KEPT, kept.collect::<Vec<_>>().join(" "));
            }
            let written = of.changed || of.logs.iter().any(|log| !log.added.is_empty());
            let last = of.logs.iter().map(|log| buckets.garbage(log.bucket, now)).max();
            for Log { key, bucket, added, .. } in of.logs {
                if !added.is_empty() {
                    effects.expiries.push((key.clone(), buckets.garbage(bucket, now)));
                    effects.writes.push(Write::Append { key, fingerprints: added });
                }
            }
            effects.expiries.extend(last.filter(|_| written).map(|last| (list, last)));
        }
    }
}

impl Partition {
    fn load(state: &State, partition: u16) -> Result<Self, String> {
        let key = list_key(partition);
        let stored = String::from_utf8_lossy(state.field(&key, KEPT).unwrap_or_default());
        let log = |word: &str| {
            let (bucket, idle) = word.split_once(':')?;
            Some(Log::new(partition, bucket.parse().ok()?, idle.parse().ok()?, true))
        };
        let logs: Option<Vec<Log>> = stored.split_ascii_whitespace().map(log).collect();
        let Some(logs) = logs else {
            let shown: String = stored.chars().take(100).collect();
            return Err(format!(
                "{key:?} is \"{shown}\" (expected bucket:idle, with spaces between); restore it"
            ));
        };
        Ok(Self { logs, last: None, changed: false, dropped: Vec::new() })
    }

    /// An event of this bucket comes: its log begins, where there is none, and those that were out
    /// of reach for too long are deleted.
    fn go_to(&mut self, buckets: Buckets, partition: u16, bucket: i64) {
        if self.last.replace(bucket) == Some(bucket) {
            return;
        }
        let begins = self.logs.iter().all(|log| log.bucket != bucket);
        for log in &mut self.logs {
            let idle = match buckets.meet(log.bucket, bucket) {
                true => 0,
                false => log.idle + u8::from(begins),
            };
            self.changed |= idle != log.idle;
            log.idle = idle;
        }
        if begins {
            self.changed = true;
            let gone = self.logs.extract_if(.., |log| log.idle > SPARE);
            self.dropped.extend(gone.map(|log| log.key));
            let stored = !self.dropped.contains(&log_key(partition, bucket));
            self.logs.push(Log::new(partition, bucket, 0, stored));
        }
    }
}

impl Log {
    fn new(partition: u16, bucket: i64, idle: u8, stored: bool) -> Self {
        let (fresh, added) = (Fingerprints::default(), Vec::new());
        Self { key: log_key(partition, bucket), bucket, idle, stored, fresh, added }
    }

    fn holds(&self, state: &State, fingerprint: u128) -> bool {
        self.fresh.contains(&fingerprint)
            || (self.stored && state.log_contains(&self.key, fingerprint))
    }
}
