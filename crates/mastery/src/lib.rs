//! The mastery bolt: a learner's grasp of each concept, with its uncertainty.
//!
//! Pure: it does no I/O, asks no clock and draws no random numbers. `docs/mastery.md` has the
//! model, its sources, and how well it predicts.

mod ability;
mod answer;
mod bolt;
mod features;
mod forget;
mod grasp;
mod head;
mod items;
mod kind;
mod model;
mod options;
mod parameters;
mod view;
mod weight;
mod working;

pub use ability::{Ability, AbilityError, LIMIT, PICOLOGITS, VARIANCE_UNITS};
pub use bolt::{Mastery, output_schema};
pub use grasp::{
    CONCEPT_FIELDS, Grasp, ITEM_FIELDS, OVERALL_FIELD, concept_field, concept_key, concept_of,
    grasp, head_key, item_key, learner_key,
};
pub use head::HEAD_FIELDS;
pub use kind::{KEYS, MasteryKind};
pub use model::{Abilities, Difficulty, Expectation, Taken};
pub use options::Options;
pub use parameters::Parameters;
pub use view::MASTERY;
