//! What the head sees of an answer before it: a handful of numbers, each about 1 in size.

use crate::{Abilities, Ability, Difficulty, ability::PICOLOGITS, items::Before};
use std::f64::consts::LN_2;

/// How many there are.
pub(crate) const FEATURES: usize = 16;

/// Where their weights begin: with the levels alone, which is what Elo expects.
pub(crate) const FIRST: [f64; FEATURES] =
    [0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];

/// How far a feature may be from 0.
const FAR: f64 = 8.0;
/// For how many answers the share of all learners counts in a learner's share.
const PRIOR_ANSWERS: f64 = 5.0;
/// Averages are taken to be within this of 0 and of 1, where the logarithm has no end.
const EDGE: f64 = 0.02;

/// What all learners did so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Everyone {
    /// How many answers.
    pub answers: i64,
    /// How many of them were right.
    pub correct: i64,
}

impl Everyone {
    /// The share of right answers, drawn to a half by two answers: never 0 nor 1.
    pub fn share(self) -> f64 {
        let answers = self.answers.max(0) as f64;
        ((self.correct.max(0) as f64).min(answers) + 1.0) / (answers + 2.0)
    }
}

/// What is known before an answer of a learner to an item at a time, in seconds.
pub(crate) fn features(
    of: &Abilities,
    item: &Difficulty,
    before: Before,
    everyone: f64,
    at: u32,
) -> [f64; FEATURES] {
    let Abilities { overall, concept } = of;
    let usual = odds(everyone);
    let (answers, correct) = (overall.answers as f64, overall.correct as f64);
    let share = (correct + PRIOR_ANSWERS * everyone)
        / (answers - correct + PRIOR_ANSWERS * (1.0 - everyone));
    let recent =
        |of: &Ability| (odds(of.recent_share(everyone).clamp(EDGE, 1.0 - EDGE)) - usual) / 2.0;
    let met = number(before.met());
    let pause = pause(concept, at);
    [
        1.0,
        logits(overall.level),
        logits(concept.level),
        -logits(item.level),
        share.ln() - usual,
        recent(overall),
        recent(concept),
        number(concept.answers == 0),
        met,
        number(before.right) * LN_2,
        number(before.wrong) * LN_2,
        if before.met() { 2.0 * number(before.last) - 1.0 } else { 0.0 },
        self::pause(overall, at),
        pause,
        pause * met,
        f64::from(concept.wrong).ln_1p(),
    ]
    .map(|feature| feature.clamp(-FAR, FAR))
}

/// The logarithm of the minutes since the last answer, in fifths; 0 where there was none.
fn pause(since: &Ability, at: u32) -> f64 {
    if since.answers == 0 {
        return 0.0;
    }
    (f64::from(at.saturating_sub(since.last)) / 60.0).ln_1p() / 5.0
}

fn odds(share: f64) -> f64 {
    (share / (1.0 - share)).ln()
}

fn logits(level: i64) -> f64 {
    level as f64 / PICOLOGITS
}

fn number(truth: bool) -> f64 {
    f64::from(u8::from(truth))
}
