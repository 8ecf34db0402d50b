//! What no order of arrival changes, and numbers of different values on both sides of their bound.

use super::*;

fn one(function: Function) -> Aggregate {
    aggregate(vec![Measure { name: "m".into(), function }])
}

/// The figure of a bolt with one measure, of all time.
fn figure(bolt: &Aggregate, memory: &Memory) -> Option<Figure> {
    let hash = memory.hashes.get(&window_key(&windows()[1], "all", "concept=a"));
    let field = |name: &str| hash.and_then(|hash| hash.get(name)).cloned();
    let window = Calendar::new("UTC").unwrap().window(Length::All, 0);
    value(&bolt.options.measures[0], &window, &field).unwrap()
}

#[test]
fn a_sum_of_floats_is_one_in_any_order() {
    let sums = [
        ("sum", Function::Sum(field("grade")), 0.6),
        ("mean", Function::Mean(field("grade")), 0.6 / 3.0),
    ];
    for (name, function, expected) in sums {
        let bolt = one(function);
        for values in [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.2, 0.3, 0.1]] {
            for cuts in [[false; 3], [true; 3]] {
                let (memory, _) = run(&bolt, &values.map(float), &cuts, false);
                assert_eq!(figure(&bolt, &memory), Some(Figure::Float(expected)), "{name}");
            }
        }
    }
}

#[test]
fn a_last_value_goes_by_the_time_of_its_event() {
    let at =
        |hour: i64, ms: i64| event(hour * 3_600_000, [Value::Null, Value::Int(ms), Value::Null]);
    // (function, events, the last value)
    let cases = [
        (Function::Last(field("ms")), vec![at(10, 20), at(9, 10)], 20),
        (Function::Last(field("ms")), vec![at(9, 10), at(10, 20)], 20),
        // Of one time, the one that arrived later.
        (Function::Last(field("ms")), vec![at(9, 10), at(9, 20), at(8, 30)], 20),
        (Function::LastArrived(field("ms")), vec![at(10, 20), at(9, 10)], 10),
    ];
    for (function, events, last) in cases {
        let bolt = one(function);
        for cuts in [[false; 3], [true; 3]] {
            let (memory, _) = run(&bolt, &events, &cuts, false);
            assert_eq!(figure(&bolt, &memory), Some(Figure::Int(last)), "{:?}", bolt.options);
        }
    }
}

#[test]
fn a_number_of_different_values_is_exact_up_to_its_bound() {
    let bolt = one(Function::Distinct(field("ms")));
    let log = values_key(&windows()[1], "all", "m", "concept=a");
    let estimate = distinct_key(&windows()[1], "all", "m", "concept=a");
    let number = EXACT_DISTINCT as i64;
    for more in [0, 1, 300] {
        // Each value twice, some of them in one batch and some not.
        let events: Vec<Event> =
            (0..2 * (number + more)).map(|i| int(i % (number + more))).collect();
        let whole = run(&bolt, &events, &[], false);
        let every_hundredth: Vec<bool> = (0..events.len()).map(|place| place % 100 == 0).collect();
        assert_eq!(run(&bolt, &events, &every_hundredth, true), whole);
        let (memory, _) = whole;
        let stored = &memory.hashes[&window_key(&windows()[1], "all", "concept=a")]["m"];
        if more <= 0 {
            assert_eq!(figure(&bolt, &memory), Some(Figure::Int((number + more).into())));
            assert_eq!(memory.logs[&log].len() as i64, number + more);
            assert_eq!(memory.distinct.get(&estimate), None);
        } else {
            // All that is to be said is that it is above: the number is another key's.
            assert_eq!((figure(&bolt, &memory), stored.as_slice()), (None, &b"1025"[..]));
            assert_eq!(memory.distinct[&estimate].len() as i64, number + more);
            assert_eq!(memory.logs.get(&log), None);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_order_of_arrival_changes_a_figure(
        rows in proptest::collection::vec((-10_000i32..10_000, 0i32..12), 1..30),
        shift in any::<prop::sample::Index>(),
    ) {
        // Every event has a time of its own, in which it is the last one or not.
        let row = |(at, &(cents, exponent)): (i64, &(i32, i32))| {
            let grade = f64::from(cents) / 100.0 * 10f64.powi(exponent);
            event(at, [Value::Bool(cents > 0), Value::Int(cents.into()), Value::Float(grade)])
        };
        let events: Vec<Event> = (1..).zip(&rows).map(row).collect();
        let mut other = events.clone();
        other.reverse();
        other.rotate_left(shift.index(events.len()));
        let mut measures = measures();
        measures.retain(|measure| !matches!(measure.function, Function::LastArrived(_)));
        let bolt = aggregate(measures);
        // The bytes of a sketch differ by the room that it has reserved, but no quantile does.
        let stored = |events: &[Event], cuts: &[bool]| {
            let (mut memory, _) = run(&bolt, events, cuts, false);
            memory.hashes.values_mut().for_each(|hash| {
                hash.remove("sketch.ms");
            });
            memory
        };
        prop_assert_eq!(stored(&other, &[true; 31]), stored(&events, &[]));
    }
}
