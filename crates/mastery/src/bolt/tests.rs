//! Table and property tests of the bolt, on state in plain maps.

mod rename;

use super::*;
use crate::{Ability, PICOLOGITS, Parameters, Variance, learner_fields, read_more, read_own};
use crate::{learners_key, names_key, numbers_key};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tallyd_bolt::{FieldRef, Key, memory::Memory};
use tallyd_event::{EditKind, EntryId, partition_of};

/// Round numbers to compute with by hand.
const ROUND: Parameters = Parameters {
    overall_step: 0.5,
    overall_slowing: 0.1,
    overall_deviation: 1.0,
    concept_step: 1.0,
    concept_slowing: 0.5,
    concept_deviation: 1.0,
    item_step: 0.8,
    item_slowing: 0.0,
    certainty_days: 180.0,
};

const PARTITIONS: u16 = 3;

fn schema() -> Schema {
    let optional = |name, kind| Field { optional: true, ..Field::new(name, kind) };
    let fields = vec![
        Field::new("id", FieldType::String),
        optional("user", FieldType::String),
        optional("concept", FieldType::String),
        optional("question", FieldType::String),
        optional("right", FieldType::Bool),
        Field::new("at", FieldType::Time),
    ];
    Schema { fields, id: Some(0), key: Some(1), time: Some(5) }
}

fn bolt(parameters: Parameters) -> Mastery {
    let field = |index, name: &str| FieldRef { index, name: name.into() };
    let options = Options {
        learner: field(1, "user"),
        concept: field(2, "concept"),
        item: field(3, "question"),
        correct: field(4, "right"),
        emit: true,
        known_after: 5,
        parameters,
    };
    Mastery::new(options, schema(), PARTITIONS)
}

/// An event of `user concept question right`, where `_` is left out.
fn event(number: u64, text: &str) -> Event {
    let words: Vec<&str> = text.split(' ').collect();
    let word = |i: usize| if words[i] == "_" { Value::Null } else { Value::Str(words[i].into()) };
    let right = match words[3] {
        "_" => Value::Null,
        right => Value::Bool(right == "1"),
    };
    let id = Value::Str(format!("a{number}").into());
    let at = Value::Int(1000 + number as i64);
    let values = vec![id, word(0), word(1), word(2), right, at];
    Event::new(EntryId { ms: number, seq: 0 }, 0, values)
}

fn run(memory: &mut Memory, bolt: &Mastery, texts: &[&str]) -> Effects {
    let events: Vec<Event> = (0..).zip(texts).map(|(i, text)| event(i, text)).collect();
    memory.run(bolt, &Batch { schema: &schema(), events: &events, now: 0 })
}

/// What is stored of a learner: the overall ability, and that in each concept.
fn stored(memory: &Memory, learner: &str) -> Option<(Ability, BTreeMap<String, Ability>)> {
    let names = &memory.hashes[&names_key(partition_of([learner], PARTITIONS))];
    let mut fields = learner_fields(learner, PARTITIONS).into_iter().map(|(key, field)| {
        let hash = memory.hashes.get(&key)?;
        hash.get(&field).map(Vec::as_slice)
    });
    let (overall, mut concepts) = read_own(fields.next()??).unwrap();
    concepts.extend(fields.flatten().flat_map(|page| read_more(page).unwrap()));
    let named = concepts.into_iter().map(|(number, ability)| {
        let name = &names[number.to_string().as_str()];
        (String::from_utf8(name.clone()).unwrap(), ability)
    });
    Some((overall, named.collect()))
}

/// Answers, right ones, level and variance.
fn figures(ability: &Ability) -> (u64, u64, i64, f64) {
    let Ability { answers, correct, level, variance, .. } = *ability;
    (answers, correct, level, variance.value())
}

fn levels(effects: &Effects) -> Vec<f64> {
    effects.emits.iter().filter_map(|emit| emit.value(7).as_number()).collect()
}

