//! A type of bolt that is not one of tallyd's: of each learner the last value, and how many there
//! were. All that is known of it stands here.

use std::{collections::BTreeMap, sync::Arc};
use tallyd_bolt::{Batch, Bolt, Effects, FieldRef, Key, Reads, State, calendar::Calendar};
use tallyd_event::Schema;
use tallyd_kind::{
    BoltKind, BoltOptions, Wanted,
    input::{Input, Output},
    key_spec::{Default, KeySpec, Kind, NAMES},
    record::{Asked, Found, Record, Step, Unreadable},
    row::Row,
    section::Section,
    view::{Argument, Column, Form, How, Shown, Type, View},
};

/// The fields of a learner's hash.
const FIELDS: [&str; 2] = ["value", "count"];

static LATEST: View = View {
    name: "latest",
    doc: "The last value of the learner.",
    form: Form::Record(None),
    arguments: &[Argument { name: "learner", kind: "string", doc: "Who" }],
    row: "Latest",
    row_doc: "The last value of a learner.",
    columns: &[
        Column::new("value", Type::Name, "The value."),
        Column::new("count", Type::Count, "How many there were.").expected(),
    ],
    shown: &[
        Shown { column: "value", head: None, how: How::Name },
        Shown { column: "count", head: Some("values"), how: How::Figure(0) },
    ],
    read: "the learner's hash",
    order: "one row",
    changes: "each event of the learner",
};

/// The type: one row of the list of `main.rs`.
pub struct LatestKind;

impl BoltKind for LatestKind {
    fn name(&self) -> &'static str {
        "latest"
    }

    fn doc(&self) -> &'static str {
        "Keeps the last value of each learner."
    }

    fn results(&self) -> Option<&'static str> {
        Some("hashes")
    }

    fn views(&self) -> &'static [&'static View] {
        const VIEWS: &[&View] = &[&LATEST];
        VIEWS
    }

    fn keys(&self) -> Vec<KeySpec> {
        let key =
            |name, doc| KeySpec { name, kind: Kind::Field(NAMES), default: Default::Required, doc };
        vec![key("learner", "Who."), key("value", "What is kept.")]
    }

    fn read(&self, section: &Section<'_>, input: Option<&Input>) -> Option<Arc<dyn BoltOptions>> {
        let learner = section.field("learner", input, NAMES);
        let value = section.field("value", input, NAMES);
        Some(Arc::new(Options { learner: learner?, value: value? }))
    }

    fn output(&self, _: &str, _: Option<&Input>, _: Option<&dyn BoltOptions>) -> Output {
        Output::Nothing(None)
    }
}

#[derive(Clone, Debug)]
struct Options {
    learner: FieldRef,
    value: FieldRef,
}

impl BoltOptions for Options {
    fn kind(&self) -> &'static dyn BoltKind {
        &LatestKind
    }

    fn build(&self, _: &Schema, _: &Calendar, _: u16, _: [u8; 16]) -> Arc<dyn Bolt> {
        Arc::new(Latest(self.clone()))
    }

    fn shape(&self) -> Vec<(String, String)> {
        vec![("type".to_owned(), "latest".to_owned())]
    }

    fn partitioned_by(&self) -> Wanted<'_> {
        Wanted::Fields(std::slice::from_ref(&self.learner))
    }

    fn about(&self) -> Option<&FieldRef> {
        Some(&self.learner)
    }

    fn record(&self) -> Option<&dyn Record> {
        Some(self)
    }
}

fn key(learner: &str) -> Key {
    Key::new(&["learner", &Key::encode(learner)])
}

/// A stored field as text.
fn text(bytes: Option<&[u8]>) -> Option<&str> {
    bytes.and_then(|bytes| std::str::from_utf8(bytes).ok())
}

fn count(bytes: Option<&[u8]>) -> u64 {
    text(bytes).and_then(|text| text.parse().ok()).unwrap_or_default()
}

struct Latest(Options);

impl Bolt for Latest {
    fn output(&self) -> Option<&Schema> {
        None
    }

    fn reads(&self, batch: &Batch<'_>, reads: &mut Reads<'_>) {
        for learner in batch.events.iter().filter_map(|event| self.0.learner.text(event)) {
            reads.field(&key(&learner), FIELDS[1]);
        }
    }

    fn process(&self, batch: &Batch<'_>, state: &State) -> Effects {
        let mut effects = Effects::default();
        let mut last = BTreeMap::new();
        for (place, event) in batch.events.iter().enumerate() {
            let (Some(learner), Some(value)) =
                (self.0.learner.text(event), self.0.value.text(event))
            else {
                continue;
            };
            if value == "bad" {
                effects.reject(place, "it is bad");
                continue;
            }
            let stored = || (value.clone(), count(state.field(&key(&learner), FIELDS[1])));
            let of = last.entry(learner.clone()).or_insert_with(stored);
            *of = (value, of.1 + 1);
        }
        for (learner, (value, count)) in last {
            effects.set_field(&key(&learner), FIELDS[0], value.as_bytes());
            effects.set_field(&key(&learner), FIELDS[1], count.to_string());
        }
        effects
    }
}

impl Record for Options {
    fn read(&self, asked: Asked<'_>, found: &Found) -> Result<Step, Unreadable> {
        let key = key(asked.learner);
        let Some(hash) = found.hash(&key) else { return Ok(Step::Hash(key)) };
        let field = |name: &str| hash.get(name).map(Vec::as_slice);
        let Some(value) = text(field(FIELDS[0])) else { return Ok(Step::Rows(Vec::new())) };
        let cells = [value.into(), count(field(FIELDS[1])).into()];
        Ok(Step::Rows(vec![Row::new(&LATEST, cells)]))
    }
}
