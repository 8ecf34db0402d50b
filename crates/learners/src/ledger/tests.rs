//! The ledger against answers counted by hand, and its totals against each other.

use super::*;
use crate::{Simulation, SimulationOptions};
use proptest::prelude::*;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// 2026-01-01, a Thursday, 00:00 in UTC.
const NEW_YEAR: i64 = 1_767_225_600_000;

fn span(name: &str, length: Length, grace_ms: Option<i64>) -> Span {
    Span { name: name.into(), length, grace_ms, retain_ms: grace_ms }
}

fn ledger() -> Ledger {
    let options = LedgerOptions {
        time_zone: "UTC".to_owned(),
        windows: vec![
            span("1h", Length::Millis(HOUR), Some(2 * HOUR)),
            span("all", Length::All, None),
        ],
        remembered_ms: None,
        periods: vec![
            span("day", Length::Day, Some(DAY)),
            span("week", Length::Week, None),
            span("all", Length::All, None),
        ],
    };
    Ledger::new(options).unwrap()
}

fn answer(user: &str, number: u32, class: Option<&str>, ms: i64, points: i64, at: i64) -> Answer {
    Answer {
        user: user.into(),
        number,
        class: class.map(Arc::from),
        concept: "algebra".into(),
        question: 1,
        correct: points > 0,
        ms,
        points,
        at,
    }
}

fn record(ledger: &mut Ledger, items: Vec<Item>, arrival_ms: i64) {
    ledger.record(&Sending { fields: Vec::new(), items }, arrival_ms);
}

fn tally(kept: &Kept<Tally>) -> Tally {
    let mut all = kept.all();
    let only = *all.next().unwrap();
    assert_eq!(all.next(), None);
    only
}

fn window(name: &str, start: i64) -> ConceptWindow {
    ConceptWindow { concept: "algebra".into(), window: name.into(), start }
}

fn standing(
    ledger: &Ledger,
    class: Option<&str>,
    period: &str,
    start: i64,
    user: &str,
) -> Option<(i64, Option<i64>)> {
    let board = Board { class: class.map(Arc::from), period: period.into(), start };
    let standing = ledger.boards.get(&board)?.members.get(user)?;
    Some((standing.score, standing.reached))
}

#[test]
fn answers_are_counted_as_a_clerk_would() {
    let mut ledger = ledger();
    let first = answer("u1", 1, Some("6A"), 5_000, 4, NEW_YEAR);
    let wrong = answer("u1", 2, None, 9_000, -1, NEW_YEAR + 10);
    let other = answer("u2", 1, Some("6A"), 1_000, 4, NEW_YEAR + HOUR);
    let items = vec![Item::Answer(first.clone()), Item::DeadLetter(Malformation::BadBool)];
    record(&mut ledger, items, NEW_YEAR + HOUR);
    record(&mut ledger, vec![Item::Answer(wrong)], NEW_YEAR + HOUR);
    record(&mut ledger, vec![Item::Answer(first), Item::Answer(other)], NEW_YEAR + HOUR);

    assert_eq!((ledger.entries, ledger.sent, ledger.events()), (3, 5, 4));
    assert_eq!((ledger.distinct, ledger.duplicates, ledger.dead_letters()), (3, 1, 1));

    let first_hour = &ledger.concepts[&window("1h", NEW_YEAR)];
    assert_eq!((first_hour.answers, first_hour.right, first_hour.end), (2, 1, NEW_YEAR + HOUR));
    assert_eq!(
        (first_hour.ms_sum, first_hour.ms_max, first_hour.learners.len()),
        (14_000, 9_000, 1)
    );
    let always = &ledger.concepts[&window("all", 0)];
    assert_eq!((always.answers, always.ms_sum, always.learners.len()), (3, 15_000, 2));

    let monday = NEW_YEAR - 3 * DAY;
    assert_eq!(standing(&ledger, None, "day", NEW_YEAR, "u1"), Some((3, Some(NEW_YEAR + 10))));
    assert_eq!(standing(&ledger, Some("6A"), "week", monday, "u1"), Some((4, Some(NEW_YEAR))));
    assert_eq!(standing(&ledger, None, "all", 0, "u2"), Some((4, Some(NEW_YEAR + HOUR))));
    assert_eq!(standing(&ledger, Some("6A"), "all", 0, "u3"), None);

    assert_eq!(tally(&ledger.learners["u1"].total), Tally { answers: 2, right: 1 });
    assert_eq!(tally(&ledger.learners["u1"].concepts["algebra"]), Tally { answers: 2, right: 1 });
}

