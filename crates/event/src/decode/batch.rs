//! The members of a `batch`: MessagePack, a JSON array, or JSON objects one behind the other.
//!
//! A batch whose members can't be told apart is refused as a whole. In one where they can, a member
//! that is no event, or a value that no field can hold, spoils that member only. Of one that is cut
//! short, the whole members count, and the rest is a member that is no event.

use super::{BATCH_FIELD, Fields, Given, MAX_BATCH_BYTES, MAX_BATCH_EVENTS, json, messagepack};
use serde_json::value::RawValue;

/// One member of a batch.
pub(super) struct Member<'a> {
    raw: Raw<'a>,
    /// Its fields, or why it has none.
    pub(super) content: Result<json::Map<'a>, String>,
}

/// A member's own bytes.
enum Raw<'a> {
    /// What is there of an array behind its last whole member: a bracket and this.
    Cut(&'a [u8]),
    /// Of an array.
    Item(&'a [u8]),
    /// One or more lines.
    Lines(&'a [u8]),
    MessagePack(&'a [u8]),
}

impl Member<'_> {
    /// The fields of a dead letter: a batch of this one, as it came, which is never read as more.
    pub(super) fn fields(&self) -> Fields {
        let enclosed = |text: &[u8]| [b"[", text, b"]"].concat();
        let batch = match self.raw {
            Raw::MessagePack(bytes) => [&[ARRAY_OF_ONE], bytes].concat(),
            Raw::Cut(text) => [b"[", text].concat(),
            Raw::Item(text) if is_one_line(text) => text.to_vec(),
            Raw::Item(text) => enclosed(text),
            Raw::Lines(text) if is_one_line(text) => text.to_vec(),
            Raw::Lines(text) => match (is_json(text), text.first()) {
                (true, _) => enclosed(text),
                // In brackets it is an item of them only where they close what they open.
                (false, Some(b'[')) if json::is_array(text) => enclosed(text),
                // MessagePack does not begin with white space.
                (false, Some(0x80..)) => [b"\n", text].concat(),
                (false, _) => text.to_vec(),
            },
        };
        vec![(BATCH_FIELD.into(), batch)]
    }
}

/// Whether a member is by itself a batch of one, be it JSON or not.
fn is_one_line(text: &[u8]) -> bool {
    text.first() == Some(&b'{') && !text.contains(&b'\n')
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(text).is_ok()
}

const ARRAY_OF_ONE: u8 = 0x91;
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
const AS_NUMBERS: &str = "the bytes of a Uint8Array or Buffer were written as numbers (give the client \
                          the bytes: `Buffer.from(bytes)`)";

/// The members of a batch, or why it is none. The first byte tells the formats apart.
pub(super) fn open(bytes: &[u8]) -> Result<Vec<Member<'_>>, String> {
    if bytes.len() > MAX_BATCH_BYTES {
        return Err(format!("{} bytes long (at most {MAX_BATCH_BYTES})", bytes.len()));
    }
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let members: Vec<Member<'_>> = match text.first() {
        Some(0x80..) => {
            let members = messagepack::members(text)?.into_iter();
            members.map(|(raw, content)| Member { raw: Raw::MessagePack(raw), content }).collect()
        }
        _ => of_text(text.trim_ascii())?,
    };
    match members.len() {
        0 => Err("it holds no event".to_owned()),
        count if count > MAX_BATCH_EVENTS => Err(super::too_many(count)),
        _ => Ok(members),
    }
}

fn of_text(text: &[u8]) -> Result<Vec<Member<'_>>, String> {
    let of = |text, raw: fn(_) -> _| Member { raw: raw(text), content: json::object(text) };
    match text.first() {
        None => Err("it is empty".to_owned()),
        Some(b'[') => {
            let json::Items { whole, cut } = json::array(text)?;
            let count = whole.len() + usize::from(cut.is_some());
            if count > MAX_BATCH_EVENTS {
                return Err(super::too_many(count));
            }
            let cut = cut.map(|rest| Member {
                raw: Raw::Cut(rest),
                content: Err(json::Array::CUT_SHORT.to_owned()),
            });
            Ok(whole.into_iter().map(|item| of(item, Raw::Item)).chain(cut).collect())
        }
        Some(_) if is_numbers(text) => Err(AS_NUMBERS.to_owned()),
        // Of too many, one too many is enough.
        Some(_) => {
            let lines = json::lines(text, MAX_BATCH_EVENTS + 1);
            Ok(lines.into_iter().map(|line| of(line, Raw::Lines)).collect())
        }
    }
}

/// Whether a text is bytes as JavaScript joins those of a Uint8Array: `146,131,162`.
fn is_numbers(text: &[u8]) -> bool {
    text.contains(&b',') && text.iter().all(|byte| byte.is_ascii_digit() || *byte == b',')
}

/// Whether these are the fields of what `JSON.stringify` makes of a Uint8Array or Buffer.
pub(super) fn is_bytes(map: &[(smol_str::SmolStr, Given<'_>)]) -> bool {
    let name = |place: usize| map.get(place).map(|(name, _)| name.as_str());
    match (name(0), name(1)) {
        (Some("0"), Some("1")) => true,
        (Some("type"), Some("data")) => {
            matches!(map, [(_, Given::Json(kind)), _] if kind.get() == "\"Buffer\"")
        }
        _ => false,
    }
}

/// What is to be said of them.
pub(super) fn bytes_as_json() -> super::Reason {
    super::Reason::Batch(AS_NUMBERS.to_owned())
}
