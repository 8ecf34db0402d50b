//! What each measure counts, and that no split or rerun of batches changes it.

mod back;
mod exact;
mod forget;
mod subtract;

use super::*;
use proptest::prelude::*;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use tallyd_bolt::{FieldRef, Key, Lasting, calendar::Length, memory::Memory};
use tallyd_event::{EntryId, Event, Field, FieldType, Value};

const MINUTE: i64 = 60_000;

fn schema() -> Schema {
    let kinds = [
        ("concept", FieldType::String),
        ("right", FieldType::Bool),
        ("ms", FieldType::Int),
        ("grade", FieldType::Float),
        ("at", FieldType::Time),
        ("price", FieldType::Decimal(2)),
    ];
    let field = |(name, kind)| Field { optional: true, ..Field::new(name, kind) };
    Schema { fields: kinds.map(field).into(), id: None, key: None, time: Some(4) }
}

fn field(name: &str) -> FieldRef {
    FieldRef { index: schema().index(name).unwrap(), name: name.into() }
}

fn measures() -> Vec<Measure> {
    let functions = [
        ("answers", Function::Count),
        ("graded", Function::CountPresent(field("grade"))),
        ("right", Function::CountTrue(field("right"))),
        ("values", Function::Distinct(field("ms"))),
        ("slowest", Function::Max(field("ms"))),
        ("mean_ms", Function::Mean(field("ms"))),
        ("mean_grade", Function::Mean(field("grade"))),
        ("least", Function::Min(field("grade"))),
        ("p50", Function::Quantile(field("ms"), 0.5)),
        ("p99", Function::Quantile(field("ms"), 0.99)),
        ("rate", Function::Rate),
        ("total_ms", Function::Sum(field("ms"))),
        ("grades", Function::Sum(field("grade"))),
        ("last", Function::Last(field("ms"))),
        ("arrived", Function::LastArrived(field("ms"))),
    ];
    functions
        .map(|(name, function)| Measure {
            name: name.into(),
            function,
            places: None,
            adds_floats: false,
        })
        .into()
}

fn windows() -> Vec<WindowOptions> {
    let window = |name: &str, length, retain_ms| {
        let lasting = Lasting { retain_ms, grace_ms: None };
        WindowOptions { name: name.into(), length, lasting }
    };
    vec![window("1m", Length::Millis(MINUTE), Some(MINUTE)), window("all", Length::All, None)]
}

fn aggregate(measures: Vec<Measure>) -> Aggregate {
    let options = Options {
        by: vec![field("concept")],
        windows: windows(),
        measures,
        accuracy: DEFAULT_ACCURACY,
        corrected: false,
    };
    Aggregate::new(options, schema(), Calendar::new("UTC").unwrap())
}

/// An event of concept `a` at a time, that arrived at it.
fn event(at: i64, values: [Value; 3]) -> Event {
    let [right, ms, grade] = values;
    let values = vec![Value::Str("a".into()), right, ms, grade, Value::Int(at)];
    Event::new(EntryId { ms: at as u64, seq: 0 }, 0, values)
}

fn int(ms: i64) -> Event {
    event(0, [Value::Null, Value::Int(ms), Value::Null])
}

fn float(grade: f64) -> Event {
    event(0, [Value::Null, Value::Null, Value::Float(grade)])
}

/// Runs the events cut after each of `cuts`; where `aborts` says so, each batch is processed once
/// more before its effects are applied.
fn run(bolt: &Aggregate, events: &[Event], cuts: &[bool], aborts: bool) -> (Memory, Vec<String>) {
    let (schema, mut memory, mut rejects, mut start) = (schema(), Memory::default(), vec![], 0);
    for end in 1..=events.len() {
        if end == events.len() || cuts.get(end).copied().unwrap_or(false) {
            let batch = Batch { schema: &schema, events: &events[start..end], now: 0 };
            if aborts {
                let state = memory.load(&Reads::of(bolt, &batch));
                assert_eq!(bolt.process(&batch, &state), bolt.process(&batch, &state));
            }
            let effects = memory.run(bolt, &batch);
            assert_eq!(effects.emits, []);
            let keys: Vec<&Key> = effects.expiries.iter().map(|(key, _)| key).collect();
            assert_eq!(keys.len(), keys.iter().collect::<BTreeSet<_>>().len());
            let reject = |r: tallyd_bolt::Rejection| format!("{} {}", start + r.event, r.reason);
            rejects.extend(effects.rejects.into_iter().map(reject));
            start = end;
        }
    }
    (memory, rejects)
}

