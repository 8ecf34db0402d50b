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
    Event::new(EntryId { ms, seq }, 0, values)
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

/// A dead letter that is replayed comes now, however long ago it arrived: it meets the event that
/// its producer sent again meanwhile, and makes nothing forgotten.
#[test]
fn a_replay_is_met_by_what_came_until_now() {
    let sent_again = event(100_000, 0, "u", "a");
    let replayed = Event { arrived: 5_000, ..event(101_000, 1, "u", "a") };
    let other = Event { arrived: 5_000, ..event(101_000, 2, "u", "b") };
    let again = event(102_000, 3, "u", "a");
    let events = [sent_again.clone(), replayed, other.clone(), again];
    for cuts in [[false; 5], [true; 5]] {
        let (memory, emits) = run(&events, &cuts, false);
        assert_eq!((emits, memory.duplicates), (vec![sent_again.clone(), other.clone()], 2));
    }
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
    let lists = [0, 1].map(|partition| memory.hashes[&list_key(partition)][KEPT].clone());
    assert_eq!(lists, [b"5:0", b"6:0"]);
    assert_eq!(memory.expiries[&log_key(0, 5)], memory.expiries[&list_key(0)]);
}

#[test]
fn reads_the_live_logs_and_no_others() {
    let schema = schema();
    let events = [event(20_000, 0, "u1", "a"), event(20_001, 0, "u1", "b")];
    let reads = Reads::of(&dedup(), &Batch { schema: &schema, events: &events, now: 0 });
    let keys: Vec<&str> = reads.iter().map(|address| address.key.as_str()).collect();
    assert_eq!(keys.len(), 18);
    assert!(keys.contains(&list_key(0).as_str()));
    for bucket in 12..=28 {
        assert!(keys.contains(&log_key(0, bucket).as_str()));
    }
}

fn kept(memory: &Memory) -> Vec<&str> {
    memory.logs.keys().map(tallyd_bolt::Key::as_str).collect()
}

#[test]
fn a_log_is_deleted_by_the_arrivals_that_are_processed() {
    let at = |second: u64| event(second * 1000, 0, "u1", &second.to_string());
    // The log of second 5 is met until second 13; with 14, 15 and 16 it has three out of reach.
    let until = |last: u64| run(&(5..=last).map(at).collect::<Vec<_>>(), &[true; 99], false).0;
    assert_eq!(kept(&until(15)).len(), 11);
    assert!(kept(&until(15)).contains(&"seen:0:5"));
    assert!(!kept(&until(16)).contains(&"seen:0:5"));
    assert_eq!(kept(&until(90)).len(), 11);
    // However far away the next arrivals are, the partition keeps three buckets beside them.
    let rare: Vec<Event> = (1..9).map(|day| at(day * 86_400)).collect();
    assert_eq!(kept(&run(&rare, &[true; 99], false).0).len(), 3);
}

/// A server whose clock is wrong for a while, forward or back, must not make what was counted
/// before count again.
#[test]
fn an_arrival_that_jumps_deletes_nothing_that_is_met() {
    for wrong in [1_795_815_000_000_000, 99_000_000, 0] {
        let passed = passed(&[
            (50_000_000, "u1", "a"),
            (wrong, "u1", "b"),
            (wrong + 1_000, "u1", "c"),
            (50_001_000, "u1", "a"),
            (50_002_000, "u1", "d"),
            (50_008_000, "u1", "a"),
        ]);
        assert_eq!(passed, [true, true, true, false, true, false], "{wrong}");
    }
    // Set back by less than the window: what was counted by the wrong clock is met too.
    assert_eq!(passed(&[(50_000_000, "u1", "a"), (49_995_000, "u1", "a")]), [true, false]);
}

#[test]
fn an_unreadable_list_rejects_the_events_of_its_partition() {
    let (mut memory, schema) = (Memory::default(), schema());
    memory.hashes.entry(list_key(0)).or_default().insert(KEPT.into(), b"5:0 x".to_vec());
    let events = [event(5_000, 0, "u1", "a"), event(5_000, 1, "u2", "b")];
    let effects = memory.run(&dedup(), &Batch { schema: &schema, events: &events, now: 0 });
    assert_eq!(effects.emits, events[1..]);
    assert_eq!(effects.rejects[0].event, 0);
    assert!(effects.rejects[0].reason.starts_with("buckets:0 is \"5:0 x\""));
}

prop_compose! {
    /// Events of few identities; they come one after the other, over some windows, but for up to
    /// two seconds. Some are replayed: they arrived first long before.
    fn events()(steps in proptest::collection::vec((0u64..3, 0u64..3_000, 0u64..2_000, 0u8..3, 0u8..6, 0u8..8), 0..80)) -> Vec<Event> {
        let mut now = 10_000u64;
        let step = |(seq, (pace, ms, back, user, id, replayed)): (u64, (u64, u64, u64, u8, u8, u8))| {
            now += ms * pace;
            let event = event(now - back, seq, &format!("u{user}"), &format!("a{id}"));
            let arrived = if replayed == 0 { 7 } else { event.arrived };
            Event { arrived, ..event }
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
            let bucket = event.entered / 1000;
            let seen = kept.iter().any(|first| {
                (first.key(&schema), first.id(&schema)) == (event.key(&schema), event.id(&schema))
                    && (first.entered / 1000).abs_diff(bucket) <= 8
            });
            if !seen {
                kept.push(event);
            }
        }
        prop_assert_eq!(memory.duplicates as usize, events.len() - kept.len());
        prop_assert_eq!(emits.iter().collect::<Vec<_>>(), kept);
    }
}