fn predicted(effects: &Effects) -> Vec<f64> {
    effects.emits.iter().filter_map(|emit| emit.value(5).as_number()).collect()
}

#[test]
fn answers_move_abilities_and_difficulty_as_computed_by_hand() {
    let mut memory = Memory::default();
    // p = 1/2, so each moves by half of its step: 0.25, 0.5, −0.4.
    run(&mut memory, &bolt(ROUND), &["u c q 1"]);
    let (overall, concepts) = stored(&memory, "u").unwrap();
    assert_eq!(figures(&overall), (1, 1, 250_000_000_000, 27.0 / 32.0));
    assert_eq!(figures(&concepts["c"]), (1, 1, 500_000_000_000, 7.0 / 8.0));
    assert_eq!(memory.counters[&item_key("q")]["b"], -400_000_000_000);
    // p = σ(0.25 + 0.5 + 0.4); the steps are 0.5/1.1, 1/1.5 and 0.8.
    let effects = run(&mut memory, &bolt(ROUND), &["u c q 0"]);
    assert!((levels(&effects)[0] - 0.759_510_916_949).abs() < 1e-12);
    let (overall, concepts) = stored(&memory, "u").unwrap();
    let [below, below_in] = [0.753, 0.769].map(|v| Variance::below(v).value());
    assert_eq!(figures(&overall), (2, 1, -95_232_235_000, below));
    assert_eq!(figures(&concepts["c"]), (2, 1, -6_340_611_000, below_in));
    let item = &memory.counters[&item_key("q")];
    assert_eq!((item["b"], item["n"]), (207_608_733_559, 2));
}

#[test]
fn without_an_overall_step_the_overall_ability_is_no_part_of_the_model() {
    let parameters = Parameters { overall_step: 0.0, ..ROUND };
    let mut memory = Memory::default();
    run(&mut memory, &bolt(parameters), &["u c q 1", "u c q 0", "u d q 1"]);
    assert_eq!(figures(&stored(&memory, "u").unwrap().0), (3, 2, 0, 0.0));
}

#[test]
fn learners_concepts_and_items_are_apart_whatever_their_names() {
    let mut memory = Memory::default();
    let texts = ["u overall q 1", "u:c overall q 1", "u c:d{} q% 0", "u concept:c q 1"];
    run(&mut memory, &bolt(ROUND), &texts);
    let of = |learner: &str| stored(&memory, learner).unwrap().1.into_keys().collect::<Vec<_>>();
    assert_eq!(of("u"), ["c:d{}", "concept:c", "overall"]);
    assert_eq!(of("u:c"), ["overall"]);
    let shared: Vec<&str> = memory.counters.keys().map(Key::as_str).collect();
    let concepts = ["concept:c%3Ad%7B%7D", "concept:concept%3Ac", "concept:overall"];
    assert_eq!(shared, [&concepts[..], &["head", "item:q", "item:q%25"]].concat());
}

#[test]
fn an_event_that_lacks_a_field_is_rejected_and_changes_nothing() {
    for (text, missing) in
        [("_ c q 1", "user"), ("u _ q 1", "concept"), ("u c _ 1", "question"), ("u c q _", "right")]
    {
        let mut memory = Memory::default();
        let effects = run(&mut memory, &bolt(ROUND), &[text, "v c q 1"]);
        assert_eq!(effects.rejects.len(), 1, "{text}");
        let rejection = &effects.rejects[0];
        assert_eq!(rejection.event, 0);
        assert_eq!(rejection.reason, format!("field \"{missing}\" is missing"));
        assert_eq!((effects.emits.len(), memory.counters[&item_key("q")]["n"]), (1, 1), "{text}");
    }
    let mut odd = event(0, "u c q 1");
    odd.values[4] = Value::Str("yes".into());
    let batch = Batch { schema: &schema(), events: &[odd], now: 0 };
    let effects = Memory::default().run(&bolt(ROUND), &batch);
    assert_eq!(effects.rejects[0].reason, "field \"right\": \"yes\" is not a bool");
}

