//! Who the learners are and what they are asked: names, abilities, difficulties. Nothing in it
//! changes while a simulation runs; every trait is a hash of the seed and of whose trait it is.

use crate::SimulationOptions;
use std::sync::Arc;

/// What the concepts are called. Some hold what a key, a parser or a terminal could trip over.
const CONCEPTS: [&str; 24] = [
    "algebra",
    "fractions",
    "geometry",
    "percent (%)",
    "ratio: parts of a whole",
    "probability",
    "linear equations",
    "{sets}",
    "grammar",
    "vocabulary",
    "géométrie",
    "reading",
    "trigonometry",
    "statistics & graphs",
    "optics",
    "motion",
    "electricity",
    "acids/bases",
    "cells",
    "genetics",
    "गणित",
    "logic = reason",
    "*series*",
    "clocks?",
];

/// The learners, classes, concepts and questions of a simulation.
#[derive(Clone, Debug)]
pub(crate) struct World {
    seed: u64,
    /// The users' names, the busiest first.
    pub(crate) users: Vec<Arc<str>>,
    pub(crate) classes: Vec<Arc<str>>,
    /// The concepts' names, the most asked first.
    pub(crate) concepts: Vec<Arc<str>>,
}

/// Whose trait a hash is.
#[derive(Clone, Copy)]
enum Trait {
    Class = 1,
    Ability,
    Speed,
    ConceptAbility,
    ConceptDifficulty,
    QuestionDifficulty,
    QuestionTime,
}

impl World {
    pub(crate) fn new(options: &SimulationOptions) -> Self {
        Self {
            seed: options.seed,
            users: (0..options.learners).map(user_name).collect(),
            classes: (0..options.classes).map(class_name).collect(),
            concepts: (0..options.concepts).map(concept_name).collect(),
        }
    }

    /// The class of a learner.
    pub(crate) fn class(&self, learner: u32) -> Option<Arc<str>> {
        let classes = self.classes.len().max(1);
        let place = self.hash(Trait::Class, learner, 0) % u64::try_from(classes).unwrap_or(1);
        self.classes.get(usize::try_from(place).unwrap_or(0)).cloned()
    }

    /// How likely a rested learner answers a question right, as log odds: 0 is one in two
    /// (the Rasch model: G. Rasch, 1960).
    pub(crate) fn log_odds(&self, learner: u32, concept: u32, question: u32) -> f64 {
        let ability = 0.6
            + 0.8 * self.normal(Trait::Ability, learner, 0)
            + 0.6 * self.normal(Trait::ConceptAbility, learner, concept);
        let difficulty = 0.8 * self.normal(Trait::ConceptDifficulty, concept, 0)
            + 0.6 * self.normal(Trait::QuestionDifficulty, concept, question);
        ability - difficulty
    }

    /// The natural logarithm of the ms that a rested learner typically takes for a question.
    pub(crate) fn log_ms(&self, learner: u32, concept: u32, question: u32) -> f64 {
        8_000f64.ln()
            + 0.3 * self.normal(Trait::Speed, learner, 0)
            + 0.3 * self.normal(Trait::QuestionTime, concept, question)
    }

    /// Four uniform draws summed and scaled: mean 0, variance 1, close enough to normal.
    fn normal(&self, of: Trait, one: u32, other: u32) -> f64 {
        let hash = self.hash(of, one, other);
        let sum: f64 = (0..4).map(|quarter| ((hash >> (16 * quarter)) & 0xffff) as f64).sum();
        (sum / 65_536.0 - 2.0) * 3f64.sqrt()
    }

    fn hash(&self, of: Trait, one: u32, other: u32) -> u64 {
        let pair = (u64::from(one) << 32) | u64::from(other);
        mix(mix(mix(self.seed).wrapping_add(of as u64)).wrapping_add(pair))
    }
}

/// One step of SplitMix64 (Steele, Lea, Flood, 2014).
fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn user_name(learner: u32) -> Arc<str> {
    match learner % 50 {
        13 => format!("school:{learner}").into(),
        37 => format!("u{learner}@example.org").into(),
        _ => format!("u{learner}").into(),
    }
}

/// `6A`, `6B`, `6C`, `6D`, `7A`, and so on.
fn class_name(class: u32) -> Arc<str> {
    let letter = ["A", "B", "C", "D"].into_iter().cycle().nth((class % 4) as usize).unwrap_or("A");
    format!("{}{letter}", 6 + class / 4).into()
}

fn concept_name(concept: u32) -> Arc<str> {
    match CONCEPTS.get(concept as usize) {
        Some(&name) => name.into(),
        None => format!("concept-{concept}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_distinct() {
        let options = SimulationOptions { classes: 30, concepts: 60, ..Default::default() };
        let world = World::new(&options);
        let distinct = |names: &[Arc<str>]| names.iter().collect::<BTreeSet<_>>().len();
        assert_eq!(distinct(&world.users), 5_000);
        assert_eq!(distinct(&world.classes), 30);
        assert_eq!(distinct(&world.concepts), 60);
    }

    #[test]
    fn traits_are_spread_as_said() {
        let world = World::new(&SimulationOptions::default());
        let draws: Vec<f64> = (0..5_000).map(|l| world.normal(Trait::Ability, l, 0)).collect();
        let mean = draws.iter().sum::<f64>() / 5_000.0;
        let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / 5_000.0;
        assert!(mean.abs() < 0.05, "{mean}");
        assert!((variance - 1.0).abs() < 0.1, "{variance}");
    }
}
