//! Where events stand in MessagePack, and the fields of one: an array of maps, or maps in a row.
//!
//! [`skip`] looks for the ends of members. What stands between two ends is read by itself: a member
//! that can't be read spoils no other.

mod skip;

use super::{Given, MAX_BATCH_EVENTS, json::Map};
use crate::value::time;
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use skip::{Broken, end};
use smol_str::SmolStr;
use std::fmt;

/// How deep lists and maps may stand in each other: the reader recurses, on the small stack of a
/// task.
const MAX_DEPTH: usize = 32;

/// The extension type under which msgpackr begins a record, whose field names stand apart.
const RECORD: i8 = 0x72;
const RECORDS: &str = "it holds msgpackr's records, which only msgpackr reads (pack with \
                       `new Packr({ useRecords: false })`, or the module's own `pack`)";

/// The name of a field whose name was no text.
const NO_NAME: SmolStr = SmolStr::new_static("");

/// A member's own bytes, and its fields or why it has none.
pub(super) type Member<'a> = (&'a [u8], Result<Map<'a>, String>);

/// The members of a batch, or why it is none. In one that is cut short, what is there of the last
/// is the last: it has no fields, and the reason.
pub(super) fn members(bytes: &[u8]) -> Result<Vec<Member<'_>>, String> {
    let (count, items) = match bytes.first() {
        Some(0x80..=0x8f | 0xde | 0xdf) => (None, bytes),
        Some(0x90..=0x9f | 0xdc | 0xdd) => {
            let (count, items) = array_length(bytes).ok_or_else(|| cut_short(bytes.len()))?;
            if count > MAX_BATCH_EVENTS {
                return Err(super::too_many(count));
            }
            (Some(count), items)
        }
        Some(0xd4..=0xd8) if bytes.get(1) == Some(&RECORD.cast_unsigned()) => {
            return Err(RECORDS.to_owned());
        }
        first => {
            let first = first.copied().unwrap_or_default();
            return Err(format!(
                "it begins with byte 0x{first:02x} (expected a MessagePack map or array, or JSON)"
            ));
        }
    };
    let mut members = Vec::with_capacity(count.unwrap_or(1));
    let mut rest = items;
    while count.map_or(!rest.is_empty(), |count| members.len() < count) {
        if members.len() >= MAX_BATCH_EVENTS {
            return Err(super::too_many(members.len() + 1));
        }
        let at = bytes.len() - rest.len();
        let length = match end(rest) {
            Ok(length) => length,
            Err(Broken::Cut) => {
                members.push((rest, Err(cut_short(bytes.len()))));
                return Ok(members);
            }
            Err(Broken::Unknown(place)) => {
                return Err(format!("byte {} is no MessagePack", at + place + 1));
            }
        };
        let (raw, after) = rest.split_at_checked(length).ok_or_else(|| cut_short(bytes.len()))?;
        members.push((raw, fields(raw, at)?));
        rest = after;
    }
    match rest.len() {
        0 => Ok(members),
        more => Err(format!("{more} bytes after its end")),
    }
}

fn cut_short(length: usize) -> String {
    format!("it is cut short behind byte {length}")
}

/// The fields of one member that begins behind `at` bytes; an error where no other can be read.
fn fields(raw: &[u8], at: usize) -> Result<Result<Map<'static>, String>, String> {
    let mut reader = rmp_serde::Deserializer::new(raw);
    reader.set_max_depth(MAX_DEPTH);
    match Top::deserialize(&mut reader) {
        Ok(top) => top.map(),
        Err(rmp_serde::decode::Error::DepthLimitExceeded) => {
            Ok(Err(format!("lists and maps stand more than {MAX_DEPTH} deep in each other")))
        }
        Err(error) => Ok(Err(format!("it can't be read (from byte {} on): {error}", at + 1))),
    }
}

/// How many items an array claims to have, and the bytes behind that.
fn array_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [short @ 0x90..=0x9f, items @ ..] => Some((usize::from(short & 0x0f), items)),
        [0xdc, a, b, items @ ..] => Some((usize::from(u16::from_be_bytes([*a, *b])), items)),
        [0xdd, a, b, c, d, items @ ..] => {
            Some((usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).ok()?, items))
        }
        _ => None,
    }
}

