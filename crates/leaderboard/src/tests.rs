//! Who stands where, and that no split or rerun of batches changes it.

mod edit;
mod moves;
mod order;
mod season;

use super::*;
use composite::{GREATEST, Span, reached};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tallyd_bolt::{ExactSum, FieldRef, Key, Lasting, calendar::Length, memory::Memory};
use tallyd_event::{EntryId, Field, FieldType, Value};

const HOUR: i64 = 3_600_000;
const PARTITIONS: u16 = 2;

fn schema() -> Schema {
    let kinds = [
        ("user", FieldType::String),
        ("class", FieldType::String),
        ("points", FieldType::Int),
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

fn leaderboard(score: Score, ties: Ties) -> Leaderboard {
    let period = |name: &str, length, retain_ms| {
        let lasting = Lasting { retain_ms, grace_ms: None };
        PeriodOptions { name: name.into(), length, lasting }
    };
    let is_price = matches!(&score, Score::Sum(f) | Score::Min(f) | Score::Max(f) | Score::Last(f) if f.name == "price");
    let places = is_price.then_some(2);
    let options = Options {
        member: field("user"),
        score,
        boards: vec![vec![], vec![field("class")]],
        periods: vec![
            period("hour", Length::Millis(HOUR), Some(HOUR)),
            period("all", Length::All, None),
        ],
        ties,
        places,
        corrected: false,
    };
    Leaderboard::new(options, schema(), Calendar::new("UTC").unwrap(), PARTITIONS)
}

/// An event of class `k` that arrived at its time.
fn event(at: i64, user: &str, points: Value, grade: Value) -> Event {
    let text = |text: &str| Value::Str(text.into());
    let values = vec![text(user), text("k"), points, grade, Value::Int(at)];
    Event::new(EntryId { ms: at as u64, seq: 0 }, 0, values)
}

fn points(at: i64, user: &str, points: i64) -> Event {
    event(at, user, Value::Int(points), Value::Null)
}

fn grade(at: i64, user: &str, grade: f64) -> Event {
    event(at, user, Value::Null, Value::Float(grade))
}

/// Runs the events cut after each of `cuts`; where `aborts` says so, each batch is processed once
/// more before its effects are applied.
fn run(bolt: &Leaderboard, events: &[Event], cuts: &[bool], aborts: bool) -> (Memory, Vec<String>) {
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

/// The names on a board from rank 1 down, with their scores, as Redis orders them.
fn ranking(
    bolt: &Leaderboard,
    memory: &Memory,
    period: usize,
    label: &str,
    group: &str,
) -> Vec<(String, f64)> {
    let options = &bolt.options;
    let set = memory.scores.get(&board_key(&options.periods[period], label, group));
    let mut members: Vec<(f64, String)> =
        set.into_iter().flatten().map(|(member, &score)| (score, member.to_string())).collect();
    members.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    if !options.ascending() {
        members.reverse();
    }
    members.into_iter().map(|(stored, member)| (member, options.score(stored))).collect()
}

fn everyone(bolt: &Leaderboard, events: &[Event]) -> Vec<(String, f64)> {
    ranking(bolt, &run(bolt, events, &[], false).0, 0, "1970-01-01T0000Z", EVERYONE)
}

type Sent = &'static [(i64, &'static str, i64)];
type Ranked = &'static [(&'static str, f64)];

