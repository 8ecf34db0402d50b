//! Who is forgotten has no group, and the others have theirs as if nothing had been.

use super::*;
use tallyd_bolt::EditAt;
use tallyd_event::{Edit, EditKind};

const PARTITIONS: u16 = 3;
const NAMES: [&str; 3] = ["a", "b c", "e:%"];

/// Something that happens.
#[derive(Clone, Debug)]
enum Happening {
    Event(Event),
    /// The place of a name, and after how many steps the worker dies that forgets it, each time.
    Forget(usize, Vec<usize>),
}

fn bolt(by: &[&str]) -> Aggregate {
    let options = Options {
        by: by.iter().map(|name| field(name)).collect(),
        windows: windows(),
        measures: measures(),
        accuracy: DEFAULT_ACCURACY,
        corrected: false,
    };
    Aggregate::new(options, schema(), Calendar::new("UTC").unwrap())
}

/// Forgets in all partitions, as each gets the edit.
fn forget(bolt: &Aggregate, memory: &mut Memory, name: &str, deaths: &[usize]) -> u64 {
    let edit = Edit::new("e", EditKind::Forget, "concept", name);
    let mut changed = 0;
    for partition in 0..PARTITIONS {
        let at = EditAt { partition, partitions: PARTITIONS, now: 0 };
        for steps in deaths.iter().copied().chain([usize::MAX]) {
            changed += memory.edit(bolt, &edit, at, steps);
        }
    }
    changed
}

fn happen(bolt: &Aggregate, happenings: &[Happening], cuts: &[bool]) -> Memory {
    let (schema, mut memory, mut events) = (schema(), Memory::default(), Vec::new());
    let process = |memory: &mut Memory, events: &mut Vec<Event>| {
        memory.run(bolt, &Batch { schema: &schema, events, now: 0 });
        events.clear();
    };
    for (place, happening) in happenings.iter().enumerate() {
        match happening {
            Happening::Event(event) => events.push(event.clone()),
            Happening::Forget(name, deaths) => {
                process(&mut memory, &mut events);
                forget(bolt, &mut memory, NAMES[*name], deaths);
            }
        }
        if cuts.get(place).copied().unwrap_or(false) {
            process(&mut memory, &mut events);
        }
    }
    process(&mut memory, &mut events);
    memory
}

fn happening() -> impl Strategy<Value = Happening> {
    let event = (0i64..4 * MINUTE, 0usize..NAMES.len(), any::<bool>(), 0i64..9).prop_map(
        |(at, name, right, ms)| {
            let grade = Value::Float(ms as f64 / 3.0);
            let name = Value::Str(NAMES[name].into());
            let values =
                vec![name, Value::Bool(right), Value::Int(ms), grade, Value::Int(at), Value::Null];
            Happening::Event(Event::new(EntryId { ms: at as u64, seq: 0 }, 0, values))
        },
    );
    let deaths = prop::collection::vec(0usize..4, 0..3);
    let forget = (0usize..NAMES.len(), deaths).prop_map(|(name, d)| Happening::Forget(name, d));
    prop_oneof![5 => event, 1 => forget]
}

proptest! {
    #[test]
    fn events_and_forgets_in_any_batches_are_a_recount_without_the_forgotten(
        by_both: bool,
        happenings in prop::collection::vec(happening(), 0..40),
        cuts in prop::collection::vec(any::<bool>(), 0..40),
    ) {
        let bolt = bolt(if by_both { &["right", "concept"] } else { &["concept"] });
        let mut events: Vec<Event> = Vec::new();
        for happening in &happenings {
            match happening {
                Happening::Event(event) => events.push(event.clone()),
                Happening::Forget(name, _) => {
                    events.retain(|event| event.value(0) != &Value::Str(NAMES[*name].into()));
                }
            }
        }
        let kept: Vec<Happening> = events.into_iter().map(Happening::Event).collect();
        let (plain, found) = (happen(&bolt, &kept, &[]), happen(&bolt, &happenings, &cuts));
        prop_assert_eq!(&found.hashes, &plain.hashes);
        prop_assert_eq!((&found.logs, &found.distinct), (&plain.logs, &plain.distinct));
        // Windows of nobody else may stay listed.
        for (key, members) in &found.members {
            let expected = plain.members.get(key);
            let is_list = key.as_str().starts_with("labels:");
            prop_assert!(is_list || expected == Some(members), "{:?}", key);
        }
        for (key, members) in &plain.members {
            prop_assert!(found.members.get(key).is_some_and(|all| members.is_subset(all)));
        }
    }
}

#[test]
fn a_group_goes_with_all_that_stands_beside_it_and_nothing_twice() {
    let bolt = bolt(&["concept"]);
    let events = [1, 2].map(|ms| event(ms, [Value::Bool(true), Value::Int(ms), Value::Null]));
    let mut memory = Memory::default();
    memory.run(&bolt, &Batch { schema: &schema(), events: &events, now: 0 });
    assert!(!memory.logs.is_empty());
    assert_eq!(forget(&bolt, &mut memory, "b", &[]), 0);
    assert_eq!(forget(&bolt, &mut memory, "a", &[0, 1]), 2);
    assert_eq!(forget(&bolt, &mut memory, "a", &[]), 0);
    assert!(memory.hashes.is_empty() && memory.logs.is_empty());
    let left: Vec<&str> = memory.members.keys().map(Key::as_str).collect();
    assert_eq!(left, ["labels:1m", "labels:all"]);
    // What could be an edit of another kind is none of this bolt's.
    let hide = Edit::new("e", EditKind::Hide, "concept", "a");
    memory.run(&bolt, &Batch { schema: &schema(), events: &events, now: 0 });
    let at = EditAt { partition: 0, partitions: 1, now: 0 };
    assert_eq!(memory.edit(&bolt, &hide, at, 9), 0);
    assert!(!memory.hashes.is_empty());
}
