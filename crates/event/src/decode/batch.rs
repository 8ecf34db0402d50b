//! The members of a `batch`: MessagePack (an array of maps), a JSON array, or JSON lines.
//!
//! A batch that can't be read to its end is refused as a whole. In one that can, a member that is
//! no event, or a value that no field can hold, spoils that member only.

use super::{BATCH_FIELD, Fields, MAX_BATCH_BYTES, MAX_BATCH_EVENTS};
use crate::{Value, ValueError};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use smol_str::{SmolStr, ToSmolStr};
use std::{fmt, io::Cursor};

/// How deep lists and maps may stand in each other in MessagePack: its reader recurses, on the
/// small stack of a task. That of JSON does not.
const MAX_DEPTH: usize = 32;

/// A map in its written order, doubles kept: the schema says which of them is wrong.
pub(super) type Map = Vec<(SmolStr, Foreign)>;

/// One member of a batch.
pub(super) struct Member<'a> {
    raw: Raw<'a>,
    /// Its fields, or why it has none.
    pub(super) content: Result<Map, String>,
}

/// A member's own bytes.
enum Raw<'a> {
    Json(&'a [u8]),
    MessagePack(&'a [u8]),
}

/// A value of a foreign format.
pub(super) enum Foreign {
    /// A map in the place of a member. One in the place of a value is unusable.
    Map(Map),
    /// Bytes that are no text.
    NotUtf8,
    /// What no field can hold.
    Unusable(&'static str),
    /// What a field may be able to hold.
    Value(Value),
}

impl Member<'_> {
    /// The fields of a dead letter: a batch of this one, as it came.
    pub(super) fn fields(&self) -> Fields {
        let batch = match self.raw {
            Raw::Json(text) if must_be_enclosed(text) => [b"[", text, b"]"].concat(),
            Raw::Json(text) => text.to_vec(),
            Raw::MessagePack(bytes) => [&[ARRAY_OF_ONE], bytes].concat(),
        };
        vec![(BATCH_FIELD.into(), batch)]
    }
}

/// Whether a text that was one member would be read as something else in a batch of its own: as
/// an array, as several lines, or as MessagePack. A text that is no JSON must not be put into
/// brackets else: they could make JSON of it.
fn must_be_enclosed(text: &[u8]) -> bool {
    match (serde_json::from_slice::<&RawValue>(text), text.first()) {
        (Ok(_), first) => first != Some(&b'{') || text.contains(&b'\n'),
        (Err(_), first) => first.is_some_and(|byte| *byte >= 0x80),
    }
}

const ARRAY_OF_ONE: u8 = 0x91;

/// The members of a batch, or why it is none. The first byte tells the formats apart.
pub(super) fn open(bytes: &[u8]) -> Result<Vec<Member<'_>>, String> {
    if bytes.len() > MAX_BATCH_BYTES {
        return Err(format!("{} bytes long (at most {MAX_BATCH_BYTES})", bytes.len()));
    }
    let text = bytes.trim_ascii();
    let members = match text.first() {
        None => return Err("it is empty".to_owned()),
        Some(b'[') => json_array(text)?,
        Some(0x90..=0x9f | 0xdc | 0xdd) => messagepack(bytes)?,
        Some(first @ 0x80..) => {
            return Err(format!(
                "it begins with byte 0x{first:02x} (expected a MessagePack array or JSON)"
            ));
        }
        Some(_) => json_lines(text),
    };
    match members.len() {
        0 => Err("it holds no event".to_owned()),
        count if count > MAX_BATCH_EVENTS => Err(too_many(count)),
        _ => Ok(members),
    }
}

fn too_many(count: usize) -> String {
    format!("{count} events (at most {MAX_BATCH_EVENTS})")
}

fn json_array(text: &[u8]) -> Result<Vec<Member<'_>>, String> {
    let items: Vec<&RawValue> = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    Ok(items.into_iter().map(|item| json(item.get().as_bytes())).collect())
}

/// One member a line. Of too many, one too many is enough.
fn json_lines(text: &[u8]) -> Vec<Member<'_>> {
    let lines = text.split(|&b| b == b'\n').map(<[u8]>::trim_ascii);
    lines.filter(|line| !line.is_empty()).take(MAX_BATCH_EVENTS + 1).map(json).collect()
}

fn json(text: &[u8]) -> Member<'_> {
    let top = serde_json::from_slice(text).map_err(|e| e.to_string());
    Member { raw: Raw::Json(text), content: top.and_then(Top::map) }
}

