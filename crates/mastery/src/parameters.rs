//! Every constant of the mastery formulas, with its meaning, unit and source.

use tallyd_bolt::Parameter;

/// The constants of the formulas. A step is α/(1+βn) logits, after n earlier answers of that
/// learner, of that learner in the concept, or of that item. `docs/mastery.md` says how the
/// defaults were chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// The probability of a right answer without any grasp.
    pub guess: f64,
    /// α of the learner's overall ability, in logits; 0 turns it off.
    pub overall_step: f64,
    /// β of the learner's overall ability.
    pub overall_slowing: f64,
    /// The standard deviation of overall abilities among learners of whom nothing is known.
    pub overall_deviation: f64,
    /// α of the learner's ability in a concept, in logits.
    pub concept_step: f64,
    /// β of the learner's ability in a concept.
    pub concept_slowing: f64,
    /// The standard deviation of abilities in a concept of which nothing is known.
    pub concept_deviation: f64,
    /// α of an item's difficulty, in logits.
    pub item_step: f64,
    /// β of an item's difficulty.
    pub item_slowing: f64,
    /// What the first answer in a concept, right or wrong, teaches: logits.
    pub practice_gain: f64,
    /// How that shrinks: after n answers it is `practice_gain` / (1 + `practice_slowing`·n).
    pub practice_slowing: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            guess: 0.0,
            overall_step: 0.3,
            overall_slowing: 0.005,
            overall_deviation: 1.0,
            concept_step: 0.55,
            concept_slowing: 0.002,
            concept_deviation: 1.0,
            item_step: 0.5,
            item_slowing: 0.035,
            practice_gain: 1.0,
            practice_slowing: 3.0,
        }
    }
}

impl Parameters {
    /// The parameters as a topology names them.
    pub const TABLE: &'static [Parameter<Parameters>] = &[
        Parameter {
            name: "guess",
            doc: "The probability of a right answer without any grasp: 0 where answers are not chosen from a list. The lower asymptote of Birnbaum's logistic model (1968).",
            min: 0.0,
            max: 0.9,
            place: |p| &mut p.guess,
        },
        Parameter {
            name: "overall_step",
            doc: "The first step of a learner's overall ability, in logits; 0 turns the overall ability off. α of Pelánek's uncertainty function (2016).",
            min: 0.0,
            max: 4.0,
            place: |p| &mut p.overall_step,
        },
        Parameter {
            name: "overall_slowing",
            doc: "How a learner's overall ability takes smaller steps: step / (1 + slowing·n) after n answers. β of Pelánek's uncertainty function (2016).",
            min: 0.0,
            max: 10.0,
            place: |p| &mut p.overall_slowing,
        },
        Parameter {
            name: "overall_deviation",
            doc: "The standard deviation of overall abilities among new learners, in logits: the uncertainty to begin with.",
            min: 0.0,
            max: 5.0,
            place: |p| &mut p.overall_deviation,
        },
        Parameter {
            name: "concept_step",
            doc: "The first step of a learner's ability in a concept, in logits. α of Pelánek's uncertainty function (2016).",
            min: 0.0,
            max: 4.0,
            place: |p| &mut p.concept_step,
        },
        Parameter {
            name: "concept_slowing",
            doc: "How a learner's ability in a concept takes smaller steps. β of Pelánek's uncertainty function (2016).",
            min: 0.0,
            max: 10.0,
            place: |p| &mut p.concept_slowing,
        },
        Parameter {
            name: "concept_deviation",
            doc: "The standard deviation of abilities in a concept beside the overall ability, in logits: the uncertainty to begin with.",
            min: 0.0,
            max: 5.0,
            place: |p| &mut p.concept_deviation,
        },
        Parameter {
            name: "item_step",
            doc: "The first step of an item's difficulty, in logits. α of Pelánek's uncertainty function (2016).",
            min: 0.0,
            max: 4.0,
            place: |p| &mut p.item_step,
        },
        Parameter {
            name: "item_slowing",
            doc: "How an item's difficulty takes smaller steps. β of Pelánek's uncertainty function (2016).",
            min: 0.0,
            max: 10.0,
            place: |p| &mut p.item_slowing,
        },
        Parameter {
            name: "practice_gain",
            doc: "What the first answer in a concept teaches, right or wrong, in logits; 0 turns learning by practice off. The slope of the Additive Factors Model (Cen, Koedinger and Junker 2006).",
            min: 0.0,
            max: 4.0,
            place: |p| &mut p.practice_gain,
        },
        Parameter {
            name: "practice_slowing",
            doc: "How later answers teach less: gain / (1 + slowing·n) after n answers, which sums to the logarithm of practice (Pavlik, Eglington and Harrell-Williams 2021).",
            min: 0.0,
            max: 100.0,
            place: |p| &mut p.practice_slowing,
        },
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_stands_in_its_own_place_and_its_default_within_its_bounds() {
        let mut parameters = Parameters::default();
        for parameter in Parameters::TABLE {
            let value = *(parameter.place)(&mut parameters);
            assert!((parameter.min..=parameter.max).contains(&value), "{}", parameter.name);
            *(parameter.place)(&mut parameters) = f64::NAN;
        }
        let debug = format!("{parameters:?}");
        let fields = debug.matches(": ").count();
        assert_eq!((fields, debug.matches("NaN").count()), (11, Parameters::TABLE.len()));
        for parameter in Parameters::TABLE {
            assert!(debug.contains(&format!(" {}: NaN", parameter.name)), "{}", parameter.name);
        }
    }
}
