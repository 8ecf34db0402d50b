//! Every constant of the fatigue formulas, with its meaning, unit and source.

use tallyd_bolt::Parameter;

/// The constants of the formulas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// After how long without an answer a new session begins, in ms.
    pub session_gap_ms: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { session_gap_ms: 1_800_000.0 }
    }
}

impl Parameters {
    /// The parameters as a topology names them.
    pub const TABLE: &'static [Parameter<Parameters>] = &[Parameter {
        name: "session_gap_ms",
        doc: "After how long without an answer a new session begins, in ms.",
        min: 1000.0,
        max: 86_400_000.0,
        place: |p| &mut p.session_gap_ms,
    }];
}