#[test]
fn stored_bytes_that_are_no_abilities_are_left_alone() {
    let partition = partition_of(["u"], PARTITIONS);
    let mut memory = Memory::default();
    run(&mut memory, &bolt(ROUND), &["u c q 1"]);
    let cases = [
        (
            learners_key(partition),
            "u",
            "learner \"u\" in learners:2: the 4 bytes stored are no abilities (delete the field to begin again)",
        ),
        (
            numbers_key(partition),
            "c",
            "field \"c\" of numbers:2: \"what\" is no number (restore it)",
        ),
    ];
    for (key, field, reason) in cases {
        let mut memory = memory.clone();
        memory.hashes.get_mut(&key).unwrap().insert(field.into(), b"what".to_vec());
        let before = memory.clone();
        let effects = run(&mut memory, &bolt(ROUND), &["u c q 1"]);
        assert_eq!(effects.rejects[0].reason, reason);
        assert_eq!(memory, before);
    }
    let count = memory.hashes.get_mut(&names_key(partition)).unwrap();
    count.insert(COUNT.into(), b"-1".to_vec());
    let effects = run(&mut memory, &bolt(ROUND), &["u d q 1"]);
    let reason = "field \"count\" of names:2: \"-1\" is no number (restore it)";
    assert_eq!(effects.rejects[0].reason, reason);
}

/// Who practises more concepts than find room in one field, some of them several times, in batches of
/// one answer and in one batch.
#[test]
fn a_learner_may_practise_any_number_of_concepts() {
    let texts: Vec<String> =
        (0..300).map(|n| format!("u c{} q{n} {}", n * 7 % 120, n % 2)).collect();
    let events: Vec<Event> = (0..).zip(&texts).map(|(n, text)| event(n, text)).collect();
    let (mut one_by_one, mut at_once) = (Memory::default(), Memory::default());
    for event in &events {
        let batch = Batch { schema: &schema(), events: std::slice::from_ref(event), now: 0 };
        one_by_one.run(&bolt(ROUND), &batch);
    }
    at_once.run(&bolt(ROUND), &Batch { schema: &schema(), events: &events, now: 0 });
    assert_eq!(one_by_one, at_once);
    let (overall, concepts) = stored(&at_once, "u").unwrap();
    assert_eq!((overall.answers, concepts.len()), (300, 120));
    assert!(concepts.iter().all(|(name, of)| {
        let expected = texts.iter().filter(|text| text.contains(&format!(" {name} ")));
        of.answers == expected.count() as u64
    }));
    let fields = learner_fields("u", PARTITIONS).into_iter();
    let longest = fields.map(|(key, field)| at_once.hashes[&key][&field].len()).max();
    assert!(longest < Some(700), "{longest:?}");

    let partition = partition_of(["u"], PARTITIONS);
    let at = EditAt { partition, partitions: PARTITIONS, now: 0 };
    let forget = Edit::new("e1", EditKind::Forget, "user", "u");
    assert_eq!(at_once.edit(&bolt(ROUND), &forget, at, 9), 1);
    assert!(at_once.hashes.values().all(|hash| !hash.contains_key("u")));
    assert_eq!(at_once.edit(&bolt(ROUND), &forget, at, 9), 0);
}

#[test]
fn an_emitted_answer_carries_what_it_was_made_from() {
    let effects = run(&mut Memory::default(), &bolt(ROUND), &["v d q 0", "u c q 1"]);
    let emit = &effects.emits[1];
    let text = |text: &str| Value::Str(text.into());
    assert_eq!(emit.values[..5], [text("a1"), text("u"), text("c"), text("q"), Value::Bool(true)]);
    assert_eq!(emit.values[6], Value::Int(1001));
    assert_eq!((emit.origin, emit.values.len()), (EntryId { ms: 1, seq: 0 }, 8));
    assert_eq!(output_schema().fields.len(), 8);
    // v's answer made q harder by 0.8 · 1/2, and that is seen in the same batch.
    assert!((levels(&effects)[1] - 1.0 / (1.0 + 0.4f64.exp())).abs() < 1e-15);

    let mut silent = bolt(ROUND);
    silent.options.emit = false;
    assert_eq!((silent.output(), bolt(ROUND).output()), (None, Some(&output_schema())));
    assert_eq!(run(&mut Memory::default(), &silent, &["u c q 1"]).emits, []);
}

