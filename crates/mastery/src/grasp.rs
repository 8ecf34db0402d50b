//! What readers see: where a learner's abilities are stored, and the grasp that they mean.

use crate::{
    ability::{Ability, MICRO, PICOLOGITS},
    model::logistic,
};
use smol_str::{SmolStr, format_smolstr};
use tallyd_bolt::Key;

/// The field of a learner's hash that holds the overall ability.
pub const OVERALL_FIELD: &str = "overall";
/// The shared numbers of an item's hash: its difficulty, in picologits, and how many answers it has
/// had.
pub const ITEM_FIELDS: &[&str; 2] = &["b", "n"];

const CONCEPT_PREFIX: &str = "concept:";

/// A learner's grasp of a concept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grasp {
    /// The probability, in 0..1, of solving (not guessing) an item of difficulty 0: one that a
    /// learner of whom nothing is known solves half of the time.
    pub mastery: f64,
    /// How far off that may be, in 0..0.5: half the width of the range that one standard error
    /// of the ability to either side covers.
    pub uncertainty: f64,
}

/// The grasp of a concept, from the overall ability and the one in the concept. An ability that
/// is not stored is [`crate::Abilities::unknown`]'s.
///
/// A wrong answer never raises the mastery of any concept, and a right one never lowers it.
#[must_use]
pub fn grasp(overall: &Ability, concept: &Ability) -> Grasp {
    let level = (overall.shown() as f64 + concept.shown() as f64) / PICOLOGITS;
    let error = ((overall.variance as f64 + concept.variance as f64) / MICRO).sqrt();
    Grasp {
        mastery: logistic(level),
        uncertainty: (logistic(level + error) - logistic(level - error)) / 2.0,
    }
}

/// The hash of a learner: the overall ability, and one for each concept.
#[must_use]
pub fn learner_key(learner: &str) -> Key {
    Key::new(&["learner", &Key::encode(learner)])
}

/// The hash of an item: its difficulty and number of answers.
#[must_use]
pub fn item_key(item: &str) -> Key {
    Key::new(&["item", &Key::encode(item)])
}

/// The field of a learner's hash that holds the ability in a concept.
#[must_use]
pub fn concept_field(concept: &str) -> SmolStr {
    format_smolstr!("{CONCEPT_PREFIX}{concept}")
}

/// The concept of such a field; `None` for another field.
#[must_use]
pub fn concept_of(field: &str) -> Option<&str> {
    field.strip_prefix(CONCEPT_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ability(level: i64, variance: i64) -> Ability {
        Ability { answers: 1, correct: 1, level, variance, held: 0 }
    }

    #[test]
    fn grasp_is_as_computed_by_hand() {
        let cases = [
            // Nothing known, deviations of 1: a half, and σ(√2) − 1/2.
            ((0, 1_000_000), (0, 1_000_000), 0.5, 0.304_429_682_507),
            (
                (250_000_000_000, 843_750),
                (500_000_000_000, 875_000),
                0.679_178_699_175,
                0.261_870_976_764,
            ),
            ((-1_000_000_000_000, 0), (1_000_000_000_000, 0), 0.5, 0.0),
        ];
        for ((level, variance), (level_in, variance_in), mastery, uncertainty) in cases {
            let grasp = grasp(&ability(level, variance), &ability(level_in, variance_in));
            assert!((grasp.mastery - mastery).abs() < 1e-11, "{grasp:?}");
            assert!((grasp.uncertainty - uncertainty).abs() < 1e-11, "{grasp:?}");
        }
    }

    #[test]
    fn the_ends_stay_within_bounds() {
        use crate::LIMIT;
        for level in [-LIMIT, 0, LIMIT] {
            for variance in [0, 1_000_000, i64::MAX] {
                let Grasp { mastery, uncertainty } =
                    grasp(&ability(level, variance), &ability(level, variance));
                assert!((0.0..=1.0).contains(&mastery), "{mastery}");
                assert!((0.0..=0.5).contains(&uncertainty), "{uncertainty}");
            }
        }
    }

    #[test]
    fn a_concept_is_found_in_its_field() {
        assert_eq!(concept_of(&concept_field("overall")), Some("overall"));
        assert_eq!(concept_of(&concept_field("concept:x")), Some("concept:x"));
        assert_eq!(concept_of(OVERALL_FIELD), None);
    }
}
