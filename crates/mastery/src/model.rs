//! The levels: what they expect of an answer, and what the answer changes.
//!
//! Elo ratings with two abilities, steps by the uncertainty function (Pelánek, *Applications of
//! the Elo rating system in adaptive educational systems*, 2016).

use crate::{
    Parameters,
    ability::{Ability, LIMIT, PICOLOGITS},
    variance::Variance,
};

/// The gains of a learner's moving averages: the overall one, and the one in a concept.
const OVERALL_GAIN: f64 = 0.03;
const CONCEPT_GAIN: f64 = 0.2;

/// The difficulty of an item, as this worker sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difficulty {
    /// The estimate, in picologits.
    pub level: i64,
    /// How many answers it rests on.
    pub answers: i64,
}

/// What the levels alone expect of an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expectation {
    /// The probability that it is right.
    pub right: f64,
    /// How much that changes with the ability: the derivative, per logit.
    pub slope: f64,
}

/// The two abilities that an answer shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// The learner's overall ability.
    pub overall: Ability,
    /// The learner's ability in the concept, beside the overall one.
    pub concept: Ability,
}

/// An answer, as far as a learner's abilities go.
#[derive(Clone, Copy, Debug)]
pub struct Taken<'a> {
    /// The item.
    pub item: &'a str,
    /// Whether it was right.
    pub correct: bool,
    /// When it was given, in seconds since the epoch.
    pub at: u32,
    /// The share of right answers of all learners, which a new learner's averages begin from.
    pub everyone: f64,
}

/// The logistic function.
#[must_use]
pub fn logistic(logits: f64) -> f64 {
    1.0 / (1.0 + (-logits).exp())
}

impl Abilities {
    /// A learner and a concept of which nothing is known.
    #[must_use]
    pub fn unknown(parameters: &Parameters) -> Self {
        Self {
            overall: Ability::unknown(overall_deviation(parameters)),
            concept: Ability::unknown(parameters.concept_deviation),
        }
    }

    /// p = σ(θ + θ_c − b).
    #[must_use]
    pub fn expect(&self, item: &Difficulty) -> Expectation {
        let logits = self.overall.level + self.concept.level - item.level.clamp(-LIMIT, LIMIT);
        let right = logistic(logits as f64 / PICOLOGITS);
        Expectation { right, slope: right * (1.0 - right) }
    }

    /// The abilities after an answer.
    #[must_use]
    pub fn learn(self, expected: Expectation, answer: Taken<'_>, parameters: &Parameters) -> Self {
        let p = parameters;
        let Self { mut overall, mut concept } = self;
        let surprise = surprise(expected, answer.correct);
        let overall_step = step(p.overall_step, p.overall_slowing, overall.answers as f64);
        let concept_step = step(p.concept_step, p.concept_slowing, concept.answers as f64);
        let [v, w] = self.squared_errors(answer.at, p);
        let known = Self::unknown(p);
        overall.variance = variance(v, w, overall_step, expected).min(known.overall.variance);
        concept.variance = variance(w, v, concept_step, expected).min(known.concept.variance);
        let Taken { item, correct, at, everyone } = answer;
        overall.move_share(everyone, correct, OVERALL_GAIN);
        concept.move_share_in_concept(everyone, correct, CONCEPT_GAIN);
        for (ability, step) in [(&mut overall, overall_step), (&mut concept, concept_step)] {
            ability.move_level(step * surprise);
            ability.count(correct, at);
        }
        concept.items.note(item, correct);
        Self { overall, concept }
    }

    /// The variances of both errors at a time, in squared logits: what was known fades with the time
    /// since the last answer, by half in `certainty_days`, until nothing is known again.
    #[must_use]
    pub fn squared_errors(&self, at: u32, parameters: &Parameters) -> [f64; 2] {
        let unknown = Self::unknown(parameters);
        let faded = |of: &Ability, unknown: &Ability| {
            let (known, first) = (of.variance.value(), unknown.variance.value());
            if of.answers == 0 || known >= first {
                return first.max(known);
            }
            // Whole ones, so that what a page shows does not change with every look.
            let days = f64::from(at.saturating_sub(of.last) / 86_400);
            first - (first - known) * (-days / parameters.certainty_days).exp2()
        };
        [faded(&self.overall, &unknown.overall), faded(&self.concept, &unknown.concept)]
    }
}

impl Difficulty {
    /// What an answer adds to the level, in picologits. It never moves a level away from 0 beyond
    /// [`LIMIT`], and no step is longer than `item_step`.
    #[must_use]
    pub fn delta(&self, expected: Expectation, correct: bool, parameters: &Parameters) -> i64 {
        let step = step(parameters.item_step, parameters.item_slowing, self.answers.max(0) as f64);
        let wanted = (-step * surprise(expected, correct) * PICOLOGITS).round() as i64;
        let moved = self.level.saturating_add(wanted);
        moved.clamp(self.level.min(-LIMIT), self.level.max(LIMIT)).saturating_sub(self.level)
    }
}

/// An overall ability that never moves is no part of the model, and nothing about it is unknown.
fn overall_deviation(parameters: &Parameters) -> f64 {
    if parameters.overall_step == 0.0 { 0.0 } else { parameters.overall_deviation }
}

fn surprise(expected: Expectation, correct: bool) -> f64 {
    f64::from(u8::from(correct)) - expected.right
}

/// Pelánek's uncertainty function: α/(1+βn).
fn step(first: f64, slowing: f64, answers: f64) -> f64 {
    first / (1.0 + slowing * answers)
}

/// The variance V of an estimate's error after a step U: (1 − U·p′)²·V + U²·(p(1−p) + p′²·W), with
/// W the variance of the other ability. It is Joseph's form of the update (Bucy and Joseph 1968),
/// right for any step, not the best one only, on the model made linear at its estimate.
fn variance(of: f64, other: f64, step: f64, expected: Expectation) -> Variance {
    let Expectation { right, slope } = expected;
    let kept = (1.0 - step * slope).powi(2) * of;
    let noise = right * (1.0 - right) + slope * slope * other;
    // Rounded down: else what is a unit above its end would never come closer.
    Variance::below(kept + step * step * noise)
}

#[cfg(test)]
mod tests;
