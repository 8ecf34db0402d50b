//! What of a batch came too late, for an operator to see.

use crate::store::{LATE_EXAMPLES, Late, LateEvent};
use tallyd_event::{Event, Schema};

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
