//! The table of what must not be in an edge stream, where only tallyd should write: each entry
//! with the reason for its dead letter.

use crate::wire::good;
use tallyd_event::{
    EntryId, Event, Schema, Value,
    decode::{self, Fields, TimeLimits},
    frame,
};

/// A frame of one sound event.
pub fn sound(schema: &Schema, id: &str) -> Fields {
    vec![(b"f".to_vec(), frame::encode(schema, [&event(schema, id)]).expect("a frame"))]
}

fn event(schema: &Schema, id: &str) -> Event {
    let arrival = EntryId { ms: 1_767_258_000_000, seq: 0 };
    decode::decode(schema, TimeLimits::NONE, arrival, &good(id)).events.pop().expect("an event")
}

/// The whole table.
pub fn table(schema: &Schema) -> Vec<(Fields, String)> {
    let bytes = sound(schema, "spoilt").pop().expect("a field").1;
    let empty = frame::encode(schema, []).expect("a frame");
    let changed = |place: usize, byte: u8| {
        let mut bytes = bytes.clone();
        if let Some(old) = bytes.get_mut(place) {
            *old = byte;
        }
        bytes
    };
    let rows = |rows: &[u8]| [&empty[..empty.len() - 1], rows].concat();
    let without = |name: &str| {
        let mut schema = schema.clone();
        schema.fields.retain(|field| field.name != name);
        frame::encode(&schema, []).expect("a frame")
    };
    let marker = "not a frame: IO error while reading marker: failed to fill whole buffer";
    let frames: Vec<(Vec<u8>, &str)> = vec![
        (changed(1, 2), "frame version 2 (expected 3)"),
        (changed(1, 0x7f), "frame version 127 (expected 3)"),
        (changed(1, 0xc0), "not a frame: invalid type: unit value, expected u8"),
        (changed(0, 0x91), "not a frame: it ends too early"),
        (changed(0, 0x92), "not a frame: the rows are missing"),
        (Vec::new(), marker),
        (bytes[..1].to_vec(), marker),
        (
            bytes[..bytes.len() - 1].to_vec(),
            "not a frame: IO error while reading data: failed to fill whole buffer",
        ),
        ([&bytes[..], b"xyz"].concat(), "3 bytes after the end of the frame"),
        (b"hello".to_vec(), "not a frame: invalid type: integer `104`, expected a frame"),
        (b"{\"id\":\"a\"}".to_vec(), "not a frame: invalid type: integer `123`, expected a frame"),
        (rows(b"\xdd\xff\xff\xff\xff"), marker),
        (rows(b"\x91\xdd\xff\xff\xff\xff"), marker),
        (rows(b"\xdf\xff\xff\xff\xff"), "not a frame: invalid type: map, expected rows"),
        (rows(b"\x91\x93\0\0\0"), "not a frame: it ends too early"),
        (rows(&b"\x91".repeat(100_000)), "not a frame: wrong msgpack marker FixArray(1)"),
        (without("user"), "frame has no field \"user\""),
        (without("at"), "frame has no field \"at\""),
    ];
    let valued = |name: &str, value: Value, reason: &str| {
        let mut event = event(schema, "spoilt");
        if let Some(old) = schema.index(name).and_then(|place| event.values.get_mut(place)) {
            *old = value;
        }
        let bytes = frame::encode(schema, [&event]).expect("a frame");
        (vec![(b"f".to_vec(), bytes)], format!("not a frame: field \"{name}\": {reason}"))
    };
    let mut table: Vec<(Fields, String)> = frames
        .into_iter()
        .map(|(bytes, reason)| (vec![(b"f".to_vec(), bytes)], reason.to_owned()))
        .collect();
    table.extend([
        valued("user", Value::Int(7), "an int is not a string"),
        valued("ms", Value::Str("5".into()), "a string is not an int"),
        valued("ms", Value::Float(5.0), "a float is not an int"),
        valued("weight", Value::Float(f64::NAN), "NaN is not finite"),
        valued("weight", Value::Float(f64::NEG_INFINITY), "-inf is not finite"),
        valued("correct", Value::Int(1), "an int is not a bool (1, 0, true or false)"),
        valued("at", Value::Int(-1), "time -1 is out of range (1970 to 9999)"),
        valued(
            "at",
            Value::Int(i64::MAX),
            "time 9223372036854775807 is out of range (1970 to 9999)",
        ),
    ]);
    let no_frame = "the entry has no field \"f\"";
    table.push((vec![(b"F".to_vec(), bytes)], no_frame.to_owned()));
    table.push((good("spoilt"), no_frame.to_owned()));
    table.push((vec![(Vec::new(), Vec::new())], no_frame.to_owned()));
    // What a parser quotes of a text of 1 MB with an escape sequence is cut, and harmless.
    let text = rows(&[b"\xdb\0\x10\0\0".to_vec(), b"\x1b[2J".repeat(1 << 18)].concat());
    let quoted = format!("not a frame: invalid type: string \"{}", "\\u{1b}[2J".repeat(1 << 10));
    let cut: String = quoted.chars().take(300).chain(['…']).collect();
    table.push((vec![(b"f".to_vec(), text)], cut));
    table
}
