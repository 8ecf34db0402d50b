//! The aggregate bolt: counts, sums, extremes, distincts and quantiles in tumbling windows.

mod options;

pub use options::{DEFAULT_ACCURACY, Function, Measure, Options, WindowOptions};

use tallyd_bolt::{Batch, Bolt, Effects, Reads, State, calendar::Calendar};
use tallyd_event::Schema;

/// The aggregate bolt.
pub struct Aggregate {}

impl Aggregate {
    /// An aggregate bolt over events of a schema.
    #[must_use]
    pub fn new(_options: Options, _input: Schema, _calendar: Calendar) -> Self {
        Self {}
    }
}

impl Bolt for Aggregate {
    fn output(&self) -> Option<&Schema> {
        None
    }

    fn reads(&self, _batch: &Batch<'_>) -> Reads {
        Reads::default()
    }

    fn process(&self, _batch: &Batch<'_>, _state: &State) -> Effects {
        Effects::default()
    }
}
