//! The grasp that a learner's abilities mean, and where what learners share is stored.

use crate::{
    Parameters,
    ability::PICOLOGITS,
    model::{Abilities, logistic},
};
use tallyd_bolt::Key;

/// The shared numbers of an item's hash: its difficulty, in picologits, and how many answers it has
/// had.
pub const ITEM_FIELDS: &[&str; 2] = &["b", "n"];
/// The shared number of a concept's hash: its weight in the head.
pub const CONCEPT_FIELDS: &[&str; 1] = &["w"];

/// A learner's grasp of a concept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grasp {
    /// The probability, in 0..1, of answering an item of difficulty 0 right: one that a learner of
    /// whom nothing is known answers right half of the time.
    pub mastery: f64,
    /// How far off that may be, in 0..0.5: half the width of the range that one standard error
    /// of the ability to either side covers. It grows with the time since the last answer.
    pub uncertainty: f64,
}

/// The grasp of a concept at a time, in ms since the epoch. An ability that is not stored is
/// [`Abilities::unknown`]'s.
///
/// A wrong answer never raises the mastery of any concept, and a right one never lowers it. Time
/// changes the uncertainty alone.
#[must_use]
pub fn grasp(abilities: &Abilities, parameters: &Parameters, now: i64) -> Grasp {
    let level = (abilities.overall.level as f64 + abilities.concept.level as f64) / PICOLOGITS;
    let [overall, concept] = abilities.squared_errors(seconds(now), parameters);
    let error = (overall + concept).sqrt();
    Grasp {
        mastery: logistic(level),
        uncertainty: (logistic(level + error) - logistic(level - error)) / 2.0,
    }
}

/// A time in ms as abilities hold it: whole seconds, from 1970 to 2106.
pub(crate) fn seconds(ms: i64) -> u32 {
    u32::try_from((ms / 1000).max(0)).unwrap_or(u32::MAX)
}

/// The hash of an item: its difficulty and number of answers.
#[must_use]
pub fn item_key(item: &str) -> Key {
    Key::named("item", item)
}

/// The hash of a concept: its weight in the head.
#[must_use]
pub fn concept_key(concept: &str) -> Key {
    Key::named("concept", concept)
}

/// The hash of the head's weights.
#[must_use]
pub fn head_key() -> Key {
    Key::new(&["head"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ability, LIMIT, Variance};

    fn ability(level: i64, variance: f64) -> Ability {
        let variance = Variance::nearest(variance);
        Ability { answers: 1, correct: 1, level, variance, ..Ability::default() }
    }

    #[test]
    fn grasp_is_as_computed_by_hand() {
        let cases = [
            // Nothing known, deviations of 1: a half, and σ(√2) − 1/2.
            ((0, 1.0), (0, 1.0), 0.5, 0.304_429_682_507),
            ((250_000_000_000, 0.5), (750_000_000_000, 0.5), 0.731_058_578_630, 0.190_398_538_989),
            ((-1_000_000_000_000, 0.0), (1_000_000_000_000, 0.0), 0.5, 0.0),
        ];
        for ((level, variance), (level_in, variance_in), mastery, uncertainty) in cases {
            let (overall, concept) = (ability(level, variance), ability(level_in, variance_in));
            let grasp = grasp(&Abilities { overall, concept }, &Parameters::default(), 0);
            assert!((grasp.mastery - mastery).abs() < 1e-11, "{grasp:?}");
            assert!((grasp.uncertainty - uncertainty).abs() < 1e-11, "{grasp:?}");
        }
    }

    #[test]
    fn what_is_known_fades_by_half_in_the_days_that_the_topology_says() {
        let parameters = Parameters { certainty_days: 10.0, ..Parameters::default() };
        let abilities = Abilities { overall: ability(0, 0.0), concept: ability(0, 0.5) };
        for (days, overall, concept) in [(0, 0.0, 0.5), (10, 0.5, 0.75), (20, 0.75, 0.875)] {
            let errors = abilities.squared_errors(days * 86_400, &parameters);
            assert_eq!(errors, [overall, concept], "{days}");
        }
        let errors = abilities.squared_errors(u32::MAX, &parameters);
        assert_eq!(errors, [1.0, 1.0]);
        assert_eq!([seconds(-5), seconds(5_999), seconds(i64::MAX)], [0, 5, u32::MAX]);
    }

    #[test]
    fn the_ends_stay_within_bounds() {
        for level in [-LIMIT, 0, LIMIT] {
            for variance in [0.0, 1.0, 31.9] {
                let ability = ability(level, variance);
                let abilities = Abilities { overall: ability, concept: ability };
                let Grasp { mastery, uncertainty } =
                    grasp(&abilities, &Parameters::default(), i64::MAX);
                assert!((0.0..=1.0).contains(&mastery), "{mastery}");
                assert!((0.0..=0.5).contains(&uncertainty), "{uncertainty}");
            }
        }
    }
}
