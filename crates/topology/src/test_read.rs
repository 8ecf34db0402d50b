//! Reads `[[test]]` blocks: the events, and in `expectation` what they must give.

mod expectation;
mod keys;

pub(crate) use keys::expectation_keys;

use crate::{
    draft::{Draft, DraftKind},
    parse::SinkDraft,
    test_case::{DEFAULT_ARRIVAL, Place, TestCase, TestEvent},
};
use smol_str::SmolStr;
use std::ops::Range;
use tallyd_kind::{
    fault::{Fault, did_you_mean},
    input::{Input, Output},
    key_spec::{Default, KeySpec, Kind},
    section::{Section, table_of},
    sheet::{Item, Sheet, Word, entries, found, plain_text},
    units::time_text,
};

/// The keys of a test.
pub const TEST_KEYS: &[KeySpec] = &[
    KeySpec {
        name: "name",
        kind: Kind::Text,
        default: Default::Required,
        doc: "What the test shows.",
    },
    KeySpec {
        name: "events",
        kind: Kind::Events,
        default: Default::Required,
        doc: "The events, in the order in which they arrive.",
    },
    KeySpec {
        name: "expect",
        kind: Kind::Expectations,
        default: Default::Required,
        doc: "What must come out.",
    },
];

/// The keys of an event of a test, beside those that its source's fields give.
pub const EVENT_KEYS: &[KeySpec] = &[
    KeySpec {
        name: "source",
        kind: Kind::Node,
        default: Default::Absent("the only source"),
        doc: "The source that it is sent to.",
    },
    KeySpec {
        name: "arrival",
        kind: Kind::Time,
        default: Default::Absent(
            "the event's time, or else 2026-01-01T00:00:00Z; never before the event above it",
        ),
        doc: "When it reaches the source.",
    },
    KeySpec {
        name: "fields",
        kind: Kind::Table,
        default: Default::Absent("none"),
        doc: "More fields: those that are called `source`, `arrival` or `fields`.",
    },
];

/// What tests may refer to.
pub(crate) struct World<'d> {
    pub drafts: &'d [Draft],
    pub sinks: &'d [SinkDraft],
}

pub(crate) fn read(top: &Section<'_>, drafts: &[Draft], sinks: &[SinkDraft]) -> Vec<TestCase> {
    let world = World { drafts, sinks };
    let sheet = top.sheet;
    let test = |item: &Item<'_>| {
        let what = "this test".to_owned();
        let section = Section::of(sheet, what, item.span(), item, TEST_KEYS.to_vec())?;
        let name = section.text("name");
        let events = read_events(&section, &world);
        let expectations = expectation::read_all(&section, &world);
        Some(TestCase {
            name: name?.text.into(),
            place: place(sheet, item.span()),
            events,
            expectations,
        })
    };
    let Some(written) = top.written("test") else { return Vec::new() };
    let Some(items) = written.get_ref().as_array() else {
        let message = format!("\"test\" can't be {}", found(written));
        sheet.fault(Fault::new(message, written.span()).help("write each test as [[test]]"));
        return Vec::new();
    };
    items.iter().filter_map(test).collect()
}

pub(crate) fn place(sheet: &Sheet<'_>, span: Range<usize>) -> Place {
    Place { line: sheet.line(&span), span }
}

fn read_events(section: &Section<'_>, world: &World<'_>) -> Vec<TestEvent> {
    let items = section.required_list("events");
    let mut events: Vec<TestEvent> = Vec::with_capacity(items.len());
    for item in items {
        let earliest = events.last().map(|event| event.arrival);
        events.extend(event(section.sheet, item, world, earliest));
    }
    events
}

fn event(
    sheet: &Sheet<'_>,
    item: &Item<'_>,
    world: &World<'_>,
    earliest: Option<i64>,
) -> Option<TestEvent> {
    let table = table_of(sheet, "an event", item)?;
    let section =
        Section::lenient(sheet, "this event".to_owned(), item.span(), table, EVENT_KEYS.to_vec());
    let source = source(&section, world);
    let input = source.and_then(|source| match &world.drafts.get(source)?.output {
        Output::Events(input) => Some(input),
        _ => None,
    });
    let is_own = |key: &Word| EVENT_KEYS.iter().any(|own| own.name == key.text);
    let mut given = entries(table);
    given.retain(|(key, _)| !is_own(key));
    if section.written("fields").is_some() {
        given.extend(section.entries("fields").unwrap_or_default());
    }
    let fields: Vec<(SmolStr, String)> =
        given.iter().filter_map(|(key, value)| field(sheet, key, value, input)).collect();
    let arrival = arrival(&section, &fields, input, earliest);
    Some(TestEvent { source: source?, arrival: arrival?, fields, place: place(sheet, item.span()) })
}

/// The source that an event is sent to: the one it names, or the only one.
fn source(section: &Section<'_>, world: &World<'_>) -> Option<usize> {
    let is_source = |draft: &Draft| matches!(draft.kind, DraftKind::Source { .. });
    let sources: Vec<&str> =
        world.drafts.iter().filter(|d| is_source(d)).map(|d| d.name.as_str()).collect();
    if section.written("source").is_some() {
        let word = section.text("source")?;
        let place = sources.iter().position(|source| *source == word.text);
        if place.is_none() {
            let message = format!("there is no source \"{}\"", word.text);
            let help = did_you_mean(&word.text, sources.iter().copied(), "the sources are");
            section.sheet.fault(Fault::new(message, word.span).help(help));
        }
        return place;
    }
    if sources.len() > 1 {
        let help = format!("add source = \"…\"; the sources are: {}", sources.join(", "));
        let message = "this event does not say which source it is sent to";
        section.sheet.fault(Fault::new(message, section.place.clone()).help(help));
    }
    (sources.len() == 1).then_some(0)
}

/// A field with the text that a producer would send. Whether the text fits is not checked: a test
/// may be about one that does not.
fn field(
    sheet: &Sheet<'_>,
    key: &Word,
    value: &Item<'_>,
    input: Option<&Input>,
) -> Option<(SmolStr, String)> {
    if let Some(input) = input {
        input.field(sheet, &key.text, key.span.clone(), &[], "an event")?;
    }
    let text = plain_text(value);
    if text.is_none() {
        let message = format!("field \"{}\" can't be {}", key.text, found(value));
        let help = "write a string, a number, a bool or a time";
        sheet.fault(Fault::new(message, value.span()).help(help));
    }
    Some((key.text.as_str().into(), text?))
}

fn arrival(
    section: &Section<'_>,
    fields: &[(SmolStr, String)],
    input: Option<&Input>,
    earliest: Option<i64>,
) -> Option<i64> {
    if section.written("arrival").is_some() {
        let arrival = section.time("arrival")?;
        let Some(earliest) = earliest.filter(|earliest| arrival < *earliest) else {
            return Some(arrival);
        };
        let message = "this event arrives before the one above it";
        let help = format!("events are listed as they arrive: not before {}", time_text(earliest));
        section.sheet.fault(Fault::new(message, section.span("arrival")).help(help));
        return None;
    }
    let time = input.and_then(|input| {
        let field = input.schema.fields.get(input.schema.time?)?;
        let (_, text) = fields.iter().find(|(name, _)| *name == field.name)?;
        field.read(text.as_bytes()).ok()?.as_int()
    });
    let arrival = time.or(earliest).unwrap_or(DEFAULT_ARRIVAL);
    Some(arrival.max(earliest.unwrap_or(arrival)))
}
