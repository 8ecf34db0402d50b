//! Which version counts, what is taken back for it, and that no split or rerun of batches changes it.

use super::*;
use proptest::prelude::*;
use tallyd_bolt::memory::Memory;
use tallyd_event::{EntryId, FieldType};

const PARTITIONS: u16 = 4;
/// Arrival of the first event, in ms: the beginning of a generation of the tests.
const T: i64 = 1_800_000_000_000;
const WINDOW_MS: i64 = 1_000_000;

fn schema() -> Schema {
    let mut gone = Field::new("gone", FieldType::Bool);
    gone.optional = true;
    let mut fields: Vec<Field> =
        ["id", "user", "question", "class"].map(|n| Field::new(n, FieldType::String)).into();
    fields.extend([Field::new("points", FieldType::Int), gone, Field::new("at", FieldType::Time)]);
    Schema { fields, id: Some(0), key: Some(1), time: Some(6) }
}

fn field(name: &str) -> FieldRef {
    FieldRef { index: schema().index(name).unwrap(), name: name.into() }
}

fn options() -> Options {
    Options {
        key: vec![field("user"), field("question")],
        fields: None,
        retract: Some(field("gone")),
        window_ms: WINDOW_MS,
        by_source_key: true,
        stored_as: String::new(),
    }
}

fn latest(options: Options) -> Latest {
    Latest::new(options, schema(), PARTITIONS, [7; 16])
}

/// An answer of user `u` to question `q`, that arrives so many ms after [`T`].
fn answer(arrived: i64, id: &str, at: i64, points: i64) -> Event {
    let text = |text: &str| Value::Str(text.into());
    let (points, at) = (Value::Int(points), Value::Int(at));
    let values = vec![text(id), text("u"), text("q"), text("10B"), points, Value::Null, at];
    Event::new(EntryId { ms: (T + arrived) as u64, seq: 0 }, 0, values)
}

fn gone(event: Event) -> Event {
    let mut values = event.values;
    values[5] = Value::Bool(true);
    Event { values, ..event }
}

/// Runs the events cut after each of `cuts`; where `aborts` says so, a batch is processed once more
/// before its effects are applied.
fn run(latest: &Latest, events: &[Event], cuts: &[bool], aborts: bool) -> (Memory, Vec<Event>) {
    let (schema, mut memory, mut emits, mut start) = (schema(), Memory::default(), vec![], 0);
    for end in 1..=events.len() {
        if end == events.len() || cuts.get(end).copied().unwrap_or(false) {
            let batch = Batch { schema: &schema, events: &events[start..end], now: T };
            if aborts {
                let state = memory.state(|reads| latest.reads(&batch, reads));
                assert_eq!(latest.process(&batch, &state), latest.process(&batch, &state));
            }
            let effects = memory.run(latest, &batch);
            assert_eq!(effects.rejects, []);
            emits.extend(effects.emits);
            start = end;
        }
    }
    (memory, emits)
}

/// The ids and points of what is emitted, those that are taken back with a minus; and how many were
/// dropped.
fn passed(events: &[Event]) -> (Vec<String>, u64) {
    let latest = latest(options());
    let (memory, emits) = run(&latest, events, &[], false);
    let (alone, each) = run(&latest, events, &vec![true; events.len() + 1], true);
    assert_eq!((&each, &alone.hashes), (&emits, &memory.hashes));
    let shown = |event: &Event| {
        let sign = if event.taken_back { "-" } else { "+" };
        format!("{sign}{}:{}", event.values[0].to_text(), event.values[4].to_text())
    };
    (emits.iter().map(shown).collect(), memory.duplicates)
}

#[test]
fn a_later_version_replaces_the_one_before() {
    let [a, b, c] = [answer(0, "a", 5, 1), answer(1, "b", 6, 2), answer(2, "c", 4, 3)];
    let all = passed(&[a.clone(), b.clone(), c.clone()]);
    assert_eq!(all, (vec!["+a:1".into(), "+b:2".into(), "-a:1".into()], 1));
    // Whatever comes first, the last one stays; the same again is dropped.
    assert_eq!(passed(&[b.clone(), a.clone(), b.clone()]), (vec!["+b:2".into()], 2));
    let of_equal_times = [answer(0, "b", 5, 1), answer(1, "a", 5, 2), answer(2, "b~1", 5, 3)];
    let expected = vec!["+b:1".into(), "+b~1:3".into(), "-b:1".into()];
    assert_eq!(passed(&of_equal_times), (expected, 1));
}