fn read(memory: &Memory, window: usize, label: &str, time: i64) -> BTreeMap<SmolStr, Figure> {
    let options = &windows()[window];
    let hash = memory.hashes.get(&window_key(options, label, "concept=a"));
    let field = |name: &str| hash.and_then(|hash| hash.get(name)).cloned();
    let window = Calendar::new("UTC").unwrap().window(options.length, time);
    let figure =
        |measure: Measure| Some((measure.name.clone(), value(&measure, &window, &field).unwrap()?));
    measures().into_iter().filter_map(figure).collect()
}

#[test]
fn each_measure_counts_what_it_says() {
    let events = [
        event(1000, [Value::Bool(true), Value::Int(100), Value::Float(0.5)]),
        event(2000, [Value::Bool(false), Value::Int(300), Value::Null]),
        event(3000, [Value::Null, Value::Null, Value::Float(-1.5)]),
        event(4000, [Value::Bool(true), Value::Int(100), Value::Null]),
    ];
    let (memory, _) = run(&aggregate(measures()), &events, &[], false);
    let mut figures = read(&memory, 0, "1970-01-01T0000Z", 0);
    for (name, exact) in [("p50", 100.0), ("p99", 300.0)] {
        let Some(Figure::Float(estimate)) = figures.remove(name) else { panic!("{name}") };
        assert!((estimate - exact).abs() <= exact * DEFAULT_ACCURACY, "{name} {estimate}");
    }
    let expected: BTreeMap<SmolStr, Figure> = [
        ("answers", Figure::Int(4)),
        ("graded", Figure::Int(2)),
        ("right", Figure::Int(2)),
        ("slowest", Figure::Int(300)),
        ("mean_ms", Figure::Float(500.0 / 3.0)),
        ("mean_grade", Figure::Float(-0.5)),
        ("least", Figure::Float(-1.5)),
        ("rate", Figure::Float(4.0 / 60.0)),
        ("total_ms", Figure::Int(500)),
        ("grades", Figure::Float(-1.0)),
        ("values", Figure::Int(2)),
        ("last", Figure::Int(100)),
        ("arrived", Figure::Int(100)),
    ]
    .map(|(name, figure)| (name.into(), figure))
    .into();
    assert_eq!(figures, expected);
    let values = values_key(&windows()[1], "all", "values", "concept=a");
    assert_eq!((memory.logs[&values].len(), memory.distinct.len()), (2, 0));
}

#[test]
fn an_empty_window_reads_as_nothing() {
    let figures = read(&Memory::default(), 0, "1970-01-01T0000Z", 0);
    let expected: BTreeMap<SmolStr, Figure> = [
        ("answers", Figure::Int(0)),
        ("graded", Figure::Int(0)),
        ("right", Figure::Int(0)),
        ("rate", Figure::Float(0.0)),
        ("values", Figure::Int(0)),
    ]
    .map(|(name, figure)| (name.into(), figure))
    .into();
    assert_eq!(figures, expected);
}

