//! The formulas: what is predicted before an answer, and what the answer changes.
//!
//! Elo ratings with two abilities (Pelánek, *Applications of the Elo rating system in adaptive
//! educational systems*, 2016), steps by his uncertainty function, a guess floor (Birnbaum 1968)
//! and learning by practice (Cen, Koedinger and Junker 2006).

use crate::{
    Parameters,
    ability::{Ability, LIMIT, MICRO, PICOLOGITS},
};

/// The difficulty of an item, as this worker sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difficulty {
    /// The estimate, in picologits.
    pub level: i64,
    /// How many answers it rests on.
    pub answers: i64,
}

/// What is expected of an answer.
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

    /// p = g + (1−g)·σ(θ + θ_c − b).
    #[must_use]
    pub fn expect(&self, item: &Difficulty, parameters: &Parameters) -> Expectation {
        let logits = self.overall.level + self.concept.level - item.level.clamp(-LIMIT, LIMIT);
        let grasp = logistic(logits as f64 / PICOLOGITS);
        let rest = 1.0 - parameters.guess;
        Expectation { right: parameters.guess + rest * grasp, slope: rest * grasp * (1.0 - grasp) }
    }

    /// The abilities after an answer.
    #[must_use]
    pub fn learn(self, expected: Expectation, correct: bool, parameters: &Parameters) -> Self {
        let p = parameters;
        let Self { overall, concept } = self;
        let surprise = surprise(expected, correct);
        let answers = concept.answers as f64;
        let overall_step = step(p.overall_step, p.overall_slowing, overall.answers as f64);
        let concept_step = step(p.concept_step, p.concept_slowing, answers);
        let practice = step(p.practice_gain, p.practice_slowing, answers);
        let known = Self::unknown(p);
        Self {
            overall: Ability {
                variance: variance(&overall, &concept, overall_step, expected)
                    .min(known.overall.variance),
                ..overall.answered(correct, moved(overall.level, overall_step * surprise))
            },
            concept: Ability {
                variance: variance(&concept, &overall, concept_step, expected)
                    .min(known.concept.variance),
                ..concept
                    .answered(correct, moved(concept.level, concept_step * surprise + practice))
            },
        }
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

impl Ability {
    /// Counts an answer that moved the estimate to a level. A right one shows all of that; what is
    /// shown after a wrong one is the level, but no more than before.
    fn answered(self, correct: bool, level: i64) -> Self {
        Self {
            answers: self.answers.saturating_add(1),
            correct: self.correct.saturating_add(u64::from(correct)),
            level,
            held: if correct { 0 } else { level.saturating_sub(self.shown()).max(0) },
            ..self
        }
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

fn moved(level: i64, logits: f64) -> i64 {
    level.saturating_add((logits * PICOLOGITS).round() as i64).clamp(-LIMIT, LIMIT)
}

/// The variance of an estimate's error after a step U: (1 − U·p′)²·V + U²·(p(1−p) + p′²·W), with W
/// the variance of the other ability. It is Joseph's form of the update (Bucy and Joseph 1968),
/// right for any step, not the best one only, on the model made linear at its estimate.
fn variance(of: &Ability, other: &Ability, step: f64, expected: Expectation) -> i64 {
    let Expectation { right, slope } = expected;
    let kept = (1.0 - step * slope).powi(2) * of.variance as f64;
    let noise = right * (1.0 - right) * MICRO + slope * slope * other.variance as f64;
    (kept + step * step * noise).round() as i64
}

#[cfg(test)]
mod tests;
