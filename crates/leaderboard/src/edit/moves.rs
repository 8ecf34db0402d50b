//! A member goes from a group to another: on all boards that are by the fields of both.

use super::{BOARDS, Place, live, members};
use crate::{
    Leaderboard, MEMBERS, PeriodOptions, board_key,
    composite::Span,
    groups_key, hidden_key, hides_key, labels_key,
    standing::{Rest, Stored, hidden_score},
    state_key,
};
use smol_str::SmolStr;
use tallyd_bolt::{EditAt, EditStep, Key, Reads, State, Write};
use tallyd_event::Moves;

impl Leaderboard {
    pub(super) fn ask_to_move(
        &self,
        (member, moves): (&str, &Moves),
        at: EditAt,
        reads: &mut Reads<'_>,
    ) {
        reads.field(&hides_key(at.partition), MEMBERS);
        let ask = |reads: &mut Reads<'_>, period: &PeriodOptions, label: &str, group: &str| {
            reads.score(&board_key(period, label, group), member);
            reads.field(&hidden_key(period, label, group), member);
            if self.scoring.has_rest() {
                reads.field(&state_key(period, label, group), member);
            }
        };
        for period in &self.options.periods {
            let labels = reads.look_names(&labels_key(period));
            for (label, _) in live(labels, at.now) {
                for group in reads.look_names(&groups_key(period, &label)) {
                    if let Some(target) = moves.target(group) {
                        ask(reads, period, &label, group);
                        ask(reads, period, &label, &target);
                    }
                }
            }
        }
    }

    pub(super) fn steps_to_move(
        &self,
        (member, moves): (&str, &Moves),
        at: EditAt,
        state: &State,
    ) -> Vec<EditStep> {
        let (mut steps, mut step) = (Vec::new(), EditStep::default());
        let mut hidden = members(state.field(&hides_key(at.partition), MEMBERS));
        let is_hidden = hidden.any(|name| name == member);
        for place in self.places(at, state) {
            let Some(target) = moves.target(&place.group) else { continue };
            let of = (member, is_hidden);
            if !self.go(&place, (&target, moves.keeps), of, (state, &mut step)) {
                continue;
            }
            if step.changed as usize >= BOARDS {
                steps.push(std::mem::take(&mut step));
            }
        }
        if step != EditStep::default() {
            steps.push(step);
        }
        steps
    }

    /// Takes a member off a board, and its score to another one if it keeps it. Returns whether
    /// there was one. A score that the other board could not hold stays where it is.
    fn go(
        &self,
        place: &Place<'_>,
        (target, keeps): (&SmolStr, bool),
        of: (&str, bool),
        (state, step): (&State, &mut EditStep),
    ) -> bool {
        let (period, label) = (place.period, place.label.as_str());
        let Some(window) = self.calendar.labelled(period.length, label) else { return false };
        let Some(comes) = self.stored(period, (label, &place.group), of, state) else {
            return false;
        };
        let next = match self.stored(period, (label, target), of, state) {
            Some(stood) => self.scoring.merge(&stood, &comes, Span::of(&window)),
            None => Ok(comes),
        };
        let Ok(next) = next else { return false };
        self.take_off(period, (label, &place.group), of, step);
        step.changed += 1;
        if keeps {
            self.put(place, target, (of, next), step);
            step.changed += 1;
        }
        true
    }

    /// What is stored of a member, who may be hidden, on a board.
    pub(super) fn stored(
        &self,
        period: &PeriodOptions,
        (label, group): (&str, &str),
        (member, is_hidden): (&str, bool),
        state: &State,
    ) -> Option<Stored> {
        let score = match is_hidden {
            true => hidden_score(state.field(&hidden_key(period, label, group), member)?).ok()?,
            false => state.score(&board_key(period, label, group), member)?,
        };
        self.scoring.load(score, state.field(&state_key(period, label, group), member)).ok()
    }

    /// Takes a member, who may be hidden, off a board.
    pub(super) fn take_off(
        &self,
        period: &PeriodOptions,
        (label, group): (&str, &str),
        (member, is_hidden): (&str, bool),
        step: &mut EditStep,
    ) {
        match is_hidden {
            true => step.effects.remove_field(&hidden_key(period, label, group), member),
            false => step.effects.remove_score(&board_key(period, label, group), member),
        }
        if self.scoring.has_rest() {
            step.effects.remove_field(&state_key(period, label, group), member);
        }
    }

    /// Puts a score onto the board of a group, which may be new.
    pub(super) fn put(
        &self,
        place: &Place<'_>,
        group: &SmolStr,
        ((member, is_hidden), next): ((&str, bool), Stored),
        step: &mut EditStep,
    ) {
        let (period, label, effects) = (place.period, place.label.as_str(), &mut step.effects);
        let key = match is_hidden {
            true => {
                let key = hidden_key(period, label, group);
                effects.set_field(&key, member, next.score.to_string());
                key
            }
            false => {
                let key = board_key(period, label, group);
                effects.set_score(&key, member, next.score);
                key
            }
        };
        let mut keys = vec![key];
        if next.rest != Rest::Nothing {
            let key = state_key(period, label, group);
            effects.set_field(&key, member, next.rest.to_string());
            keys.push(key);
        }
        let groups = groups_key(period, label);
        let listed = vec![group.clone()];
        effects.writes.push(Write::Member { key: groups.clone(), members: listed });
        keys.push(groups);
        let is_told = |all: &[(Key, i64)], key: &Key| all.iter().any(|(told, _)| told == key);
        for key in keys {
            if let Some(expiry) = place.expiry
                && !is_told(&effects.expiries, &key)
            {
                effects.expiries.push((key, expiry));
            }
        }
    }
}
