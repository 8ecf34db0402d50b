//! The leaderboard bolt: ranked scores for each board and period.
//!
//! Each board in each period is one sorted set ([`board_key`]). Rank 1 is the highest score, for
//! scores by `min` the lowest. With [`Ties::First`] a member's rank is its position in the set
//! (`ZREVRANK` + 1, or `ZRANK` + 1 where [`Options::ascending`]), and the score is the floor of
//! what is stored, which carries the time in its fraction ([`composite`]). With [`Ties::Shared`] and
//! [`Ties::Dense`] what is stored is the score, and the rank is 1 + the number of members with a
//! better one (`ZCOUNT`), or of different better scores.
//!
//! When a score counts as reached: a sum or count, at the latest of the events that make it up (0
//! points are no part of it); a maximum or minimum, at the earliest event with that value; a last
//! value, at the event that brought it, of those that had arrived. The order of events is that of
//! their times, except for `last_arrived`, which takes them in the order of the stream. A hash
//! ([`state_key`]) holds what a score alone does not say.
//!
//! An event that arrives when a period is final is late there, and counts in the others. One that
//! would take a score beyond its range ([`composite::GREATEST`] for ints, infinity for floats) is
//! rejected, and counts on no board. One without the score's field is on no board. The bolt emits
//! nothing.
//!
//! Behind a bolt that corrects, events are taken back: a sum or count is then that of what is left, and
//! a member of whose events none is left leaves the board. When a score was reached can't be taken
//! back, so ties are shared there.

pub mod composite;

mod boards;
mod directory;
mod edit;
mod keys;
mod kind;
mod options;
mod standing;
mod standings;
mod view;

pub use keys::{
    EVERYONE, MEMBERS, board_key, group, groups_key, hidden_key, hides_key, labels_key, state_key,
};
pub use kind::LeaderboardKind;
pub use options::{Options, PeriodOptions, Score, Ties};
pub use view::BOARD;

use crate::{
    boards::Boards,
    standing::{Points, Refusal, Scoring, Stored},
    standings::Standings,
};
use smol_str::SmolStr;
use tallyd_bolt::{Batch, Bolt, EditAt, EditStep, Effects, Reads, State, calendar::Calendar};
use tallyd_event::{Edit, Event, Schema};

/// The leaderboard bolt. Its input must be partitioned by the member.
pub struct Leaderboard {
    options: Options,
    calendar: Calendar,
    scoring: Scoring,
    partitions: u16,
}

impl Leaderboard {
    /// A leaderboard bolt over events of a schema, in which the options' fields are resolved, and
    /// whose input is split into `partitions`.
    #[must_use]
    pub fn new(options: Options, input: Schema, calendar: Calendar, partitions: u16) -> Self {
        let scoring = Scoring::new(&options, &input);
        Self { options, calendar, scoring, partitions }
    }

    /// Who an event scores for, and what; `None` where it leaves one of them out.
    fn entry(&self, event: &Event) -> Option<(SmolStr, Points)> {
        Some((self.options.member.text(event)?, self.scoring.points(event)?))
    }
}

impl Bolt for Leaderboard {
    fn output(&self) -> Option<&Schema> {
        None
    }

    fn reads(&self, batch: &Batch<'_>, reads: &mut Reads<'_>) {
        let (hidden, cuts) = self.edited(batch, |key, field| reads.look(key, field));
        let mut boards = Boards::new(&self.options, &self.calendar, cuts, batch.now);
        let (mut places, mut late) = (Vec::new(), Vec::new());
        boards.periods().for_each(|period| reads.names(&labels_key(period)));
        for event in batch.events.iter().enumerate() {
            let Some((member, _)) = self.entry(event.1) else { continue };
            let is_hidden = !hidden.is_empty() && hidden.contains(&member);
            boards.find(batch.schema, event, &mut places, &mut late);
            for board in places.iter().filter_map(|&place| boards.get(place)) {
                match is_hidden {
                    true => reads.field(&board.hidden(), &member),
                    false => reads.score(&board.key, &member),
                }
                if self.scoring.has_rest() {
                    reads.field(&board.state, &member);
                }
            }
        }
    }

    fn process(&self, batch: &Batch<'_>, state: &State) -> Effects {
        let mut effects = Effects::default();
        let (hidden, cuts) = self.edited(batch, |key, field| state.field(key, field));
        let mut boards = Boards::new(&self.options, &self.calendar, cuts, batch.now);
        let mut standings = Standings::default();
        let (mut places, mut late) = (Vec::new(), Vec::new());
        for (index, event) in batch.events.iter().enumerate() {
            let Some((name, points)) = self.entry(event) else { continue };
            if let Some(broken) = boards.broken(&name) {
                effects.reject(index, broken.to_string());
                continue;
            }
            let is_hidden = !hidden.is_empty() && hidden.contains(&name);
            let member = (standings.member(&name), &name, is_hidden);
            let time = event.time(batch.schema);
            boards.find(batch.schema, (index, event), &mut places, &mut late);
            let on = places.iter().filter_map(|&place| Some((place, boards.get(place)?)));
            // All scores are worked out before one is set: an event counts on all boards or none.
            let next = on.map(|(place, board)| {
                let standing = standings.open((state, &self.scoring), (place, board), member);
                let stored = standings.get(standing)?;
                let score = match self.options.corrected {
                    true => self.scoring.corrected(
                        stored,
                        (points, event.taken_back),
                        time,
                        board.span,
                    )?,
                    false => Some(self.scoring.next(stored, points, time, board.span)?),
                };
                Ok((standing, score))
            });
            match next.collect::<Result<Vec<(usize, Option<Stored>)>, Refusal>>() {
                Ok(scores) => {
                    effects.late.append(&mut late);
                    scores.into_iter().for_each(|(standing, score)| standings.set(standing, score));
                }
                Err(refusal) => effects.reject(index, refusal.to_string()),
            }
        }
        standings.write(&boards, (state, batch.now), &mut effects);
        effects
    }

    fn edit_reads(&self, edit: &Edit, at: EditAt, reads: &mut Reads<'_>) {
        self.ask_for_edit(edit, at, reads);
    }

    fn edit(&self, edit: &Edit, at: EditAt, state: &State) -> Vec<EditStep> {
        self.steps_of_edit(edit, at, state)
    }
}

#[cfg(test)]
mod tests;
