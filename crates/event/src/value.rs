//! A typed value of an event's field, and how text becomes one.

use crate::schema::FieldType;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smol_str::SmolStr;
use std::fmt;

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
    /// A whole number, or a time.
    Int(i64),
    /// A finite number.
    Float(f64),
    /// Text without control characters, at most [`MAX_STRING_BYTES`] long.
    Str(SmolStr),
}

/// Why a text or a foreign value is no value of the wanted type.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ValueError {
    /// The bytes are not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// The text is longer than a field may be.
    #[error("{0} bytes long (at most {MAX_STRING_BYTES})")]
    TooLong(usize),
    /// A control or bidirectional formatting character, which could forge what a terminal shows.
    #[error("control character U+{0:04X}")]
    ControlCharacter(u32),
    /// Another type is wanted.
    #[error("{given} is not {wanted}")]
    WrongType {
        /// What was given, quoted and cut to a readable length.
        given: String,
        /// What the schema wants, with an article.
        wanted: &'static str,
    },
    /// A float that is NaN or infinite.
    #[error("{0} is not finite")]
    NotFinite(String),
    /// A time before 1970 or after 9999.
    #[error("time {0} is out of range (0 to {MAX_TIME} ms)")]
    TimeOutOfRange(i64),
}

impl Value {
    /// Reads a text as a value of the given type.
    ///
    /// # Errors
    /// Where the text is no such value. An empty text is the caller's to judge: here it is a
    /// string like others and no number.
    pub fn from_text(bytes: &[u8], wanted: FieldType) -> Result<Self, ValueError> {
        if bytes.len() > MAX_STRING_BYTES {
            return Err(ValueError::TooLong(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ValueError::NotUtf8)?;
        match wanted {
            FieldType::String => checked_string(text).map(Value::Str),
            FieldType::Int => text.parse().map(Value::Int).map_err(|_| wrong(text, wanted)),
            FieldType::Float => {
                finite(text.parse().map_err(|_| wrong(text, wanted))?).map(Value::Float)
            }
            FieldType::Bool => match text {
                "1" | "1.0" | "true" => Ok(Value::Bool(true)),
                "0" | "0.0" | "false" => Ok(Value::Bool(false)),
                _ => Err(wrong(text, wanted)),
            },
            FieldType::Time => time_from_text(text),
        }
    }

    /// The value as the text that [`Value::from_text`] reads back; `Null` is empty.
    #[must_use]
    pub fn to_text(&self) -> SmolStr {
        match self {
            Value::Null => SmolStr::default(),
            Value::Bool(true) => SmolStr::new_static("1"),
            Value::Bool(false) => SmolStr::new_static("0"),
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

    /// An int or a float as a float; an int beyond 2^53 loses its last digits.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
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

    /// Fits a value of a foreign format (JSON, MessagePack) to the wanted type: a text is read as
    /// [`Value::from_text`] reads it, 0 and 1 are bools, an int is
    /// a float, or a string where that is wanted.
    pub(crate) fn fit(self, wanted: FieldType) -> Result<Self, ValueError> {
        match (self, wanted) {
            (Value::Str(text), _) => Self::from_text(text.as_bytes(), wanted),
            (Value::Int(i), FieldType::String) => Ok(Value::Str(smol_str::format_smolstr!("{i}"))),
            (Value::Int(i), FieldType::Int) => Ok(Value::Int(i)),
            (Value::Int(i), FieldType::Time) => time_from_ms(i),
            (Value::Int(i), FieldType::Float) => Ok(Value::Float(i as f64)),
            (Value::Int(i @ (0 | 1)), FieldType::Bool) => Ok(Value::Bool(i == 1)),
            (Value::Float(f), FieldType::Float) => finite(f).map(Value::Float),
            (Value::Float(f), FieldType::Bool) if f == 0.0 || f == 1.0 => Ok(Value::Bool(f == 1.0)),
            (Value::Bool(b), FieldType::Bool) => Ok(Value::Bool(b)),
            (Value::Float(f), _) => Err(wrong(&format!("{f:?}"), wanted)),
            (Value::Bool(b), _) => Err(wrong(if b { "true" } else { "false" }, wanted)),
            (other, _) => Err(wrong(&other.to_text(), wanted)),
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
            (Value::Int(i), FieldType::Time) => time_from_ms(i),
            (other, _) => Err(ValueError::WrongType {
                given: other.kind_name().to_owned(),
                wanted: wanted.with_article(),
            }),
        }
    }

    /// What kind of value it is, with an article.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "a bool",
            Value::Int(_) => "an int",
            Value::Float(_) => "a float",
            Value::Str(_) => "a string",
        }
    }
}

fn time_from_text(text: &str) -> Result<Value, ValueError> {
    if let Ok(ms) = text.parse() {
        return time_from_ms(ms);
    }
    match text.parse::<jiff::Timestamp>() {
        Ok(at) => time_from_ms(at.as_millisecond()),
        Err(_) => Err(wrong(text, FieldType::Time)),
    }
}

fn time_from_ms(ms: i64) -> Result<Value, ValueError> {
    if (0..=MAX_TIME).contains(&ms) {
        Ok(Value::Int(ms))
    } else {
        Err(ValueError::TimeOutOfRange(ms))
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

fn wrong(text: &str, wanted: FieldType) -> ValueError {
    let cut: String = text.chars().filter(|&c| !is_forbidden(c)).take(40).collect();
    let given = if cut.len() < text.len() { format!("\"{cut}…\"") } else { format!("\"{cut}\"") };
    ValueError::WrongType { given, wanted: wanted.with_article() }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(b) => serializer.serialize_bool(*b),
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
mod tests {
    use super::*;

    fn text(text: &str, wanted: FieldType) -> Result<Value, String> {
        Value::from_text(text.as_bytes(), wanted).map_err(|e| e.to_string())
    }

    #[test]
    fn text_becomes_a_value_of_the_wanted_type() {
        assert_eq!(text("u7", FieldType::String), Ok(Value::Str("u7".into())));
        assert_eq!(text("-9223372036854775808", FieldType::Int), Ok(Value::Int(i64::MIN)));
        assert_eq!(text("1.5e3", FieldType::Float), Ok(Value::Float(1500.0)));
        assert_eq!(text("1.0", FieldType::Bool), Ok(Value::Bool(true)));
        assert_eq!(text("1767225600000", FieldType::Time), Ok(Value::Int(1_767_225_600_000)));
        assert_eq!(
            text("2026-01-01T05:30:00+05:30", FieldType::Time),
            Ok(Value::Int(1_767_225_600_000))
        );
    }

    #[test]
    fn what_does_not_fit_says_why() {
        let cases = [
            ("5.0", FieldType::Int, "\"5.0\" is not an int"),
            ("9223372036854775808", FieldType::Int, "\"9223372036854775808\" is not an int"),
            ("nan", FieldType::Float, "NaN is not finite"),
            ("1e999", FieldType::Float, "inf is not finite"),
            ("yes", FieldType::Bool, "\"yes\" is not a bool (1, 0, true or false)"),
            (
                "yesterday",
                FieldType::Time,
                "\"yesterday\" is not a time (ms since the epoch, or RFC 3339)",
            ),
            ("-1", FieldType::Time, "time -1 is out of range (0 to 253402300799999 ms)"),
            ("a\0b", FieldType::String, "control character U+0000"),
            ("a\u{202e}b", FieldType::String, "control character U+202E"),
            ("a\u{61c}b", FieldType::String, "control character U+061C"),
        ];
        for (given, wanted, reason) in cases {
            assert_eq!(text(given, wanted), Err(reason.to_owned()), "{given:?}");
        }
        assert_eq!(Value::from_text(b"\xff", FieldType::String), Err(ValueError::NotUtf8));
        let long = "x".repeat(MAX_STRING_BYTES + 1);
        assert_eq!(
            text(&long, FieldType::String),
            Err("4097 bytes long (at most 4096)".to_owned())
        );
    }

    #[test]
    fn minus_zero_is_zero() {
        let zero = text("-0", FieldType::Float).map(|zero| zero.to_text());
        assert_eq!(zero, Ok("0".into()));
    }

    #[test]
    fn floats_survive_their_text() {
        for f in [0.1, -1e-300, 1e300, f64::MIN_POSITIVE, 5e-324] {
            let back = Value::from_text(Value::Float(f).to_text().as_bytes(), FieldType::Float);
            assert_eq!(back, Ok(Value::Float(f)));
        }
    }
}
