//! The keys of a source and its fields.

use crate::{
    name,
    plan::{Retain, Source},
};
use smol_str::SmolStr;
use std::{ops::Range, sync::Arc};
use tallyd_event::{Field, FieldType, Schema, TimeUnit, decimal::MAX_PLACES, decode::TimeLimits};
use tallyd_kind::{
    fault::{Fault, did_you_mean},
    input::Input,
    key_spec::{Default, KeySpec, Kind, NUMBERS},
    section::Section,
    sheet::{Item, Sheet, Word, found},
    units::{DAY_MS, SECOND_MS},
};
use toml::de::DeValue;

/// The keys of a source.
pub const SOURCE_KEYS: &[KeySpec] = &[
    KeySpec {
        name: "stream",
        kind: Kind::Text,
        default: Default::Absent("the source's name"),
        doc: "The Redis stream that producers write with `XADD`.",
    },
    KeySpec {
        name: "id",
        kind: Kind::Field(IDENTITIES),
        default: Default::Absent("the entry's id"),
        doc: "The field that is the event's identity: a `dedup` bolt takes two events with one id \
              (and one key) for one event. A required field.",
    },
    KeySpec {
        name: "key",
        kind: Kind::Field(KEYS),
        default: Default::Absent("the identity"),
        doc: "The field whose events keep their order, such as the user. A required field.",
    },
    KeySpec {
        name: "time",
        kind: Kind::Field(&[FieldType::Time]),
        default: Default::Absent("the entry's own time"),
        doc: "The field that says when the event happened.",
    },
    KeySpec {
        name: "retain",
        kind: Kind::Retain(&["acked", "forever"]),
        default: Default::value("\"acked\""),
        doc: "How long entries stay in the stream: until all bolts have them (`\"acked\"`), at \
              least so long, or `\"forever\"`.",
    },
    KeySpec {
        name: "max_ahead",
        kind: Kind::Duration,
        default: Default::value("\"10m\""),
        doc: "How far an event's time may lie after its arrival; one further ahead is a dead letter. \
              From `\"1s\"` on.",
    },
    KeySpec {
        name: "max_behind",
        kind: Kind::Duration,
        default: Default::Absent("no limit"),
        doc: "How far an event's time may lie before its arrival; one further behind is a dead \
              letter. From `\"1s\"` on, and only with `time`.",
    },
    KeySpec {
        name: "fields",
        kind: Kind::FieldTypes,
        default: Default::Required,
        doc: "The fields of its events: `name = \"type\"`, or a table; see below.",
    },
];

/// The keys of a field that is written as a table.
pub const FIELD_KEYS: &[KeySpec] = &[
    KeySpec {
        name: "type",
        kind: Kind::Choice(&["bool", "decimal", "float", "int", "string", "time"]),
        default: Default::Required,
        doc: "Its type.",
    },
    KeySpec {
        name: "optional",
        kind: Kind::Bool,
        default: Default::value("false"),
        doc: "Whether an event may leave it out.",
    },
    KeySpec {
        name: "places",
        kind: Kind::Int(0, MAX_PLACES as i64),
        default: Default::Absent("required of a decimal"),
        doc: "How many places a decimal has after the point; a number with more is a dead letter.",
    },
    KeySpec {
        name: "min",
        kind: Kind::Number(f64::NEG_INFINITY, f64::INFINITY),
        default: Default::Absent("none"),
        doc: "The least value of an int, decimal or float; an event below it is a dead letter.",
    },
    KeySpec {
        name: "max",
        kind: Kind::Number(f64::NEG_INFINITY, f64::INFINITY),
        default: Default::Absent("none"),
        doc: "The greatest value of an int, decimal or float; an event above it is a dead letter.",
    },
    KeySpec {
        name: "unit",
        kind: Kind::Choice(&["s", "ms", "us", "ns"]),
        default: Default::value("\"ms\""),
        doc: "In what a time is counted that is written as a number; a fraction is allowed, and what \
              is finer than a ms is cut off.",
    },
];

/// The types that a field may have, by name.
const TYPES: [FieldType; 6] = [
    FieldType::Bool,
    FieldType::Decimal(0),
    FieldType::Float,
    FieldType::Int,
    FieldType::String,
    FieldType::Time,
];
/// What other systems call a type, and what it is called here.
const ALIASES: [(&str, &str); 31] = [
    ("bigint", "int"),
    ("boolean", "bool"),
    ("char", "string"),
    ("currency", "decimal"),
    ("date", "time"),
    ("datetime", "time"),
    ("double", "float"),
    ("f32", "float"),
    ("f64", "float"),
    ("float32", "float"),
    ("float64", "float"),
    ("i32", "int"),
    ("i64", "int"),
    ("int32", "int"),
    ("int64", "int"),
    ("integer", "int"),
    ("long", "int"),
    ("money", "decimal"),
    ("number", "float"),
    ("numeric", "decimal"),
    ("real", "float"),
    ("str", "string"),
    ("text", "string"),
    ("timestamp", "time"),
    ("u32", "int"),
    ("u64", "int"),
    ("uint", "int"),
    ("uint32", "int"),
    ("uint64", "int"),
    ("uuid", "string"),
    ("varchar", "string"),
];
const IDENTITIES: &[FieldType] = &[FieldType::String, FieldType::Int];
const KEYS: &[FieldType] = &[FieldType::String, FieldType::Int, FieldType::Bool];