#[test]
fn who_reached_a_score_first_stands_higher() {
    let score = |function: fn(FieldRef) -> Score| function(field("points"));
    let cases: [(Score, Sent, Ranked); 13] = [
        (score(Score::Sum), &[(1, "a", 5), (2, "b", 5)], &[("a", 5.0), ("b", 5.0)]),
        // b's five were whole only at 3.
        (score(Score::Sum), &[(1, "b", 3), (2, "a", 5), (3, "b", 2)], &[("a", 5.0), ("b", 5.0)]),
        // The order of arrival does not count; no points do not count.
        (score(Score::Sum), &[(2, "b", 5), (1, "a", 5), (3, "a", 0)], &[("a", 5.0), ("b", 5.0)]),
        (score(Score::Sum), &[(3, "a", 3), (1, "a", 2), (2, "b", 5)], &[("b", 5.0), ("a", 5.0)]),
        (score(Score::Sum), &[(1, "a", -5), (2, "b", 0)], &[("b", 0.0), ("a", -5.0)]),
        (
            Score::Count,
            &[(1, "b", 9), (2, "a", 1), (3, "a", 1), (4, "b", 1)],
            &[("a", 2.0), ("b", 2.0)],
        ),
        (
            score(Score::Max),
            &[(5, "b", 7), (6, "a", 7), (4, "a", 7), (9, "a", 3)],
            &[("a", 7.0), ("b", 7.0)],
        ),
        // The lowest first, and first-reached first there too.
        (
            score(Score::Min),
            &[(1, "c", 9), (3, "b", 7), (2, "a", 7), (4, "a", 8)],
            &[("a", 7.0), ("b", 7.0), ("c", 9.0)],
        ),
        (score(Score::Last), &[(1, "a", 9), (2, "a", 4), (3, "b", 4)], &[("a", 4.0), ("b", 4.0)]),
        // The last of the clock, not of the stream; of one time, the last of the stream.
        (score(Score::Last), &[(2, "a", 9), (1, "a", 4)], &[("a", 9.0)]),
        (score(Score::Last), &[(2, "a", 9), (1, "a", 4), (2, "a", 5)], &[("a", 5.0)]),
        (score(Score::LastArrived), &[(2, "a", 9), (1, "a", 4)], &[("a", 4.0)]),
        // The same value again is no news.
        (score(Score::Last), &[(1, "a", 4), (2, "b", 4), (3, "a", 4)], &[("a", 4.0), ("b", 4.0)]),
    ];
    for (score, events, expected) in cases {
        let bolt = leaderboard(score, Ties::First);
        let events: Vec<Event> = events.iter().map(|&(at, user, p)| points(at, user, p)).collect();
        let expected: Vec<(String, f64)> =
            expected.iter().map(|&(member, score)| (member.to_owned(), score)).collect();
        assert_eq!(everyone(&bolt, &events), expected, "{:?} {events:?}", bolt.options.score);
    }
}

#[test]
fn shared_ties_store_the_plain_score() {
    let cases = [
        (Score::Sum(field("points")), points(1, "a", 5), points(2, "a", -7), -2.0),
        (Score::Sum(field("grade")), grade(1, "a", 0.5), grade(2, "a", 0.25), 0.75),
        (Score::Max(field("grade")), grade(1, "a", 0.5), grade(2, "a", 0.25), 0.5),
        (Score::Min(field("grade")), grade(1, "a", 0.5), grade(2, "a", 0.25), 0.25),
        (Score::Last(field("grade")), grade(1, "a", 0.5), grade(2, "a", 0.25), 0.25),
        (Score::Count, grade(1, "a", 0.5), points(2, "a", 1), 2.0),
    ];
    for (score, first, second, expected) in cases {
        let bolt = leaderboard(score, Ties::Shared);
        let (memory, _) = run(&bolt, &[first, second], &[], false);
        let key = board_key(&bolt.options.periods[1], "all", EVERYONE);
        assert_eq!(memory.scores[&key]["a"], expected, "{:?}", bolt.options.score);
    }
}

#[test]
fn no_score_is_minus_zero() {
    for score in [Score::Sum, Score::Max, Score::Last] {
        let bolt = leaderboard(score(field("grade")), Ties::Shared);
        let (memory, _) = run(&bolt, &[grade(1, "a", -0.0)], &[], false);
        assert!(memory.scores.values().all(|set| set["a"].is_sign_positive()));
    }
}

#[test]
fn an_event_is_on_the_boards_whose_fields_it_has() {
    let bolt = leaderboard(Score::Sum(field("points")), Ties::First);
    let mut classless = points(HOUR, "b", 3);
    classless.values[1] = Value::Null;
    let mut nobody = points(HOUR, "", 3);
    nobody.values[0] = Value::Null;
    let events = [points(HOUR, "a", 2), classless, nobody, grade(HOUR, "c", 1.0)];
    let (memory, rejects) = run(&bolt, &events, &[], false);
    let boards = [
        ("hour", "1970-01-01T0100Z", "class=k", vec![("a".to_owned(), 2.0)]),
        ("all", "all", "class=k", vec![("a".to_owned(), 2.0)]),
        (
            "hour",
            "1970-01-01T0100Z",
            "everyone",
            vec![("b".to_owned(), 3.0), ("a".to_owned(), 2.0)],
        ),
        ("all", "all", "everyone", vec![("b".to_owned(), 3.0), ("a".to_owned(), 2.0)]),
    ];
    for (period, label, group, expected) in &boards {
        let place = usize::from(*period == "all");
        assert_eq!(&ranking(&bolt, &memory, place, label, group), expected, "{period} {group}");
        let key = Key::new(&["board", period, label, group]);
        assert_eq!(memory.expiries.get(&key), (*period == "hour").then_some(&(3 * HOUR)));
    }
    assert!(memory.hashes.is_empty());
    assert_eq!((memory.scores.len(), rejects.len()), (boards.len(), 0));
    assert_eq!(group(&[]), "everyone");
    assert_eq!(group(&[("class", "k")]), "class=k");
}

