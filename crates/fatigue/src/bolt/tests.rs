//! What goes in, and what comes out.

use super::*;
use crate::Parameters;
use crate::Reading;
use proptest::prelude::*;
use std::collections::BTreeSet;
use tallyd_bolt::{Write, memory::Memory};
use tallyd_event::{EntryId, Field, FieldType, Value};

const MINUTE: i64 = 60_000;
const START: i64 = 1_767_225_600_000;

fn schema() -> Schema {
    let fields = [
        ("id", FieldType::String),
        ("user", FieldType::String),
        ("question", FieldType::String),
        ("right", FieldType::Bool),
        ("ms", FieldType::Float),
        ("at", FieldType::Time),
    ];
    let fields = fields.iter().map(|(name, kind)| Field::new(name, *kind)).collect();
    Schema { fields, id: Some(0), key: Some(1), time: Some(5) }
}

fn bolt(parameters: Parameters) -> Fatigue {
    let field = |index: usize| FieldRef { index, name: schema().fields[index].name.clone() };
    let options = Options {
        learner: field(1),
        item: field(2),
        correct: field(3),
        response_ms: field(4),
        parameters,
    };
    Fatigue::new(options, schema(), 3)
}

/// Answer `n` of learner `user`, so many minutes after the start.
fn event(n: u64, user: &str, question: u64, right: bool, ms: f64, minute: i64) -> Event {
    let at = START + minute * MINUTE;
    let values = vec![
        Value::Str(format!("a{n}").into()),
        Value::Str(user.into()),
        Value::Str(format!("q:{question}").into()),
        Value::Bool(right),
        Value::Float(ms),
        Value::Int(at),
    ];
    Event::new(EntryId { ms: (START + 1_000_000 * MINUTE) as u64, seq: n }, 0, values)
}

/// A session of 60 usual answers, 50 slow and wrong ones, and `after` of the usual kind.
fn tiring(after: u64) -> Vec<Event> {
    (1..=110 + after)
        .map(|n| {
            let (usual, ms) = (n <= 60 || n > 110, 5000.0 + 700.0 * (n % 5) as f64);
            let ms = if usual { ms } else { 2.0 * ms };
            event(n, "u", n % 7, usual && n % 2 == 0, ms, n as i64)
        })
        .collect()
}

fn run(bolt: &Fatigue, memory: &mut Memory, events: &[Event]) -> Effects {
    memory.run(bolt, &Batch { schema: &schema(), events, now: START })
}

fn stored(memory: &Memory, learner: &str) -> Reading {
    let [(key, field)] = &learner_fields(learner, 3)[..] else { panic!("one field a learner") };
    Reading::of(&memory.hashes[key][field]).unwrap()
}

fn states(effects: &Effects) -> Vec<(String, String)> {
    let text = |alert: &Event, i| alert.value(i).to_text().to_string();
    effects.emits.iter().map(|alert| (text(alert, 0), text(alert, 2))).collect()
}

#[test]
fn a_tiring_session_gives_one_alert_and_a_break_ends_it() {
    let (bolt, mut memory) = (bolt(Parameters::default()), Memory::default());
    let effects = run(&bolt, &mut memory, &tiring(0));
    let alerts = states(&effects);
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0].1, "tired");
    assert_eq!(alerts[0].0, format!("a{}:tired", effects.emits[0].origin.seq));

    let (of, schema) = (stored(&memory, "u"), output_schema());
    assert_eq!((of.tired, of.answers, of.at), (true, 110, START + 110 * MINUTE));
    assert_eq!(effects.emits[0].values.len(), schema.fields.len());
    assert_eq!(effects.emits[0].key(&schema), "u");

    let later = run(&bolt, &mut memory, &[event(500, "u", 1, true, 5000.0, 140)]);
    assert_eq!(states(&later), [("a500:recovered".to_owned(), "recovered".to_owned())]);
    assert_eq!(later.emits[0].time(&schema), START + 140 * MINUTE);
    assert!(!stored(&memory, "u").tired);
}

#[test]
fn answers_as_before_end_an_alert_without_flutter() {
    let (bolt, mut memory) = (bolt(Parameters::default()), Memory::default());
    let alerts = states(&run(&bolt, &mut memory, &tiring(100)));
    let kinds: Vec<&str> = alerts.iter().map(|(_, state)| state.as_str()).collect();
    assert_eq!(kinds, ["tired", "recovered"]);
}

