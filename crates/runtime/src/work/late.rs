//! What of a batch came too late, for an operator to see, and for sinks.

use super::{
    ARRIVED_FIELD,
    emit::{Published, fields},
};
use crate::store::{LATE_EXAMPLES, Late, LateEvent, StoreError};
use smol_str::SmolStr;
use tallyd_event::{Event, Schema};
use tallyd_topology::Node;

/// The counts of some late events by window, and the last of them.
///
/// # Errors
/// Where the bolt names an event that it was not given.
pub(super) fn summary(
    schema: &Schema,
    events: &[Event],
    late: &[tallyd_bolt::Late],
) -> Result<Late, StoreError> {
    let mut summary = Late::default();
    for of in late {
        *summary.counts.entry(of.window.clone()).or_default() += 1;
    }
    for of in late.iter().skip(late.len().saturating_sub(LATE_EXAMPLES)) {
        let event = event_of(events, of)?;
        summary.examples.push(LateEvent {
            id: event.id(schema),
            time: event.time(schema),
            arrival: event.arrival(),
            window: of.window.clone(),
            label: of.label.clone(),
        });
    }
    Ok(summary)
}

fn event_of<'a>(events: &'a [Event], of: &tallyd_bolt::Late) -> Result<&'a Event, StoreError> {
    let (event, count) = (of.event, events.len());
    let unknown = || StoreError::bug(format!("event {event} of a batch of {count} is late"));
    events.get(event).ok_or_else(unknown)
}

/// The entries for the sinks of what came too late for a node: one for each event and window, with
/// the event's fields, and what else is to be known of it under names that no field has.
///
/// # Errors
/// As [`summary`].
pub(super) fn publish(
    node: &Node,
    schema: &Schema,
    events: &[Event],
    late: &[tallyd_bolt::Late],
) -> Result<Vec<Published>, StoreError> {
    let entry = |of: &tallyd_bolt::Late| {
        let event = event_of(events, of)?;
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
        Ok(fields(schema, event).into_iter().chain(about).collect::<Vec<_>>())
    };
    let sinks = node.sinks.iter().enumerate().filter(|(_, sink)| sink.late);
    let entries = sinks.flat_map(|(sink, _)| late.iter().map(move |of| (sink, of)));
    entries.map(|(sink, of)| Ok((sink, entry(of)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ErrorKind;
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
        let late = summary(&schema, &events, &(0..14).map(of).collect::<Vec<_>>()).unwrap();
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
        let error = summary(&schema, &events, &[of(14)]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Bug, "{error}");
    }
}
