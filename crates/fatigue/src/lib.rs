//! The fatigue bolt: how tired a learner seems, from answers alone.
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
pub struct Fatigue {
    options: Options,
    input: Schema,
    output: Schema,
}

impl Fatigue {
    /// A bolt that reads events of the schema `input`, in which the fields of `options` stand.
    #[must_use]
    pub fn new(options: Options, input: Schema) -> Self {
        Self { options, input, output: output_schema() }
    }
}

impl Bolt for Fatigue {
    fn output(&self) -> Option<&Schema> {
        Some(&self.output)
    }

    fn reads(&self, _batch: &Batch<'_>) -> Reads {
        let _ = (&self.options, &self.input);
        Reads::default()
    }

    fn process(&self, _batch: &Batch<'_>, _state: &State) -> Effects {
        Effects::default()
    }
}

/// The schema of the alerts that the bolt emits.
#[must_use]
pub fn output_schema() -> Schema {
    let fields = vec![
        Field::new("id", FieldType::String),
        Field::new("learner", FieldType::String),
        Field::new("state", FieldType::String),
        Field::new("score", FieldType::Float),
        Field::new("at", FieldType::Time),
        Field::new("answers", FieldType::Int),
        Field::new("accuracy", FieldType::Float),
        Field::new("speed", FieldType::Float),
        Field::new("load", FieldType::Float),
        Field::new("rapid", FieldType::Float),
    ];
    Schema { fields, id: Some(0), key: Some(1), time: Some(4) }
}
