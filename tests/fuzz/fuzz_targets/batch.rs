//! A `batch` of any bytes gives events and dead letters, or one dead letter; never a panic. Each
//! dead letter, sent again, is one dead letter again.

#![no_main]

mod schema;
mod sent;

use libfuzzer_sys::fuzz_target;
use schema::schema;
use sent::{ARRIVAL, LIMITS, check_events};
use tallyd_event::decode::{Decoded, Fields, MAX_BATCH_EVENTS, decode};

fuzz_target!(|bytes: &[u8]| {
    let schema = schema();
    let read = |fields: &Fields| decode(&schema, LIMITS, ARRIVAL, fields);
    let Decoded { events, rejects } = read(&vec![(b"batch".to_vec(), bytes.to_vec())]);
    let count = events.len() + rejects.len();
    assert!((1..=MAX_BATCH_EVENTS).contains(&count));
    check_events(&schema, &events);
    for reject in rejects {
        let again = read(&reject.fields);
        assert!(again.events.is_empty() && again.rejects.len() == 1, "{reject:?}");
        assert!(!reject.reason.to_string().is_empty());
    }
});
