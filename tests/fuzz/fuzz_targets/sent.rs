//! What producers send, and what must hold of it.

use tallyd_event::{
    EntryId, Event, Schema,
    decode::{self, TimeLimits},
    frame,
};

/// When everything arrives.
pub const ARRIVAL: EntryId = EntryId { ms: 1_767_225_600_000, seq: 7 };

/// How far an event's time may lie from its arrival.
pub const LIMITS: TimeLimits = TimeLimits { max_ahead_ms: 86_400_000, max_behind_ms: None };

/// What was made an event survives a frame, and its own text.
pub fn check_events(schema: &Schema, events: &[Event]) {
    let bytes = frame::encode(schema, events).expect("a frame");
    assert_eq!(frame::decode(schema, &bytes).expect("the same events"), events);
    for event in events {
        let again = decode::decode(
            schema,
            TimeLimits::NONE,
            event.origin,
            &decode::to_fields(schema, event),
        );
        assert!(again.rejects.is_empty(), "{:?}", again.rejects);
        assert_eq!(again.events.len(), 1);
        assert_eq!(again.events[0].values, event.values);
    }
}
