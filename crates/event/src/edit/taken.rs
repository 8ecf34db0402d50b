//! Events of a member who is forgotten, on their way to the bolt that takes out what they added.

use crate::{
    Event, Schema,
    frame::{self, EncodeError},
};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Events that a bolt is to take out of what it has added up: what [`Handed::state`] of a forget holds.
///
/// [`Handed::state`]: crate::Handed::state
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// The events. Of their values only those that the bolt needs are there.
    pub events: Vec<Event>,
    /// Whether the bolt has counted all that ever came: then a group that counts no event has none.
    pub whole: bool,
}

/// The same as text.
#[derive(Deserialize, Serialize)]
struct Text {
    whole: bool,
    /// A frame, in hex digits.
    frame: String,
}

impl Taken {
    /// As text, of events of a schema.
    ///
    /// # Errors
    /// Never for events as this crate makes them; the encoder's error type is passed on all the same.
    pub fn to_text(&self, schema: &Schema) -> Result<String, EncodeError> {
        let mut hex = String::new();
        for byte in frame::encode(schema, &self.events)? {
            // Nothing is refused by a text.
            let _ = write!(hex, "{byte:02x}");
        }
        let text = Text { whole: self.whole, frame: hex };
        // A bool and a text always have a JSON form.
        Ok(serde_json::to_string(&text).unwrap_or_default())
    }

    /// The events of a text that [`Taken::to_text`] gave; `None` for any other.
    #[must_use]
    pub fn from_text(schema: &Schema, text: &str) -> Option<Self> {
        let Text { whole, frame } = serde_json::from_str(text).ok()?;
        let pairs = frame.as_bytes().chunks(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes = pairs.map(byte).collect::<Option<Vec<u8>>>()?;
        Some(Self { events: frame::decode(schema, &bytes).ok()?, whole })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EntryId, Field, FieldType, Value};

    #[test]
    fn events_are_read_as_they_were_written_and_values_may_be_missing() {
        let fields = vec![
            Field::new("user", FieldType::String),
            Field::new("class", FieldType::String),
            Field::new("points", FieldType::Decimal(2)),
        ];
        let schema = Schema { fields, ..Schema::default() };
        let points = Value::from_text(b"-1.25", FieldType::Decimal(2)).unwrap();
        let values = vec![Value::Null, Value::Str("10Ä".into()), points];
        let event = Event::new(EntryId { ms: 1_795_832_107_290, seq: 3 }, 2, values);
        let event = Event { arrived: 1_795_832_107_000, taken_back: true, ..event };
        for whole in [true, false] {
            let taken = Taken { events: vec![event.clone(), event.clone()], whole };
            let text = taken.to_text(&schema).unwrap();
            assert_eq!(Taken::from_text(&schema, &text), Some(taken));
            assert_eq!(Taken::from_text(&schema, &text.replace("93", "9")), None);
        }
        assert_eq!(Taken::from_text(&schema, "{\"whole\":true,\"frame\":\"zz\"}"), None);
        assert_eq!(Taken::from_text(&schema, ""), None);
    }
}
