//! What producers send: an entry of flat fields, or one whose `batch` field holds many events.

use crate::{EntryId, Event, Field, Schema, Value, ValueError};
use smol_str::SmolStr;

/// The field whose value holds many events.
pub const BATCH_FIELD: &str = "batch";
/// The most events that one `batch` may hold.
pub const MAX_BATCH_EVENTS: usize = 10_000;
/// The most bytes that one `batch` may be long.
pub const MAX_BATCH_BYTES: usize = 4 << 20;

/// What one entry became: events, and what is no event with the reason.
#[derive(Debug, Default)]
pub struct Decoded {
    /// The events that fit the schema, in the entry's order.
    pub events: Vec<Event>,
    /// What does not fit.
    pub rejects: Vec<Reject>,
}

/// Something that a producer sent and that is no event of the source.
#[derive(Debug, PartialEq)]
pub struct Reject {
    /// Its place among the events of its entry.
    pub index: u32,
    /// Why it does not fit.
    pub reason: Reason,
    /// The fields as they came, for the dead letter.
    pub fields: Fields,
}

/// Why something is no event of the source.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Reason {
    /// A field that the schema requires is missing or empty.
    #[error("field \"{0}\" is missing")]
    Missing(SmolStr),
    /// A field stands twice in one entry.
    #[error("field \"{0}\" is given twice")]
    Twice(SmolStr),
    /// A value is not of the field's type.
    #[error("field \"{0}\": {1}")]
    Value(SmolStr, ValueError),
    /// A number is outside its bounds.
    #[error("field \"{field}\": {given} is {side} {bound}")]
    OutOfRange {
        /// The field.
        field: SmolStr,
        /// The number.
        given: SmolStr,
        /// `below the minimum` or `above the maximum`.
        side: &'static str,
        /// The bound that it breaks.
        bound: f64,
    },
    /// The event's time is too far after its arrival.
    #[error("its time is {ahead_ms} ms after its arrival (at most {max_ahead_ms})")]
    Ahead {
        /// How far ahead it is.
        ahead_ms: i64,
        /// How far it may be.
        max_ahead_ms: i64,
    },
    /// The batch is not readable as a whole.
    #[error("batch: {0}")]
    Batch(String),
}

/// Decodes one entry of a source stream.
///
/// A field that the schema does not name is ignored. An empty value is a missing one.
/// `max_ahead_ms` bounds how far an event's time may lie after its arrival.
#[must_use]
pub fn decode(
    schema: &Schema,
    max_ahead_ms: i64,
    origin: EntryId,
    entry: &[(Vec<u8>, Vec<u8>)],
) -> Decoded {
    let mut decoded = Decoded::default();
    let batch = entry.iter().find(|(name, _)| name == BATCH_FIELD.as_bytes());
    match batch {
        Some((_, bytes)) if schema.index(BATCH_FIELD).is_none() => match open_batch(bytes) {
            Ok(members) => {
                for (index, member) in (0u32..).zip(members) {
                    let outcome = match member {
                        Ok(fields) => typed(schema, fields),
                        Err((raw, reason)) => Err((vec![("event".into(), raw)], reason)),
                    };
                    decoded.take(schema, max_ahead_ms, origin, index, outcome);
                }
            }
            Err(reason) => {
                decoded.rejects.push(Reject {
                    index: 0,
                    reason: Reason::Batch(reason),
                    fields: entry.to_vec(),
                });
            }
        },
        _ => {
            let outcome = flat(schema, entry).map_err(|reason| (entry.to_vec(), reason));
            decoded.take(schema, max_ahead_ms, origin, 0, outcome);
        }
    }
    decoded
}

/// Names and values of an entry, as bytes, in their order.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;
type Outcome = Result<Vec<Value>, (Fields, Reason)>;

impl Decoded {
    fn take(
        &mut self,
        schema: &Schema,
        max_ahead_ms: i64,
        origin: EntryId,
        index: u32,
        outcome: Outcome,
    ) {
        let (fields, reason) = match outcome {
            Ok(values) => {
                let event = Event { origin, index, values };
                let ahead_ms = event.time(schema).saturating_sub(event.arrival());
                if ahead_ms <= max_ahead_ms {
                    self.events.push(event);
                    return;
                }
                (to_fields(schema, &event), Reason::Ahead { ahead_ms, max_ahead_ms })
            }
            Err(rejected) => rejected,
        };
        self.rejects.push(Reject { index, reason, fields });
    }
}

/// The fields of a typed event as a producer would send them.
#[must_use]
pub fn to_fields(schema: &Schema, event: &Event) -> Fields {
    let named = schema.fields.iter().zip(&event.values);
    named
        .filter(|(_, value)| !value.is_null())
        .map(|(field, value)| (field.name.as_bytes().to_vec(), value.to_text().as_bytes().to_vec()))
        .collect()
}

