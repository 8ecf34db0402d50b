//! The standings that a batch changes: members on boards, with their scores before and after.

use crate::{
    boards::{Board, Boards},
    directory::Directory,
    standing::{Refusal, Rest, Scoring, Stored, hidden_score},
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
    /// Of a hidden member, where its score stands.
    hidden: Option<Key>,
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
        (place, board): (usize, &Board<'_>),
        (member, name, is_hidden): (usize, &SmolStr, bool),
    ) -> usize {
        *self.places.entry((place, member)).or_insert_with(|| {
            let load = |score| scoring.load(score, state.field(&board.state, name));
            let hidden = is_hidden.then(|| board.hidden());
            let stored = match &hidden {
                Some(key) => state.field(key, name).map(hidden_score).transpose(),
                None => Ok(state.score(&board.key, name)),
            };
            let before = stored.and_then(|stored| stored.map(load).transpose());
            let after = before.as_ref().ok().cloned().flatten();
            self.all.push(Standing { board: place, member: name.clone(), hidden, before, after });
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

    /// Sets what is stored at a place that [`Standings::open`] gave; `None`: the member leaves the
    /// board.
    pub(crate) fn set(&mut self, place: usize, stored: Option<Stored>) {
        if let Some(standing) = self.all.get_mut(place) {
            standing.after = stored;
        }
    }

    /// Writes the standings that changed, and when their boards go.
    pub(crate) fn write(
        self,
        boards: &Boards<'_>,
        (state, now): (&State, i64),
        effects: &mut Effects,
    ) {
        let mut written = BTreeSet::new();
        let mut directory = Directory::default();
        let mut gone = Effects::default();
        for Standing { board: place, member, hidden, before, after } in self.all {
            let Some(board) = boards.get(place) else { continue };
            let Some(after) = after else {
                if let Ok(Some(before)) = before {
                    take_off(board, &member, hidden.as_ref(), &before, &mut gone);
                }
                continue;
            };
            let before = before.ok().flatten();
            let mut expire = |key: &Key, kind| {
                if written.insert((place, kind)) {
                    effects.expiries.extend(board.expiry.map(|expiry| (key.clone(), expiry)));
                }
            };
            let is_new = |of: fn(&Stored, &Stored) -> bool| {
                before.as_ref().is_none_or(|before| !of(before, &after))
            };
            let (score, rest) =
                (is_new(|a, b| a.score == b.score), is_new(|a, b| a.rest == b.rest));
            let rest = rest && after.rest != Rest::Nothing;
            if score || rest {
                directory.note(board, before.is_none());
            }
            match &hidden {
                Some(key) if score => expire(key, Kept::Hidden),
                None if score => expire(&board.key, Kept::Score),
                _ => {}
            }
            if rest {
                expire(&board.state, Kept::Rest);
            }
            match &hidden {
                Some(key) if score => {
                    effects.set_field(key, &member, after.score.to_string());
                }
                None if score => effects.set_score(&board.key, &member, after.score),
                _ => {}
            }
            if rest {
                effects.set_field(&board.state, &member, after.rest.to_string());
            }
        }
        directory.write((state, now), effects);
        // Last, so that no key is empty in between and loses its expiry.
        effects.writes.append(&mut gone.writes);
    }
}

/// Takes a member off a board, of whose events none is left.
fn take_off(
    board: &Board<'_>,
    member: &SmolStr,
    hidden: Option<&Key>,
    before: &Stored,
    gone: &mut Effects,
) {
    match hidden {
        Some(key) => gone.remove_field(key, member),
        None => gone.remove_score(&board.key, member),
    }
    if before.rest != Rest::Nothing {
        gone.remove_field(&board.state, member);
    }
}

/// What of a board is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kept {
    Hidden,
    Rest,
    Score,
}