#[test]
fn a_late_event_counts_where_its_period_is_kept() {
    for (arrival, late, on_hour) in [(2 * HOUR - 1, 0, 1), (2 * HOUR, 1, 0)] {
        let bolt = leaderboard(Score::Count, Ties::First);
        let mut event = points(0, "a", 1);
        event.arrived = arrival;
        let (memory, _) = run(&bolt, &[event], &[], false);
        assert_eq!(memory.late, late);
        assert_eq!(ranking(&bolt, &memory, 0, "1970-01-01T0000Z", EVERYONE).len(), on_hour);
        assert_eq!(ranking(&bolt, &memory, 1, "all", EVERYONE).len(), 1);
    }
}

#[test]
fn an_event_beyond_the_greatest_score_counts_nowhere() {
    let first = |events: &[Event]| {
        let bolt = leaderboard(Score::Sum(field("points")), Ties::First);
        let (memory, rejects) = run(&bolt, events, &[], false);
        let split = run(&bolt, events, &[true; 9], false);
        assert_eq!((&memory, &rejects), (&split.0, &split.1));
        (ranking(&bolt, &memory, 1, "all", EVERYONE), rejects)
    };
    let beyond = |score: i128| {
        format!(
            "1 score {score} is beyond 9007199254740992 (2^53), the greatest whole score that a board holds"
        )
    };
    let a = |score: f64| vec![("a".to_owned(), score)];
    let events = [points(0, "a", GREATEST), points(0, "a", 1), points(0, "a", -1)];
    assert_eq!(first(&events), (a(9_007_199_254_740_991.0), vec![beyond(9_007_199_254_740_993)]));
    let events = [points(0, "a", -5), points(0, "a", i64::MIN)];
    assert_eq!(first(&events), (a(-5.0), vec![beyond(i128::from(i64::MIN) - 5)]));
    // The hour's score is in range, but that of all time is not: neither counts.
    let events = [points(0, "a", GREATEST), points(HOUR, "a", 1)];
    assert_eq!(first(&events), (a(9_007_199_254_740_992.0), vec![beyond(9_007_199_254_740_993)]));

    let bolt = leaderboard(Score::Sum(field("grade")), Ties::Shared);
    let (memory, rejects) =
        run(&bolt, &[grade(0, "a", f64::MAX), grade(0, "a", f64::MAX)], &[], false);
    assert_eq!(ranking(&bolt, &memory, 1, "all", EVERYONE), a(f64::MAX));
    assert_eq!(rejects.len(), 1);
}

#[test]
fn what_changes_nothing_is_not_written() {
    let bolt = leaderboard(Score::Max(field("points")), Ties::First);
    let (mut memory, _) = run(&bolt, &[points(5, "a", 7)], &[], false);
    let schema = schema();
    let events = [points(6, "a", 7), points(1, "a", 3)];
    let effects = memory.run(&bolt, &Batch { schema: &schema, events: &events, now: 0 });
    assert_eq!(effects, Effects::default());
    // An earlier event with the best value changes when it was reached.
    let events = [points(2, "a", 7)];
    let effects = memory.run(&bolt, &Batch { schema: &schema, events: &events, now: 0 });
    assert_eq!(effects.writes.len(), 4);
    let key = board_key(&bolt.options.periods[0], "1970-01-01T0000Z", EVERYONE);
    let hour = bolt.calendar.window(Length::Millis(HOUR), 0);
    let stored = memory.scores[&key]["a"];
    assert_eq!((stored.floor(), reached(stored, Span::of(&hour), false)), (7.0, Some(2..=2)));
}

