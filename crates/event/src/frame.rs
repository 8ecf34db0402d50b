//! The frame codec: many events in one entry of an intermediate stream.
//!
//! A frame is the MessagePack array `[version, fields, rows]`: the field names once, then a row
//! for each event, `[origin ms, origin sequence, index, ahead, waited, value…]`: `ahead` is by how
//! many ms the time of its origin is ahead of when it entered, and `waited` how many ms before that
//! it arrived; both are mostly 0. The index of an event that is taken back is written as -1 - index:
//! others take no byte more for it. Fields are matched by name, so a
//! schema may gain optional fields and change their order between writer and reader.
//!
//! A probe goes the same way, and is no frame: the array `[version, sent]`, of no events.

use crate::{EntryId, Event, Field, Schema, Value};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeSeed, SeqAccess, Visitor},
    ser::SerializeTuple,
};
use std::fmt;

/// The version that this code writes, and the only one that it reads.
pub const VERSION: u8 = 3;

/// How an array of two begins: a frame is one of three.
const OF_TWO: u8 = 0x92;

/// Why a frame can't be written.
pub type EncodeError = rmp_serde::encode::Error;

/// Why an entry is no readable frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The bytes are not MessagePack of the right shape.
    #[error("not a frame: {0}")]
    Malformed(#[from] rmp_serde::decode::Error),
    /// A required field is missing from the frame.
    #[error("frame has no field \"{0}\"")]
    MissingField(String),
    /// Written by another version.
    #[error("frame version {0} (expected {VERSION})")]
    Version(u8),
    /// Bytes follow the end of the frame.
    #[error("{0} bytes after the end of the frame")]
    Trailing(u64),
}

/// Encodes events of one schema.
///
/// # Errors
/// Never for events as this crate makes them; the encoder's error type is passed on all the same.
pub fn encode<'a>(
    schema: &Schema,
    events: impl IntoIterator<Item = &'a Event>,
) -> Result<Vec<u8>, EncodeError> {
    let names: Vec<&str> = schema.fields.iter().map(|f| f.name.as_str()).collect();
    let rows: Vec<Row<'_>> = events.into_iter().map(Row).collect();
    let mut bytes = Vec::with_capacity(64 + rows.len() * 64);
    rmp_serde::encode::write(&mut bytes, &(VERSION, names, rows))?;
    Ok(bytes)
}

/// Decodes a frame into events of the reader's schema.
///
/// # Errors
/// Where the bytes are no frame of this version, or lack a required field.
pub fn decode(schema: &Schema, bytes: &[u8]) -> Result<Vec<Event>, FrameError> {
    let mut decoder = rmp_serde::Deserializer::new(std::io::Cursor::new(bytes));
    let mut refusal = None;
    let visitor = FrameVisitor { schema, refusal: &mut refusal };
    let outcome = (&mut decoder).deserialize_tuple(3, visitor);
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    let events = outcome?;
    let rest = bytes.len() as u64 - decoder.position().min(bytes.len() as u64);
    if rest > 0 { Err(FrameError::Trailing(rest)) } else { Ok(events) }
}

/// Encodes a probe that was sent at this time, in ms since the epoch.
///
/// # Errors
/// Never; the encoder's error type is passed on all the same.
pub fn encode_probe(sent: i64) -> Result<Vec<u8>, EncodeError> {
    rmp_serde::to_vec(&(VERSION, sent))
}

/// When the probe was sent that stands in the place of a frame; `None` for a frame, and for what
/// is neither.
#[must_use]
pub fn probe(bytes: &[u8]) -> Option<i64> {
    // All but a few entries are frames: one look is enough for them.
    if bytes.first() != Some(&OF_TWO) {
        return None;
    }
    let mut decoder = rmp_serde::Deserializer::new(std::io::Cursor::new(bytes));
    let (version, sent) = <(u8, i64)>::deserialize(&mut decoder).ok()?;
    (version == VERSION && decoder.position() == bytes.len() as u64).then_some(sent)
}

struct Row<'a>(&'a Event);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Event { origin, index, arrived, entered, taken_back, values } = self.0;
        let index = i64::from(*index);
        let mut row = serializer.serialize_tuple(5 + values.len())?;
        row.serialize_element(&origin.ms)?;
        row.serialize_element(&origin.seq)?;
        row.serialize_element(&if *taken_back { -1 - index } else { index })?;
        row.serialize_element(&origin.time().saturating_sub(*entered))?;
        row.serialize_element(&entered.saturating_sub(*arrived))?;
        for value in values {
            row.serialize_element(value)?;
        }
        row.end()
    }
}

struct FrameVisitor<'a> {
    schema: &'a Schema,
    /// Why a readable array is no frame for this reader. serde's own errors carry text only.
    refusal: &'a mut Option<FrameError>,
}

impl FrameVisitor<'_> {
    fn refuse<E: de::Error>(self, refusal: FrameError) -> E {
        *self.refusal = Some(refusal);
        E::custom("refused")
    }
}

