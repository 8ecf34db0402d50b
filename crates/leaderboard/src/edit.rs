//! Edits of a member: on all boards that the directory lists.

mod forget;
mod moves;
mod rename;
mod scope;

use crate::{
    Leaderboard, MEMBERS, PeriodOptions, board_key, groups_key, hidden_key, hides_key, labels_key,
    standing::hidden_score,
};
use hashbrown::HashSet;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use tallyd_bolt::{
    Batch, EditAt, EditStep, Effects, Key, Reads, State,
    cuts::{self, BrokenCuts, cuts_field, cuts_key},
    labels::live,
};
use tallyd_event::{Cuts, Edit, EditKind, partition_of};

/// How many boards are changed in one step at most: a commit of two commands for each.
const BOARDS: usize = if cfg!(test) { 2 } else { 500 };

/// The cuts of the partitions of a batch. Each holds for the events of its partition alone: of two, one
/// may know of an edit already and the other not yet.
#[derive(Default)]
pub(crate) struct CutsOf {
    cuts: BTreeMap<u16, Cuts>,
    broken: BTreeMap<u16, BrokenCuts>,
    partitions: u16,
}

impl CutsOf {
    /// Those for the events of a member; `None` where there are none.
    pub(crate) fn get(&self, member: impl FnOnce() -> Option<SmolStr>) -> Option<&Cuts> {
        if self.cuts.is_empty() {
            return None;
        }
        self.cuts.get(&partition_of([member()?.as_str()], self.partitions))
    }

    /// Why it is not known what counts of the events of a member, if it is not.
    pub(crate) fn broken(&self, member: &str) -> Option<&BrokenCuts> {
        if self.broken.is_empty() {
            return None;
        }
        self.broken.get(&partition_of([member], self.partitions))
    }
}

/// A board that an edit looks at.
struct Place<'a> {
    period: &'a PeriodOptions,
    label: SmolStr,
    group: SmolStr,
    expiry: Option<i64>,
}