/// What could be read of a source. The events are known even where its own keys are faulty.
pub(crate) struct SourceDraft {
    pub source: Option<Source>,
    pub events: Option<Input>,
    /// The stream's key and where it stands.
    pub stream: Option<Word>,
}

pub(crate) fn read(name: &str, section: &Section<'_>) -> SourceDraft {
    let stream = match section.written("stream") {
        Some(_) => section.text("stream"),
        None => Some(Word { text: name.to_owned(), span: section.place.clone() }),
    };
    let stream = stream.filter(|stream| check_stream(section.sheet, stream));
    let retain = section.retain("retain").map(|retain| match retain {
        Ok(ms) => Retain::For(ms.unsigned_abs()),
        Err(word) if word == "forever" => Retain::Forever,
        Err(_) => Retain::Acked,
    });
    let limits = limits(section);
    let events = fields(name, section).map(|events| roles(section, events));
    let source = match (&stream, retain, limits) {
        (Some(stream), Some(retain), Some(limits)) => {
            Some(Source { stream: stream.text.clone(), retain, limits })
        }
        _ => None,
    };
    SourceDraft { source, events, stream }
}

fn limits(section: &Section<'_>) -> Option<TimeLimits> {
    let bounds = SECOND_MS..=36_500 * DAY_MS;
    let max_ahead_ms = section.duration_within("max_ahead", bounds.clone());
    if section.written("max_behind").is_none() {
        return Some(TimeLimits { max_ahead_ms: max_ahead_ms?, max_behind_ms: None });
    }
    if section.written("time").is_none() {
        let message = "\"max_behind\" bounds the time of an event, but no field is the time";
        let help = "add time = \"field\": without it an event happens when it arrives";
        section.sheet.fault(Fault::new(message, section.span("max_behind")).help(help));
    }
    let max_behind_ms = section.duration_within("max_behind", bounds);
    Some(TimeLimits { max_ahead_ms: max_ahead_ms?, max_behind_ms: Some(max_behind_ms?) })
}

/// Checks the key of a source's or sink's stream.
pub(crate) fn check_stream(sheet: &Sheet<'_>, stream: &Word) -> bool {
    let reason = if stream.text.is_empty() {
        "a stream needs a name"
    } else if stream.text.starts_with("tallyd:") {
        "keys that begin with \"tallyd:\" are tallyd's own"
    } else if stream.text.len() > 512 || stream.text.chars().any(char::is_control) {
        "a stream's name is at most 512 bytes, without control characters"
    } else {
        return true;
    };
    sheet.fault(Fault::new(reason, stream.span.clone()).help("choose another name"));
    false
}

fn fields(node: &str, section: &Section<'_>) -> Option<Input> {
    let written = section.entries("fields")?;
    if written.is_empty() {
        let help = "name at least one: id = \"string\"";
        let message = format!("{} has no field", section.what);
        section.sheet.fault(Fault::new(message, section.span("fields")).help(help));
    }
    let (mut fields, mut declared, mut unsure) = (Vec::new(), Vec::new(), Vec::<SmolStr>::new());
    for (name, item) in written {
        let is_named = name::check_field(section.sheet, &name.text, name.span.clone());
        match field(section.sheet, &name, item) {
            Some(field) if is_named => {
                fields.push(field);
                declared.push(item.span());
            }
            _ => unsure.push(name.text.as_str().into()),
        }
    }
    Some(Input {
        node: node.into(),
        schema: Arc::new(Schema { fields, ..Schema::default() }),
        declared: declared.into(),
        unsure: unsure.into(),
        corrected: None,
    })
}

