//! The mastery bolt: a learner's grasp of each concept, with its uncertainty.
//!
//! Pure: it does no I/O, asks no clock and draws no random numbers.

mod options;
mod parameters;

pub use options::Options;
pub use parameters::Parameters;

use tallyd_bolt::{Batch, Bolt, Effects, Reads, State};
use tallyd_event::{Field, FieldType, Schema};

/// The bolt.
#[derive(Clone, Debug)]
pub struct Mastery {
    options: Options,
    input: Schema,
    output: Schema,
}

impl Mastery {
    /// A bolt that reads events of the schema `input`, in which the fields of `options` stand.
    #[must_use]
    pub fn new(options: Options, input: Schema) -> Self {
        Self { options, input, output: output_schema() }
    }
}

impl Bolt for Mastery {
    fn output(&self) -> Option<&Schema> {
        self.options.emit.then_some(&self.output)
    }

    fn reads(&self, _batch: &Batch<'_>) -> Reads {
        let _ = &self.input;
        Reads::default()
    }

    fn process(&self, _batch: &Batch<'_>, _state: &State) -> Effects {
        Effects::default()
    }
}

/// The schema of the answers that the bolt emits, each with what was predicted before it.
#[must_use]
pub fn output_schema() -> Schema {
    let fields = vec![
        Field::new("id", FieldType::String),
        Field::new("learner", FieldType::String),
        Field::new("concept", FieldType::String),
        Field::new("item", FieldType::String),
        Field::new("correct", FieldType::Bool),
        Field::new("predicted", FieldType::Float),
        Field::new("at", FieldType::Time),
    ];
    Schema { fields, id: Some(0), key: Some(1), time: Some(6) }
}
