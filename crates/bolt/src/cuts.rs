//! Where a partition of a bolt notes which of its periods or windows are closed, or start over.

use crate::{Effects, Key, Reads, State};
use smol_str::{SmolStr, ToSmolStr};
use tallyd_event::{Cuts, Edit};

/// The hash that holds them by partition: in a field that is the partition's number,
/// [`Cuts::to_text`].
#[must_use]
pub fn cuts_key() -> Key {
    Key::new(&["cuts"])
}

/// The field of a partition.
#[must_use]
pub fn cuts_field(partition: u16) -> SmolStr {
    partition.to_smolstr()
}

/// Asks for the cuts of a partition.
pub fn ask(partition: u16, reads: &mut Reads<'_>) {
    reads.field(&cuts_key(), &cuts_field(partition));
}

/// Writes what a copy of an edit that closes or resets changes of the cuts of a partition. `until` is
/// when the results go that it is of, and `now` the time, in ms since the epoch.
pub fn write(
    (partition, state): (u16, &State),
    edit: &Edit,
    (until, now): (Option<i64>, i64),
    effects: &mut Effects,
) {
    let (key, field) = (cuts_key(), cuts_field(partition));
    let cuts = Cuts::read(state.field(&key, &field));
    match cuts.after(edit, until, now) {
        Some(cuts) if cuts.is_empty() => effects.remove_field(&key, &field),
        Some(cuts) => effects.set_field(&key, &field, cuts.to_text()),
        None => {}
    }
}
