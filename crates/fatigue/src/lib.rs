//! The fatigue bolt: how tired a learner seems, from answers alone. A signal, not a diagnosis:
//! `docs/fatigue.md` says what it measures and how well.
//!
//! Pure: it does no I/O, asks no clock and draws no random numbers.

mod alert;
mod bolt;
mod items;
mod kind;
mod learner;
mod met;
mod model;
mod options;
mod parameters;
mod rename;
mod view;

pub use alert::output_schema;
pub use bolt::{Fatigue, learner_fields, learners_key};
pub use kind::{FatigueKind, KEYS};
pub use learner::{Reading, Unreadable};
pub use options::Options;
pub use parameters::Parameters;
pub use view::FATIGUE;
