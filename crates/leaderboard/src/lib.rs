//! The leaderboard bolt: ranked scores for each board and period.

mod options;

pub use options::{Options, PeriodOptions, Score, Ties};

use tallyd_bolt::{Batch, Bolt, Effects, Reads, State, calendar::Calendar};
use tallyd_event::Schema;

/// The leaderboard bolt.
pub struct Leaderboard {}

impl Leaderboard {
    /// A leaderboard bolt over events of a schema.
    #[must_use]
    pub fn new(_options: Options, _input: Schema, _calendar: Calendar) -> Self {
        Self {}
    }
}

impl Bolt for Leaderboard {
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
