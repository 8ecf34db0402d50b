//! The keys of a bolt that corrects.

use crate::{Latest, Options};
use std::sync::Arc;
use tallyd_bolt::{Bolt, FieldRef, calendar::Calendar};
use tallyd_event::{FieldType, Schema};
use tallyd_kind::{
    BoltKind, BoltOptions, Wanted,
    corrected::Corrected,
    fault::Fault,
    input::{Input, Output},
    key_spec::{Default, KeySpec, Kind},
    section::Section,
    units::{DAY_MS, SECOND_MS, duration_text},
};

/// The type.
pub struct LatestKind;

impl BoltKind for LatestKind {
    fn name(&self) -> &'static str {
        "latest"
    }

    fn also_called(&self) -> &'static [&'static str] {
        &["correct", "correction", "corrections", "replace", "upsert"]
    }

    fn doc(&self) -> &'static str {
        "Of each key the latest event counts: what an earlier one did is undone in everything behind."
    }

    fn results(&self) -> Option<&'static str> {
        None
    }

    fn keys(&self) -> Vec<KeySpec> {
        KEYS.to_vec()
    }

    fn read(&self, section: &Section<'_>, input: Option<&Input>) -> Option<Arc<dyn BoltOptions>> {
        Some(Arc::new(read(section, input)?))
    }

    fn output(
        &self,
        node: &str,
        input: Option<&Input>,
        options: Option<&dyn BoltOptions>,
    ) -> Output {
        let options = options.and_then(|options| options.of::<Options>());
        let (Some(input), Some(options)) = (input, options) else { return Output::Unknown };
        let passed = options.passed_on(&input.schema);
        let declared = passed.iter().filter_map(|place| input.declared.get(*place).cloned());
        let corrected = Corrected {
            by: node.into(),
            before: input.node.clone(),
            key: options.key.iter().map(|field| field.name.clone()).collect(),
            retracts: options.retract.is_some(),
        };
        Output::Events(Input {
            schema: options.output(&input.schema),
            declared: declared.collect(),
            corrected: Some(Arc::new(corrected)),
            ..input.passed_on_by(node)
        })
    }
}

impl BoltOptions for Options {
    fn kind(&self) -> &'static dyn BoltKind {
        &LatestKind
    }

    fn build(
        &self,
        input: &Schema,
        _: &Calendar,
        partitions: u16,
        seed: [u8; 16],
    ) -> Arc<dyn Bolt> {
        Arc::new(Latest::new(self.clone(), input.clone(), partitions, seed))
    }

    fn shape(&self) -> Vec<(String, String)> {
        Options::shape(self)
    }

    fn way_around(&self) -> Option<&'static str> {
        Some(
            "take the member's events out there first, by tallyd correct and the field that its retract \
             names; then forget the member",
        )
    }

    fn stays(&self, field: Option<&str>) -> Option<String> {
        let is_of_key = |of: &str| self.key.iter().any(|field| field.name == of);
        let has = match field {
            Some(field) if !is_of_key(field) => "with their values, the member's name among them",
            _ => "by fingerprints of their keys, with their values and without the key's",
        };
        let window = duration_text(self.window_ms);
        Some(format!(
            "versions of events, {has}, for at least {window}: so long, a correction of an event takes \
             back what it added before"
        ))
    }

    fn renamed(&self, _: &str) -> Result<Option<String>, String> {
        let way = "send its events again as later versions, with the new name";
        Err(format!("a later version of an event takes it back from the old name ({way})"))
    }

    fn emits_as<'a>(&self, field: &'a str) -> Option<&'a str> {
        Some(field)
    }

    fn partitioned_by(&self) -> Wanted<'_> {
        match self.by_source_key {
            true => Wanted::Key,
            false => Wanted::Fields(&self.key),
        }
    }
}

/// The keys.
const KEYS: &[KeySpec] = &[
    KeySpec {
        name: "key",
        kind: Kind::Fields,
        default: Default::Required,
        doc: "The fields that say which event it is, such as `[\"user\", \"question\"]`: what has \
              the same values there is one event, in versions.",
    },
    KeySpec {
        name: "fields",
        kind: Kind::Fields,
        default: Default::Absent("all fields"),
        doc: "The fields that bolts behind it may use, in addition to the key's and the time. Each takes \
              memory for each key: name those that are needed.",
    },
    KeySpec {
        name: "retract",
        kind: Kind::Field(&[FieldType::Bool]),
        default: Default::Absent("no event is taken out"),
        doc: "Where it is true, the event is taken out altogether, with none in its place.",
    },
    KeySpec {
        name: "window",
        kind: Kind::Duration,
        default: Default::Required,
        doc: "For how long the latest version is remembered at least, from its arrival; `\"1s\"` to \
              `\"1095d\"`. A correction that comes later counts as another event.",
    },
];

fn read(section: &Section<'_>, input: Option<&Input>) -> Option<Options> {
    let key = section.fields("key", input);
    let fields = match section.written("fields") {
        Some(_) => section.fields("fields", input).map(Some),
        None => Some(None),
    };
    let retract = match section.written("retract") {
        Some(_) => section.field("retract", input, &[FieldType::Bool]).map(Some),
        None => Some(None),
    };
    let window_ms = section.duration_within("window", SECOND_MS..=1095 * DAY_MS);
    let (key, retract) = (key?, retract?);
    let is_sound = check_key(section, input, &key) & check_retract(section, &key, retract.as_ref());
    let source_key = input.and_then(|input| input.schema.key);
    let by_source_key = key.iter().any(|field| Some(field.index) == source_key);
    let (fields, window_ms) = (fields?, window_ms?);
    let mut options =
        Options { key, fields, retract, window_ms, by_source_key, stored_as: String::new() };
    options.stored_as = input.map(|input| options.describe(&input.schema)).unwrap_or_default();
    is_sound.then_some(options)
}

fn check_key(section: &Section<'_>, input: Option<&Input>, key: &[FieldRef]) -> bool {
    let fault = |message: String, help: &str| {
        section.sheet.fault(Fault::new(message, section.span("key")).help(help.to_owned()));
        false
    };
    if key.is_empty() {
        let help = "name the fields that say which event it is: key = [\"user\", \"question\"]";
        return fault("\"key\" names no field".to_owned(), help);
    }
    let declared = |field: &FieldRef| input.and_then(|input| input.schema.fields.get(field.index));
    let optional = key.iter().find(|field| declared(field).is_some_and(|field| field.optional));
    optional.is_none_or(|field| {
        let message =
            format!("field \"{}\" is optional, but every event needs its key", field.name);
        fault(message, "take optional = true away, or name another field")
    })
}

fn check_retract(section: &Section<'_>, key: &[FieldRef], retract: Option<&FieldRef>) -> bool {
    let Some(field) = retract.filter(|retract| key.contains(retract)) else { return true };
    let message = format!("field \"{}\" is a part of the key, and can't retract too", field.name);
    let help = "versions of one event are alike in their key: name another field";
    section.sheet.fault(Fault::new(message, section.span("retract")).help(help));
    false
}
