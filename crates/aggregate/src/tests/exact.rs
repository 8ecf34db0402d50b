//! What no order of arrival changes, and numbers of different values on both sides of their bound.

use super::*;
use tallyd_event::Decimal;

fn one(function: Function) -> Aggregate {
    aggregate(vec![Measure { name: "m".into(), function, places: None, adds_floats: false }])
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

fn price(at: i64, units: i64) -> Event {
    let mut event = event(at, [Value::Null, Value::Null, Value::Null]);
    event.values.push(Value::Decimal(Decimal { units, places: 2 }));
    event
}

/// The measures that a decimal can have.
fn of_price() -> Vec<Measure> {
    let functions = [
        ("sum", Function::Sum as fn(FieldRef) -> Function),
        ("least", Function::Min),
        ("most", Function::Max),
        ("mean", Function::Mean),
        ("last", Function::Last),
        ("values", Function::Distinct),
        ("p50", |field| Function::Quantile(field, 0.5)),
    ];
    let measure = |(name, function): (&str, fn(FieldRef) -> Function)| Measure {
        name: name.into(),
        function: function(field("price")),
        places: Some(2),
        adds_floats: false,
    };
    functions.map(measure).into()
}

#[test]
fn decimals_are_stored_and_shown_with_their_places() {
    let bolt = aggregate(of_price());
    let events = [price(1, 10), price(3, -1250), price(2, 20)];
    for cuts in [[false; 3], [true; 3]] {
        let (memory, _) = run(&bolt, &events, &cuts, false);
        let hash = &memory.hashes[&window_key(&windows()[1], "all", "concept=a")];
        let stored = [
            ("sum", "-12.20"),
            ("least", "-12.50"),
            ("most", "0.20"),
            ("mean.sum", "-12.20"),
            ("last", "-12.50"),
        ];
        for (name, text) in stored {
            assert_eq!(std::str::from_utf8(&hash[name]).unwrap(), text, "{name}");
        }
        let window = Calendar::new("UTC").unwrap().window(Length::All, 0);
        let field = |name: &str| hash.get(name).cloned();
        let figures: Vec<String> = bolt
            .options
            .measures
            .iter()
            .map(|m| value(m, &window, &field).unwrap().unwrap().to_string())
            .collect();
        let (exact, p50) = figures.split_at(6);
        assert_eq!(exact, ["-12.20", "-12.50", "0.20", "-4.066666666666666", "-12.50", "3"]);
        assert!((p50[0].parse::<f64>().unwrap() - 0.1).abs() <= 0.001, "{p50:?}");
    }
}

#[test]
fn what_is_stored_of_a_decimal_depends_on_its_places() {
    let shape = |places| {
        let measures = vec![Measure {
            name: "m".into(),
            function: Function::Sum(field("price")),
            places,
            adds_floats: false,
        }];
        let shape = aggregate(measures).options.shape();
        shape.into_iter().find(|(name, _)| name == "measure.m").unwrap().1
    };
    assert_eq!(shape(Some(2)), "sum(price) in 2 places");
    assert_eq!(shape(None), "sum(price)");
    // Another writer's text in its place is named, not misread.
    let bolt = aggregate(of_price());
    let (mut memory, _) = run(&bolt, &[price(1, 10)], &[], false);
    let hash = memory.hashes.get_mut(&window_key(&windows()[1], "all", "concept=a")).unwrap();
    hash.insert("sum".into(), b"12.5".to_vec());
    let schema = schema();
    let events = [price(2, 10)];
    let effects = memory.run(&bolt, &Batch { schema: &schema, events: &events, now: 0 });
    let reason = "window:all:all:concept=a: stored field \"sum\" is not a decimal: \"12.5\"";
    assert_eq!(effects.rejects[0].reason, reason);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// In any order, in any batches, and the sum is that of whole numbers.
    #[test]
    fn no_order_of_arrival_changes_a_decimal(
        rows in proptest::collection::vec(prop_oneof![-10_000i64..10_000, any::<i64>()], 1..30),
        cuts in proptest::collection::vec(any::<bool>(), 31),
        shift in any::<prop::sample::Index>(),
    ) {
        let events: Vec<Event> = (1..).zip(&rows).map(|(at, units)| price(at, *units)).collect();
        let mut other = events.clone();
        other.reverse();
        other.rotate_left(shift.index(events.len()));
        let mut measures = of_price();
        measures.retain(|measure| !matches!(measure.function, Function::Quantile(..)));
        let bolt = aggregate(measures);
        let (memory, rejects) = run(&bolt, &events, &[], false);
        prop_assert_eq!(rejects, Vec::<String>::new());
        prop_assert_eq!(&run(&bolt, &other, &cuts, true).0, &memory);
        prop_assert_eq!(&run(&bolt, &other, &[true; 31], false).0, &memory);
        let hash = &memory.hashes[&window_key(&windows()[1], "all", "concept=a")];
        let sum: i128 = rows.iter().map(|units| i128::from(*units)).sum();
        let text = std::str::from_utf8(&hash["sum"]).unwrap();
        prop_assert_eq!(text.replace('.', "").parse::<i128>().unwrap(), sum);
    }

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
