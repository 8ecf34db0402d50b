//! Every constant of the mastery formulas, with its meaning, unit and source.

use tallyd_bolt::Parameter;

/// The constants of the formulas. A step is α/(1+βn) logits, after n earlier answers of that
/// learner, of that learner in the concept, or of that item. `docs/mastery.md` says how the
/// defaults were chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
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
    /// After so many days without an answer, half of what answers told is not certain any more.
    pub certainty_days: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            overall_step: 0.4,
            overall_slowing: 0.05,
            overall_deviation: 1.0,
            concept_step: 0.3,
            concept_slowing: 0.05,
            concept_deviation: 1.0,
            item_step: 1.0,
            item_slowing: 0.15,
            certainty_days: 180.0,
        }
    }
}

impl Parameters {
    /// The parameters as a topology names them.
    pub const TABLE: &'static [Parameter<Parameters>] = &[
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
            name: "certainty_days",
            doc: "After so many days without an answer, half of what a learner's answers told is not certain any more: the uncertainty that is shown grows back to the first one. As ratings deviations do in Glicko (Glickman 1999).",
            min: 1.0,
            max: 36_500.0,
            place: |p| &mut p.certainty_days,
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
        assert_eq!((fields, debug.matches("NaN").count()), (9, Parameters::TABLE.len()));
        for parameter in Parameters::TABLE {
            assert!(debug.contains(&format!(" {}: NaN", parameter.name)), "{}", parameter.name);
        }
    }
}
