//! The mastery bolt: a learner's grasp of each concept, with its uncertainty.
//!
//! Pure: it does no I/O, asks no clock and draws no random numbers. `docs/mastery.md` has the
//! model, its sources, and how well it predicts.

mod ability;
mod answer;
mod bolt;
mod grasp;
mod model;
mod options;
mod parameters;
mod working;

pub use ability::{Ability, AbilityError, LIMIT, MICRO, PICOLOGITS};
pub use bolt::{Mastery, output_schema};
pub use grasp::{
    Grasp, ITEM_FIELDS, OVERALL_FIELD, concept_field, concept_of, grasp, item_key, learner_key,
};
pub use model::{Abilities, Difficulty, Expectation};
pub use options::Options;
pub use parameters::Parameters;
