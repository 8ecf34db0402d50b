//! A learner gets another name: of two learners who become one, the state of the one who answered later
//! stays.

use crate::{bolt::learner_fields, learner::Reading};
use smol_str::SmolStr;
use tallyd_bolt::{EditAt, EditStep, Key, Reads, State, rename};
use tallyd_event::Edit;

/// Asks for what is kept of the member of an edit.
pub(crate) fn ask(edit: &Edit, at: EditAt, reads: &mut Reads<'_>) {
    learner_fields(&edit.member, at.partitions)
        .iter()
        .for_each(|(key, field)| reads.field(key, field));
}

/// What the edit changes: the learner is handed over, or one who was comes in.
pub(crate) fn steps(edit: &Edit, at: EditAt, state: &State) -> Vec<EditStep> {
    let mut step = EditStep::default();
    for (key, field) in learner_fields(&edit.member, at.partitions) {
        let stored = state.field(&key, &field);
        match rename::handed_over(edit) {
            Some(comes) if is_later(&comes, stored) => adopt((&key, field), comes, &mut step),
            Some(_) => {}
            None => {
                if let Some(bytes) = stored {
                    rename::hand_over(edit, at, bytes, &mut step);
                    step.effects.remove_field(&key, &field);
                    step.changed += 1;
                }
            }
        }
    }
    if step == EditStep::default() { Vec::new() } else { vec![step] }
}

fn adopt((key, field): (&Key, SmolStr), comes: Vec<u8>, step: &mut EditStep) {
    step.effects.set_field(key, &field, comes);
    step.changed += 1;
}

/// Whether a learner answered later than the one that is there, if there is one. Bytes that are no
/// learner are no reason to keep them.
fn is_later(comes: &[u8], stood: Option<&[u8]>) -> bool {
    let at = |bytes: &[u8]| Reading::of(bytes).map(|reading| reading.at).ok();
    at(comes) > stood.and_then(at)
}
