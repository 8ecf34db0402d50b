//! Where a partition of a bolt notes which of its periods or windows are closed, or start over.

use crate::{Effects, Key, Reads, State};
use smol_str::{SmolStr, ToSmolStr};
use tallyd_event::{Cuts, Edit, NoCuts};

/// What stands where a partition notes its cuts can't be read: which events count is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the field \"{partition}\" of the hash {key:?} can't be read: {error} (put back what stood there, or \
     delete the field and close again what was closed; then restart the workers, and: tallyd resume, \
     tallyd dead replay)",
    key = cuts_key()
)]
pub struct BrokenCuts {
    /// The partition.
    pub partition: u16,
    /// What stands there.
    pub error: NoCuts,
}

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

/// The cuts of a partition, from what stands in its field.
///
/// # Errors
/// Where they can't be read.
pub fn read(partition: u16, stored: Option<&[u8]>) -> Result<Cuts, BrokenCuts> {
    Cuts::read(stored).map_err(|error| BrokenCuts { partition, error })
}

/// Asks for the cuts of a partition.
pub fn ask(partition: u16, reads: &mut Reads<'_>) {
    reads.field(&cuts_key(), &cuts_field(partition));
}

/// Writes what a copy of an edit that closes or resets changes of the cuts of a partition. `until` is
/// when the results go that it is of, and `now` the time, in ms since the epoch.
///
/// # Errors
/// Where the cuts that there are can't be read.
pub fn write(
    (partition, state): (u16, &State),
    edit: &Edit,
    (until, now): (Option<i64>, i64),
    effects: &mut Effects,
) -> Result<(), BrokenCuts> {
    let (key, field) = (cuts_key(), cuts_field(partition));
    let cuts = read(partition, state.field(&key, &field))?;
    match cuts.after(edit, until, now) {
        Some(cuts) if cuts.is_empty() => effects.remove_field(&key, &field),
        Some(cuts) => effects.set_field(&key, &field, cuts.to_text()),
        None => {}
    }
    Ok(())
}