#[test]
fn what_is_stored_is_plain() {
    let events = [event(1000, [Value::Bool(false), Value::Int(5), Value::Float(2.0)])];
    let (memory, _) = run(&aggregate(measures()), &events, &[], false);
    let hash = &memory.hashes[&Key::new(&["window", "all", "all", "concept=a"])];
    let texts: Vec<(&str, &str)> = hash
        .iter()
        .filter(|(name, _)| !name.starts_with('p') && !name.starts_with("sketch"))
        .map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap()))
        .collect();
    let expected = [
        ("answers", "1"),
        ("arrived", "5"),
        ("graded", "1"),
        ("grades", "2.0"),
        ("grades.exact", "0x1p1"),
        ("last", "5"),
        ("last.at", "1000"),
        ("least", "2.0"),
        ("mean_grade.count", "1"),
        ("mean_grade.sum", "2.0"),
        ("mean_grade.sum.exact", "0x1p1"),
        ("mean_ms.count", "1"),
        ("mean_ms.sum", "5"),
        ("rate.count", "1"),
        ("right", "0"),
        ("slowest", "5"),
        ("total_ms", "5"),
        ("values", "1"),
    ];
    assert_eq!(texts, expected);
    assert!(hash.contains_key("p50") && hash.contains_key("p99") && hash.contains_key("sketch.ms"));
    assert_eq!(hash.len(), expected.len() + 3);
    let sets = memory.members.keys().map(Key::as_str).collect::<Vec<_>>();
    let expected = ["groups:1m:1970-01-01T0000Z", "groups:all:all", "labels:1m", "labels:all"];
    assert_eq!(sets, expected);
    let labels = &memory.members[&labels_key("1m")];
    assert_eq!(labels, &BTreeSet::from(["1970-01-01T0000Z 120000".into()]));
    assert_eq!(
        memory.members[&groups_key(&windows()[1], "all")],
        BTreeSet::from(["concept=a".into()])
    );
    assert!(memory.expiries.values().all(|&expiry| expiry == 2 * MINUTE));
    // The hash, the values, and the groups.
    assert_eq!(memory.expiries.len(), 3);
}

#[test]
fn sums_of_ints_are_exact_beyond_their_range() {
    let events = [int(i64::MAX), int(i64::MAX), int(7)];
    for cuts in [[false; 3], [true; 3]] {
        let (memory, rejects) = run(&aggregate(measures()), &events, &cuts, false);
        let sum = 2 * i128::from(i64::MAX) + 7;
        assert_eq!(read(&memory, 1, "all", 0)["total_ms"], Figure::Int(sum));
        assert_eq!(rejects, Vec::<String>::new());
    }
    let (memory, _) = run(&aggregate(measures()), &[int(i64::MIN), int(-1), int(1)], &[], false);
    assert_eq!(read(&memory, 1, "all", 0)["total_ms"], Figure::Int(i64::MIN.into()));
}

#[test]
fn an_event_beyond_the_end_of_a_float_sum_counts_nowhere() {
    let events = [float(f64::MAX), float(f64::MAX), float(-1.0)];
    for cuts in [[false; 3], [true; 3]] {
        let (memory, rejects) = run(&aggregate(measures()), &events, &cuts, false);
        let max = f64::MAX;
        let expected = format!("1 mean_grade.sum {max:?} + {max:?} is beyond what a sum can hold");
        assert_eq!(rejects, [expected]);
        assert_eq!(read(&memory, 1, "all", 0)["answers"], Figure::Int(2));
    }
}

#[test]
fn a_stored_value_that_is_not_ours_is_named() {
    let bolt = aggregate(measures());
    let (mut memory, _) = run(&bolt, &[int(1)], &[], false);
    let key = window_key(&windows()[1], "all", "concept=a");
    let hash = memory.hashes.get_mut(&key).unwrap();
    hash.insert("answers".into(), b"1\xff".to_vec());
    let (schema, events) = (schema(), [int(1)]);
    let before = memory.clone();
    let effects = memory.run(&bolt, &Batch { schema: &schema, events: &events, now: 0 });
    let expected = "window:all:all:concept=a: stored field \"answers\" is not a number: \"1\\xff\"";
    assert_eq!(effects.rejects[0].reason, expected);
    assert_eq!(memory, before);
}

#[test]
fn a_late_event_counts_where_its_window_is_kept() {
    let late = |arrival: i64| Event { arrived: arrival, ..int(1) };
    let cases = [(119_999, 0, 1), (120_000, 1, 0)];
    for (arrival, late_windows, in_minute) in cases {
        let (memory, _) = run(&aggregate(measures()), &[late(arrival)], &[], false);
        assert_eq!(memory.late, late_windows);
        let minute = read(&memory, 0, "1970-01-01T0000Z", 0);
        assert_eq!(minute["answers"], Figure::Int(in_minute));
        assert_eq!(read(&memory, 1, "all", 0)["answers"], Figure::Int(1));
    }
}