#[test]
fn a_retraction_takes_out_what_is_older_also_where_that_comes_later() {
    let [a, b, c] = [answer(0, "a", 5, 1), gone(answer(1, "b", 6, 0)), answer(2, "c", 7, 3)];
    assert_eq!(passed(&[a.clone(), b.clone()]).0, ["+a:1", "-a:1"]);
    assert_eq!(passed(&[b.clone(), a.clone()]), (vec![], 1));
    assert_eq!(passed(&[a.clone(), b.clone(), b.clone()]), (vec!["+a:1".into(), "-a:1".into()], 1));
    // What is newer counts again.
    assert_eq!(passed(&[a, b, c]).0, ["+a:1", "-a:1", "+c:3"]);
}

#[test]
fn what_is_taken_back_has_the_values_and_times_it_counted_with() {
    let mut first = answer(10, "a", 5, 1);
    first.values[3] = Value::Str("10A".into());
    let second = Event { arrived: T + 700, ..answer(900, "b", 6, 2) };
    for fields in [None, Some(vec![field("class"), field("points")])] {
        let latest = latest(Options { fields, ..options() });
        let emits = run(&latest, &[first.clone(), second.clone()], &[], false).1;
        let (output, back) = (latest.output().unwrap(), &emits[2]);
        let value = |name: &str| output.index(name).map(|place| back.values[place].clone());
        assert_eq!((back.taken_back, back.time(output)), (true, 5));
        assert_eq!((back.arrived, back.arrival()), (T + 10, T + 700));
        assert_eq!(value("class"), Some(Value::Str("10A".into())));
        assert_eq!((value("points"), value("user")), (Some(Value::Int(1)), Some("u".into_value())));
        let id = latest.options.fields.is_none().then(|| Value::Str("a".into()));
        assert_eq!(value("id"), id);
    }
}

trait IntoValue {
    fn into_value(self) -> Value;
}

impl IntoValue for &str {
    fn into_value(self) -> Value {
        Value::Str(self.into())
    }
}

#[test]
fn it_is_remembered_for_the_window_and_then_forgotten() {
    let at = |windows: f64, id: &str| answer((windows * WINDOW_MS as f64) as i64, id, 5, 1);
    assert_eq!(passed(&[at(0.0, "a"), at(1.99, "b")]).0, ["+a:1", "+b:1", "-a:1"]);
    assert_eq!(passed(&[at(0.99, "a"), at(1.99, "b")]).0, ["+a:1", "+b:1", "-a:1"]);
    assert_eq!(passed(&[at(0.0, "a"), at(2.0, "b")]).0, ["+a:1", "+b:1"]);
    // A version that was replaced is not met again where the later one is of the next generation.
    let moved = [at(0.5, "a"), at(1.5, "b"), at(1.6, "a"), at(2.5, "c"), at(2.6, "b")];
    assert_eq!(
        passed(&moved),
        (["+a:1", "+b:1", "-a:1", "+c:1", "-b:1"].map(Into::into).into(), 2)
    );
    let old: Vec<Event> = (0..6).map(|n| at(f64::from(n), &n.to_string())).collect();
    let hashes = run(&latest(options()), &old, &[], false).0.hashes;
    assert_eq!(hashes.len(), 4, "three generations and their list: {hashes:?}");
}

#[test]
fn what_is_stored_by_somebody_else_is_a_dead_letter() {
    let latest = latest(options());
    // The list, a version, and the values in one; and what the reason says.
    type Spoil = fn(&str, &mut Vec<u8>);
    let cases: [(Spoil, &str); 3] = [
        (
            |key, value| {
                if key.contains("generations") {
                    *value = b"\xff".to_vec()
                }
            },
            "the list of generations",
        ),
        (
            |key, value| {
                if !key.contains("generations") {
                    *value = b"\xff".to_vec()
                }
            },
            "can't be read",
        ),
        (
            |key, value| {
                if !key.contains("generations") {
                    let _ = value.pop();
                }
            },
            "",
        ),
    ];
    for (spoil, reason) in cases {
        let (mut memory, _) = run(&latest, &[answer(0, "a", 5, 1)], &[], false);
        for (key, hash) in &mut memory.hashes {
            hash.values_mut().for_each(|value| spoil(&format!("{key:?}"), value));
        }
        let (schema, events) = (schema(), [answer(1, "b", 6, 1)]);
        let batch = Batch { schema: &schema, events: &events, now: T };
        let effects = memory.run(&latest, &batch);
        assert_eq!((effects.emits.len(), effects.writes.len(), effects.rejects.len()), (0, 0, 1));
        let said = &effects.rejects[0].reason;
        assert!(said.contains(reason), "{said}");
    }
}

