//! What came too late for windows and periods.

use smol_str::SmolStr;
use std::collections::BTreeMap;

/// How many examples of late events are kept for each bolt.
pub const LATE_EXAMPLES: usize = 10;

/// The windows and periods of one bolt that events came too late for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Late {
    /// How many events, by the name of the window or period.
    pub counts: BTreeMap<SmolStr, u64>,
    /// The last of them, at most [`LATE_EXAMPLES`], the oldest first.
    pub examples: Vec<LateEvent>,
}

/// An event that came too late for a window or period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateEvent {
    /// Its identity.
    pub id: SmolStr,
    /// When it happened, in ms since the epoch.
    pub time: i64,
    /// When it reached its source, in ms since the epoch.
    pub arrival: i64,
    /// The name of the window or period, such as `1h` or `day`.
    pub window: SmolStr,
    /// The label of the one that was final.
    pub label: SmolStr,
}
