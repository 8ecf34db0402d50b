//! The keys of a fatigue bolt.

use super::{BoltOptions, BoltType, NAMES, NUMBERS, parameter_keys, parameters};
use crate::{
    input::{Input, Output},
    key_spec::{Default, KeySpec, Kind},
    section::Section,
};
use tallyd_event::FieldType;
use tallyd_fatigue::{Options, Parameters};

pub(crate) const TYPE: BoltType = BoltType {
    name: "fatigue",
    doc: "How tired each learner seems, from answers alone; emits an alert when it crosses a \
          threshold, and when the learner has recovered.",
    results: Some("hashes"),
    keys: || [KEYS.to_vec(), parameter_keys(Parameters::TABLE)].concat(),
    read,
    output: |node, _, _| Output::Events(Input::of_bolt(node, tallyd_fatigue::output_schema())),
};

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

fn read(section: &Section<'_>, input: Option<&Input>) -> Option<BoltOptions> {
    let learner = section.field("learner", input, NAMES);
    let item = section.field("item", input, NAMES);
    let correct = section.field("correct", input, &[FieldType::Bool]);
    let response_ms = section.field("response_ms", input, NUMBERS);
    let parameters = parameters(section, Parameters::TABLE);
    Some(BoltOptions::Fatigue(Box::new(Options {
        learner: learner?,
        item: item?,
        correct: correct?,
        response_ms: response_ms?,
        parameters: parameters?,
    })))
}
