//! Every constant of the mastery formulas, with its meaning, unit and source.

use tallyd_bolt::Parameter;

/// The constants of the formulas. A step is α/(1+βn) logits after n earlier answers of that
/// learner, concept or item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// The probability of a right answer without any grasp.
    pub guess: f64,
    /// α of the learner's overall ability, in logits; 0 turns it off.
    pub overall_step: f64,
    /// β of the learner's overall ability.
    pub overall_slowing: f64,
    /// α of the learner's ability in a concept, in logits.
    pub concept_step: f64,
    /// β of the learner's ability in a concept.
    pub concept_slowing: f64,
    /// α of an item's difficulty, in logits.
    pub item_step: f64,
    /// β of an item's difficulty.
    pub item_slowing: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            guess: 0.0,
            overall_step: 0.4,
            overall_slowing: 0.02,
            concept_step: 0.4,
            concept_slowing: 0.02,
            item_step: 0.4,
            item_slowing: 0.02,
        }
    }
}

impl Parameters {
    /// The parameters as a topology names them.
    pub const TABLE: &'static [Parameter<Parameters>] = &[Parameter {
        name: "guess",
        doc: "The probability of a right answer without any grasp.",
        min: 0.0,
        max: 0.9,
        place: |p| &mut p.guess,
    }];
}
