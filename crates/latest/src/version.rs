//! Versions: which of two is the later one, and how one is stored.

use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use tallyd_bolt::bytes::{count, put_count};
use tallyd_event::{Event, Schema, Value};

/// The longest base of an id that is stored as it is, in bytes. Of a longer one the first
/// [`BEGIN_BYTES`] are, and a hash of the whole: it decides only between versions of one key and one
/// time.
const BASE_BYTES: usize = 12;
const BEGIN_BYTES: usize = 8;

/// Flags of a stored version, in its first byte; above them stands the length of the base.
const RETRACTED: u8 = 1;
const WITHOUT_TIME: u8 = 2;
const REVISED: u8 = 4;
const FLAG_BITS: u32 = 3;

/// Which version it is: by the event's time, then by its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// When the event happened, in ms since the epoch.
    pub(crate) time: i64,
    /// What tells it from another of the same time.
    base: Vec<u8>,
    /// Of an id such as `a1~2`: 2.
    revision: u64,
}

/// A version as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) version: Version,
    /// When it reached its source, in ms since the epoch.
    pub(crate) arrived: i64,
    /// Whether it leaves the time field out: then it happened when it arrived.
    pub(crate) without_time: bool,
    /// Whether it takes the event out.
    pub(crate) retracted: bool,
    /// The fields that are stored, packed; none of one that takes the event out.
    pub(crate) values: Vec<u8>,
}

impl Version {
    /// The version that an event is.
    #[must_use]
    pub fn of(event: &Event, schema: &Schema) -> Self {
        let time = event.time(schema);
        let (base, revision) = match schema.id.map(|place| event.value(place)) {
            Some(Value::Int(id)) => ((*id as u64 ^ 1 << 63).to_be_bytes().to_vec(), 0),
            Some(value) if !value.is_null() => {
                let text = value.to_text();
                let (base, revision) = revision(&text);
                (short(base.as_bytes()), revision)
            }
            // Entries are in the order of their ids.
            _ => {
                let six = |number: u64| {
                    let number = number.min((1 << 48) - 1).to_be_bytes();
                    number.into_iter().skip(2)
                };
                let base = six(event.origin.ms).chain(six(event.origin.seq)).collect();
                (base, event.index.into())
            }
        };
        Self { time, base, revision }
    }
}

/// An id without the number of its revision, and that number: of `a1~2` they are `a1` and 2, of an id
/// that does not end so, the id and 0.
#[must_use]
pub fn revision(id: &str) -> (&str, u64) {
    let split = id.rsplit_once('~').filter(|(_, number)| {
        number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0')
    });
    let of = split.and_then(|(base, number)| Some((base, number.parse().ok()?)));
    of.unwrap_or((id, 0))
}

/// A base as it is stored and compared. Stored data depends on it, so it may never change.
fn short(base: &[u8]) -> Vec<u8> {
    if base.len() <= BASE_BYTES {
        return base.to_vec();
    }
    let mut hasher = SipHasher13::new();
    hasher.write(base);
    let begin = base.iter().take(BEGIN_BYTES).copied();
    begin.chain(hasher.finish().to_be_bytes()).take(BASE_BYTES).collect()
}

impl Kept {
    /// The bytes that stand for it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Version { time, base, revision } = &self.version;
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        let flags = flag(self.retracted, RETRACTED)
            | flag(self.without_time, WITHOUT_TIME)
            | flag(*revision > 0, REVISED);
        let mut bytes = Vec::with_capacity(20 + base.len() + self.values.len());
        bytes.push(flags | (base.len() as u8) << FLAG_BITS);
        put_count(&mut bytes, zigzag(*time));
        put_count(&mut bytes, zigzag(self.arrived.wrapping_sub(*time)));
        bytes.extend_from_slice(base);
        if *revision > 0 {
            put_count(&mut bytes, *revision);
        }
        bytes.extend_from_slice(&self.values);
        bytes
    }

    /// The version of these bytes; `None` where nothing of tallyd wrote them.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (flags, mut rest) = bytes.split_first()?;
        let rest = &mut rest;
        let time = unzigzag(count(rest)?);
        let arrived = time.wrapping_add(unzigzag(count(rest)?));
        let (base, after) = rest.split_at_checked(usize::from(flags >> FLAG_BITS))?;
        *rest = after;
        let has = |flag| flags & flag != 0;
        let revision = if has(REVISED) { count(rest)? } else { 0 };
        let version = Version { time, base: base.to_vec(), revision };
        let (retracted, without_time) = (has(RETRACTED), has(WITHOUT_TIME));
        Some(Self { version, arrived, without_time, retracted, values: rest.to_vec() })
    }
}

fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tallyd_event::{EntryId, Field, FieldType};

    fn version(id: Value, time: i64) -> Version {
        let kind = if matches!(id, Value::Int(_)) { FieldType::Int } else { FieldType::String };
        let fields = vec![Field::new("id", kind), Field::new("at", FieldType::Time)];
        let schema = Schema { fields, id: Some(0), key: None, time: Some(1) };
        Version::of(&Event::new(EntryId::ZERO, 0, vec![id, Value::Int(time)]), &schema)
    }

    fn text(id: &str) -> Version {
        version(Value::Str(id.into()), 5)
    }

    #[test]
    fn later_is_by_time_then_by_id_then_by_revision() {
        assert!(version(Value::Str("a".into()), 6) > text("b"));
        for ids in [["a", "b"], ["a1", "a1~1"], ["a1~1", "a1~2"], ["a1~9", "a1~10"], ["a", "a1~3"]]
        {
            assert!(text(ids[0]) < text(ids[1]), "{ids:?}");
        }
        let long = "0198c0de-0000-7000-8000-00000000000";
        assert!(text(&format!("{long}1")) < text(&format!("{long}1~1")));
        assert_ne!(text(&format!("{long}1")), text(&format!("{long}2")));
        assert!(text("0198c0dd-0000-7000-8000-000000000001") < text(&format!("{long}1")));
        assert!(version(Value::Int(-9), 5) < version(Value::Int(10), 5));
        assert!(version(Value::Int(9), 5) < version(Value::Int(10), 5));
    }

    #[test]
    fn what_is_no_revision_is_a_part_of_the_id() {
        let cases = [
            ("a1~2", ("a1", 2)),
            ("a~1~2", ("a~1", 2)),
            ("a1", ("a1", 0)),
            ("a1~", ("a1~", 0)),
            ("a1~02", ("a1~02", 0)),
            ("a1~x", ("a1~x", 0)),
            ("a1~99999999999999999999999", ("a1~99999999999999999999999", 0)),
        ];
        for (id, expected) in cases {
            assert_eq!(revision(id), expected);
        }
    }

    #[test]
    fn without_an_id_the_later_entry_is_the_later_version() {
        let schema = Schema::default();
        let of = |ms, seq, index| {
            let event = Event { arrived: 5, ..Event::new(EntryId { ms, seq }, index, Vec::new()) };
            Version::of(&event, &schema)
        };
        assert!(of(9, 0, 0) < of(10, 0, 0) && of(10, 9, 0) < of(10, 10, 0));
        assert!(of(10, 0, 9) < of(10, 0, 10));
    }

    #[test]
    fn the_stored_form_never_changes() {
        let version = Version { time: 1_767_225_600_000, base: b"a1".to_vec(), revision: 2 };
        let kept = Kept {
            version,
            arrived: 1_767_225_600_250,
            without_time: false,
            retracted: true,
            values: vec![4],
        };
        let bytes = [21, 0x80, 0xa0, 0xd5, 0xed, 0xee, 0x66, 0xf4, 3, b'a', b'1', 2, 4];
        assert_eq!(kept.encode(), bytes);
        assert_eq!(Kept::decode(&bytes), Some(kept));
        let long = short(b"0198c0de-0000-7000-8000-000000000001");
        assert_eq!(long, [&b"0198c0de"[..], &[90, 214, 175, 193]].concat());
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(
            (time, arrived, revision) in any::<(i64, i64, u64)>(),
            (without_time, retracted) in any::<(bool, bool)>(),
            base in prop::collection::vec(any::<u8>(), 0..=BASE_BYTES),
            values in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let version = Version { time, base, revision };
            let kept = Kept { version, arrived, without_time, retracted, values };
            prop_assert_eq!(Kept::decode(&kept.encode()), Some(kept));
        }

        #[test]
        fn bytes_of_any_kind_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Kept::decode(&bytes);
        }
    }
}
