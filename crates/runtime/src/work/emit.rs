//! What a node emits, as frames for its edges and entries for its sinks.

use crate::store::Frame;
use std::collections::BTreeMap;
use tallyd_event::{Event, Schema, Value, decode, frame};
use tallyd_topology::Node;

/// The most events of one frame.
const MAX_FRAME_EVENTS: usize = 1024;
/// The most bytes of the events of one frame; one event may be longer. Whoever reads an edge goes by
/// it, so that no read is of more than it may be.
pub const MAX_FRAME_BYTES: usize = 256 * 1024;

pub(super) fn frames(
    node: &Node,
    partitions: u16,
    emits: &[Event],
) -> Result<Vec<Frame>, frame::EncodeError> {
    let mut frames = Vec::new();
    for (place, edge) in node.edges.iter().enumerate() {
        let mut parts: BTreeMap<u16, Vec<&Event>> = BTreeMap::new();
        for event in emits {
            let partition = edge.key.partition(&node.schema, event, partitions);
            parts.entry(partition).or_default().push(event);
        }
        for (partition, events) in parts {
            let mut rest = events.as_slice();
            while !rest.is_empty() {
                let (chunk, more) = rest.split_at(first_frame(rest));
                let bytes = frame::encode(&node.schema, chunk.iter().copied())?;
                frames.push(Frame { edge: place, partition, bytes });
                rest = more;
            }
        }
    }
    Ok(frames)
}

/// How many of these events the first frame takes: at least one.
fn first_frame(events: &[&Event]) -> usize {
    let mut bytes = 0;
    let fits = |event: &&&Event| {
        bytes += longest(event);
        bytes <= MAX_FRAME_BYTES
    };
    events.iter().take(MAX_FRAME_EVENTS).take_while(fits).count().max(1)
}

/// The most bytes that an event may take in a frame.
fn longest(event: &Event) -> usize {
    // Of numbers, and of what stands before a text or a row, none takes more.
    const NUMBER: usize = 9;
    // It stands as its text: a sign, the digits of 64 bits, a point, and a byte before them.
    const DECIMAL: usize = 22;
    let value = |value: &Value| match value {
        Value::Str(text) => NUMBER + text.len(),
        Value::Decimal(_) => DECIMAL,
        _ => NUMBER,
    };
    // The row begins, and five numbers: where it came from, and when.
    6 * NUMBER + event.values.iter().map(value).sum::<usize>()
}

/// An entry for a sink, by its place.
pub(super) type Published = (usize, decode::Fields);

/// The entries for the sinks of what a node emits.
pub(super) fn publish<'a>(
    node: &'a Node,
    emits: &'a [Event],
) -> impl Iterator<Item = Published> + 'a {
    let entries = move |sink| emits.iter().map(move |event| (sink, fields(&node.schema, event)));
    let sinks = node.sinks.iter().enumerate().filter(|(_, sink)| !sink.late);
    sinks.flat_map(move |(sink, _)| entries(sink))
}

/// The fields of an event for applications: a time is in ms, whatever its producer counts. One that is
/// taken back says so.
pub(super) fn fields(schema: &Schema, event: &Event) -> decode::Fields {
    let named = schema.fields.iter().zip(&event.values).filter(|(_, value)| !value.is_null());
    let bytes = |text: &str| text.as_bytes().to_vec();
    let named = named.map(|(field, value)| (bytes(&field.name), bytes(&value.to_text())));
    named.chain(decode::taken_back(event)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallyd_event::{EntryId, Field, FieldType};

    #[test]
    fn no_event_takes_more_of_a_frame_than_it_is_reckoned_with() {
        let kinds = [FieldType::Decimal(9), FieldType::Int, FieldType::Float, FieldType::String];
        let fields = kinds.iter().map(|kind| Field::new("f", *kind)).collect();
        let schema = Schema { fields, ..Schema::default() };
        let origin = EntryId { ms: u64::MAX, seq: u64::MAX };
        let values = vec![
            Value::from_text(b"-9223372036.854775807", FieldType::Decimal(9)).unwrap(),
            Value::Int(i64::MIN),
            Value::Float(f64::MIN),
            Value::Str("x".repeat(4096).into()),
        ];
        let event = Event { arrived: i64::MIN, ..Event::new(origin, u32::MAX, values) };
        let bytes =
            |events: &[&Event]| frame::encode(&schema, events.iter().copied()).unwrap().len();
        let one = bytes(&[&event, &event]) - bytes(&[&event]);
        assert!(one <= longest(&event), "{one} bytes, and {} were reckoned", longest(&event));
    }
}