impl<'de> Visitor<'de> for FrameVisitor<'_> {
    type Value = Vec<Event>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a frame")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let version: u8 = next(&mut seq)?;
        if version != VERSION {
            return Err(self.refuse(FrameError::Version(version)));
        }
        let names: Vec<String> = next(&mut seq)?;
        let places: Vec<Option<usize>> = names.iter().map(|n| self.schema.index(n)).collect();
        for (place, field) in self.schema.fields.iter().enumerate() {
            if !field.optional && !places.contains(&Some(place)) {
                let name = field.name.to_string();
                return Err(self.refuse(FrameError::MissingField(name)));
            }
        }
        let rows = Rows { places: &places, fields: &self.schema.fields };
        let events = seq.next_element_seed(rows)?;
        events.ok_or_else(|| de::Error::custom("the rows are missing"))
    }
}

fn next<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(seq: &mut A) -> Result<T, A::Error> {
    seq.next_element()?.ok_or_else(|| de::Error::custom("it ends too early"))
}

struct Rows<'a> {
    places: &'a [Option<usize>],
    fields: &'a [Field],
}

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = Vec<Event>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Event>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = Vec<Event>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Event>, A::Error> {
        // The length is the sender's claim: what is reserved for it is bounded.
        let mut events = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(4096));
        let (places, fields) = (self.places, self.fields);
        while let Some(event) = seq.next_element_seed(RowSeed { places, fields })? {
            events.push(event);
        }
        Ok(events)
    }
}

