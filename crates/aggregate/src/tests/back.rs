//! Events that are taken back, where measures come and go, and where a sum is near its end.

use super::*;

fn corrected(measures: &[(&str, Function)]) -> Aggregate {
    let measure = |(name, function): &(&str, Function)| Measure {
        name: (*name).into(),
        function: function.clone(),
        places: None,
        adds_floats: true,
    };
    let measures = measures.iter().map(measure).collect();
    let options = Options {
        by: vec![field("concept")],
        windows: vec![WindowOptions {
            name: "all".into(),
            length: Length::All,
            lasting: Lasting { retain_ms: None, grace_ms: None },
        }],
        measures,
        accuracy: DEFAULT_ACCURACY,
        corrected: true,
    };
    Aggregate::new(options, schema(), Calendar::new("UTC").unwrap())
}

fn answer(grade: f64, taken_back: bool) -> Event {
    Event { taken_back, ..float(grade) }
}

/// Runs events, and returns the group's fields and how many were refused.
fn take(memory: &mut Memory, aggregate: &Aggregate, events: &[Event]) -> (Vec<String>, usize) {
    let schema = schema();
    let effects = memory.run(aggregate, &Batch { schema: &schema, events, now: 0 });
    let key = Key::new(&["window", "all", "all", "concept=a"]);
    let fields = memory.hashes.get(&key).into_iter().flatten();
    let shown = fields.map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)));
    (shown.collect(), effects.rejects.len())
}

#[test]
fn a_group_with_events_stays_where_a_measure_was_added() {
    let sum = ("total", Function::Sum(field("grade")));
    let mut memory = Memory::default();
    take(
        &mut memory,
        &corrected(std::slice::from_ref(&sum)),
        &[1.0, 2.0].map(|g| answer(g, false)),
    );
    let both = corrected(&[sum, ("n", Function::Count)]);
    let correction = [answer(5.0, false), answer(2.0, true)];
    let (fields, refused) = take(&mut memory, &both, &correction);
    assert_eq!(refused, 0);
    for field in ["events.left=2", "total.count=2", "total=6.0"] {
        assert!(fields.iter().any(|shown| shown == field), "{field} in {fields:?}");
    }
    let (fields, _) = take(&mut memory, &both, &[answer(1.0, true), answer(5.0, true)]);
    assert!(fields.is_empty(), "nothing is left: {fields:?}");
}

#[test]
fn what_a_sum_holds_can_be_taken_out_however_large() {
    let aggregate = corrected(&[("total", Function::Sum(field("grade")))]);
    let mut memory = Memory::default();
    take(&mut memory, &aggregate, &[answer(1.5e308, false)]);
    assert_eq!(take(&mut memory, &aggregate, &[answer(1.5e308, false)]).1, 1, "twice is too much");
    let (fields, refused) = take(&mut memory, &aggregate, &[answer(1.5e308, true)]);
    assert_eq!((fields, refused), (Vec::new(), 0));
}
