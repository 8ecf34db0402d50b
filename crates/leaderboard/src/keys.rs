//! Where a leaderboard bolt keeps its boards.

use crate::PeriodOptions;
use smol_str::SmolStr;
use tallyd_bolt::Key;

/// The name of the one group of a board without fields.
pub const EVERYONE: &str = "everyone";

/// The part of a key that names a board's group, from the values of the board's fields in their
/// order.
#[must_use]
pub fn group(values: &[(&str, &str)]) -> SmolStr {
    if values.is_empty() {
        return SmolStr::new_static(EVERYONE);
    }
    Key::group(values.iter().map(|&(name, value)| (name, Some(value))))
}

/// The sorted set of a board in a period: members as the events name them, with their scores as
/// [`crate::Options::score`] reads them.
#[must_use]
pub fn board_key(period: &PeriodOptions, label: &str, group: &str) -> Key {
    Key::new(&["board", &period.name, label, group])
}
