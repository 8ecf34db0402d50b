//! A learner's fatigue and mastery.

mod whole;

pub use whole::{FatigueOf, Learner, MasteryOf, RankOf};

use crate::{QueryError, Results};
use serde::Serialize;
use smol_str::SmolStr;
pub use tallyd_fatigue::Reading as Fatigue;
use tallyd_fatigue::STATE;
use tallyd_mastery::{Abilities, Ability, OVERALL_FIELD, Options, concept_of, grasp};
use utoipa::ToSchema;

/// A learner's grasp of a concept.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Concept {
    /// The concept.
    #[schema(value_type = String)]
    pub concept: SmolStr,
    /// How many answers it rests on.
    pub answers: u64,
    /// How many of them were right.
    pub correct: u64,
    /// The probability of answering an item of difficulty 0 right, 0..1.
    pub mastery: f64,
    /// How far off that may be now, 0..0.5 (one standard error): it grows with time.
    pub uncertainty: f64,
    /// Whether there are answers enough to show it as known.
    pub known: bool,
    /// The time of the last answer in it, in ms since the epoch, to the second.
    pub at: i64,
}

/// How tired a learner seems, a signal and no diagnosis; `None` for one of whom nothing is stored.
///
/// # Errors
/// Where the results can't be read, or are none of a fatigue bolt.
pub async fn fatigue(
    results: &mut impl Results,
    learner: &str,
) -> Result<Option<Fatigue>, QueryError> {
    let hash = results.hash(&tallyd_fatigue::learner_key(learner)).await?;
    let state = |state: &Vec<u8>| Fatigue::of(state);
    hash.get(STATE).map(state).transpose().map_err(|e| QueryError::Unreadable(e.to_string()))
}

/// A learner's grasp, at a time in ms since the epoch, of each concept that was practised, in the
/// order of their names; empty for one of whom nothing is stored.
///
/// # Errors
/// Where the results can't be read, or are none of a mastery bolt.
pub async fn mastery(
    results: &mut impl Results,
    options: &Options,
    learner: &str,
    now: i64,
) -> Result<Vec<Concept>, QueryError> {
    let hash = results.hash(&tallyd_mastery::learner_key(learner)).await?;
    let parse = |bytes: &[u8]| {
        Ability::decode(bytes).map_err(|error| QueryError::Unreadable(error.to_string()))
    };
    let overall = match hash.get(OVERALL_FIELD) {
        Some(bytes) => parse(bytes)?,
        None => Abilities::unknown(&options.parameters).overall,
    };
    let concepts = hash.iter().filter_map(|(name, bytes)| Some((concept_of(name)?, bytes)));
    let concept = |(concept, bytes): (&str, &Vec<u8>)| {
        let ability = parse(bytes)?;
        let grasp = grasp(&Abilities { overall, concept: ability }, &options.parameters, now);
        Ok(Concept {
            concept: concept.into(),
            answers: ability.answers,
            correct: ability.correct,
            mastery: grasp.mastery,
            uncertainty: grasp.uncertainty,
            known: ability.answers >= options.known_after,
            at: i64::from(ability.last) * 1000,
        })
    };
    concepts.map(concept).collect()
}
