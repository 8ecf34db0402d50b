//! The standings that a batch changes: members on boards, with their scores before and after.

use crate::boards::{Board, Boards};
use hashbrown::HashMap;
use smol_str::SmolStr;
use std::collections::BTreeSet;
use tallyd_bolt::{Effects, State};

/// The standings of one batch, in the order in which its events first touch them.
#[derive(Default)]
pub(crate) struct Standings {
    members: HashMap<SmolStr, usize>,
    /// The places in `all`, by the places of the board and the member.
    places: HashMap<(usize, usize), usize>,
    all: Vec<Standing>,
}

/// One member on one board. `None`: not on it.
pub(crate) struct Standing {
    board: usize,
    member: SmolStr,
    before: Option<f64>,
    pub(crate) score: Option<f64>,
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
        state: &State,
        (place, board): (usize, &Board),
        (member, name): (usize, &SmolStr),
    ) -> usize {
        *self.places.entry((place, member)).or_insert_with(|| {
            let before = state.score(&board.key, name);
            self.all.push(Standing { board: place, member: name.clone(), before, score: before });
            self.all.len() - 1
        })
    }

    /// The score at a place that [`Standings::open`] gave.
    pub(crate) fn score(&self, place: usize) -> Option<f64> {
        self.all.get(place).and_then(|standing| standing.score)
    }

    /// Sets the score at a place that [`Standings::open`] gave.
    pub(crate) fn set(&mut self, place: usize, score: f64) {
        if let Some(standing) = self.all.get_mut(place) {
            standing.score = Some(score);
        }
    }

    /// Writes the standings that changed, and when their boards go.
    pub(crate) fn write(self, boards: &Boards<'_>, effects: &mut Effects) {
        let mut written = BTreeSet::new();
        for Standing { board: place, member, before, score } in self.all {
            let Some((board, score)) = boards.get(place).zip(score) else { continue };
            if before == Some(score) {
                continue;
            }
            effects.set_score(&board.key, &member, score);
            if written.insert(place) {
                effects.expiries.extend(board.expiry.map(|expiry| (board.key.clone(), expiry)));
            }
        }
    }
}
