//! What events of a member added is taken out again, and the rest is as if they had never come.

use super::*;
use tallyd_bolt::EditAt;
use tallyd_event::{Edit, EditKind, Handed, Taken};

const NAMES: [&str; 3] = ["a", "b c", "e:%"];

/// What can be taken out.
fn sums() -> Vec<Measure> {
    let keeps = |measure: &Measure| {
        let function = &measure.function;
        !matches!(function, Function::Distinct(_) | Function::Max(_) | Function::Min(_))
            && !matches!(function, Function::Last(_) | Function::LastArrived(_))
            && !matches!(function, Function::Quantile(..))
    };
    measures().into_iter().filter(keeps).collect()
}

/// An event that is the member's or not, and may arrive when its minute is over.
fn any_event() -> impl Strategy<Value = (Event, bool)> {
    let parts = (0i64..4 * MINUTE, 0usize..NAMES.len(), any::<bool>(), 0i64..9, any::<bool>());
    (parts, any::<bool>()).prop_map(|((at, name, right, ms, late), own)| {
        let grade = Value::Float(ms as f64 / 3.0);
        let name = Value::Str(NAMES[name].into());
        let values =
            vec![name, Value::Bool(right), Value::Int(ms), grade, Value::Int(at), Value::Null];
        let event = Event::new(EntryId { ms: at as u64, seq: 0 }, 0, values);
        let arrived = at + if late { 3 * MINUTE } else { 0 };
        (Event { arrived, entered: arrived, ..event }, own)
    })
}

fn process(bolt: &Aggregate, memory: &mut Memory, events: &[Event], cuts: &[bool]) {
    let (schema, mut start) = (schema(), 0);
    for end in 1..=events.len() {
        if end == events.len() || cuts.get(end).copied().unwrap_or(false) {
            memory.run(bolt, &Batch { schema: &schema, events: &events[start..end], now: 0 });
            start = end;
        }
    }
}

/// Takes events out, in edits of so many. A worker dies before each step and does it again.
fn subtract(
    bolt: &Aggregate,
    memory: &mut Memory,
    events: &[Event],
    (many, whole): (usize, bool),
) -> u64 {
    let mut changed = 0;
    for some in events.chunks(many.max(1)) {
        let back =
            |event: &Event| Event { taken_back: true, entered: event.arrived, ..event.clone() };
        let taken = Taken { events: some.iter().map(back).collect(), whole };
        let state = taken.to_text(&schema()).unwrap();
        let handed = Some(Handed { bolt: "agg".into(), state });
        let edit = Edit { handed, ..Edit::new("e", EditKind::Forget, "", "") };
        let at = EditAt { partition: 0, partitions: 1, now: 0 };
        for steps in [0, usize::MAX] {
            changed += memory.edit(bolt, &edit, at, steps);
        }
    }
    changed
}

proptest! {
    #[test]
    fn what_is_left_is_a_recount_without_the_member(
        events in prop::collection::vec(any_event(), 0..50),
        after in prop::collection::vec(any_event(), 0..10),
        cuts in prop::collection::vec(any::<bool>(), 0..50),
        many in 1usize..9,
    ) {
        let bolt = aggregate(sums());
        let of = |events: &[(Event, bool)], own: bool| -> Vec<Event> {
            events.iter().filter(|(_, is)| *is == own).map(|(event, _)| event.clone()).collect()
        };
        let all: Vec<Event> = events.iter().map(|(event, _)| event.clone()).collect();
        let later: Vec<Event> = after.iter().map(|(event, _)| event.clone()).collect();
        let (mut found, mut plain) = (Memory::default(), Memory::default());
        process(&bolt, &mut found, &all, &cuts);
        // Others are counted before all of the member's are taken out.
        let own = of(&events, true);
        let (first, rest) = own.split_at(own.len() / 2);
        subtract(&bolt, &mut found, first, (many, true));
        process(&bolt, &mut found, &later, &cuts);
        subtract(&bolt, &mut found, rest, (many, true));
        process(&bolt, &mut plain, &[of(&events, false), later].concat(), &[]);
        prop_assert_eq!(&found.hashes, &plain.hashes);
        for (key, members) in &found.members {
            let is_list = key.as_str().starts_with("labels:");
            prop_assert!(is_list || plain.members.get(key) == Some(members), "{:?}", key);
        }
        for (key, members) in &plain.members {
            prop_assert!(found.members.get(key).is_some_and(|all| members.is_subset(all)));
        }
    }
}

#[test]
fn a_group_of_nobody_else_goes_with_all_of_it_if_all_was_counted() {
    let bolt = aggregate(measures());
    let events = [1, 2].map(|ms| {
        let mut event = event(ms, [Value::Bool(true), Value::Int(ms), Value::Null]);
        event.values.push(Value::Null);
        event
    });
    let mut memory = Memory::default();
    process(&bolt, &mut memory, &events, &[]);
    // Of what stays, nothing changes: a maximum, a last value, quantiles, different values.
    assert_eq!(subtract(&bolt, &mut memory, &events[..1], (1, true)), 2);
    let stays = read(&memory, 1, "all", 0);
    assert_eq!(stays["answers"], Figure::Int(1));
    assert_eq!((stays["slowest"], stays["last"]), (Figure::Int(2), Figure::Int(2)));
    // Where some were counted before there was a count, a count of none says nothing.
    let mut partly = memory.clone();
    subtract(&bolt, &mut partly, &events[1..], (1, false));
    assert!(!partly.hashes.is_empty() && !partly.logs.is_empty());
    assert_eq!(subtract(&bolt, &mut memory, &events[1..], (1, true)), 2);
    assert!(memory.hashes.is_empty() && memory.logs.is_empty());
    // What is not there is not taken out.
    assert_eq!(subtract(&bolt, &mut memory, &events, (1, true)), 0);
    assert!(memory.hashes.is_empty());
}

/// Why an edit that hands this over does nothing; empty where it does something.
fn broken(bolt: &Aggregate, memory: &Memory, state: String) -> String {
    let handed = Some(Handed { bolt: "agg".into(), state });
    let edit = Edit { handed, ..Edit::new("e7", EditKind::Forget, "", "") };
    let at = EditAt { partition: 0, partitions: 1, now: 0 };
    let steps = bolt.edit(&edit, at, &memory.state(|reads| bolt.edit_reads(&edit, at, reads)));
    let mut why = String::new();
    for step in steps {
        let broken = step.broken.unwrap_or_default();
        assert_eq!(step.effects == Effects::default(), !broken.is_empty(), "{broken}");
        why += &broken;
    }
    why
}

#[test]
fn what_can_not_be_read_is_not_passed_over() {
    let bolt = aggregate(sums());
    let why = broken(&bolt, &Memory::default(), "{\"whole\":true,\"frame\":\"00\"}".into());
    assert!(why.contains("edit e7") && why.contains("of agg"), "events of other fields: {why}");

    let mut event = event(1, [Value::Bool(true), Value::Int(1), Value::Float(0.5)]);
    event.values.push(Value::Null);
    let mut memory = Memory::default();
    process(&bolt, &mut memory, std::slice::from_ref(&event), &[]);
    let event = Event { taken_back: true, ..event };
    let state = Taken { events: vec![event], whole: true }.to_text(&schema()).unwrap();
    assert_eq!(broken(&bolt, &memory, state.clone()), "");
    for fields in memory.hashes.values_mut() {
        fields.values_mut().for_each(|stored| *stored = b"?".to_vec());
    }
    let why = broken(&bolt, &memory, state);
    assert!(why.starts_with("nothing can be taken out of"), "{why}");
}
