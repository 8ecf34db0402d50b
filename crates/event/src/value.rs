//! A typed value of an event's field, and how text becomes one.

use crate::schema::{FieldType, TimeUnit};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smol_str::SmolStr;
use std::fmt;

pub mod decimal;
mod error;
pub(crate) mod number;
pub(crate) mod time;

pub use decimal::Decimal;
pub use error::ValueError;
use number::NotWhole;

/// The longest string that a field may hold, in bytes.
pub const MAX_STRING_BYTES: usize = 4096;

/// The latest time that a field may hold: the end of the year 9999, in ms since the epoch.
pub const MAX_TIME: i64 = 253_402_300_799_999;

/// One value. A time is an [`Value::Int`]: milliseconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// An optional field that was left out.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A number of a fixed number of places.
    Decimal(Decimal),
    /// A whole number, or a time.
    Int(i64),
    /// A finite number.
    Float(f64),
    /// Text without control characters, at most [`MAX_STRING_BYTES`] long.
    Str(SmolStr),
}

impl Value {
    /// Reads a text as a value of the given type; a time is in ms.
    ///
    /// # Errors
    /// Where the text is no such value. An empty text is the caller's to judge: here it is a
    /// string like others and no number.
    pub fn from_text(bytes: &[u8], wanted: FieldType) -> Result<Self, ValueError> {
        let text = checked_text(bytes)?;
        match wanted {
            FieldType::String => checked_string(text).map(Value::Str),
            FieldType::Int => {
                number::whole(text).map(Value::Int).map_err(|why| wrong(text, wanted, why.hint()))
            }
            FieldType::Float => number::float(text).map(Value::Float),
            FieldType::Bool => match text {
                "" => Err(ValueError::EmptyBool),
                "1" | "1.0" => Ok(Value::Bool(true)),
                "0" | "0.0" => Ok(Value::Bool(false)),
                _ if text.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
                _ if text.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
                _ => Err(wrong(text, wanted, "")),
            },
            FieldType::Decimal(places) => Decimal::from_text(text, places).map(Value::Decimal),
            FieldType::Time => time::from_text(text, TimeUnit::default()),
        }
    }

    /// The value as the text that [`Value::from_text`] reads back; `Null` is empty.
    #[must_use]
    pub fn to_text(&self) -> SmolStr {
        match self {
            Value::Null => SmolStr::default(),
            Value::Bool(true) => SmolStr::new_static("1"),
            Value::Bool(false) => SmolStr::new_static("0"),
            Value::Decimal(decimal) => smol_str::format_smolstr!("{decimal}"),
            Value::Int(i) => smol_str::format_smolstr!("{i}"),
            Value::Float(f) => smol_str::format_smolstr!("{f}"),
            Value::Str(s) => s.clone(),
        }
    }

    /// The text of a string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&SmolStr> {
        if let Value::Str(s) = self { Some(s) } else { None }
    }

    /// The number of an int or a time, if it is one.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        if let Value::Int(i) = self { Some(*i) } else { None }
    }

    /// The truth of a bool, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(b) = self { Some(*b) } else { None }
    }

    /// An int, a decimal or a float as a float; an int beyond 2^53 loses its last digits.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Decimal(decimal) => Some(decimal.as_f64()),
            Value::Int(i) => Some(*i as f64),
            Value::Float(f) => Some(*f),
            _ => None,
        }
    }

    /// Whether an optional field was left out.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Reads a number of a foreign format, as it was written there. In a field that holds text it
    /// stands as its digits.
    pub(crate) fn from_number(number: &str, wanted: FieldType) -> Result<Self, ValueError> {
        match wanted {
            _ if number.len() > MAX_STRING_BYTES => Err(ValueError::TooLong(number.len())),
            FieldType::String => number::digits(number)
                .map(Value::Str)
                .map_err(|why| wrong(number, wanted, no_text(why))),
            _ => Self::from_text(number.as_bytes(), wanted),
        }
    }

    /// As [`Value::from_number`], of a whole number: one of a time is in this unit.
    pub(crate) fn from_int(
        int: i64,
        wanted: FieldType,
        unit: TimeUnit,
    ) -> Result<Self, ValueError> {
        match (int, wanted) {
            (_, FieldType::Decimal(places)) => Decimal::from_int(int, places).map(Value::Decimal),
            (_, FieldType::Int) => Ok(Value::Int(int)),
            (_, FieldType::Float) => Ok(Value::Float(int as f64)),
            (_, FieldType::String) => Ok(Value::Str(smol_str::format_smolstr!("{int}"))),
            (_, FieldType::Time) => time::from_int(int, unit),
            (0 | 1, FieldType::Bool) => Ok(Value::Bool(int == 1)),
            (_, FieldType::Bool) => Err(wrong(&int.to_string(), wanted, "")),
        }
    }

    /// As [`Value::from_int`], of a float.
    pub(crate) fn from_float(
        float: f64,
        wanted: FieldType,
        unit: TimeUnit,
    ) -> Result<Self, ValueError> {
        match wanted {
            FieldType::Decimal(places) => Decimal::from_float(float, places).map(Value::Decimal),
            FieldType::Float => finite(float).map(Value::Float),
            FieldType::Time => time::from_float(float, unit),
            FieldType::Bool if float == 0.0 || float == 1.0 => Ok(Value::Bool(float == 1.0)),
            FieldType::Bool => Err(wrong(&format!("{float:?}"), wanted, "")),
            FieldType::Int | FieldType::String => {
                let whole = number::whole_float(float).map_err(|why| {
                    let is_int = wanted == FieldType::Int;
                    let hint = if is_int { why.hint() } else { no_text(why) };
                    wrong(&format!("{float:?}"), wanted, hint)
                });
                Self::from_int(whole?, wanted, unit)
            }
        }
    }

    /// As [`Value::from_int`], of a float of 32 bits. It can't hold a time of today: in seconds it
    /// was rounded to two minutes.
    pub(crate) fn from_float32(float: f32, wanted: FieldType) -> Result<Self, ValueError> {
        match wanted {
            FieldType::Decimal(places) => Decimal::from_float32(float, places).map(Value::Decimal),
            FieldType::Time => Err(wrong(&format!("{float:?}"), wanted, SINGLE_TIME)),
            _ => Self::from_float(float.into(), wanted, TimeUnit::default()),
        }
    }

    /// As [`Value::from_number`], of a truth value.
    pub(crate) fn from_bool(truth: bool, wanted: FieldType) -> Result<Self, ValueError> {
        match wanted {
            FieldType::Bool => Ok(Value::Bool(truth)),
            _ => Err(wrong(if truth { "true" } else { "false" }, wanted, "")),
        }
    }

    /// Fits a value that a frame brought to the wanted type: what another writer put there must
    /// not reach a bolt as something that its schema rules out.
    pub(crate) fn conform(self, wanted: FieldType) -> Result<Self, ValueError> {
        match (self, wanted) {
            (Value::Null, _) => Ok(Value::Null),
            (value @ Value::Bool(_), FieldType::Bool)
            | (value @ Value::Int(_), FieldType::Int)
            | (value @ Value::Str(_), FieldType::String) => Ok(value),
            (Value::Float(f), FieldType::Float) => finite(f).map(Value::Float),
            (Value::Int(i), FieldType::Float) => Ok(Value::Float(i as f64)),
            (Value::Int(i), FieldType::Time) => {
                time::in_range(i, || smol_str::format_smolstr!("{i}"))
            }
            (Value::Str(text), FieldType::Decimal(places)) => {
                Decimal::from_text(&text, places).map(Value::Decimal)
            }
            (other, _) => Err(ValueError::WrongType {
                given: other.kind_name().to_owned(),
                wanted: wanted.with_article(),
                hint: "",
            }),
        }
    }

    /// What kind of value it is, with an article.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "a bool",
            Value::Decimal(_) => "a decimal",
            Value::Int(_) => "an int",
            Value::Float(_) => "a float",
            Value::Str(_) => "a string",
        }
    }
}

