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

/// The hash that holds, by member, what a board's scores alone do not say: of a `last` score the
/// time of its event in ms, of a sum of floats the exact sum ([`tallyd_bolt::ExactSum`]). Boards of
/// other scores have none.
#[must_use]
pub fn state_key(period: &PeriodOptions, label: &str, group: &str) -> Key {
    Key::new(&["state", &period.name, label, group])
}
