//! A member gets another name: its scores leave one partition, and come into that of the new name.
//!
//! The partition of the old name takes the scores off, and hands them over in the same commit, to the
//! stream that the partition of the new name reads. That one merges them with what it has, in the
//! commit that acknowledges them.

use super::{BOARDS, Place, live, members};
use crate::{
    Leaderboard, MEMBERS, board_key, composite::Span, groups_key, hidden_key, hides_key,
    labels_key, standing::Stored, state_key,
};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use tallyd_bolt::{EditAt, EditStep, Handing, Reads, State};
use tallyd_event::{Edit, EditKind, Handed, partition_of};

/// A score that is handed over: a line of [`Handed::state`].
struct Line<'a> {
    period: &'a str,
    label: &'a str,
    /// The group, as it stands in keys: it has no spaces.
    group: &'a str,
    score: f64,
    /// What stands beside the score.
    rest: &'a str,
}

impl<'a> Line<'a> {
    /// `None` for what no bolt wrote.
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(5, ' ');
        let (period, label, group) = (parts.next()?, parts.next()?, parts.next()?);
        let score = parts.next()?.parse().ok()?;
        Some(Self { period, label, group, score, rest: parts.next()? })
    }

    fn all(handed: &'a Handed) -> impl Iterator<Item = Self> {
        handed.state.lines().filter_map(Self::read)
    }
}

impl Leaderboard {
    /// Asks for what is handed over, or for what has to be known to take what was.
    pub(super) fn ask_to_rename(&self, edit: &Edit, at: EditAt, reads: &mut Reads<'_>) {
        let mut hidden = members(reads.look(&hides_key(at.partition), MEMBERS));
        let is_hidden = hidden.any(|name| name == edit.member);
        let ask = |reads: &mut Reads<'_>, place: &Place<'_>| {
            let Place { period, label, group, .. } = place;
            match is_hidden {
                true => reads.field(&hidden_key(period, label, group), &edit.member),
                false => reads.score(&board_key(period, label, group), &edit.member),
            }
            if self.scoring.has_rest() {
                reads.field(&state_key(period, label, group), &edit.member);
            }
        };
        for period in &self.options.periods {
            let labels = live(reads.look_names(&labels_key(period)), at.now);
            let place = |label: &SmolStr, group: SmolStr| Place {
                period,
                label: label.clone(),
                group,
                expiry: None,
            };
            if let Some(handed) = &edit.handed {
                for line in Line::all(handed).filter(|line| line.period == period.name) {
                    if let Some((label, _)) = labels.get_key_value(line.label) {
                        ask(reads, &place(label, line.group.into()));
                    }
                }
                continue;
            }
            for label in labels.keys() {
                for group in reads.look_names(&groups_key(period, label)) {
                    ask(reads, &place(label, group.clone()));
                }
            }
        }
    }

    /// Takes all scores of a member off, and hands them over. A hidden member's new name is hidden
    /// before it gets them.
    pub(super) fn steps_to_hand_over(
        &self,
        edit: &Edit,
        at: EditAt,
        state: &State,
    ) -> Vec<EditStep> {
        let key = hides_key(at.partition);
        let mut hidden: BTreeSet<SmolStr> = members(state.field(&key, MEMBERS)).collect();
        let is_hidden = hidden.remove(&edit.member);
        let to = partition_of([edit.to.as_str()], at.partitions);
        let handing = |kind, state| Handing { to, kind, member: edit.to.clone(), state };
        let (mut steps, mut step, mut lines) = (Vec::new(), EditStep::default(), Vec::new());
        if is_hidden {
            step.handed.push(handing(EditKind::Hide, String::new()));
        }
        for place in self.places(at, state) {
            let Place { period, label, group, .. } = &place;
            let of = (edit.member.as_str(), is_hidden);
            let Some(Stored { score, rest }) = self.stored(period, (label, group), of, state)
            else {
                continue;
            };
            lines.push(format!("{} {label} {group} {score} {rest}", period.name));
            self.take_off(period, (label, group), of, &mut step);
            step.changed += 1;
            if lines.len() >= BOARDS {
                let lines = std::mem::take(&mut lines).join("\n");
                step.handed.push(handing(EditKind::Rename, lines));
                steps.push(std::mem::take(&mut step));
            }
        }
        if !lines.is_empty() {
            step.handed.push(handing(EditKind::Rename, lines.join("\n")));
        }
        // Said last: what is left to do after a crash does not hang on it.
        if is_hidden {
            super::write_hidden(&key, &hidden, &mut step.effects);
        }
        if step != EditStep::default() {
            steps.push(step);
        }
        steps
    }

    /// Merges the scores that were handed over with those of the member, in one step.
    pub(super) fn steps_to_adopt(
        &self,
        (edit, handed): (&Edit, &Handed),
        at: EditAt,
        state: &State,
    ) -> Vec<EditStep> {
        let mut step = EditStep::default();
        let mut hidden = members(state.field(&hides_key(at.partition), MEMBERS));
        let of = (edit.member.as_str(), hidden.any(|name| name == edit.member));
        for line in Line::all(handed) {
            let mut periods = self.options.periods.iter();
            let period = periods.find(|period| period.name == line.period);
            // What can't be read any more is gone.
            let Some(period) = period else { continue };
            let labels = live(state.names(&labels_key(period)), at.now);
            let window = self.calendar.labelled(period.length, line.label);
            let Some((expiry, window)) = labels.get(line.label).zip(window) else { continue };
            let rest = Some(line.rest.as_bytes()).filter(|_| self.scoring.has_rest());
            let Ok(comes) = self.scoring.load(line.score, rest) else { continue };
            let (label, group) = (SmolStr::from(line.label), SmolStr::from(line.group));
            let next = match self.stored(period, (&label, &group), of, state) {
                None => comes,
                Some(stood) => {
                    let merged = self.scoring.merge(&stood, &comes, Span::of(&window));
                    // The old name is gone, so the sum can't be refused: the greater part of it stays.
                    let greater = || if comes.score > stood.score { &comes } else { &stood };
                    merged.unwrap_or_else(|_| greater().clone())
                }
            };
            let place = Place { period, label, group, expiry: *expiry };
            self.put(&place, &place.group, (of, next), &mut step);
            step.changed += 1;
        }
        vec![step]
    }
}