struct RowSeed<'a> {
    places: &'a [Option<usize>],
    fields: &'a [Field],
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = Event;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Event, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = Event;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Event, A::Error> {
        let origin = EntryId { ms: next(&mut seq)?, seq: next(&mut seq)? };
        let index: i64 = next(&mut seq)?;
        let taken_back = index < 0;
        let index = if taken_back { -1 - index } else { index };
        let index = u32::try_from(index)
            .map_err(|_| de::Error::custom(format!("{index} is no place in an entry")))?;
        let ahead: i64 = next(&mut seq)?;
        let entered = origin.time().saturating_sub(ahead);
        let waited: i64 = next(&mut seq)?;
        let arrived = entered.saturating_sub(waited);
        let mut values = vec![Value::Null; self.fields.len()];
        for place in self.places {
            let value: Value = next(&mut seq)?;
            let place = place.and_then(|p| Some((values.get_mut(p)?, self.fields.get(p)?)));
            if let Some((slot, field)) = place {
                *slot = value
                    .conform(field.kind)
                    .map_err(|e| de::Error::custom(format!("field \"{}\": {e}", field.name)))?;
            }
        }
        Ok(Event { origin, index, arrived, entered, taken_back, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decimal, Field, FieldType};
    use proptest::prelude::*;

    fn schema() -> Schema {
        let mut class = Field::new("class", FieldType::String);
        class.optional = true;
        let fields =
            vec![Field::new("user", FieldType::String), class, Field::new("ms", FieldType::Int)];
        Schema { fields, ..Schema::default() }
    }

    fn row() -> impl Strategy<Value = Vec<Value>> {
        let text = || ".{0,40}".prop_map(|s| Value::Str(s.into()));
        let class = prop_oneof![Just(Value::Null), text()];
        (text(), class, any::<i64>().prop_map(Value::Int))
            .prop_map(|(user, class, ms)| vec![user, class, ms])
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(rows in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u32>(), any::<bool>(), -9i64..1 << 40, -9i64..1 << 40, row()), 0..20)) {
            let events: Vec<Event> = rows.into_iter()
                .map(|(ms, seq, index, taken_back, ahead, waited, values)| {
                    let event = Event::new(EntryId { ms, seq }, index, values);
                    let entered = event.entered.saturating_sub(ahead);
                    Event { entered, arrived: entered.saturating_sub(waited), taken_back, ..event }
                })
                .collect();
            let bytes = encode(&schema(), &events).unwrap();
            prop_assert_eq!(decode(&schema(), &bytes).unwrap(), events);
        }

        #[test]
        fn bytes_of_any_kind_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&schema(), &bytes);
            let _ = probe(&bytes);
        }

        #[test]
        fn a_frame_cut_short_is_refused(cut in 1usize..30) {
            let event = Event::new(EntryId::ZERO, 0, vec![Value::Str("u".into()), Value::Null, Value::Int(5)]);
            let bytes = encode(&schema(), &[event]).unwrap();
            let end = bytes.len().saturating_sub(cut);
            prop_assert!(decode(&schema(), &bytes[..end]).is_err());
        }
    }

    #[test]
    fn fields_are_matched_by_name() {
        let values = vec![Value::Str("u".into()), Value::Null, Value::Int(5)];
        let event = Event::new(EntryId::ZERO, 0, values);
        let bytes = encode(&schema(), &[event]).unwrap();
        let mut added = Field::new("new", FieldType::Int);
        added.optional = true;
        let reader =
            Schema { fields: vec![Field::new("ms", FieldType::Int), added], ..Schema::default() };
        assert_eq!(decode(&reader, &bytes).unwrap()[0].values, [Value::Int(5), Value::Null]);
        let reader =
            Schema { fields: vec![Field::new("item", FieldType::Int)], ..Schema::default() };
        assert_eq!(decode(&reader, &bytes).unwrap_err().to_string(), "frame has no field \"item\"");
    }

    /// Others take no byte more for it.
    #[test]
    fn an_event_that_is_taken_back_is_one_of_a_negative_place() {
        let schema = Schema { fields: vec![Field::new("n", FieldType::Int)], ..Schema::default() };
        let event = Event::new(EntryId { ms: 1, seq: 2 }, 300, vec![Value::Int(9)]);
        let back = Event { taken_back: true, ..event.clone() };
        let head = [0x93, VERSION, 0x91, 0xa1, b'n', 0x91, 0x96, 1, 2];
        for (event, place) in [(event, [0xcd, 0x01, 0x2c]), (back, [0xd1, 0xfe, 0xd3])] {
            let bytes = encode(&schema, [&event]).unwrap();
            assert_eq!(bytes, [&head[..], &place, &[0, 0, 9]].concat());
            assert_eq!(decode(&schema, &bytes).unwrap(), [event]);
        }
        let no_place = rmp_serde::to_vec(&(VERSION, ["n"], [(1, 2, 1u64 << 33, 0, 0, 9)])).unwrap();
        let error = decode(&schema, &no_place).unwrap_err().to_string();
        assert!(error.contains("8589934592 is no place in an entry"), "{error}");
    }

    #[test]
    fn values_are_of_their_fields_types() {
        let fields = [FieldType::Bool, FieldType::Float, FieldType::Int, FieldType::String];
        let fields: Vec<Field> =
            fields.into_iter().map(|kind| Field::new(kind.name(), kind)).collect();
        let schema = Schema { fields, ..Schema::default() };
        let sound = [Value::Bool(true), Value::Float(0.5), Value::Int(5), Value::Str("s".into())];
        let decoded = |place: usize, value: Value| {
            let mut values = sound.to_vec();
            values[place] = value;
            let bytes = encode(&schema, &[Event::new(EntryId::ZERO, 0, values)]);
            decode(&schema, &bytes.unwrap()).map_err(|e| e.to_string())
        };
        let cases = [
            (
                0,
                Value::Int(1),
                "not a frame: field \"bool\": an int is not a bool (1, 0, true or false)",
            ),
            (1, Value::Float(f64::NAN), "not a frame: field \"float\": NaN is not finite"),
            (2, Value::Str("5".into()), "not a frame: field \"int\": a string is not an int"),
            (3, Value::Float(5.0), "not a frame: field \"string\": a float is not a string"),
        ];
        for (place, value, reason) in cases {
            assert_eq!(decoded(place, value), Err(reason.to_owned()));
        }
        let price = vec![Field::new("price", FieldType::Decimal(2))];
        let schema = Schema { fields: price, ..Schema::default() };
        let decoded_price = |value: Value| {
            let bytes = encode(&schema, &[Event::new(EntryId::ZERO, 0, vec![value])]).unwrap();
            decode(&schema, &bytes).map(|events| events[0].values[0].clone())
        };
        let price = |units, places| Value::Decimal(Decimal { units, places });
        assert_eq!(decoded_price(price(i64::MIN, 2)).unwrap(), price(i64::MIN, 2));
        // A schema of another number of places does not shift the point.
        assert_eq!(decoded_price(price(125, 1)).unwrap(), price(1250, 2));
        assert!(decoded_price(price(12_505, 3)).unwrap_err().to_string().contains("more than 2"));
        assert!(decoded_price(Value::Int(1250)).is_err());
        assert_eq!(decoded(1, Value::Int(2)).unwrap()[0].values[1], Value::Float(2.0));
    }

    #[test]
    fn a_probe_is_no_frame_and_a_frame_no_probe() {
        for sent in [0, -1, 1_767_225_600_000, i64::MAX, i64::MIN] {
            let bytes = encode_probe(sent).unwrap();
            assert_eq!(probe(&bytes), Some(sent));
            assert!(decode(&schema(), &bytes).is_err());
            assert_eq!(probe(&[bytes.as_slice(), &[0]].concat()), None);
            assert_eq!(probe(&bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(probe(&encode(&schema(), &[]).unwrap()), None);
        assert_eq!(probe(&rmp_serde::to_vec(&(VERSION + 1, 5)).unwrap()), None);
        assert_eq!(probe(&[]), None);
    }

    #[test]
    fn a_frame_of_another_version_says_so() {
        let bytes = rmp_serde::to_vec(&(9u8, Vec::<&str>::new(), Vec::<u8>::new())).unwrap();
        assert_eq!(
            decode(&schema(), &bytes).unwrap_err().to_string(),
            "frame version 9 (expected 3)"
        );
    }
}