impl Leaderboard {
    /// The hidden members of the partitions of a batch, and which of their periods are cut. `look`
    /// gives the bytes of a field of a hash.
    pub(crate) fn edited<'s>(
        &self,
        batch: &Batch<'_>,
        mut look: impl FnMut(&Key, &str) -> Option<&'s [u8]>,
    ) -> (HashSet<SmolStr>, CutsOf) {
        let (mut hidden, mut cuts, mut broken) = (HashSet::new(), BTreeMap::new(), BTreeMap::new());
        let mut met = vec![false; usize::from(self.partitions.max(1))];
        for event in batch.events {
            let Some(member) = self.options.member.text(event) else { continue };
            let partition = partition_of([member.as_str()], self.partitions);
            let Some(met) = met.get_mut(usize::from(partition)).filter(|met| !**met) else {
                continue;
            };
            *met = true;
            hidden.extend(members(look(&hides_key(partition), MEMBERS)));
            match cuts::read(partition, look(&cuts_key(), &cuts_field(partition))) {
                Ok(of) if of.is_empty() => {}
                Ok(of) => drop(cuts.insert(partition, of)),
                Err(why) => drop(broken.insert(partition, why)),
            }
        }
        (hidden, CutsOf { cuts, broken, partitions: self.partitions })
    }

    /// Whether an edit is for a member that this partition ranks.
    fn concerns(&self, edit: &Edit, at: EditAt) -> bool {
        edit.field == self.options.member.name && at.owns([edit.member.as_str()])
    }

    pub(crate) fn ask_for_edit(&self, edit: &Edit, at: EditAt, reads: &mut Reads<'_>) {
        if let Some(scope) = &edit.scope {
            return self.ask_for_scope((edit, scope), at, reads);
        }
        if !self.concerns(edit, at) {
            return;
        }
        if let Some(moves) = &edit.moves {
            return self.ask_to_move((&edit.member, moves), at, reads);
        }
        if edit.kind == EditKind::Rename {
            return self.ask_to_rename(edit, at, reads);
        }
        let mut hidden = members(reads.look(&hides_key(at.partition), MEMBERS));
        let looks_at_hidden = match edit.kind {
            EditKind::Unhide => true,
            EditKind::Forget => hidden.any(|member| member == edit.member),
            _ => false,
        };
        for period in &self.options.periods {
            let labels = reads.look_names(&labels_key(period));
            for (label, _) in live(labels, at.now) {
                for group in reads.look_names(&groups_key(period, &label)) {
                    match looks_at_hidden {
                        true => reads.field(&hidden_key(period, &label, group), &edit.member),
                        false => reads.score(&board_key(period, &label, group), &edit.member),
                    }
                }
            }
        }
    }

    pub(crate) fn steps_of_edit(&self, edit: &Edit, at: EditAt, state: &State) -> Vec<EditStep> {
        if let Some(scope) = &edit.scope {
            return self.steps_of_scope((edit, scope), at, state);
        }
        if !self.concerns(edit, at) {
            return Vec::new();
        }
        if let Some(moves) = &edit.moves {
            return self.steps_to_move((&edit.member, moves), at, state);
        }
        match (edit.kind, &edit.handed) {
            (EditKind::Rename, Some(handed)) => {
                return self.steps_to_adopt((edit, handed), at, state);
            }
            (EditKind::Rename, None) => return self.steps_to_hand_over(edit, at, state),
            _ => {}
        }
        let (mut steps, mut step) = (Vec::new(), EditStep::default());
        for place in self.places(at, state) {
            let changed = match edit.kind {
                EditKind::Hide | EditKind::Unhide => place.change(edit, state, &mut step),
                EditKind::Forget => self.forget(&place, &edit.member, state, &mut step),
                _ => false,
            };
            if !changed {
                continue;
            }
            step.changed += 1;
            if step.changed as usize >= BOARDS {
                steps.push(std::mem::take(&mut step));
            }
        }
        // Who is hidden is said last: what is left to do after a crash does not hang on it.
        let key = hides_key(at.partition);
        let mut hidden: BTreeSet<SmolStr> = members(state.field(&key, MEMBERS)).collect();
        let is_new = match edit.kind {
            EditKind::Hide => hidden.insert(edit.member.clone()),
            EditKind::Unhide | EditKind::Forget => hidden.remove(&edit.member),
            _ => false,
        };
        if is_new {
            write_hidden(&key, &hidden, &mut step.effects);
        }
        if step != EditStep::default() {
            steps.push(step);
        }
        steps
    }

    /// The boards that there are, in a fixed order.
    fn places(&self, at: EditAt, state: &State) -> Vec<Place<'_>> {
        let mut places = Vec::new();
        for period in &self.options.periods {
            for (label, expiry) in live(state.names(&labels_key(period)), at.now) {
                let mut groups: Vec<&SmolStr> = state.names(&groups_key(period, &label)).collect();
                groups.sort_unstable();
                let place = |group: &SmolStr| {
                    let (label, group) = (label.clone(), group.clone());
                    Place { period, label, group, expiry }
                };
                places.extend(groups.into_iter().map(place));
            }
        }
        places
    }
}

impl Place<'_> {
    /// Moves the member's score off the board, or back onto it. Returns whether there was one.
    fn change(&self, edit: &Edit, state: &State, step: &mut EditStep) -> bool {
        let board = board_key(self.period, &self.label, &self.group);
        let hidden = hidden_key(self.period, &self.label, &self.group);
        let (effects, member) = (&mut step.effects, edit.member.as_str());
        let key = match edit.kind == EditKind::Hide {
            true => {
                let Some(score) = state.score(&board, member) else { return false };
                effects.remove_score(&board, member);
                effects.set_field(&hidden, member, score.to_string());
                hidden
            }
            false => {
                let stored = state.field(&hidden, member).map(hidden_score);
                let Some(Ok(score)) = stored else { return false };
                effects.set_score(&board, member, score);
                effects.remove_field(&hidden, member);
                board
            }
        };
        effects.expiries.extend(self.expiry.map(|expiry| (key, expiry)));
        true
    }
}

/// Writes who is hidden in a partition.
fn write_hidden(key: &Key, hidden: &BTreeSet<SmolStr>, effects: &mut Effects) {
    if hidden.is_empty() {
        effects.remove_field(key, MEMBERS);
    } else {
        let encoded: Vec<SmolStr> = hidden.iter().map(|name| Key::encode(name)).collect();
        effects.set_field(key, MEMBERS, encoded.join(" "));
    }
}

/// The members of a list of [`hides_key`].
fn members(list: Option<&[u8]>) -> impl Iterator<Item = SmolStr> {
    let list = String::from_utf8_lossy(list.unwrap_or_default()).into_owned();
    let names: Vec<SmolStr> =
        list.split_ascii_whitespace().map(|name| Key::decode(name).into()).collect();
    names.into_iter()
}