/// Why a number is no text, to stand behind "is not a string".
fn no_text(why: NotWhole) -> &'static str {
    match why {
        NotWhole::Fraction => ": it has a fraction (send it as text)",
        why => why.hint(),
    }
}

fn finite(number: f64) -> Result<f64, ValueError> {
    // Adding 0 makes -0 to 0: they are one value, and must not be two groups.
    if number.is_finite() {
        Ok(number + 0.0)
    } else {
        Err(ValueError::NotFinite(number.to_string()))
    }
}

/// A text that is not too long.
pub(crate) fn checked_text(bytes: &[u8]) -> Result<&str, ValueError> {
    if bytes.len() > MAX_STRING_BYTES {
        return Err(ValueError::TooLong(bytes.len()));
    }
    std::str::from_utf8(bytes).map_err(|_| ValueError::NotUtf8)
}

fn checked_string(text: &str) -> Result<SmolStr, ValueError> {
    match text.chars().find(|&c| is_forbidden(c)) {
        Some(c) => Err(ValueError::ControlCharacter(u32::from(c))),
        None => Ok(SmolStr::new(text)),
    }
}

/// Control characters, and the marks that reorder the text around them.
fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// A text in quotes, cut to a readable length and without what could forge a terminal.
pub(crate) fn quoted(text: &str) -> String {
    let cut: String = text.chars().filter(|&c| !is_forbidden(c)).take(40).collect();
    if cut.len() < text.len() { format!("\"{cut}…\"") } else { format!("\"{cut}\"") }
}

/// Why a float of 32 bits is no time.
const SINGLE_TIME: &str =
    ": a float of 32 bits is minutes off (send one of 64 bits, a whole number or text)";

fn wrong(text: &str, wanted: FieldType, hint: &'static str) -> ValueError {
    ValueError::WrongType { given: quoted(text), wanted: wanted.with_article(), hint }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(b) => serializer.serialize_bool(*b),
            // Its text: so a frame says the places itself.
            Value::Decimal(decimal) => serializer.collect_str(decimal),
            Value::Int(i) => serializer.serialize_i64(*i),
            Value::Float(f) => serializer.serialize_f64(*f),
            Value::Str(s) => serializer.serialize_str(s),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl de::Visitor<'_> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number, a bool or nothing")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_i64<E>(self, i: i64) -> Result<Value, E> {
        Ok(Value::Int(i))
    }

    fn visit_u64<E: de::Error>(self, u: u64) -> Result<Value, E> {
        i64::try_from(u).map(Value::Int).map_err(|_| E::custom(format!("{u} is beyond 64 bits")))
    }

    fn visit_f64<E>(self, f: f64) -> Result<Value, E> {
        Ok(Value::Float(f))
    }

    fn visit_str<E: de::Error>(self, s: &str) -> Result<Value, E> {
        Ok(Value::Str(SmolStr::new(s)))
    }
}

#[cfg(test)]
mod tests;