#[test]
fn a_shape_may_gain_boards_and_periods() {
    let shape: Vec<(String, String)> = leaderboard(Score::Count, Ties::First).options.shape();
    let expected = [
        ("type", "leaderboard"),
        ("member", "user"),
        ("score", "count"),
        ("ties", "first"),
        ("board.", "yes"),
        ("board.class", "yes"),
        ("period.hour", "millis(3600000)"),
        ("period.all", "all"),
    ];
    assert_eq!(shape, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

prop_compose! {
    /// Events of few members; scores of all sizes, times within some hours, many of them late.
    fn events()(
        rows in proptest::collection::vec(
            (
                0u8..3,
                proptest::option::of(0u8..2),
                prop_oneof![
                    -3i64..4,
                    any::<i64>().prop_map(|points| points >> 11),
                    any::<i64>().prop_map(|points| points >> 30),
                ],
                prop_oneof![Just(f64::MAX), Just(-0.0), Just(0.0), -1.0f64..1.0],
                0i64..2 * HOUR,
                0i64..2 * HOUR,
            ),
            0..60,
        ),
    ) -> Vec<Event> {
        let row = |(user, class, points, grade, at, delay): (u8, Option<u8>, i64, f64, i64, i64)| {
            let mut event = event(at, &user.to_string(), Value::Int(points), Value::Float(grade));
            event.values[1] = class.map_or(Value::Null, |class| Value::Str(class.to_string().into()));
            event.arrived = at + delay;
            event
        };
        rows.into_iter().map(row).collect()
    }
}

fn scorings() -> Vec<(Score, Ties)> {
    let mut scorings = vec![(Score::Count, Ties::First), (Score::Count, Ties::Dense)];
    for function in [Score::Last, Score::LastArrived, Score::Max, Score::Min, Score::Sum] {
        scorings.push((function(field("points")), Ties::First));
        scorings.push((function(field("points")), Ties::Shared));
        scorings.push((function(field("grade")), Ties::Shared));
    }
    scorings
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn batches_change_nothing(
        events in events(),
        cuts in proptest::collection::vec(any::<bool>(), 60),
    ) {
        for (score, ties) in scorings() {
            let bolt = leaderboard(score, ties);
            let whole = run(&bolt, &events, &[], false);
            prop_assert_eq!(&run(&bolt, &events, &cuts, true), &whole);
            prop_assert_eq!(&run(&bolt, &events, &[true; 61], false), &whole);
        }
    }

    /// Against the rules in their plainest form, on the board of all time.
    #[test]
    fn scores_are_what_the_rules_say(events in events()) {
        for (score, ties) in scorings() {
            let bolt = leaderboard(score.clone(), ties);
            let (memory, rejects) = run(&bolt, &events, &[], false);
            let rejected: BTreeSet<usize> =
                rejects.iter().map(|r| r.split(' ').next().unwrap().parse().unwrap()).collect();
            for (member, found) in ranking(&bolt, &memory, 1, "all", EVERYONE) {
                let values = events.iter().enumerate().filter(|(i, event)| {
                    !rejected.contains(i) && event.value(0).to_text() == member.as_str()
                });
                let last = values.clone().max_by_key(|(_, event)| event.time(&schema()));
                let value = |event: &Event| match &score {
                    Score::Count => 1.0,
                    Score::Last(f)
                    | Score::LastArrived(f)
                    | Score::Max(f)
                    | Score::Min(f)
                    | Score::Sum(f) => event.value(f.index).as_number().unwrap(),
                };
                let last = last.map(|(_, event)| value(event));
                let mut values = values.map(|(_, event)| value(event));
                let exact = |sum: ExactSum, value| sum.plus(&ExactSum::of(value));
                let expected = match &score {
                    Score::Count | Score::Sum(_) => {
                        Some(values.fold(ExactSum::default(), exact).value())
                    }
                    Score::Last(_) => last,
                    Score::LastArrived(_) => values.next_back(),
                    Score::Max(_) => values.reduce(f64::max),
                    Score::Min(_) => values.reduce(f64::min),
                };
                prop_assert_eq!(Some(found), expected, "{:?} {:?} {}", score, ties, member);
            }
        }
    }
}