#[test]
fn what_is_no_answer_is_rejected_and_changes_nothing() {
    let right = event(1, "u", 1, true, 5000.0, 0);
    let cases = [
        (1, Value::Null, "field \"user\" is missing"),
        (2, Value::Null, "field \"question\" is missing"),
        (3, Value::Null, "field \"right\" is missing"),
        (4, Value::Null, "field \"ms\" is missing"),
        (4, Value::Float(-1.0), "field \"ms\": -1 ms is no response time"),
    ];
    for (place, value, reason) in cases {
        let mut event = right.clone();
        event.values[place] = value;
        let mut memory = Memory::default();
        let effects = run(&bolt(Parameters::default()), &mut memory, &[event]);
        assert_eq!(effects.rejects.len(), 1);
        assert_eq!(effects.rejects[0].reason, reason);
        assert_eq!(memory, Memory::default());
    }
}

#[test]
fn a_state_that_is_none_rejects_the_learner_s_answers_alone() {
    let mut memory = Memory::default();
    let (key, field) = learner_fields("u", 3).remove(0);
    memory.hashes.insert(key, [(field, b"?".to_vec())].into());
    let events = [event(1, "u", 1, true, 5000.0, 0), event(2, "v", 1, true, 5000.0, 0)];
    let effects = run(&bolt(Parameters::default()), &mut memory, &events);
    let rejects: Vec<_> = effects.rejects.iter().map(|r| (r.event, r.reason.as_str())).collect();
    let reason = "learner \"u\" in learners:2: the 1 bytes stored are no state of a learner; \
                  delete the field to begin again";
    assert_eq!(rejects, [(0, reason)]);
    assert_eq!(stored(&memory, "v").answers, 1);
    assert_eq!(memory.counters[&items::item_key("q:1")]["new.answers"], 1);
}

#[test]
fn a_clock_ahead_of_the_server_s_does_not_hold_back_later_sessions() {
    let (bolt, mut memory) = (bolt(Parameters::default()), Memory::default());
    let mut ahead = event(1, "u", 1, true, 5000.0, 40 * 24 * 60);
    ahead.arrived = START;
    run(&bolt, &mut memory, &[ahead]);
    assert_eq!(stored(&memory, "u").at, START);
}

#[test]
fn first_and_later_meetings_are_kept_apart_and_counted_in_whole_numbers() {
    let (bolt, mut memory) = (bolt(Parameters::default()), Memory::default());
    let events = [event(1, "u", 1, true, 1000.0, 0), event(2, "u", 1, false, 1000.0, 1)];
    run(&bolt, &mut memory, &events);
    let item = &memory.counters[&items::item_key("q:1")];
    assert_eq!((item["new.answers"], item["met.answers"]), (1, 1));
    assert_eq!((item["new.log_ms"], item["met.log_ms"]), (6_907_755, 6_907_755));
    assert_eq!(item["new.difficulty"], -125_000_000, "half of 0.25 logits, in billionths");
    assert!(item["met.difficulty"] > 125_000_000);
    assert_eq!(memory.counters[&items::all_key()]["new.answers"], 1);
}

#[test]
fn a_time_of_zero_or_of_days_is_taken_for_the_bound() {
    for (ms, log_ms) in [(0.0, 0), (0.5, 0), (1e300, 15_096_444)] {
        let mut memory = Memory::default();
        run(&bolt(Parameters::default()), &mut memory, &[event(1, "u", 1, true, ms, 0)]);
        let item = &memory.counters[&items::item_key("q:1")];
        assert_eq!(item.get("new.log_ms").copied().unwrap_or(0), log_ms, "{ms}");
    }
}

/// Alerts come often, so that the property sees them.
fn nervous() -> Parameters {
    let warm_up = 2.0;
    Parameters { warm_up, even: 3.0, steepness: 1.0, freeze: 1.0, ..Parameters::default() }
}

