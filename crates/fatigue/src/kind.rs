//! The keys of a fatigue bolt.

use crate::{Fatigue, Options, Parameters, output_schema, view::FATIGUE};
use std::sync::Arc;
use tallyd_bolt::{Bolt, FieldRef, calendar::Calendar};
use tallyd_event::{FieldType, Schema};
use tallyd_kind::{
    BoltKind, BoltOptions, Wanted,
    input::{Input, Output},
    key_spec::{Default, KeySpec, Kind, NAMES, NUMBERS},
    parameters::{parameter_keys, parameters},
    record::Record,
    section::Section,
    view::View,
};

/// The type.
pub struct FatigueKind;

impl BoltKind for FatigueKind {
    fn name(&self) -> &'static str {
        "fatigue"
    }

    fn doc(&self) -> &'static str {
        "How tired each learner seems, from answers alone; emits an alert when it crosses a threshold, \
         and when the learner has recovered."
    }

    fn results(&self) -> Option<&'static str> {
        Some("hashes")
    }

    fn views(&self) -> &'static [&'static View] {
        const VIEWS: &[&View] = &[&FATIGUE];
        VIEWS
    }

    fn keys(&self) -> Vec<KeySpec> {
        [KEYS.to_vec(), parameter_keys(Parameters::TABLE)].concat()
    }

    fn read(&self, section: &Section<'_>, input: Option<&Input>) -> Option<Arc<dyn BoltOptions>> {
        Some(Arc::new(read(section, input)?))
    }

    fn output(&self, node: &str, _: Option<&Input>, _: Option<&dyn BoltOptions>) -> Output {
        Output::Events(Input::of_bolt(node, output_schema()))
    }
}

impl BoltOptions for Options {
    fn kind(&self) -> &'static dyn BoltKind {
        &FatigueKind
    }

    fn build(&self, input: &Schema, _: &Calendar, partitions: u16, _: [u8; 16]) -> Arc<dyn Bolt> {
        Arc::new(Fatigue::new(self.clone(), input.clone(), partitions))
    }

    fn shape(&self) -> Vec<(String, String)> {
        Options::shape(self)
    }

    fn partitioned_by(&self) -> Wanted<'_> {
        Wanted::Fields(std::slice::from_ref(&self.learner))
    }

    fn about(&self) -> Option<&FieldRef> {
        Some(&self.learner)
    }

    fn stays(&self, field: Option<&str>) -> Option<String> {
        let named = field.is_some_and(|of| of == self.item.name);
        let where_named = if named { ", in keys that have the name" } else { "" };
        Some(format!("what is usual for items, to which all learners' answers add{where_named}"))
    }

    fn renamed(&self, field: &str) -> Result<Option<String>, String> {
        Ok((field == self.item.name)
            .then(|| "what is usual for the item of the old name".to_owned()))
    }

    fn emits_as<'a>(&self, field: &'a str) -> Option<&'a str> {
        (field == self.learner.name).then_some("learner")
    }

    fn record(&self) -> Option<&dyn Record> {
        Some(self)
    }
}

/// The keys, the constants of the formulas left out.
pub const KEYS: &[KeySpec] = &[
    KeySpec {
        name: "learner",
        kind: Kind::Field(NAMES),
        default: Default::Required,
        doc: "Who answers.",
    },
    KeySpec {
        name: "item",
        kind: Kind::Field(NAMES),
        default: Default::Required,
        doc: "What is answered: the question.",
    },
    KeySpec {
        name: "correct",
        kind: Kind::Field(&[FieldType::Bool]),
        default: Default::Required,
        doc: "Whether the answer is right.",
    },
    KeySpec {
        name: "response_ms",
        kind: Kind::Field(NUMBERS),
        default: Default::Required,
        doc: "How long the answer took, in ms.",
    },
];

fn read(section: &Section<'_>, input: Option<&Input>) -> Option<Options> {
    let learner = section.field("learner", input, NAMES);
    let item = section.field("item", input, NAMES);
    let correct = section.field("correct", input, &[FieldType::Bool]);
    let response_ms = section.field("response_ms", input, NUMBERS);
    let parameters = parameters(section, Parameters::TABLE);
    Some(Options {
        learner: learner?,
        item: item?,
        correct: correct?,
        response_ms: response_ms?,
        parameters: parameters?,
    })
}
