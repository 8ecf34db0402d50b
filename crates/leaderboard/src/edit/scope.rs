//! Edits of a part of the boards: a period is closed, or boards start over.

use super::{Place, members};
use crate::{
    Leaderboard, MEMBERS, board_key, groups_key, hidden_key, hides_key, labels_key, state_key,
};
use smol_str::SmolStr;
use tallyd_bolt::{EditAt, EditStep, Reads, State, cuts};
use tallyd_event::{Edit, EditKind, Scope, partition_of};

/// How many members are taken off in one step at most: a commit of three commands for each.
const MEMBERS_OF_STEP: usize = if cfg!(test) { 2 } else { 500 };

impl Leaderboard {
    pub(super) fn ask_for_scope(
        &self,
        (edit, scope): (&Edit, &Scope),
        at: EditAt,
        reads: &mut Reads<'_>,
    ) {
        cuts::ask(at.partition, reads);
        if !edit.is_first_copy() {
            return;
        }
        let hidden: Vec<SmolStr> = match edit.kind {
            EditKind::Reset => members(reads.look(&hides_key(at.partition), MEMBERS)).collect(),
            _ => Vec::new(),
        };
        for period in &self.options.periods {
            let labels = reads.look_names(&labels_key(period));
            for (label, _) in super::live(labels, at.now) {
                if !scope.has(&period.name, &label) {
                    continue;
                }
                for group in reads.look_names(&groups_key(period, &label)) {
                    if edit.kind != EditKind::Reset || !scope.has_group(group, true) {
                        continue;
                    }
                    let board = board_key(period, &label, group);
                    reads.ranked(&board, (at.partition, self.partitions));
                    let kept = hidden_key(period, &label, group);
                    hidden.iter().for_each(|member| reads.field(&kept, member));
                }
            }
        }
    }

    pub(super) fn steps_of_scope(
        &self,
        (edit, scope): (&Edit, &Scope),
        at: EditAt,
        state: &State,
    ) -> Vec<EditStep> {
        let (mut steps, mut step, mut boards) = (Vec::new(), EditStep::default(), 0);
        let places = if edit.is_first_copy() { self.places(at, state) } else { Vec::new() };
        let hidden: Vec<SmolStr> =
            members(state.field(&hides_key(at.partition), MEMBERS)).collect();
        for place in places {
            let is_of = scope.has(&place.period.name, &place.label);
            if !is_of || !scope.has_group(&place.group, true) {
                continue;
            }
            // A board is of all partitions: one of them counts it.
            boards +=
                u64::from(partition_of([place.group.as_str()], self.partitions) == at.partition);
            if edit.kind == EditKind::Reset {
                self.empty(&place, (at, state), &hidden, (&mut steps, &mut step));
            }
        }
        // Said last: what is left to do after a crash does not hang on it.
        let until = self.until(scope);
        let of_partition = (at.partition, state);
        if let Err(broken) = cuts::write(of_partition, edit, (until, at.now), &mut step.effects) {
            return vec![EditStep::broken(broken)];
        }
        step.changed = boards;
        steps.push(step);
        steps
    }

    /// Takes the members of a partition off a board.
    fn empty(
        &self,
        place: &Place<'_>,
        (at, state): (EditAt, &State),
        hidden: &[SmolStr],
        (steps, step): (&mut Vec<EditStep>, &mut EditStep),
    ) {
        let (period, label, group) = (place.period, &place.label, &place.group);
        let board = board_key(period, label, group);
        let (kept, rest) = (hidden_key(period, label, group), state_key(period, label, group));
        let mut shown: Vec<&SmolStr> =
            state.ranked(&board, (at.partition, self.partitions)).collect();
        shown.sort_unstable();
        let hidden = hidden.iter().filter(|member| state.field(&kept, member).is_some());
        let shown = shown.into_iter().map(|member| (member, false));
        for (member, is_hidden) in shown.chain(hidden.map(|member| (member, true))) {
            match is_hidden {
                true => step.effects.remove_field(&kept, member),
                false => step.effects.remove_score(&board, member),
            }
            if self.scoring.has_rest() {
                step.effects.remove_field(&rest, member);
            }
            let each = if self.scoring.has_rest() { 2 } else { 1 };
            if step.effects.writes.len() >= MEMBERS_OF_STEP * each {
                steps.push(std::mem::take(step));
            }
        }
    }

    /// When the boards of a scope go, if ever: of one that names its period.
    fn until(&self, scope: &Scope) -> Option<i64> {
        let (name, label) = scope.period.as_ref().zip(scope.label.as_ref())?;
        let period = self.options.periods.iter().find(|period| period.name == *name)?;
        let window = self.calendar.labelled(period.length, label)?;
        period.lasting.expiry(&window)
    }
}