fn flat(schema: &Schema, entry: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<Value>, Reason> {
    let given = entry.iter().filter_map(|(name, text)| {
        let place = schema.fields.iter().position(|f| f.name.as_bytes() == name)?;
        Some((place, text))
    });
    fill(schema, given, |text, field| {
        if text.is_empty() { Ok(Value::Null) } else { Value::from_text(text, field.kind) }
    })
}

fn typed(schema: &Schema, member: Vec<(SmolStr, Value)>) -> Outcome {
    let given = member.iter().filter_map(|(name, value)| Some((schema.index(name)?, value)));
    let values = fill(schema, given, |value, field| match value {
        Value::Null => Ok(Value::Null),
        Value::Str(text) if text.is_empty() => Ok(Value::Null),
        value => value.clone().fit(field.kind),
    });
    values.map_err(|reason| {
        let text = |v: &Value| v.to_text().as_bytes().to_vec();
        (member.iter().map(|(name, v)| (name.as_bytes().to_vec(), text(v))).collect(), reason)
    })
}

fn fill<T>(
    schema: &Schema,
    given: impl Iterator<Item = (usize, T)>,
    read: impl Fn(T, &Field) -> Result<Value, ValueError>,
) -> Result<Vec<Value>, Reason> {
    let mut values = vec![Value::Null; schema.fields.len()];
    let mut seen = vec![false; schema.fields.len()];
    for (place, raw) in given {
        let (Some(field), Some(value), Some(seen)) =
            (schema.fields.get(place), values.get_mut(place), seen.get_mut(place))
        else {
            continue;
        };
        if std::mem::replace(seen, true) {
            return Err(Reason::Twice(field.name.clone()));
        }
        *value = read(raw, field).map_err(|e| Reason::Value(field.name.clone(), e))?;
        check_bounds(field, value)?;
    }
    for (field, value) in schema.fields.iter().zip(&values) {
        if value.is_null() && !field.optional {
            return Err(Reason::Missing(field.name.clone()));
        }
    }
    Ok(values)
}

fn check_bounds(field: &Field, value: &Value) -> Result<(), Reason> {
    let Some(number) = value.as_number() else { return Ok(()) };
    let broken = |side, bound| Reason::OutOfRange {
        field: field.name.clone(),
        given: value.to_text(),
        side,
        bound,
    };
    match (field.min, field.max) {
        (Some(min), _) if number < min => Err(broken("below the minimum", min)),
        (_, Some(max)) if number > max => Err(broken("above the maximum", max)),
        _ => Ok(()),
    }
}

type Member = Result<Vec<(SmolStr, Value)>, (Vec<u8>, Reason)>;

/// MessagePack (an array of maps), a JSON array, or JSON lines. The first byte tells them apart:
/// in MessagePack `[` and `{` are small numbers, and no batch is one.
fn open_batch(bytes: &[u8]) -> Result<Vec<Member>, String> {
    if bytes.len() > MAX_BATCH_BYTES {
        return Err(format!("{} bytes long (at most {MAX_BATCH_BYTES})", bytes.len()));
    }
    let members: Vec<Member> = match bytes.trim_ascii_start().first() {
        None => return Err("it is empty".to_owned()),
        Some(b'{') => json_lines(bytes),
        Some(b'[') => {
            let maps: Vec<Map> = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
            maps.into_iter().map(|m| Ok(m.0)).collect()
        }
        Some(_) => {
            let maps: Vec<Map> = rmp_serde::from_slice(bytes).map_err(|e| e.to_string())?;
            maps.into_iter().map(|m| Ok(m.0)).collect()
        }
    };
    match members.len() {
        0 => Err("it holds no event".to_owned()),
        n if n > MAX_BATCH_EVENTS => Err(format!("{n} events (at most {MAX_BATCH_EVENTS})")),
        _ => Ok(members),
    }
}

fn json_lines(bytes: &[u8]) -> Vec<Member> {
    let lines =
        bytes.split(|&b| b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let member = |line: &[u8]| match serde_json::from_slice::<Map>(line) {
        Ok(map) => Ok(map.0),
        Err(e) => Err((line.to_vec(), Reason::Batch(e.to_string()))),
    };
    lines.take(MAX_BATCH_EVENTS + 1).map(member).collect()
}

/// A map in its written order, doubles kept: the schema says which of them is wrong.
struct Map(Vec<(SmolStr, Value)>);

impl<'de> serde::Deserialize<'de> for Map {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Map;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an event (a map of fields)")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Map, A::Error> {
                let mut fields = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    fields.push(pair);
                }
                Ok(Map(fields))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FieldType;

    const NOW: EntryId = EntryId { ms: 1_767_225_600_000, seq: 3 };

    fn schema() -> Schema {
        let mut ms = Field::new("ms", FieldType::Int);
        (ms.min, ms.max) = (Some(0.0), Some(1000.0));
        let mut class = Field::new("class", FieldType::String);
        class.optional = true;
        let fields = vec![
            Field::new("id", FieldType::String),
            ms,
            class,
            Field::new("right", FieldType::Bool),
            Field::new("at", FieldType::Time),
        ];
        Schema { fields, id: Some(0), key: None, time: Some(4) }
    }

    fn entry(text: &str) -> Fields {
        let words: Vec<&str> = text.split(' ').collect();
        words.chunks(2).map(|pair| (pair[0].into(), pair[1].into())).collect()
    }

    fn decoded(entry: &[(Vec<u8>, Vec<u8>)]) -> Decoded {
        decode(&schema(), 1000, NOW, entry)
    }

    #[test]
    fn a_flat_entry_is_one_event() {
        let decoded = decoded(&entry("id a1 ms 5 right 1.0 at 1767225600000 unknown x"));
        assert_eq!(decoded.rejects, []);
        let event = &decoded.events[0];
        let values = [
            Value::Str("a1".into()),
            Value::Int(5),
            Value::Null,
            Value::Bool(true),
            Value::Int(1_767_225_600_000),
        ];
        assert_eq!(event.values, values);
        assert_eq!((event.id(&schema()).as_str(), event.key(&schema()).as_str()), ("a1", "a1"));
    }

    #[test]
    fn a_flat_entry_that_does_not_fit_says_why() {
        let cases = [
            ("ms 5 right 1 at 0", "field \"id\" is missing"),
            ("id  ms 5 right 1 at 0", "field \"id\" is missing"),
            ("id a id b ms 5 right 1 at 0", "field \"id\" is given twice"),
            ("id a ms x right 1 at 0", "field \"ms\": \"x\" is not an int"),
            ("id a ms -1 right 1 at 0", "field \"ms\": -1 is below the minimum 0"),
            ("id a ms 1001 right 1 at 0", "field \"ms\": 1001 is above the maximum 1000"),
            (
                "id a ms 5 right 1 at 1767225602000",
                "its time is 2000 ms after its arrival (at most 1000)",
            ),
        ];
        for (text, reason) in cases {
            let decoded = decoded(&entry(text));
            assert_eq!(decoded.events, [], "{text}");
            assert_eq!(decoded.rejects[0].reason.to_string(), reason, "{text}");
            assert_eq!(decoded.rejects[0].fields.len(), entry(text).len(), "{text}");
        }
    }

    #[test]
    fn a_batch_loses_only_its_bad_events() {
        let lines = "{\"id\":\"a\",\"ms\":5,\"right\":true,\"at\":0}\n\n{\"id\":\"b\",\"ms\":-5,\"right\":1,\"at\":0}\nnonsense\n{\"id\":7,\"ms\":\"5\",\"right\":2,\"at\":0}";
        let decoded = decoded(&[(b"batch".to_vec(), lines.into())]);
        assert_eq!(decoded.events.len(), 1);
        let reasons: Vec<String> =
            decoded.rejects.iter().map(|r| format!("{} {}", r.index, r.reason)).collect();
        let expected = [
            "1 field \"ms\": -5 is below the minimum 0",
            "2 batch: expected ident at line 1 column 2",
            "3 field \"right\": \"2\" is not a bool (1, 0, true or false)",
        ];
        assert_eq!(reasons, expected);
    }

    #[test]
    fn a_batch_may_be_messagepack_or_a_json_array() {
        let event = [("id", "a"), ("ms", "5"), ("right", "0"), ("at", "0")];
        let map: std::collections::BTreeMap<_, _> = event.into();
        let packed = rmp_serde::to_vec(&[&map, &map]).unwrap();
        let json = serde_json::to_vec(&[&map, &map]).unwrap();
        for bytes in [packed.clone(), json] {
            let decoded = decoded(&[(b"batch".to_vec(), bytes)]);
            assert_eq!((decoded.events.len(), decoded.rejects.len()), (2, 0));
            assert_eq!(decoded.events[1].index, 1);
        }
        for cut in 1..packed.len() {
            let decoded = decoded(&[(b"batch".to_vec(), packed[..cut].to_vec())]);
            assert_eq!((decoded.events.len(), decoded.rejects.len()), (0, 1));
        }
    }

    #[test]
    fn a_batch_that_claims_too_much_is_refused() {
        let bomb = [b"\xdd\xff\xff\xff\xff".to_vec(), vec![0x80; 64]].concat();
        let many = "{}\n".repeat(MAX_BATCH_EVENTS + 1).into_bytes();
        for bytes in [bomb, many, Vec::new(), vec![b' '; MAX_BATCH_BYTES + 1], b"[]".to_vec()] {
            let decoded = decoded(&[(b"batch".to_vec(), bytes)]);
            assert_eq!((decoded.events.len(), decoded.rejects.len()), (0, 1));
        }
    }

    #[test]
    fn what_is_rendered_for_a_dead_letter_can_be_sent_again() {
        let first = decoded(&entry("id a1 ms 5 right 1 at 1767225600000"));
        let again = decoded(&to_fields(&schema(), &first.events[0]));
        assert_eq!(again.events, first.events);
    }
}