#[test]
fn an_answer_counts_until_its_window_is_given_up() {
    let mut ledger = ledger();
    let given_up = NEW_YEAR + HOUR + 2 * HOUR;
    let just = answer("u1", 1, None, 1, 4, NEW_YEAR + HOUR - 1);
    let late = answer("u1", 2, None, 1, 4, NEW_YEAR + HOUR - 1);
    let very_late = answer("u1", 3, None, 1, 4, NEW_YEAR + HOUR - 1);
    record(&mut ledger, vec![Item::Answer(just)], given_up - 1);
    record(&mut ledger, vec![Item::Answer(late)], given_up);
    record(&mut ledger, vec![Item::Answer(very_late)], NEW_YEAR + 2 * DAY);

    assert_eq!(ledger.concepts[&window("1h", NEW_YEAR)].answers, 1);
    assert_eq!(ledger.concepts[&window("all", 0)].answers, 3);
    assert_eq!(ledger.late_windows, BTreeMap::from([("1h".into(), 2)]));
    assert_eq!(ledger.late_periods, BTreeMap::from([("day".into(), 1)]));
    // The first came a millisecond before its window was deleted.
    assert_eq!(ledger.perhaps_late, 1);
    assert_eq!(standing(&ledger, None, "day", NEW_YEAR, "u1").unwrap().0, 8);
    assert_eq!(standing(&ledger, None, "week", NEW_YEAR - 3 * DAY, "u1").unwrap().0, 12);
}

#[test]
fn the_score_is_reached_by_the_latest_answer_that_changed_it() {
    let mut ledger = ledger();
    for (number, points, at) in [(1, 4, 50), (2, 0, 90), (3, -1, 20)] {
        let answer = answer("u1", number, None, 1, points, NEW_YEAR + at);
        record(&mut ledger, vec![Item::Answer(answer)], NEW_YEAR);
    }
    assert_eq!(standing(&ledger, None, "all", 0, "u1"), Some((3, Some(NEW_YEAR + 50))));
}

#[test]
fn edits_take_back_what_was_answered_before_them() {
    let mut ledger = ledger();
    let mut number = 0;
    let mut sent = |ledger: &mut Ledger, user: &str, class: &str| {
        number += 1;
        let answer = answer(user, number, Some(class), 1_000, 4, NEW_YEAR);
        record(ledger, vec![Item::Answer(answer.clone())], NEW_YEAR);
        answer
    };
    let first = sent(&mut ledger, "u1", "6A");
    sent(&mut ledger, "u2", "6B");
    ledger.hide("u1".into());
    assert!(ledger.is_hidden("u1"));
    ledger.forget("u1");
    assert!(!ledger.is_hidden("u1"));
    assert_eq!(standing(&ledger, Some("6A"), "day", NEW_YEAR, "u1"), None);
    assert_eq!(tally(&ledger.learners["u1"].total), Tally::default());
    // What it added to others' figures stays, and it is known if it comes again.
    assert_eq!(ledger.concepts[&window("all", 0)].answers, 2);
    record(&mut ledger, vec![Item::Answer(first)], NEW_YEAR);
    assert_eq!((ledger.duplicates, tally(&ledger.learners["u1"].total).answers), (1, 0));

    ledger.close("day".into(), "2026-01-01".to_owned());
    sent(&mut ledger, "u2", "6B");
    assert_eq!(ledger.late_periods, BTreeMap::from([("day".into(), 1)]));
    let scores = |ledger: &Ledger, class| {
        let score = |(period, start)| Some(standing(ledger, class, period, start, "u2")?.0);
        [("day", NEW_YEAR), ("week", NEW_YEAR - 3 * DAY), ("all", 0)].map(score)
    };
    assert_eq!(scores(&ledger, Some("6B")), [Some(4), Some(8), Some(8)]);
    // A class that starts over opens nothing; all of a period does.
    ledger.reset(&Part { class: Some("6B".into()), ..Part::default() });
    assert_eq!(scores(&ledger, Some("6B")), [None, None, None]);
    assert_eq!(scores(&ledger, None), [Some(4), Some(8), Some(8)]);
    sent(&mut ledger, "u2", "6B");
    assert_eq!(scores(&ledger, None), [Some(4), Some(12), Some(12)]);
    let day =
        Part { period: Some("day".into()), label: Some("2026-01-01".to_owned()), class: None };
    ledger.reset(&day);
    sent(&mut ledger, "u2", "6B");
    assert_eq!(scores(&ledger, None), [Some(4), Some(16), Some(16)]);
    assert_eq!(scores(&ledger, Some("6B")), [Some(4), Some(8), Some(8)]);
}

