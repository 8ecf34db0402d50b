//! The dedup bolt: the first event of an identity passes, later ones are dropped.

mod options;

pub use options::Options;

use tallyd_bolt::{Batch, Bolt, Effects, Reads, State};
use tallyd_event::Schema;

/// The dedup bolt.
pub struct Dedup {
    output: Schema,
}

impl Dedup {
    /// A dedup bolt over events of a schema, split into `partitions`; `seed` keys its fingerprints.
    #[must_use]
    pub fn new(_options: Options, input: Schema, _partitions: u16, _seed: [u8; 16]) -> Self {
        Self { output: input }
    }
}

impl Bolt for Dedup {
    fn output(&self) -> Option<&Schema> {
        Some(&self.output)
    }

    fn reads(&self, _batch: &Batch<'_>) -> Reads {
        Reads::default()
    }

    fn process(&self, batch: &Batch<'_>, _state: &State) -> Effects {
        Effects { emits: batch.events.to_vec(), ..Effects::default() }
    }
}
