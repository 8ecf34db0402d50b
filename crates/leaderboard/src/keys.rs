//! Where a leaderboard bolt keeps its boards.

use crate::PeriodOptions;
use smol_str::SmolStr;
use tallyd_bolt::{Key, labels};

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

/// The hash that holds, by member, what its sorted set would hold of the hidden members of a board.
#[must_use]
pub fn hidden_key(period: &PeriodOptions, label: &str, group: &str) -> Key {
    Key::new(&["hidden", &period.name, label, group])
}

/// The hash that holds, in the field [`MEMBERS`], the hidden members of a partition: encoded as parts
/// of keys are, with spaces between.
#[must_use]
pub fn hides_key(partition: u16) -> Key {
    Key::new(&["hides", &partition.to_string()])
}

/// The field of [`hides_key`].
pub const MEMBERS: &str = "members";

/// The set of the labels of a period that have boards, each followed by a space and when they go, in
/// ms since the epoch, or `-` for never.
#[must_use]
pub fn labels_key(period: &PeriodOptions) -> Key {
    labels::labels_key(&period.name)
}

/// The set of the groups that have boards in a period, as they stand in keys.
#[must_use]
pub fn groups_key(period: &PeriodOptions, label: &str) -> Key {
    Key::new(&["groups", &period.name, label])
}

/// The hash that holds, by member, what a board's scores alone do not say: of a `last` score the
/// time of its event in ms, of a sum of floats the exact sum ([`tallyd_bolt::ExactSum`]). Boards of
/// other scores have none.
#[must_use]
pub fn state_key(period: &PeriodOptions, label: &str, group: &str) -> Key {
    Key::new(&["state", &period.name, label, group])
}
