//! The mastery bolt: a learner's grasp of each concept, with its uncertainty.
//!
//! Pure: it does no I/O, asks no clock and draws no random numbers. `docs/mastery.md` has the
//! model, its sources, and how well it predicts.

mod ability;
mod answer;
mod bolt;
mod features;
mod grasp;
mod head;
mod items;
mod kind;
mod model;
mod options;
mod page;
mod pair;
mod parameters;
mod rename;
mod stored;
mod variance;
mod view;
mod weight;
mod working;

pub use ability::{Ability, LIMIT, MOST_ANSWERS, PICOLOGITS, TIME_STEP};
pub use bolt::{Mastery, output_schema};
pub use grasp::{CONCEPT_FIELDS, Grasp, ITEM_FIELDS, concept_key, grasp, head_key, item_key};
pub use head::HEAD_FIELDS;
pub use kind::{KEYS, MasteryKind};
pub use model::{Abilities, Difficulty, Expectation, Taken};
pub use options::Options;
pub use parameters::Parameters;
pub use stored::{
    COUNT, NoAbilities, learner_fields, learners_key, more_keys, names_key, numbers_key, read_more,
    read_own,
};
pub use variance::Variance;
pub use view::MASTERY;