fn field(sheet: &Sheet<'_>, name: &Word, item: &Item<'_>) -> Option<Field> {
    match item.get_ref() {
        DeValue::String(text) => {
            let word = Word { text: text.to_string(), span: item.span() };
            let kind = field_type(sheet, &word)?;
            if kind.places().is_some() {
                let message =
                    format!("field \"{}\" does not say how many places it has", name.text);
                let help = "write { type = \"decimal\", places = 2 }";
                sheet.fault(Fault::new(message, item.span()).help(help));
                return None;
            }
            Some(Field::new(&name.text, kind))
        }
        DeValue::Table(table) => {
            let what = format!("field \"{}\"", name.text);
            let keys = FIELD_KEYS.to_vec();
            field_of_table(&name.text, &Section::open(sheet, what, item.span(), table, keys))
        }
        DeValue::Array(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Float(_)
        | DeValue::Integer(_) => {
            let message = format!("field \"{}\" can't be {}", name.text, found(item));
            let help =
                "write its type: \"bool\", \"decimal\", \"float\", \"int\", \"string\" or \"time\"";
            sheet.fault(Fault::new(message, item.span()).help(help));
            None
        }
    }
}

fn field_type(sheet: &Sheet<'_>, word: &Word) -> Option<FieldType> {
    let named = |name: &str| TYPES.iter().find(|kind| kind.name() == name).copied();
    let found = named(&word.text);
    let mut meant = None;
    if found.is_none() {
        let bare = word.text.trim_end_matches('?');
        let own = TYPES.iter().map(|kind| (kind.name(), kind.name()));
        let mut known = ALIASES.into_iter().chain(own);
        let alias = known.find(|(alias, _)| alias.eq_ignore_ascii_case(bare));
        let help = match alias {
            Some((_, kind)) if bare != word.text => {
                format!("write {{ type = \"{kind}\", optional = true }}")
            }
            Some((_, kind)) => format!("write \"{kind}\""),
            None => {
                let names = TYPES.iter().map(|kind| kind.name());
                did_you_mean(&word.text, names, "the types are")
            }
        };
        // What is plain is gone by, so that more can be checked; a decimal lacks its places.
        meant = alias.and_then(|(_, kind)| named(kind)).filter(|kind| kind.places().is_none());
        let message = format!("unknown type \"{}\"", word.text);
        sheet.fault(Fault::new(message, word.span.clone()).help(help));
    }
    found.or(meant)
}

fn field_of_table(name: &str, section: &Section<'_>) -> Option<Field> {
    let kind = section.text("type").and_then(|word| field_type(section.sheet, &word));
    let optional = section.bool("optional").unwrap_or_default();
    let (min, max) = (section.number("min"), section.number("max"));
    let kind = with_places(section, kind?)?;
    let bound = ["min", "max"].into_iter().find(|key| section.written(key).is_some());
    if let (Some(key), false) = (bound, kind.is_one_of(NUMBERS)) {
        let message = format!("\"{key}\" bounds a number, but field \"{name}\" is {}", kind.name());
        let help = "take it away, or make the field an int, a decimal or a float";
        section.sheet.fault(Fault::new(message, section.span(key)).help(help));
    }
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        let message = format!("no value lies between min {min} and max {max}");
        let fault = Fault::new(message, section.span("max")).help("min may not be above max");
        section.sheet.fault(fault);
    }
    let unit = section
        .choice("unit")
        .and_then(|word| TimeUnit::ALL.into_iter().find(|unit| unit.name() == word.text));
    if section.written("unit").is_some() && kind != FieldType::Time {
        let message =
            format!("\"unit\" is that of a time, but field \"{name}\" is {}", kind.name());
        let fault = Fault::new(message, section.span("unit"));
        section.sheet.fault(fault.help("take it away, or make the field a time"));
    }
    let unit = unit.unwrap_or_default();
    Some(Field { name: name.into(), kind, optional, min, max, unit })
}

/// A decimal with the places that its table says, which no other type may have.
fn with_places(section: &Section<'_>, kind: FieldType) -> Option<FieldType> {
    let is_decimal = kind.places().is_some();
    match (is_decimal, section.written("places")) {
        (true, None) => {
            let message = format!("{} does not say how many places it has", section.what);
            let help = "add them: { type = \"decimal\", places = 2 }";
            section.sheet.fault(Fault::new(message, section.place.clone()).help(help));
            None
        }
        (true, Some(_)) => {
            Some(FieldType::Decimal(u8::try_from(section.int("places")?).unwrap_or(MAX_PLACES)))
        }
        (false, Some(_)) => {
            let message =
                format!("only a decimal has places, and {} is {}", section.what, kind.name());
            let fault = Fault::new(message, section.span("places")).help("take it away");
            section.sheet.fault(fault);
            None
        }
        (false, None) => Some(kind),
    }
}

/// Finds the fields that are the identity, the key and the time.
fn roles(section: &Section<'_>, events: Input) -> Input {
    let role = |key: &str, types: &[FieldType], needs_value: bool| {
        section.written(key)?;
        let field = section.field(key, Some(&events), types)?;
        let declared = events.schema.fields.get(field.index)?;
        if needs_value && declared.optional {
            let span = section.span(key);
            section.sheet.fault(optional_role(key, &field.name, span, &events, field.index));
        }
        Some(field.index)
    };
    let id = role("id", IDENTITIES, true);
    let key = role("key", KEYS, true);
    let time = role("time", &[FieldType::Time], false);
    // A faulty id is an id all the same, for those who need that there is one.
    let id = id.or_else(|| section.written("id").map(|_| 0));
    let schema = Schema { id, key, time, ..(*events.schema).clone() };
    Input { schema: Arc::new(schema), ..events }
}

fn optional_role(key: &str, name: &str, span: Range<usize>, events: &Input, at: usize) -> Fault {
    let message = format!("field \"{name}\" is optional, but every event needs its {key}");
    let fault = Fault::new(message, span).help("take optional = true away, or name another field");
    match events.declared.get(at) {
        Some(declared) => fault.beside(declared.clone(), "declared here"),
        None => fault,
    }
}
