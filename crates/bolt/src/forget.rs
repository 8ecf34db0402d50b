//! Forgetting one whose fields in hashes are all that a bolt keeps of them.

use crate::{EditAt, EditStep, Key, Reads, State};
use smol_str::SmolStr;
use tallyd_event::{Edit, EditKind};

/// Whether an edit forgets somebody of the partition whose turn it is, in a bolt that knows them by
/// this field of its input.
#[must_use]
pub fn is_of(edit: &Edit, at: EditAt, field: &str) -> bool {
    edit.kind == EditKind::Forget && edit.field == field && at.owns([edit.member.as_str()])
}

/// Asks for what stands in the fields.
pub fn ask(fields: &[(Key, SmolStr)], reads: &mut Reads<'_>) {
    fields.iter().for_each(|(key, field)| reads.field(key, field));
}

/// Takes out the fields that hold something, in one step; none where none does.
#[must_use]
pub fn steps(mut fields: Vec<(Key, SmolStr)>, state: &State) -> Vec<EditStep> {
    fields.retain(|(key, field)| state.field(key, field).is_some());
    if fields.is_empty() {
        return Vec::new();
    }
    let mut step = EditStep { changed: 1, ..EditStep::default() };
    fields.iter().for_each(|(key, field)| step.effects.remove_field(key, field));
    vec![step]
}