#[test]
fn who_is_renamed_or_moved_has_the_points_there() {
    let mut ledger = ledger();
    for (number, user, class, at) in
        [(1, "u1", "6A", 10), (1, "u2", "6A", 30), (2, "u1", "6B", 20), (2, "u2", "6A", 40)]
    {
        let answer = answer(user, number, Some(class), 1_000, 4, NEW_YEAR + at);
        record(&mut ledger, vec![Item::Answer(answer)], NEW_YEAR + 50);
    }
    let all = |ledger: &Ledger, class, user| standing(ledger, class, "all", 0, user);
    ledger.go("u1", ("6A", &"6B".into()), true);
    assert_eq!(all(&ledger, Some("6A"), "u1"), None);
    assert_eq!(all(&ledger, Some("6B"), "u1"), Some((8, Some(NEW_YEAR + 20))));
    ledger.go("u2", ("6A", &"7A".into()), false);
    assert_eq!((all(&ledger, Some("6A"), "u2"), all(&ledger, Some("7A"), "u2")), (None, None));
    assert_eq!(all(&ledger, None, "u2"), Some((8, Some(NEW_YEAR + 40))));

    ledger.hide("u1".into());
    ledger.rename("u1", &"u2".into());
    assert!(ledger.is_hidden("u2") && !ledger.is_hidden("u1"));
    assert_eq!(all(&ledger, None, "u1"), None);
    assert_eq!(all(&ledger, None, "u2"), Some((16, Some(NEW_YEAR + 40))));
    assert_eq!(all(&ledger, Some("6B"), "u2"), Some((8, Some(NEW_YEAR + 20))));
    // Of two with as many answers the one stays that was there, and the one who answered later.
    assert_eq!(tally(&ledger.learners["u2"].total), Tally { answers: 2, right: 2 });
    let latest = ledger.learners["u2"].latest.all().cloned().collect::<Vec<_>>();
    assert_eq!(latest, [Latest { answers: 2, at: Some(NEW_YEAR + 40) }]);
    assert!(!ledger.learners["u1"].is_known());
    // What was sent before is known by the old name.
    let again = answer("u1", 1, Some("6A"), 1_000, 4, NEW_YEAR + 10);
    record(&mut ledger, vec![Item::Answer(again)], NEW_YEAR + 60);
    assert_eq!(ledger.duplicates, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_totals_agree(seed: u64, retry in 0.0..0.5, malformed in 0.0..0.5, batch in 0.0..0.5) {
        let mut options = SimulationOptions { seed, learners: 40, ..Default::default() };
        options.faults = crate::Faults { retry, malformed, batch, late: 0.2, ..options.faults };
        let mut simulation = Simulation::new(options).unwrap();
        let mut ledger = ledger();
        for step in 0..500 {
            let now = NEW_YEAR + step * 1_000;
            ledger.record(&simulation.send(now), now + 3);
        }
        prop_assert_eq!(ledger.entries, 500);
        prop_assert_eq!(ledger.sent, ledger.distinct + ledger.duplicates + ledger.dead_letters());
        let tallies = || ledger.learners.values();
        prop_assert_eq!(ledger.distinct, tallies().map(|l| tally(&l.total).answers).sum::<u64>());
        prop_assert_eq!(ledger.distinct, tallies().map(|l| l.numbers.values().map(Vec::len).sum::<usize>() as u64).sum::<u64>());
        let by_concept = tallies().flat_map(|l| l.concepts.values()).map(|t| tally(t).right);
        prop_assert_eq!(tallies().map(|l| tally(&l.total).right).sum::<u64>(), by_concept.sum::<u64>());
        for (name, late) in [("1h", ledger.late_windows.get("1h").copied().unwrap_or(0)), ("all", 0)] {
            let of_window = ledger.concepts.iter().filter(|(w, _)| &*w.window == name);
            prop_assert_eq!(ledger.distinct, late + of_window.map(|(_, c)| c.answers).sum::<u64>());
        }
        let right: u64 = tallies().map(|l| tally(&l.total).right).sum();
        let points = 4 * right as i64 - (ledger.distinct - right) as i64;
        let everyone = &ledger.boards[&Board { class: None, period: "all".into(), start: 0 }];
        prop_assert_eq!(points, everyone.members.values().map(|s| s.score).sum::<i64>());
    }
}
