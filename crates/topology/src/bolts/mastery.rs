//! The keys of a mastery bolt.

use super::{BoltOptions, BoltType, NAMES, parameter_keys, parameters};
use crate::{
    input::{Input, Output},
    key_spec::{Default, KeySpec, Kind},
    section::Section,
};
use tallyd_event::FieldType;
use tallyd_mastery::{Options, Parameters};

pub(crate) const TYPE: BoltType = BoltType {
    name: "mastery",
    doc: "How well each learner has grasped each concept, with the uncertainty.",
    results: Some("hashes"),
    keys: || [KEYS.to_vec(), parameter_keys(Parameters::TABLE)].concat(),
    read,
    output,
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
        name: "concept",
        kind: Kind::Field(NAMES),
        default: Default::Required,
        doc: "What the question is about.",
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
        name: "emit",
        kind: Kind::Bool,
        default: Default::value("false"),
        doc: "Whether it emits each answer with the probability that it predicted before it, for \
              other bolts and sinks.",
    },
    KeySpec {
        name: "known_after",
        kind: Kind::Int(0, 1000),
        default: Default::value("5"),
        doc: "From how many answers in a concept on a learner's mastery of it is shown as known; \
              before that it is shown as not yet known.",
    },
];

fn read(section: &Section<'_>, input: Option<&Input>) -> Option<BoltOptions> {
    let learner = section.field("learner", input, NAMES);
    let concept = section.field("concept", input, NAMES);
    let item = section.field("item", input, NAMES);
    let correct = section.field("correct", input, &[FieldType::Bool]);
    let emit = section.bool("emit");
    let known_after = section.int("known_after").map(i64::unsigned_abs);
    let parameters = parameters(section, Parameters::TABLE);
    Some(BoltOptions::Mastery(Box::new(Options {
        learner: learner?,
        concept: concept?,
        item: item?,
        correct: correct?,
        emit: emit?,
        known_after: known_after?,
        parameters: parameters?,
    })))
}

fn output(node: &str, _: Option<&Input>, options: Option<&BoltOptions>) -> Output {
    match options {
        Some(BoltOptions::Mastery(options)) if options.emit => {
            Output::Events(Input::of_bolt(node, tallyd_mastery::output_schema()))
        }
        Some(_) => Output::Nothing,
        None => Output::Unknown,
    }
}