#[test]
fn an_item_whose_difficulty_stays_counts_its_answers() {
    let mut memory = Memory::default();
    run(&mut memory, &bolt(Parameters { item_step: 0.0, ..ROUND }), &["u c q 1"]);
    assert_eq!(memory.counters[&item_key("q")], [("n".into(), 1)].into());
}

#[test]
fn a_tick_changes_nothing() {
    let effects = run(&mut Memory::default(), &bolt(ROUND), &[]);
    assert_eq!(effects, Effects::default());
}

#[test]
fn what_others_added_to_an_item_is_seen_once_it_is_read() {
    let item = item_key("q");
    let mut memory = Memory::default();
    let mut others = Effects::default();
    others.add(&item, ITEM_FIELDS, [(0.7 * PICOLOGITS) as i64, 9]);
    memory.apply(&others);
    let effects = run(&mut memory, &bolt(Parameters { item_slowing: 1.0, ..ROUND }), &["u c q 0"]);
    let p = 1.0 / (1.0 + 0.7f64.exp());
    assert!((levels(&effects)[0] - p).abs() < 1e-15);
    assert!((predicted(&effects)[0] - p).abs() < 1e-15, "the head begins with the levels alone");
    let delta = (0.8 / 10.0 * p * PICOLOGITS).round() as i64;
    assert_eq!(memory.counters[&item]["b"], 700_000_000_000 + delta);
    assert_eq!(memory.counters[&item]["n"], 10);
}

/// The same, where there may be nothing yet.
fn shown_of(memory: &Memory, learner: &str) -> Option<(Ability, BTreeMap<String, Ability>)> {
    let partition = partition_of([learner], PARTITIONS);
    memory.hashes.contains_key(&names_key(partition)).then(|| stored(memory, learner))?
}

fn any_answer() -> impl Strategy<Value = String> {
    let word = |words: &'static [&'static str]| proptest::sample::select(words);
    let learner = word(&["u", "v", "w:{x}", "_"]);
    let parts = (learner, word(&["c", "d"]), word(&["q", "r", "s"]), word(&["0", "1", "1", "_"]));
    parts.prop_map(|(learner, concept, item, right)| format!("{learner} {concept} {item} {right}"))
}

