//! The standings that a batch changes: members on boards, with their scores before and after.

use crate::{
    boards::{Board, Boards},
    standing::{Refusal, Rest, Scoring, Stored},
};
use hashbrown::HashMap;
use smol_str::SmolStr;
use std::collections::BTreeSet;
use tallyd_bolt::{Effects, Key, State};

/// The standings of one batch, in the order in which its events first touch them.
#[derive(Default)]
pub(crate) struct Standings {
    members: HashMap<SmolStr, usize>,
    /// The places in `all`, by the places of the board and the member.
    places: HashMap<(usize, usize), usize>,
    all: Vec<Standing>,
}

/// One member on one board. `None`: not on it.
struct Standing {
    board: usize,
    member: SmolStr,
    before: Result<Option<Stored>, Refusal>,
    after: Option<Stored>,
}

impl Standings {
    /// The place of a member.
    pub(crate) fn member(&mut self, name: &SmolStr) -> usize {
        let next = self.members.len();
        *self.members.entry(name.clone()).or_insert(next)
    }

    /// The place of the standing of the member at a place on the board at a place.
    pub(crate) fn open(
        &mut self,
        (state, scoring): (&State, &Scoring),
        (place, board): (usize, &Board),
        (member, name): (usize, &SmolStr),
    ) -> usize {
        *self.places.entry((place, member)).or_insert_with(|| {
            let load = |score| scoring.load(score, state.field(&board.state, name));
            let before = state.score(&board.key, name).map(load).transpose();
            let after = before.as_ref().ok().cloned().flatten();
            self.all.push(Standing { board: place, member: name.clone(), before, after });
            self.all.len() - 1
        })
    }

    /// What is stored at a place that [`Standings::open`] gave.
    pub(crate) fn get(&self, place: usize) -> Result<Option<&Stored>, Refusal> {
        match self.all.get(place) {
            Some(Standing { before: Err(refusal), .. }) => Err(refusal.clone()),
            Some(standing) => Ok(standing.after.as_ref()),
            None => Ok(None),
        }
    }

    /// Sets what is stored at a place that [`Standings::open`] gave.
    pub(crate) fn set(&mut self, place: usize, stored: Stored) {
        if let Some(standing) = self.all.get_mut(place) {
            standing.after = Some(stored);
        }
    }

    /// Writes the standings that changed, and when their boards go.
    pub(crate) fn write(self, boards: &Boards<'_>, effects: &mut Effects) {
        let mut written = BTreeSet::new();
        for Standing { board: place, member, before, after } in self.all {
            let Some((board, after)) = boards.get(place).zip(after) else { continue };
            let before = before.ok().flatten();
            let mut expire = |key: &Key, is_rest| {
                if written.insert((place, is_rest)) {
                    effects.expiries.extend(board.expiry.map(|expiry| (key.clone(), expiry)));
                }
            };
            let is_new = |of: fn(&Stored, &Stored) -> bool| {
                before.as_ref().is_none_or(|before| !of(before, &after))
            };
            let (score, rest) =
                (is_new(|a, b| a.score == b.score), is_new(|a, b| a.rest == b.rest));
            let rest = rest && after.rest != Rest::Nothing;
            if score {
                expire(&board.key, false);
            }
            if rest {
                expire(&board.state, true);
            }
            if score {
                effects.set_score(&board.key, &member, after.score);
            }
            if rest {
                effects.set_field(&board.state, &member, after.rest.to_string());
            }
        }
    }
}
