//! The dedup bolt: the first event of an identity passes, later ones are dropped.
//!
//! It keeps a fingerprint of each identity in an append-only log for each bucket of arrival time,
//! an eighth of the window long. An identity that first arrived in bucket B makes the events with
//! the same key and identity that arrive in the buckets B to B + 8 duplicates, so it is remembered
//! for at least the window and at most one bucket more. (A window below 8 s has buckets of 1 s, as
//! many as cover it.) So does one that is processed first and arrived up to 8 buckets later.
//! Identities are told apart within their key, so producers send a retry with the key of the first
//! sending.
//!
//! An event's arrival is here that of its copy ([`tallyd_event::Event::entered`]): a dead letter that
//! is replayed comes now, whenever it arrived first, and meets what was recorded until now.
//!
//! A log is deleted by the arrivals that its partition has processed, in a commit: however long no
//! worker runs, nothing is forgotten that waits to be met.

mod buckets;
mod fingerprint;
mod kind;
mod logs;
mod options;

pub use buckets::{Buckets, KEPT, list_key, log_key};
pub use kind::DedupKind;
pub use options::Options;

use crate::{fingerprint::fingerprint, logs::Logs};
use std::collections::BTreeSet;
use tallyd_bolt::{Batch, Bolt, Effects, Reads, State};
use tallyd_event::{Schema, partition_of};

/// The dedup bolt. Its input must be partitioned by the event's key.
pub struct Dedup {
    buckets: Buckets,
    schema: Schema,
    partitions: u16,
    seed: [u8; 16],
}

impl Dedup {
    /// A dedup bolt over events of a schema, whose input is split into `partitions`; `seed` keys
    /// its fingerprints. What is stored depends on all of them.
    #[must_use]
    pub fn new(options: Options, input: Schema, partitions: u16, seed: [u8; 16]) -> Self {
        Self { buckets: Buckets::new(&options), schema: input, partitions, seed }
    }
}

impl Bolt for Dedup {
    /// The input's schema: events pass unchanged.
    fn output(&self) -> Option<&Schema> {
        Some(&self.schema)
    }

    fn reads(&self, batch: &Batch<'_>, reads: &mut Reads<'_>) {
        let mut asked = BTreeSet::new();
        for event in batch.events {
            let partition = partition_of([event.key(batch.schema).as_str()], self.partitions);
            let bucket = self.buckets.number(event.entered);
            if asked.insert((partition, bucket)) {
                logs::ask(self.buckets, partition, bucket, reads);
            }
        }
    }

    fn process(&self, batch: &Batch<'_>, state: &State) -> Effects {
        let mut effects = Effects::default();
        let mut logs = Logs::new(self.buckets);
        for (index, event) in batch.events.iter().enumerate() {
            let (key, id) = (event.key(batch.schema), event.id(batch.schema));
            let partition = partition_of([key.as_str()], self.partitions);
            let fingerprint = fingerprint(&self.seed, &key, &id);
            let bucket = self.buckets.number(event.entered);
            match logs.record(state, partition, bucket, fingerprint) {
                Ok(true) => effects.emits.push(event.clone()),
                Ok(false) => effects.duplicates += 1,
                Err(unreadable) => effects.reject(index, unreadable),
            }
        }
        logs.write(batch.now, &mut effects);
        effects
    }
}

#[cfg(test)]
mod tests;