proptest! {
    /// Batches of any sizes, each computed once more and thrown away before it is applied.
    #[test]
    fn any_split_and_any_abort_give_the_same(
        answers in proptest::collection::vec(any_answer(), 0..60),
        sizes in proptest::collection::vec(1..9usize, 60),
    ) {
        let schema = schema();
        let bolt = bolt(Parameters::default());
        let events: Vec<Event> = (0..).zip(&answers).map(|(i, text)| event(i, text)).collect();
        let mut whole = Memory::default();
        let at_once = whole.run(&bolt, &Batch { schema: &schema, events: &events, now: 0 });

        let mut parts = Memory::default();
        let (mut emits, mut rejected) = (Vec::new(), Vec::new());
        let mut from = 0;
        for (now, size) in (0..).zip(sizes) {
            let events = &events[from..(from + size).min(events.len())];
            let batch = Batch { schema: &schema, events, now };
            let aborted = bolt.process(&batch, &parts.load(&Reads::of(&bolt, &batch)));
            let effects = parts.run(&bolt, &batch);
            prop_assert_eq!(&aborted, &effects);
            rejected.extend(effects.rejects.iter().map(|r| r.event + from));
            emits.extend(effects.emits);
            from += events.len();
        }
        prop_assert_eq!(&parts, &whole);
        prop_assert_eq!(emits, at_once.emits);
        prop_assert_eq!(rejected, at_once.rejects.iter().map(|r| r.event).collect::<Vec<_>>());
    }

    #[test]
    fn an_audit_can_count_answers_and_right_ones(
        answers in proptest::collection::vec(any_answer(), 0..60),
    ) {
        let mut memory = Memory::default();
        let texts: Vec<&str> = answers.iter().map(String::as_str).collect();
        run(&mut memory, &bolt(Parameters::default()), &texts);
        let whole = |text: &&&str| !text.contains('_');
        let (mut in_concepts, mut overall, mut right) = (0, 0, 0);
        for (of_all, concepts) in ["u", "v", "w:{x}"].iter().filter_map(|of| shown_of(&memory, of)) {
            overall += of_all.answers;
            right += of_all.correct;
            in_concepts += concepts.values().map(|ability| ability.answers).sum::<u64>();
        }
        let counted = |of: fn(&Key) -> bool| -> i64 {
            memory.counters.iter().filter(|(key, _)| of(key)).map(|(_, hash)| hash["n"]).sum()
        };
        let items = counted(|key| key.as_str().starts_with("item:"));
        let usable = texts.iter().filter(whole).count() as u64;
        prop_assert_eq!(counted(|key| key.as_str() == "head") as u64, usable);
        prop_assert_eq!((in_concepts, overall, items as u64), (usable, usable, usable));
        let rights = texts.iter().filter(whole).filter(|text| text.ends_with('1')).count();
        prop_assert_eq!(right, rights as u64);
    }

    /// Of everybody, in what is stored: only one's own answers change what is shown of one.
    #[test]
    fn what_is_shown_rises_on_no_wrong_answer_falls_on_no_right_one_and_hangs_on_nobody_else(
        answers in proptest::collection::vec(any_answer(), 0..60),
    ) {
        let (bolt, parameters) = (bolt(Parameters::default()), Parameters::default());
        let mut memory = Memory::default();
        let shown = |memory: &Memory, learner: &str, concept: &str| {
            let unknown = Abilities::unknown(&parameters);
            let found = shown_of(memory, learner);
            let overall = found.as_ref().map_or(unknown.overall, |(overall, _)| *overall);
            let concept = found.and_then(|(_, concepts)| concepts.get(concept).copied());
            let concept = concept.unwrap_or(unknown.concept);
            crate::grasp(&Abilities { overall, concept }, &parameters, 0).mastery
        };
        for text in answers {
            let before = memory.clone();
            run(&mut memory, &bolt, &[&text]);
            for learner in ["u", "v", "w:{x}"] {
                for concept in ["c", "d"] {
                    let [was, is] = [&before, &memory].map(|of| shown(of, learner, concept));
                    let own = text.starts_with(&format!("{learner} "));
                    let sound = match own {
                        true if text.ends_with('1') => is >= was,
                        true => is <= was,
                        false => is == was,
                    };
                    prop_assert!(sound, "{learner} {concept}: {was} {is} after {text}");
                }
            }
        }
    }

    /// Two tasks that do not see each other's numbers: whose commit comes first makes no difference
    /// to the sums, and no answer is lost from them.
    #[test]
    fn what_tasks_add_to_shared_numbers_does_not_depend_on_whose_commit_comes_first(
        ours in proptest::collection::vec(any_answer(), 0..30),
        theirs in proptest::collection::vec(any_answer(), 0..30),
    ) {
        let bolt = bolt(Parameters::default());
        let all = [&ours, &theirs].map(|answers| {
            let events: Vec<Event> = (0..).zip(answers).map(|(i, text)| event(i, text)).collect();
            let batch = Batch { schema: &schema(), events: &events, now: 0 };
            bolt.process(&batch, &Memory::default().load(&Reads::of(&bolt, &batch)))
        });
        let [mut one, mut other] = [Memory::default(), Memory::default()];
        all.iter().for_each(|effects| one.apply(effects));
        all.iter().rev().for_each(|effects| other.apply(effects));
        prop_assert_eq!(one.counters, other.counters);
    }
}
