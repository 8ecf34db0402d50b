//! What a key of a topology file is, as data: reading, the JSON Schema and the documentation all
//! take names, kinds, defaults and meanings from here.

use std::borrow::Cow;
use tallyd_event::FieldType;

/// What learners, items, members and the like may be: names.
pub const NAMES: &[FieldType] = &[FieldType::String, FieldType::Int];
/// What can be added up.
pub const NUMBERS: &[FieldType] = &[FieldType::Int, FieldType::Decimal(0), FieldType::Float];

/// One key of a table of the topology file.
#[derive(Clone, Debug)]
pub struct KeySpec {
    /// The key.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// What holds where it is left out.
    pub default: Default,
    /// What it means, in a sentence or two.
    pub doc: &'static str,
}

/// What holds where a key is left out.
#[derive(Clone, Debug)]
pub enum Default {
    /// It may not be left out.
    Required,
    /// Nothing; or something that depends on other keys, which the text says.
    Absent(&'static str),
    /// This value, written as in the file.
    Value(Cow<'static, str>),
}

impl Default {
    /// A value, written as in the file.
    #[must_use]
    pub const fn value(text: &'static str) -> Self {
        Self::Value(Cow::Borrowed(text))
    }
}

/// What the value of a key may be.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A list of lists of fields.
    Boards,
    /// The name of a bolt type, of these.
    BoltType(Vec<&'static str>),
    /// True or false.
    Bool,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// A length of time, such as `30s`.
    Duration,
    /// A list of tables of any fields: the events of a test.
    Events,
    /// A list of expectations of a test.
    Expectations,
    /// A field of the events that the bolt reads, of one of these types.
    Field(&'static [FieldType]),
    /// A list of fields.
    Fields,
    /// A table of fields and their types.
    FieldTypes,
    /// A length of time that may be 0, or `forever`.
    Grace,
    /// The name of a learner, member or the like, which may be a number.
    Identifier,
    /// A whole number within bounds.
    Int(i64, i64),
    /// A table of measures.
    Measures,
    /// The name of a source, bolt or sink.
    Node,
    /// A number within bounds.
    Number(f64, f64),
    /// A length of time, or one of these words.
    Retain(&'static [&'static str]),
    /// What a leaderboard ranks by.
    Score,
    /// A number of bytes.
    Size,
    /// A list of windows or periods: names, or tables.
    Spans(&'static Spans),
    /// A table of any keys, with values of any simple kind.
    Table,
    /// Text.
    Text,
    /// A list of texts.
    Texts,
    /// A time: RFC 3339, or ms since the epoch.
    Time,
}

/// Windows or periods, as a key lists them: by name, or as tables.
#[derive(Debug)]
pub struct Spans {
    /// What one is called: `window`.
    pub what: &'static str,
    /// The key of a table that is the name.
    pub name: &'static str,
    /// The keys of a table.
    pub keys: &'static [KeySpec],
    /// A list as the file writes it.
    pub example: &'static str,
}

impl Kind {
    /// What the value may be, for a person.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Kind::Boards => "list of lists of fields".to_owned(),
            Kind::BoltType(names) => one_of(names),
            Kind::Bool => "`true` or `false`".to_owned(),
            Kind::Choice(words) => one_of(words),
            Kind::Duration => "duration".to_owned(),
            Kind::Events => "list of tables".to_owned(),
            Kind::Expectations => "list of tables".to_owned(),
            Kind::Field(types) => format!("field ({})", type_names(types)),
            Kind::Fields => "list of fields".to_owned(),
            Kind::FieldTypes => "table of fields".to_owned(),
            Kind::Grace => "duration, `0` or `\"forever\"`".to_owned(),
            Kind::Identifier => "string or whole number".to_owned(),
            Kind::Int(min, max) if *max == i64::MAX => format!("whole number from {min}"),
            Kind::Int(min, max) => format!("whole number, {min} to {max}"),
            Kind::Measures => "table of measures".to_owned(),
            Kind::Node => "name of a node".to_owned(),
            Kind::Number(min, max) if min.is_finite() && max.is_finite() => {
                format!("number, {min} to {max}")
            }
            Kind::Number(..) => "number".to_owned(),
            Kind::Retain(words) => format!("duration, or {}", one_of(words)),
            Kind::Score => "score".to_owned(),
            Kind::Size => "size".to_owned(),
            Kind::Spans(spans) => format!("list of {}s", spans.what),
            Kind::Table => "table".to_owned(),
            Kind::Text => "string".to_owned(),
            Kind::Texts => "list of strings".to_owned(),
            Kind::Time => "time".to_owned(),
        }
    }
}

impl Kind {
    /// What a value must be that is of another kind, in plain text.
    #[must_use]
    pub fn wanted(&self) -> String {
        let text = self.describe().replace('`', "");
        match self {
            Kind::Bool | Kind::BoltType(_) | Kind::Choice(_) => text,
            Kind::Int(..) | Kind::Number(..) | Kind::Text => format!("a {text}"),
            _ => format!("a {text}, such as {}", self.example()),
        }
    }

    /// A value as the file writes it.
    #[must_use]
    pub fn example(&self) -> String {
        let text = match self {
            Kind::Boards => "[[], [\"field\"]]",
            Kind::BoltType(_) => "\"dedup\"",
            Kind::Bool => "true",
            Kind::Choice(words) => return format!("\"{}\"", words.first().unwrap_or(&"…")),
            Kind::Duration => "\"24h\"",
            Kind::Events => "[{ id = \"1\" }]",
            Kind::Expectations => "[{ bolt = \"…\" }]",
            Kind::Field(_) => "\"field\"",
            Kind::Fields => "[\"field\"]",
            Kind::FieldTypes => "{ id = \"string\" }",
            Kind::Grace => "\"1d\"",
            Kind::Identifier => "\"u7\"",
            Kind::Int(min, _) => return min.to_string(),
            Kind::Measures => "{ events = \"count\" }",
            Kind::Node => "\"NAME\"",
            Kind::Number(min, _) if min.is_finite() => return min.to_string(),
            Kind::Number(..) => "1.5",
            Kind::Retain(_) => "\"7d\"",
            Kind::Score => "\"sum(field)\"",
            Kind::Size => "\"256MiB\"",
            Kind::Spans(spans) => spans.example,
            Kind::Table => "{ field = \"value\" }",
            Kind::Text => "\"…\"",
            Kind::Texts => "[\"…\"]",
            Kind::Time => "2026-01-01T09:30:00Z",
        };
        text.to_owned()
    }
}

fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
    quoted.join(" or ")
}

/// The names of some types, for a person: `int or float`; `any type` for all or none.
#[must_use]
pub fn type_names(types: &[FieldType]) -> String {
    if types.is_empty() {
        return "any type".to_owned();
    }
    let names: Vec<&str> = types.iter().map(|kind| kind.name()).collect();
    names.join(" or ")
}

/// Some keys as rows of a Markdown table: what stands in `docs/topology.md`.
#[must_use]
pub fn markdown(keys: &[KeySpec]) -> String {
    let mut table = "| key | value | default | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for key in keys {
        let default = match &key.default {
            Default::Required => "required".to_owned(),
            Default::Absent(text) => (*text).to_owned(),
            Default::Value(text) => format!("`{text}`"),
        };
        let row =
            format!("| `{}` | {} | {default} | {} |\n", key.name, key.kind.describe(), key.doc);
        table.push_str(&row);
    }
    table
}
