//! The ways in which something sent is no event of the testprep schema.

use crate::wire::{Fields, Wire};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

const REQUIRED: [&str; 8] = ["id", "user", "question", "concept", "correct", "ms", "points", "at"];
const DAY_MS: i64 = 86_400_000;

/// What is wrong with something sent. Each is one dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Malformation {
    /// `correct` is neither 1, 0, true nor false.
    BadBool,
    /// `at` is no time, or one that nobody could mean.
    BadTime,
    /// A `batch` that can't be read as a whole.
    BrokenBatch,
    /// A control character, or one that reorders the text around it.
    ControlCharacter,
    /// A field is given twice.
    DoubledField,
    /// A required field is empty.
    EmptyField,
    /// A required field is left out.
    MissingField,
    /// A line of a batch that is no map of fields.
    NotAnEvent,
    /// `ms` or `points` is no whole number of 64 bits.
    NotANumber,
    /// Bytes that are no UTF-8.
    NotUtf8,
    /// `ms` is below 0 or above an hour.
    OutOfRange,
    /// `at` is days after the arrival.
    TooEarly,
    /// A text of more than 4,096 bytes.
    TooLong,
}

/// What can be wrong with the fields of one event, in an entry of its own or in a batch.
const OF_FIELDS: [Malformation; 10] = [
    Malformation::BadBool,
    Malformation::BadTime,
    Malformation::ControlCharacter,
    Malformation::DoubledField,
    Malformation::EmptyField,
    Malformation::MissingField,
    Malformation::NotANumber,
    Malformation::OutOfRange,
    Malformation::TooEarly,
    Malformation::TooLong,
];

impl Malformation {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Malformation::BadBool => "bad bool",
            Malformation::BadTime => "bad time",
            Malformation::BrokenBatch => "broken batch",
            Malformation::ControlCharacter => "control character",
            Malformation::DoubledField => "doubled field",
            Malformation::EmptyField => "empty field",
            Malformation::MissingField => "missing field",
            Malformation::NotAnEvent => "not an event",
            Malformation::NotANumber => "not a number",
            Malformation::NotUtf8 => "not UTF-8",
            Malformation::OutOfRange => "out of range",
            Malformation::TooEarly => "too early",
            Malformation::TooLong => "too long",
        }
    }

    /// One that an event can have in an entry of its own.
    pub(crate) fn of_entry(rng: &mut ChaCha8Rng) -> Self {
        match rng.random_range(0..=OF_FIELDS.len()) {
            0 => Malformation::NotUtf8,
            _ => pick(rng, &OF_FIELDS).unwrap_or(Malformation::NotUtf8),
        }
    }

    /// One that an event can have inside a batch.
    pub(crate) fn of_member(rng: &mut ChaCha8Rng, may_be_a_line: bool) -> Self {
        match rng.random_range(0..=OF_FIELDS.len()) {
            0 if may_be_a_line => Malformation::NotAnEvent,
            _ => pick(rng, &OF_FIELDS).unwrap_or(Malformation::NotAnEvent),
        }
    }

    /// Spoils the fields of a good event.
    pub(crate) fn spoil(self, rng: &mut ChaCha8Rng, fields: &mut Fields, now_ms: i64) {
        let field = pick(rng, &REQUIRED).unwrap_or("id");
        let text = pick(rng, &["user", "question", "concept"]).unwrap_or("user");
        match self {
            Malformation::BadBool => set(fields, "correct", draw_text(rng, &["yes", "2", "truth"])),
            Malformation::BadTime => {
                let seconds = (now_ms / 1000).to_string();
                let times =
                    ["yesterday", "-1", "2026-13-01T00:00:00Z", "999999999999999", &seconds];
                set(fields, "at", draw_text(rng, &times));
            }
            Malformation::ControlCharacter => {
                let texts = ["beep\u{7}", "\u{1b}[2J", "two\nlines", "abc\u{202e}def"];
                set(fields, text, draw_text(rng, &texts));
            }
            Malformation::DoubledField => {
                let double = fields.iter().find(|(name, _)| *name == field).cloned();
                fields.extend(double);
            }
            Malformation::EmptyField => set(fields, field, Wire::Text(String::new())),
            Malformation::MissingField => fields.retain(|(name, _)| *name != field),
            Malformation::NotANumber => {
                let number = pick(rng, &["ms", "points"]).unwrap_or("ms");
                let texts = ["fast", "5.5", "9223372036854775808", "0x10", "1 000", "NaN"];
                set(fields, number, draw_text(rng, &texts));
            }
            Malformation::NotUtf8 => set(fields, text, Wire::Bytes(vec![b'u', 0xff, 0xfe])),
            Malformation::OutOfRange => {
                let given = pick(rng, &[-1, 3_600_001, i64::MIN, i64::MAX]).unwrap_or(-1);
                set(fields, "ms", Wire::Int(given));
            }
            Malformation::TooEarly => {
                let ahead = rng.random_range(2..30) * DAY_MS;
                set(fields, "at", Wire::Int(now_ms.saturating_add(ahead)));
            }
            Malformation::TooLong => set(fields, text, Wire::Text("x".repeat(4_097))),
            // These two are not in the fields: the simulation writes them instead of an event.
            Malformation::BrokenBatch | Malformation::NotAnEvent => {}
        }
    }
}

/// A line of JSON lines that is no event.
pub(crate) fn not_an_event(rng: &mut ChaCha8Rng) -> &'static str {
    pick(rng, &["nonsense", "[1,2]", "{\"id\":", "17", "\"text\"", "{\"id\":{\"nested\":1}}"])
        .unwrap_or("nonsense")
}

/// A batch that can't be read as a whole, and how many members of it can; `good` is one that can, of
/// MessagePack, with so many.
pub(crate) fn broken_batch(
    rng: &mut ChaCha8Rng,
    mut good: Vec<u8>,
    members: usize,
) -> (Vec<u8>, usize) {
    match rng.random_range(0..5) {
        0 => (Vec::new(), 0),
        1 => (b"[]".to_vec(), 0),
        2 => (b"[{\"id\":\"a1\"".to_vec(), 0),
        3 => (b"no batch".to_vec(), 0),
        // Cut short in its last member: the others are whole.
        _ => {
            good.pop();
            (good, members.saturating_sub(1))
        }
    }
}

fn pick<T: Copy>(rng: &mut ChaCha8Rng, from: &[T]) -> Option<T> {
    from.get(rng.random_range(0..from.len().max(1))).copied()
}

fn draw_text(rng: &mut ChaCha8Rng, from: &[&str]) -> Wire {
    Wire::Text(pick(rng, from).unwrap_or_default().to_owned())
}

fn set(fields: &mut Fields, name: &str, value: Wire) {
    for (_, place) in fields.iter_mut().filter(|(given, _)| *given == name) {
        *place = value.clone();
    }
}