/// What is stored is read by names: a file may have its fields in another order.
#[test]
fn the_order_of_the_fields_decides_nothing() {
    let (one, mut other) = (schema(), schema());
    other.fields.swap(3, 4);
    let of = |schema: &Schema| Latest::new(options(), schema.clone(), PARTITIONS, [7; 16]);
    let mut memory = Memory::default();
    let first = [answer(0, "a", 5, 1)];
    memory.run(&of(&one), &Batch { schema: &one, events: &first, now: T });
    let mut second = [answer(1, "b", 6, 2)];
    second[0].values.swap(3, 4);
    let effects = memory.run(&of(&other), &Batch { schema: &other, events: &second, now: T });
    let taken = effects.emits.iter().find(|event| event.taken_back).unwrap();
    assert_eq!((&taken.values[3], &taken.values[4]), (&Value::Int(1), &Value::Str("10B".into())));
    let described = |schema: &Schema| options().describe(schema);
    assert_eq!(described(&one), described(&other));
    other.fields[0].kind = FieldType::Int;
    assert_ne!(described(&one), described(&other));
}

fn answers() -> impl Strategy<Value = Vec<Event>> {
    let one = (0i64..4_000_000, "[a-c](~[1-3])?", 0i64..4, 0i64..9, 0u8..5, 0usize..3);
    prop::collection::vec(one, 0..40).prop_map(|all| {
        let mut entered: Vec<i64> = all.iter().map(|one| one.0).collect();
        entered.sort_unstable();
        let event = |(entered, (_, id, at, points, retract, key)): (&i64, &_)| {
            let (id, at, points, retract, key): (&String, &i64, &i64, &u8, &usize) =
                (id, at, points, retract, key);
            let mut event = answer(*entered, id, *at, *points);
            event.values[2] = ["q", "r", "s"][*key].into_value();
            if *retract == 0 { gone(event) } else { event }
        };
        entered.iter().zip(&all).map(event).collect()
    })
}

proptest! {
    #[test]
    fn neither_splits_nor_reruns_change_anything(
        events in answers(), cuts in prop::collection::vec(any::<bool>(), 40), aborts in any::<bool>(),
    ) {
        let latest = latest(options());
        let (memory, emits) = run(&latest, &events, &[], false);
        let (split, others) = run(&latest, &events, &cuts, aborts);
        prop_assert_eq!((split.hashes, split.duplicates), (memory.hashes, memory.duplicates));
        prop_assert_eq!(others, emits);
    }

    /// What was passed on and not taken back is one event for each key, the one with the latest version.
    #[test]
    fn what_is_left_is_the_latest_of_each_key(mut events in answers()) {
        events.iter_mut().for_each(|event| (event.arrived, event.entered) = (T, T));
        let emits = run(&latest(options()), &events, &[], false).1;
        for question in ["q", "r", "s"] {
            let of = |event: &&Event| event.values[2] == question.into_value();
            // An independent order: by time, base and number of the revision.
            let order = |event: &&Event| {
                let id = event.values[0].to_text();
                let (base, revision) = id.split_once('~').unwrap_or((&id, "0"));
                (event.values[6].as_int(), base.to_owned(), revision.parse::<u64>().unwrap())
            };
            // Of two with one version the first counts.
            let last = events.iter().filter(of).rev().max_by_key(order);
            let expected: Vec<&Event> =
                last.into_iter().filter(|event| event.values[5].is_null()).collect();
            let mut left: Vec<&Event> = Vec::new();
            for event in emits.iter().filter(of) {
                match left.iter().position(|of| event.taken_back && of.values == event.values) {
                    Some(place) => drop(left.remove(place)),
                    None if event.taken_back => prop_assert!(false, "not passed on: {:?}", event),
                    None => left.push(event),
                }
            }
            let values = |of: &[&Event]| of.iter().map(|e| e.values.clone()).collect::<Vec<_>>();
            prop_assert_eq!(values(&left), values(&expected));
        }
    }
}
