//! The keys of a mastery bolt.

use crate::{Mastery, Options, Parameters, output_schema, view::MASTERY};
use std::sync::Arc;
use tallyd_bolt::{Bolt, FieldRef, calendar::Calendar};
use tallyd_event::{FieldType, Schema};
use tallyd_kind::{
    BoltKind, BoltOptions, Wanted,
    input::{Input, Output},
    key_spec::{Default, KeySpec, Kind, NAMES},
    parameters::{parameter_keys, parameters},
    record::Record,
    section::Section,
    view::View,
};

/// The type.
pub struct MasteryKind;

impl BoltKind for MasteryKind {
    fn name(&self) -> &'static str {
        "mastery"
    }

    fn doc(&self) -> &'static str {
        "How well each learner has grasped each concept, with the uncertainty."
    }

    fn results(&self) -> Option<&'static str> {
        Some("hashes")
    }

    fn views(&self) -> &'static [&'static View] {
        const VIEWS: &[&View] = &[&MASTERY];
        VIEWS
    }

    fn keys(&self) -> Vec<KeySpec> {
        [KEYS.to_vec(), parameter_keys(Parameters::TABLE)].concat()
    }

    fn read(&self, section: &Section<'_>, input: Option<&Input>) -> Option<Arc<dyn BoltOptions>> {
        Some(Arc::new(read(section, input)?))
    }

    fn output(&self, node: &str, _: Option<&Input>, options: Option<&dyn BoltOptions>) -> Output {
        match options.and_then(|options| options.of::<Options>()) {
            Some(options) if options.emit => Output::Events(Input::of_bolt(node, output_schema())),
            Some(_) => Output::Nothing(Some("emit = true")),
            None => Output::Unknown,
        }
    }
}

impl BoltOptions for Options {
    fn kind(&self) -> &'static dyn BoltKind {
        &MasteryKind
    }

    fn build(&self, input: &Schema, _: &Calendar, partitions: u16, _: [u8; 16]) -> Arc<dyn Bolt> {
        Arc::new(Mastery::new(self.clone(), input.clone(), partitions))
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
        let what = "the difficulties of items and the weights of the head, which learn from all";
        let named = field.is_some_and(|of| of == self.item.name || of == self.concept.name);
        let where_named = if named { ", in keys and fields that have the name" } else { "" };
        Some(format!("{what}{where_named}"))
    }

    fn renamed(&self, field: &str) -> Result<Option<String>, String> {
        let is_named = field == self.item.name || field == self.concept.name;
        Ok(is_named.then(|| "what all learners taught it of the old name".to_owned()))
    }

    fn emits_as<'a>(&self, field: &'a str) -> Option<&'a str> {
        let names = [(&self.learner, "learner"), (&self.concept, "concept"), (&self.item, "item")];
        names.into_iter().find(|(of, _)| of.name == field).map(|(_, name)| name)
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

fn read(section: &Section<'_>, input: Option<&Input>) -> Option<Options> {
    let learner = section.field("learner", input, NAMES);
    let concept = section.field("concept", input, NAMES);
    let item = section.field("item", input, NAMES);
    let correct = section.field("correct", input, &[FieldType::Bool]);
    let emit = section.bool("emit");
    let known_after = section.int("known_after").map(i64::unsigned_abs);
    let parameters = parameters(section, Parameters::TABLE);
    Some(Options {
        learner: learner?,
        concept: concept?,
        item: item?,
        correct: correct?,
        emit: emit?,
        known_after: known_after?,
        parameters: parameters?,
    })
}