/// What stands in the place of a member.
enum Top {
    Map(Map<'static>),
    Other(&'static str),
    Record,
}

impl Top {
    /// Its fields, or why it has none; an error where the rest can't be read either.
    fn map(self) -> Result<Result<Map<'static>, String>, String> {
        match self {
            Top::Map(fields) => Ok(Ok(fields)),
            Top::Other(given) => Ok(Err(format!("{given} is not an event (a map of fields)"))),
            Top::Record => Err(RECORDS.to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for Top {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TopVisitor)
    }
}

struct TopVisitor;

impl<'de> Visitor<'de> for TopVisitor {
    type Value = Top;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_unit<E>(self) -> Result<Top, E> {
        Ok(Top::Other("nothing"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Top, E> {
        Ok(Top::Other("a bool"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Top, E> {
        Ok(Top::Other("an int"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Top, E> {
        Ok(Top::Other("an int"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Top, E> {
        Ok(Top::Other("a float"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Top, E> {
        Ok(Top::Other("a string"))
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Top, E> {
        Ok(Top::Other("a string"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Top, A::Error> {
        skip_list(seq)?;
        Ok(Top::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Top, A::Error> {
        let mut fields = Vec::with_capacity(map.size_hint().unwrap_or(0).min(64));
        while let Some((Item(name), Item(value))) = map.next_entry()? {
            // A name that is no text names no field.
            fields.push(match name {
                Given::Owned(name) => (name, value),
                _ => (NO_NAME, Given::Unusable("a field without a name")),
            });
        }
        Ok(Top::Map(fields))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Top, D::Error> {
        let extension = Extension::deserialize(inner)?;
        Ok(if extension.kind == RECORD { Top::Record } else { Top::Other("an extension type") })
    }
}

/// Whether a map has a key that is no text.
pub(super) fn has_no_name(map: &Map<'_>) -> bool {
    map.iter().any(|(name, value)| *name == NO_NAME && matches!(value, Given::Unusable(_)))
}

/// A value, or a name.
struct Item(Given<'static>);

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor).map(Item)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Given<'static>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Given::Null)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Self::Value, E> {
        Ok(Given::Bool(b))
    }

    fn visit_i64<E>(self, i: i64) -> Result<Self::Value, E> {
        Ok(Given::Int(i))
    }

    fn visit_u64<E>(self, u: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(u).map_or(Given::Unsigned(u), Given::Int))
    }

    fn visit_f32<E>(self, f: f32) -> Result<Self::Value, E> {
        Ok(Given::Float32(f))
    }

    fn visit_f64<E>(self, f: f64) -> Result<Self::Value, E> {
        Ok(Given::Float(f))
    }

    fn visit_str<E>(self, s: &str) -> Result<Self::Value, E> {
        Ok(Given::Owned(s.into()))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        // As in an entry of flat fields, where every value is bytes.
        let text = std::str::from_utf8(bytes);
        Ok(text.map_or(Given::NotUtf8, |text| Given::Owned(text.into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        skip_list(seq)?;
        Ok(Given::Unusable("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Given::Unusable("a map"))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Self::Value, D::Error> {
        Ok(Extension::deserialize(inner)?.value)
    }
}

fn skip_list<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<(), A::Error> {
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

/// A value of an extension type.
struct Extension {
    kind: i8,
    value: Given<'static>,
}

impl<'de> Deserialize<'de> for Extension {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExtensionVisitor)
    }
}

struct ExtensionVisitor;

impl<'de> Visitor<'de> for ExtensionVisitor {
    type Value = Extension;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an extension type and its data")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Extension, A::Error> {
        let too_short = || de::Error::custom("an extension type without data");
        let kind: i8 = seq.next_element()?.ok_or_else(too_short)?;
        let Data(value) = seq.next_element_seed(Kind(kind))?.ok_or_else(too_short)?;
        Ok(Extension { kind, value })
    }
}

/// Reads the data of an extension of this type.
struct Kind(i8);

struct Data(Given<'static>);

impl<'de> de::DeserializeSeed<'de> for Kind {
    type Value = Data;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Data, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Kind {
    type Value = Data;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, data: &[u8]) -> Result<Data, E> {
        Ok(Data(match (self.0, data) {
            // What msgpackr writes for undefined.
            (0, [0]) => Given::Null,
            (time::EXTENSION, data) => time::from_extension(data)
                .map_or(Given::Unusable("a broken timestamp"), Given::Timestamp),
            // What msgpack-lite writes for a Date.
            (0x0d, _) => {
                Given::Unusable("an extension type of msgpack-lite (a Date: send its getTime())")
            }
            _ => Given::Unusable("an extension type"),
        }))
    }
}
