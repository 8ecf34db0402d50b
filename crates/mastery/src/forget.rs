//! Forgetting a learner.

use crate::{Mastery, OVERALL_FIELD, learner_key};
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
            reads.field(&learner_key(&edit.member), OVERALL_FIELD);
        }
    }

    pub(crate) fn steps_to_forget(&self, edit: &Edit, at: EditAt, state: &State) -> Vec<EditStep> {
        let key = learner_key(&edit.member);
        if !self.forgets(edit, at) || state.field(&key, OVERALL_FIELD).is_none() {
            return Vec::new();
        }
        let mut step = EditStep { changed: 1, ..EditStep::default() };
        step.effects.drop_key(&key);
        vec![step]
    }
}
