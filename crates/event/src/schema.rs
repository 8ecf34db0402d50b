//! The fields of an event, their types, and which of them are its identity, key and time.

use crate::value::{Value, ValueError, checked_text, time};
use smol_str::SmolStr;

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// `1`, `0`, `1.0`, `0.0`, `true` or `false`.
    Bool,
    /// A number of a fixed number of places after the point, exact: money.
    Decimal(u8),
    /// A finite 64-bit float.
    Float,
    /// A 64-bit signed whole number.
    Int,
    /// Text.
    String,
    /// A number of ms (or another [`TimeUnit`]) since the epoch, or RFC 3339; held as ms.
    Time,
}

impl FieldType {
    /// The name as a topology file spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            FieldType::Bool => "bool",
            FieldType::Decimal(_) => "decimal",
            FieldType::Float => "float",
            FieldType::Int => "int",
            FieldType::String => "string",
            FieldType::Time => "time",
        }
    }

    /// Whether it is one of these types; decimals are one type, whatever places they have.
    #[must_use]
    pub fn is_one_of(self, types: &[FieldType]) -> bool {
        types.iter().any(|kind| std::mem::discriminant(kind) == std::mem::discriminant(&self))
    }

    /// How many places a decimal has; `None` for other types.
    #[must_use]
    pub fn places(self) -> Option<u8> {
        if let FieldType::Decimal(places) = self { Some(places) } else { None }
    }

    pub(crate) fn with_article(self) -> &'static str {
        match self {
            FieldType::Bool => "a bool (1, 0, true or false)",
            FieldType::Decimal(_) => "a decimal (such as 12.50)",
            FieldType::Float => "a float",
            FieldType::Int => "an int",
            FieldType::String => "a string",
            FieldType::Time => "a time (ms since the epoch, or RFC 3339)",
        }
    }
}

/// In what a time is counted that is written as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    #[default]
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

impl TimeUnit {
    /// All of them, the coarsest first.
    pub const ALL: [TimeUnit; 4] =
        [TimeUnit::Seconds, TimeUnit::Millis, TimeUnit::Micros, TimeUnit::Nanos];

    /// The name as a topology file spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            TimeUnit::Seconds => "s",
            TimeUnit::Millis => "ms",
            TimeUnit::Micros => "us",
            TimeUnit::Nanos => "ns",
        }
    }

    pub(crate) fn plural(self) -> &'static str {
        match self {
            TimeUnit::Seconds => "seconds",
            TimeUnit::Millis => "milliseconds",
            TimeUnit::Micros => "microseconds",
            TimeUnit::Nanos => "nanoseconds",
        }
    }

    /// By how many decimal places its numbers are moved to the left to be ms.
    pub(crate) fn places(self) -> i8 {
        match self {
            TimeUnit::Seconds => 3,
            TimeUnit::Millis => 0,
            TimeUnit::Micros => -3,
            TimeUnit::Nanos => -6,
        }
    }
}

/// One field of a schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name, unique in the schema.
    pub name: SmolStr,
    /// Its type.
    pub kind: FieldType,
    /// Whether an event may leave it out.
    pub optional: bool,
    /// The lowest value of an int, decimal or float.
    pub min: Option<f64>,
    /// The highest value of an int, decimal or float.
    pub max: Option<f64>,
    /// In what a producer counts a time that it writes as a number.
    pub unit: TimeUnit,
}

impl Field {
    /// A required field without bounds; a time is in ms.
    #[must_use]
    pub fn new(name: &str, kind: FieldType) -> Self {
        let unit = TimeUnit::default();
        Self { name: name.into(), kind, optional: false, min: None, max: None, unit }
    }

    /// Reads a text as a value of this field: numbers of a time are in the field's unit.
    ///
    /// # Errors
    /// Where the text is no such value, as [`Value::from_text`].
    pub fn read(&self, text: &[u8]) -> Result<Value, ValueError> {
        match self.kind {
            FieldType::Time => time::from_text(checked_text(text)?, self.unit),
            kind => Value::from_text(text, kind),
        }
    }

    /// A value of this field as a producer writes it: a time in the field's unit.
    #[must_use]
    pub fn written(&self, value: &Value) -> SmolStr {
        match (self.kind, value) {
            (FieldType::Time, Value::Int(ms)) => time::to_text(*ms, self.unit),
            _ => value.to_text(),
        }
    }
}

/// What the events of one source or bolt look like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema {
    /// The fields, in the order in which an event's values stand.
    pub fields: Vec<Field>,
    /// The field that is the event's identity; without one it is the entry's id.
    pub id: Option<usize>,
    /// The field that is the event's key; without one it is the identity.
    pub key: Option<usize>,
    /// The field that is the event's time; without one it is the arrival.
    pub time: Option<usize>,
}

impl Schema {
    /// The place of the field of this name.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == name)
    }

    /// The field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }
}