fn messagepack(bytes: &[u8]) -> Result<Vec<Member<'_>>, String> {
    let cut_short = || "it is cut short".to_owned();
    let (count, items) = array_length(bytes).ok_or_else(cut_short)?;
    if count > MAX_BATCH_EVENTS {
        return Err(too_many(count));
    }
    let mut reader = rmp_serde::Deserializer::new(Cursor::new(items));
    reader.set_max_depth(MAX_DEPTH);
    let mut members = Vec::with_capacity(count);
    let mut rest = items;
    for _ in 0..count {
        let top = Top::deserialize(&mut reader).map_err(|e| e.to_string())?;
        let end = usize::try_from(reader.position()).ok();
        let after = end.and_then(|end| items.get(end..)).ok_or_else(cut_short)?;
        let (raw, _) = rest.split_at_checked(rest.len() - after.len()).ok_or_else(cut_short)?;
        members.push(Member { raw: Raw::MessagePack(raw), content: top.map() });
        rest = after;
    }
    match rest.len() {
        0 => Ok(members),
        more => Err(format!("{more} bytes after its end")),
    }
}

/// How many items a MessagePack array claims to have, and the bytes behind that.
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
struct Top(Foreign);

impl Top {
    fn map(self) -> Result<Map, String> {
        let given = match self.0 {
            Foreign::Map(fields) => return Ok(fields),
            Foreign::NotUtf8 => "bytes",
            Foreign::Unusable(given) => given,
            Foreign::Value(value) => value.kind_name(),
        };
        Err(format!("{given} is not an event (a map of fields)"))
    }
}

impl<'de> Deserialize<'de> for Top {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ForeignVisitor { is_top: true }).map(Top)
    }
}

impl Foreign {
    /// The value, where any field could hold it.
    pub(super) fn usable(self, wanted: &'static str) -> Result<Value, ValueError> {
        let wrong = |given: &str| ValueError::WrongType { given: given.to_owned(), wanted };
        match self {
            Foreign::Map(_) => Err(wrong("a map")),
            Foreign::NotUtf8 => Err(ValueError::NotUtf8),
            Foreign::Unusable(given) => Err(wrong(given)),
            Foreign::Value(value) => Ok(value),
        }
    }
}

impl<'de> Deserialize<'de> for Foreign {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ForeignVisitor { is_top: false })
    }
}

struct ForeignVisitor {
    is_top: bool,
}

impl<'de> Visitor<'de> for ForeignVisitor {
    type Value = Foreign;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Foreign, E> {
        Ok(Foreign::Value(Value::Null))
    }

    fn visit_bool<E>(self, b: bool) -> Result<Foreign, E> {
        Ok(Foreign::Value(Value::Bool(b)))
    }

    fn visit_i64<E>(self, i: i64) -> Result<Foreign, E> {
        Ok(Foreign::Value(Value::Int(i)))
    }

    fn visit_u64<E>(self, u: u64) -> Result<Foreign, E> {
        // Beyond 64 bits with a sign it is what it would be as text: a float or a string.
        let value = i64::try_from(u).map_or_else(|_| Value::Str(u.to_smolstr()), Value::Int);
        Ok(Foreign::Value(value))
    }

    fn visit_f64<E>(self, f: f64) -> Result<Foreign, E> {
        Ok(Foreign::Value(Value::Float(f)))
    }

    fn visit_str<E>(self, s: &str) -> Result<Foreign, E> {
        Ok(Foreign::Value(Value::Str(s.into())))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Foreign, E> {
        // As in an entry of flat fields, where every value is bytes.
        let text = std::str::from_utf8(bytes);
        Ok(text.map_or(Foreign::NotUtf8, |text| Foreign::Value(Value::Str(text.into()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Foreign, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Foreign::Unusable("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Foreign, A::Error> {
        let mut fields = Vec::new();
        if self.is_top {
            while let Some((name, value)) = map.next_entry::<Foreign, Foreign>()? {
                // A name that is no text names no field.
                if let Foreign::Value(Value::Str(name)) = name {
                    fields.push((name, value));
                }
            }
        } else {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        }
        Ok(Foreign::Map(fields))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Foreign, D::Error> {
        IgnoredAny::deserialize(inner)?;
        Ok(Foreign::Unusable("an extension type"))
    }
}