fn answers() -> impl Strategy<Value = Vec<Event>> {
    let answer = (0u8..3, 0u64..5, any::<bool>(), -1.0..1e5f64, -5i64..20);
    prop::collection::vec(answer, 1..120).prop_map(|answers| {
        let mut minute = 10;
        (0..)
            .zip(answers)
            .map(|(n, (user, question, right, ms, pause))| {
                minute = if pause == 19 { minute + 60 } else { minute + pause };
                event(n, &format!("u{user}"), question, right, ms, minute)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn any_split_and_any_abort_give_the_same_state_and_alerts(
        events in answers(),
        cuts in prop::collection::vec((1usize..9, any::<bool>()), 120),
    ) {
        let (bolt, schema) = (bolt(nervous()), schema());
        let mut whole = Memory::default();
        let effects = run(&bolt, &mut whole, &events);
        let (mut split, mut emits, mut rejects) = (Memory::default(), Vec::new(), 0);
        let mut rest = &events[..];
        for (length, aborted) in cuts {
            let (now, later) = rest.split_at(length.min(rest.len()));
            rest = later;
            let batch = Batch { schema: &schema, events: now, now: START };
            if aborted {
                bolt.process(&batch, &split.load(&Reads::of(&bolt, &batch)));
            }
            let effects = split.run(&bolt, &batch);
            emits.extend(effects.emits);
            rejects += effects.rejects.len();
        }
        prop_assert_eq!(split, whole);
        prop_assert_eq!(emits, effects.emits);
        prop_assert_eq!(rejects, effects.rejects.len());
    }

    #[test]
    fn a_batch_writes_each_address_once_and_reads_all_that_it_asks_for(events in answers()) {
        let (bolt, schema) = (bolt(nervous()), schema());
        let batch = Batch { schema: &schema, events: &events, now: START };
        let reads = Reads::of(&bolt, &batch);
        let effects = bolt.process(&batch, &Memory::default().load(&reads));
        let mut written = BTreeSet::new();
        for write in &effects.writes {
            let (key, name) = match write {
                Write::Add { key, .. } => (key, ""),
                Write::Field { key, name, .. } => (key, name.as_str()),
                _ => return Err(TestCaseError::fail("another kind of write")),
            };
            prop_assert!(written.insert((key.clone(), name.to_owned())), "{key:?} {name}");
        }
        let asked: BTreeSet<_> = reads.iter().map(|a| (a.key.clone(), a.name.clone())).collect();
        let counted = effects.writes.iter().filter_map(|write| match write {
            Write::Add { key, .. } => Some((key.clone(), SmolStr::default())),
            _ => None,
        });
        for address in counted {
            prop_assert!(asked.contains(&address), "{address:?} was not asked for");
        }
    }
}

/// Does an edit in the partition of its member, and what it hands over in others.
fn rename(bolt: &Fatigue, memory: &mut Memory, edit: &Edit) -> u64 {
    let partition = partition_of([edit.member.as_str()], 3);
    let at = EditAt { partition, partitions: 3, now: 0 };
    let state = memory.state(|reads| bolt.edit_reads(edit, at, reads));
    let mut changed = 0;
    for step in bolt.edit(edit, at, &state) {
        memory.apply(&step.effects);
        changed += step.changed;
        for tallyd_bolt::Handing { kind, member, state, .. } in step.handed {
            let handed = Some(tallyd_event::Handed { bolt: "fatigue".into(), state });
            let adopts = Edit { handed, ..Edit::new("e", kind, "user", &member) };
            changed += rename(bolt, memory, &adopts);
        }
    }
    changed
}

#[test]
fn of_two_learners_who_become_one_the_later_stays() {
    let (bolt, schema) = (bolt(Parameters::default()), schema());
    let one = |name: &str, minutes: i64| -> Vec<Event> {
        (1..40).map(|n| event(n, name, n % 7, n % 2 == 0, 5000.0, minutes + n as i64)).collect()
    };
    let run = |events: &[Event]| {
        let mut memory = Memory::default();
        memory.run(&bolt, &Batch { schema: &schema, events, now: 0 });
        memory
    };
    let field = |memory: &Memory, name: &str| -> Option<Vec<u8>> {
        memory.hashes.get(&learners_key(partition_of([name], 3)))?.get(name).cloned()
    };
    let edit = |from: &str, to: &str| Edit {
        to: to.into(),
        ..Edit::new("e", tallyd_event::EditKind::Rename, "user", from)
    };
    let before = run(&[one("early", 0), one("late", 500)].concat());
    for (from, to, changed) in [("early", "late", 1), ("late", "early", 2), ("late", "new", 2)] {
        let mut memory = before.clone();
        assert_eq!(rename(&bolt, &mut memory, &edit(from, to)), changed, "{from} {to}");
        assert_eq!(field(&memory, from), None, "{from} {to}");
        assert_eq!(field(&memory, to), field(&before, "late"), "{from} {to}");
        // Once more there is nothing to do.
        assert_eq!(rename(&bolt, &mut memory, &edit(from, to)), 0, "{from} {to}");
    }
}
