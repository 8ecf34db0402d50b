//! Forgetting a learner.

use crate::{Mastery, learner_fields};
use tallyd_bolt::{EditAt, EditStep, Reads, State};
use tallyd_event::{Edit, EditKind};

impl Mastery {
    /// Whether an edit forgets a learner of this partition.
    fn forgets(&self, edit: &Edit, at: EditAt) -> bool {
        let is_by = edit.kind == EditKind::Forget && edit.field == self.learner_field();
        is_by && at.owns([edit.member.as_str()])
    }

    pub(crate) fn ask_to_forget(&self, edit: &Edit, at: EditAt, reads: &mut Reads<'_>) {
        if self.forgets(edit, at) {
            for (key, field) in learner_fields(&edit.member, at.partitions) {
                reads.field(&key, &field);
            }
        }
    }

    pub(crate) fn steps_to_forget(&self, edit: &Edit, at: EditAt, state: &State) -> Vec<EditStep> {
        let mut step = EditStep { changed: 1, ..EditStep::default() };
        if self.forgets(edit, at) {
            let mut fields = learner_fields(&edit.member, at.partitions);
            fields.retain(|(key, field)| state.field(key, field).is_some());
            fields.iter().for_each(|(key, field)| step.effects.remove_field(key, field));
        }
        if step.effects.writes.is_empty() { Vec::new() } else { vec![step] }
    }
}
