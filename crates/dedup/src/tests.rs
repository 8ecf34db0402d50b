//! What is a duplicate, and that no split or rerun of batches changes it.

use super::*;
use proptest::prelude::*;
use tallyd_bolt::memory::Memory;
use tallyd_event::{EntryId, Event, Field, FieldType, Value};

const PARTITIONS: u16 = 4;
/// The window of the tests: buckets of 1 s, eight of them.
const WINDOW_MS: i64 = 8_000;

fn schema() -> Schema {
    let fields = ["id", "user"].map(|name| Field::new(name, FieldType::String)).into();
    Schema { fields, id: Some(0), key: Some(1), time: None }
}

fn dedup() -> Dedup {
    Dedup::new(Options { window_ms: WINDOW_MS }, schema(), PARTITIONS, [7; 16])
}

fn event(ms: u64, seq: u64, user: &str, id: &str) -> Event {
    let values = vec![Value::Str(id.into()), Value::Str(user.into())];
    Event { origin: EntryId { ms, seq }, index: 0, values }
}

/// Runs the events cut after each of `cuts`; where `aborts` says so, the batch is processed once
/// more before its effects are applied.
fn run(events: &[Event], cuts: &[bool], aborts: bool) -> (Memory, Vec<Event>) {
    let (dedup, schema) = (dedup(), schema());
    let (mut memory, mut emits, mut start) = (Memory::default(), Vec::new(), 0);
    for end in 1..=events.len() {
        if end == events.len() || cuts.get(end).copied().unwrap_or(false) {
            let batch = Batch { schema: &schema, events: &events[start..end], now: 0 };
            if aborts {
                let state = memory.load(&Reads::of(&dedup, &batch));
                let aborted = dedup.process(&batch, &state);
                assert_eq!(aborted, dedup.process(&batch, &state));
            }
            emits.extend(memory.run(&dedup, &batch).emits);
            start = end;
        }
    }
    (memory, emits)
}

fn passed(arrivals: &[(u64, &str, &str)]) -> Vec<bool> {
    let events: Vec<Event> =
        (0..).zip(arrivals).map(|(seq, &(ms, user, id))| event(ms, seq, user, id)).collect();
    let whole = run(&events, &[], false).1;
    assert_eq!(whole, run(&events, &vec![true; events.len()], false).1);
    events.iter().map(|event| whole.contains(event)).collect()
}

#[test]
fn an_identity_passes_once_in_its_window() {
    let cases: [(&[_], &[bool]); 6] = [
        (&[(0, "u1", "a"), (0, "u1", "a"), (1, "u1", "b")], &[true, false, true]),
        // An identity is one within its key.
        (&[(0, "u1", "a"), (0, "u2", "a")], &[true, true]),
        // Bucket 0 is remembered through bucket 8, however early in it the first one came.
        (&[(0, "u1", "a"), (8_999, "u1", "a")], &[true, false]),
        (&[(999, "u1", "a"), (8_999, "u1", "a")], &[true, false]),
        (&[(999, "u1", "a"), (9_000, "u1", "a")], &[true, true]),
        // The first arrival counts, not the last duplicate.
        (
            &[(0, "u1", "a"), (8_000, "u1", "a"), (9_000, "u1", "a"), (17_000, "u1", "a")],
            &[true, false, true, false],
        ),
    ];
    for (arrivals, expected) in cases {
        assert_eq!(passed(arrivals), expected, "{arrivals:?}");
    }
}

#[test]
fn an_event_without_identity_is_itself() {
    let schema = Schema { id: None, ..schema() };
    let dedup = Dedup::new(Options { window_ms: WINDOW_MS }, schema.clone(), PARTITIONS, [7; 16]);
    let events = [event(5, 0, "u1", ""), event(5, 1, "u1", ""), event(5, 1, "u1", "")];
    let batch = Batch { schema: &schema, events: &events, now: 5 };
    let effects = Memory::default().run(&dedup, &batch);
    assert_eq!((effects.emits.len(), effects.duplicates), (2, 1));
}

#[test]
fn a_log_is_that_of_the_partition_and_the_bucket() {
    let (memory, _) = run(&[event(5_500, 0, "u1", "a"), event(6_000, 0, "u2", "b")], &[], false);
    // partition_of(["u1"], 4) is 0, partition_of(["u2"], 4) is 1.
    let keys: Vec<&str> = memory.logs.keys().map(tallyd_bolt::Key::as_str).collect();
    assert_eq!(keys, ["seen:0:5", "seen:1:6"]);
    assert_eq!(memory.expiries[&log_key(0, 5)], 15_000);
}

#[test]
fn reads_the_live_logs_and_no_others() {
    let schema = schema();
    let events = [event(20_000, 0, "u1", "a"), event(20_001, 0, "u1", "b")];
    let reads = Reads::of(&dedup(), &Batch { schema: &schema, events: &events, now: 0 });
    let mut keys: Vec<&str> = reads.iter().map(|address| address.key.as_str()).collect();
    keys.sort_by_key(|key| key.len());
    assert_eq!(keys.len(), 9);
    for bucket in 12..=20 {
        assert!(keys.contains(&log_key(0, bucket).as_str()));
    }
}

prop_compose! {
    /// Events of few identities; arrivals mostly rise, over some windows.
    fn events()(steps in proptest::collection::vec((0i64..3, -1_500i64..3_000, 0u8..3, 0u8..6), 0..80)) -> Vec<Event> {
        let mut now = 10_000i64;
        let step = |(seq, (pace, ms, user, id)): (u64, (i64, i64, u8, u8))| {
            now = (now + ms * pace).max(0);
            event(now as u64, seq, &format!("u{user}"), &format!("a{id}"))
        };
        (0..).zip(steps).map(step).collect()
    }
}

proptest! {
    #[test]
    fn batches_change_nothing(
        events in events(),
        cuts in proptest::collection::vec(any::<bool>(), 80),
    ) {
        let whole = run(&events, &[], false);
        prop_assert_eq!(&run(&events, &cuts, true), &whole);
        prop_assert_eq!(&run(&events, &[true; 81], false), &whole);
    }

    /// Against the rule in its plainest form.
    #[test]
    fn passes_what_the_rule_says(events in events()) {
        let schema = schema();
        let (memory, emits) = run(&events, &[], false);
        let mut kept: Vec<&Event> = Vec::new();
        for event in &events {
            let bucket = event.arrival() / 1000;
            let seen = kept.iter().any(|first| {
                (first.key(&schema), first.id(&schema)) == (event.key(&schema), event.id(&schema))
                    && (first.arrival() / 1000..=first.arrival() / 1000 + 8).contains(&bucket)
            });
            if !seen {
                kept.push(event);
            }
        }
        prop_assert_eq!(memory.duplicates as usize, events.len() - kept.len());
        prop_assert_eq!(emits.iter().collect::<Vec<_>>(), kept);
    }
}
