//! Forgetting a member: its score, and all that stands beside it.

use super::Place;
use crate::{Leaderboard, board_key, hidden_key, state_key};
use tallyd_bolt::{EditStep, State};

impl Leaderboard {
    /// Takes all of a member off a board. Returns whether there was anything. What it was asked for is
    /// the score alone, or that of a hidden member: what stands beside it goes with it.
    pub(super) fn forget(
        &self,
        place: &Place<'_>,
        member: &str,
        state: &State,
        step: &mut EditStep,
    ) -> bool {
        let Place { period, label, group, .. } = place;
        let board = board_key(period, label, group);
        let hidden = hidden_key(period, label, group);
        let (shown, kept) = (state.score(&board, member), state.field(&hidden, member));
        if shown.is_none() && kept.is_none() {
            return false;
        }
        if shown.is_some() {
            step.effects.remove_score(&board, member);
        }
        if kept.is_some() {
            step.effects.remove_field(&hidden, member);
        }
        if self.scoring.has_rest() {
            step.effects.remove_field(&state_key(period, label, group), member);
        }
        true
    }
}
