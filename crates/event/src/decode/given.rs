//! A value as a producer wrote it, in whichever format, and how it becomes one of a field.
//!
//! Every value comes through here: of flat fields, of a `batch`, and of the files that
//! `tallyd send` reads. So one value means the same in all of them.

use super::Reason;
use crate::{Field, FieldType, Value, ValueError, value::time};
use serde_json::value::RawValue;
use smol_str::{SmolStr, format_smolstr};

/// A value as it came.
#[derive(Clone, Debug)]
pub enum Given<'a> {
    /// True or false, of MessagePack.
    Bool(bool),
    /// A float of MessagePack.
    Float(f64),
    /// A float of 32 bits of MessagePack.
    Float32(f32),
    /// A whole number of MessagePack.
    Int(i64),
    /// A value of JSON, as it is written there.
    Json(&'a RawValue),
    /// Bytes that are no text.
    NotUtf8,
    /// Nothing: the field is left out.
    Null,
    /// The text of MessagePack.
    Owned(SmolStr),
    /// Bytes of a flat field, or of a cell of a table.
    Text(&'a [u8]),
    /// A MessagePack timestamp, in ms since the epoch.
    Timestamp(i64),
    /// A whole number beyond 63 bits.
    Unsigned(u64),
    /// What no field can hold: its kind, with an article.
    Unusable(&'static str),
}

impl Given<'_> {
    /// The value of a field; `Null` where it is left out.
    pub(super) fn read(self, field: &Field) -> Result<Value, Reason> {
        let Field { kind, unit, .. } = *field;
        let value = match self {
            Given::Bool(truth) => Value::from_bool(truth, kind),
            Given::Float(float) => Value::from_float(float, kind, unit),
            Given::Float32(float) => Value::from_float32(float, kind),
            Given::Int(int) => Value::from_int(int, kind, unit),
            Given::Json(raw) => from_json(raw.get(), field),
            Given::NotUtf8 => Err(ValueError::NotUtf8),
            Given::Null => Ok(Value::Null),
            Given::Owned(text) => from_text(text.as_bytes(), field),
            Given::Text(text) => from_text(text, field),
            Given::Timestamp(ms) if kind == FieldType::Time => {
                time::in_range(ms, || format_smolstr!("{ms}"))
            }
            Given::Timestamp(_) => Err(unusable("a timestamp", kind)),
            Given::Unsigned(int) => from_number(&int.to_string(), field),
            Given::Unusable(given) => Err(unusable(given, kind)),
        };
        value.map_err(|error| Reason::Value(field.name.clone(), error))
    }
}

/// An empty text is a missing value, except where a bool is wanted: there it may be PHP's false.
fn from_text(text: &[u8], field: &Field) -> Result<Value, ValueError> {
    match field.kind {
        FieldType::Bool => field.read(text),
        _ if text.is_empty() => Ok(Value::Null),
        _ => field.read(text),
    }
}

fn from_number(number: &str, field: &Field) -> Result<Value, ValueError> {
    match field.kind {
        FieldType::Time => field.read(number.as_bytes()),
        kind => Value::from_number(number, kind),
    }
}

/// `raw` is one whole JSON value.
fn from_json(raw: &str, field: &Field) -> Result<Value, ValueError> {
    let kind = field.kind;
    match raw.as_bytes() {
        b"null" => Ok(Value::Null),
        b"true" => Value::from_bool(true, kind),
        b"false" => Value::from_bool(false, kind),
        [b'"', text @ .., b'"'] if !text.contains(&b'\\') => from_text(text, field),
        [b'"', ..] => match serde_json::from_str::<String>(raw) {
            Ok(text) => from_text(text.as_bytes(), field),
            // Only half of a surrogate pair is left to be found here.
            Err(_) => Err(ValueError::NotUtf8),
        },
        [b'{', ..] => Err(unusable("a map", kind)),
        [b'[', ..] => Err(unusable("a list", kind)),
        _ => from_number(raw, field),
    }
}

fn unusable(given: &str, kind: FieldType) -> ValueError {
    ValueError::WrongType { given: given.to_owned(), wanted: kind.with_article(), hint: "" }
}
