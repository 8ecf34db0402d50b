//! A learner's fatigue and mastery.

use crate::{QueryError, Results};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tallyd_mastery::{Abilities, Ability, OVERALL_FIELD, Parameters, concept_of, grasp};

/// How tired a learner seems: a signal, not a diagnosis.
#[derive(Clone, Debug, PartialEq)]
pub struct Fatigue {
    /// The score, 0..1.
    pub score: f64,
    /// The part of accuracy: how far it fell behind what is usual (a CUSUM).
    pub accuracy: f64,
    /// The part of response time: how far it fell behind what is usual (a CUSUM).
    pub speed: f64,
    /// Minutes of work, decaying.
    pub load: f64,
    /// The share of rapid guesses, 0..1.
    pub rapid: f64,
    /// Whether an alert stands.
    pub tired: bool,
    /// Answers in all.
    pub answers: u64,
    /// The time of the last answer, in ms since the epoch.
    pub at: i64,
}

/// A learner's grasp of a concept.
#[derive(Clone, Debug, PartialEq)]
pub struct Concept {
    /// The concept.
    pub concept: SmolStr,
    /// How many answers it rests on.
    pub answers: u64,
    /// How many of them were right.
    pub correct: u64,
    /// The probability of solving an item of average difficulty, 0..1.
    pub mastery: f64,
    /// How far off that may be, 0..0.5 (one standard error).
    pub uncertainty: f64,
}

/// A learner's fatigue; `None` for one of whom nothing is stored.
///
/// # Errors
/// Where the results can't be read, or are none of a fatigue bolt.
pub async fn fatigue(
    results: &mut impl Results,
    learner: &str,
) -> Result<Option<Fatigue>, QueryError> {
    let hash = results.hash(&tallyd_fatigue::learner_key(learner)).await?;
    if hash.is_empty() {
        return Ok(None);
    }
    let tired: u8 = number(&hash, "tired")?;
    Ok(Some(Fatigue {
        score: number(&hash, "score")?,
        accuracy: number(&hash, "accuracy")?,
        speed: number(&hash, "speed")?,
        load: number(&hash, "load")?,
        rapid: number(&hash, "rapid")?,
        tired: tired != 0,
        answers: number(&hash, "answers")?,
        at: number(&hash, "at")?,
    }))
}

fn number<T: std::str::FromStr>(
    hash: &BTreeMap<SmolStr, Vec<u8>>,
    field: &str,
) -> Result<T, QueryError> {
    let bytes = hash.get(field).map_or(&[][..], Vec::as_slice);
    let parsed = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| {
        let given = bytes.escape_ascii();
        QueryError::Unreadable(format!("stored field \"{field}\" is not a number: \"{given}\""))
    })
}

/// A learner's grasp of each concept that was practised, in the order of their names; empty for
/// one of whom nothing is stored.
///
/// # Errors
/// Where the results can't be read, or are none of a mastery bolt.
pub async fn mastery(
    results: &mut impl Results,
    parameters: &Parameters,
    learner: &str,
) -> Result<Vec<Concept>, QueryError> {
    let hash = results.hash(&tallyd_mastery::learner_key(learner)).await?;
    let parse = |bytes: &[u8]| {
        Ability::parse(bytes).map_err(|error| QueryError::Unreadable(error.to_string()))
    };
    let overall = match hash.get(OVERALL_FIELD) {
        Some(bytes) => parse(bytes)?,
        None => Abilities::unknown(parameters).overall,
    };
    let concepts = hash.iter().filter_map(|(name, bytes)| Some((concept_of(name)?, bytes)));
    let concept = |(concept, bytes): (&str, &Vec<u8>)| {
        let ability = parse(bytes)?;
        let grasp = grasp(&overall, &ability);
        Ok(Concept {
            concept: concept.into(),
            answers: ability.answers,
            correct: ability.correct,
            mastery: grasp.mastery,
            uncertainty: grasp.uncertainty,
        })
    };
    concepts.map(concept).collect()
}