#[test]
fn a_bolt_of_distincts_alone_knows_its_groups() {
    let bolt = aggregate(vec![Measure {
        name: "n".into(),
        function: Function::Distinct(field("ms")),
        places: None,
        adds_floats: false,
    }]);
    let (memory, _) = run(&bolt, &[int(1), float(1.0)], &[true; 3], false);
    assert_eq!(
        memory.members[&groups_key(&windows()[1], "all")],
        BTreeSet::from(["concept=a".into()])
    );
    let (memory, _) = run(&bolt, &[float(1.0)], &[], false);
    assert_eq!(memory, Memory::default());
}

#[test]
fn a_known_group_is_not_written_again() {
    let bolt = aggregate(measures());
    let (mut memory, _) = run(&bolt, &[int(1)], &[], false);
    let (schema, events) = (schema(), [int(2)]);
    let effects = memory.run(&bolt, &Batch { schema: &schema, events: &events, now: 0 });
    let member = |write: &tallyd_bolt::Write| matches!(write, tallyd_bolt::Write::Member { .. });
    assert!(!effects.writes.is_empty() && !effects.writes.iter().any(member));
}

#[test]
fn without_fields_to_group_by_there_is_one_group() {
    let options = Options { by: vec![], ..aggregate(measures()).options };
    let bolt = Aggregate::new(options, schema(), Calendar::new("UTC").unwrap());
    let (memory, _) = run(&bolt, &[int(1)], &[], false);
    assert!(memory.hashes.contains_key(&Key::new(&["window", "all", "all", TOTAL])));
    assert_eq!(group(&[]), TOTAL);
    assert_eq!(group(&[("concept", Some("a:b"))]), "concept=a%3Ab");
}

#[test]
fn a_shape_may_gain_measures_and_tells_changed_ones() {
    let shape =
        |measures| -> BTreeMap<_, _> { aggregate(measures).options.shape().into_iter().collect() };
    let (all, fewer) = (shape(measures()), shape(measures().split_off(3)));
    assert!(fewer.iter().all(|(name, value)| all.get(name) == Some(value)));
    assert_eq!(all["measure.p99"], "quantile(ms, 0.99) within 0.01");
    assert_eq!(all["window.1m"], "millis(60000)");
    assert_eq!(all["by"], "concept");
}

fn values() -> impl Strategy<Value = [Value; 3]> {
    let ms = prop_oneof![Just(i64::MAX), Just(i64::MIN), -5i64..50];
    let grade = prop_oneof![Just(f64::MAX), Just(-f64::MAX), Just(-0.0), -1.0f64..1.0];
    let values = (
        proptest::option::of(any::<bool>()),
        proptest::option::of(ms),
        proptest::option::of(grade),
    );
    values.prop_map(|(right, ms, grade)| {
        [
            right.map_or(Value::Null, Value::Bool),
            ms.map_or(Value::Null, Value::Int),
            grade.map_or(Value::Null, Value::Float),
        ]
    })
}

prop_compose! {
    /// Events of few groups, many of them late.
    fn events()(
        rows in proptest::collection::vec((values(), 0u8..3, 0i64..400_000, 0i64..200_000), 0..60),
    ) -> Vec<Event> {
        let row = |(values, concept, at, delay): ([Value; 3], u8, i64, i64)| {
            let mut event = event(at, values);
            event.arrived = at + delay;
            event.values[0] = if concept == 0 { Value::Null } else { Value::Str(concept.to_string().into()) };
            event
        };
        rows.into_iter().map(row).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn batches_change_nothing(
        events in events(),
        cuts in proptest::collection::vec(any::<bool>(), 60),
    ) {
        let bolt = aggregate(measures());
        let whole = run(&bolt, &events, &[], false);
        prop_assert_eq!(&run(&bolt, &events, &cuts, true), &whole);
        prop_assert_eq!(&run(&bolt, &events, &[true; 61], false), &whole);
    }
}
