//! What of a batch came too late, for an operator to see, and for sinks.

use super::{
    ARRIVED_FIELD,
    emit::{Published, fields},
};
use crate::store::{LATE_EXAMPLES, Late, LateEvent};
use smol_str::SmolStr;
use tallyd_event::{Event, Schema};
use tallyd_topology::Node;

/// The counts of some late events by window, and the last of them.
pub(super) fn summary(schema: &Schema, events: &[Event], late: &[tallyd_bolt::Late]) -> Late {
    let mut summary = Late::default();
    for of in late {
        *summary.counts.entry(of.window.clone()).or_default() += 1;
    }
    let last = late.iter().skip(late.len().saturating_sub(LATE_EXAMPLES));
    summary.examples.extend(last.filter_map(|of| {
        let event = events.get(of.event)?;
        Some(LateEvent {
            id: event.id(schema),
            time: event.time(schema),
            arrival: event.arrival(),
            window: of.window.clone(),
            label: of.label.clone(),
        })
    }));
    summary
}

/// The entries for the sinks of what came too late for a node: one for each event and window, with
/// the event's fields, and what else is to be known of it under names that no field has.
pub(super) fn publish<'a>(
    node: &'a Node,
    schema: &'a Schema,
    events: &'a [Event],
    late: &'a [tallyd_bolt::Late],
) -> impl Iterator<Item = Published> + 'a {
    let entry = move |of: &tallyd_bolt::Late| {
        let event = events.get(of.event)?;
        let about = [
            ("tallyd:bolt", node.name.clone()),
            ("tallyd:window", of.window.clone()),
            ("tallyd:label", of.label.clone()),
            ("tallyd:id", event.id(schema)),
            ("tallyd:time", event.time(schema).to_string().into()),
            (ARRIVED_FIELD, event.arrival().to_string().into()),
        ];
        let bytes = |text: &str| text.as_bytes().to_vec();
        let about = about.map(|(name, text): (_, SmolStr)| (bytes(name), bytes(&text)));
        Some(fields(schema, event).into_iter().chain(about).collect::<Vec<_>>())
    };
    let sinks = node.sinks.iter().enumerate().filter(|(_, sink)| sink.late);
    sinks.flat_map(move |(sink, _)| late.iter().filter_map(entry).map(move |entry| (sink, entry)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallyd_event::{EntryId, Field, FieldType, Value};

    #[test]
    fn the_last_examples_are_kept_and_all_are_counted() {
        let fields = vec![Field::new("id", FieldType::String), Field::new("at", FieldType::Time)];
        let schema = Schema { fields, id: Some(0), key: None, time: Some(1) };
        let event = |number: u64| {
            let values = vec![Value::Str(format!("e{number}").into()), Value::Int(number as i64)];
            Event::new(EntryId { ms: 90_000 + number, seq: 0 }, 0, values)
        };
        let events: Vec<Event> = (0..14).map(event).collect();
        let of = |event| tallyd_bolt::Late {
            event,
            window: if event % 2 == 0 { "1m" } else { "1h" }.into(),
            label: "1970-01-01T0000Z".into(),
        };
        let late = summary(&schema, &events, &(0..14).map(of).collect::<Vec<_>>());
        assert_eq!(late.counts, [("1h".into(), 7), ("1m".into(), 7)].into());
        assert_eq!(late.examples.len(), LATE_EXAMPLES);
        let last = LateEvent {
            id: "e13".into(),
            time: 13,
            arrival: 90_013,
            window: "1h".into(),
            label: "1970-01-01T0000Z".into(),
        };
        assert_eq!(late.examples.last(), Some(&last));
        assert_eq!(late.examples[0].id, "e4");
    }
}
