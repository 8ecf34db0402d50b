//! What does not depend on the order in which events arrive: sums of floats, and last values.

use super::*;
use tallyd_event::Decimal;

#[test]
fn a_score_that_falls_says_when_as_exactly_as_before() {
    let bolt = leaderboard(Score::Sum(field("points")), Ties::First);
    let all = Span::of(&bolt.calendar.window(Length::All, 0));
    let now = 1_767_225_600_000;
    // Beside five million points four seconds are one; beside one point, ms are told apart.
    let events = [points(now, "a", 5_000_000), points(now + 1000, "a", -4_999_999)];
    let stored = scores(&bolt, &events)["a"];
    let at = now + 1000;
    assert_eq!((stored.floor(), reached(stored, all, false)), (1.0, Some(at..=at)));
}

/// The stored scores of a board of all time, by member.
fn scores(bolt: &Leaderboard, events: &[Event]) -> BTreeMap<SmolStr, f64> {
    let (memory, rejects) = run(bolt, events, &[], false);
    assert_eq!(rejects, Vec::<String>::new());
    let key = board_key(&bolt.options.periods[1], "all", EVERYONE);
    memory.scores.get(&key).cloned().unwrap_or_default()
}

#[test]
fn a_sum_of_floats_is_one_score_and_one_rank_in_any_order() {
    let bolt = leaderboard(Score::Sum(field("grade")), Ties::Shared);
    let sent = [("a", 0.1), ("a", 0.2), ("a", 0.3), ("b", 0.3), ("b", 0.2), ("b", 0.1)];
    let events = sent.map(|(user, points)| grade(1, user, points));
    let expected = BTreeMap::from([("a".into(), 0.6), ("b".into(), 0.6)]);
    assert_eq!(scores(&bolt, &events), expected);
    // What the score can't hold is kept beside it.
    let (memory, _) = run(&bolt, &events[..3], &[true; 9], false);
    let state = &memory.hashes[&state_key(&bolt.options.periods[1], "all", EVERYONE)];
    assert_eq!(state["a"], b"0x4ccccccccccccdp-55");
    assert_eq!(
        memory.expiries[&Key::new(&["state", "hour", "1970-01-01T0000Z", EVERYONE])],
        2 * HOUR
    );
}

#[test]
fn what_is_not_ours_beside_a_score_is_named() {
    for (score, reason) in [
        (Score::Sum(field("grade")), "stored with the score is \"1x\", which is not an exact sum"),
        (Score::Last(field("grade")), "stored with the score is \"1x\", which is not a time in ms"),
    ] {
        let bolt = leaderboard(score, Ties::Shared);
        let (mut memory, _) = run(&bolt, &[grade(1, "a", 0.5)], &[], false);
        let key = state_key(&bolt.options.periods[1], "all", EVERYONE);
        memory.hashes.get_mut(&key).unwrap().insert("a".into(), b"1x".to_vec());
        let (schema, before) = (schema(), memory.clone());
        let events = [grade(2, "a", 0.5)];
        let effects = memory.run(&bolt, &Batch { schema: &schema, events: &events, now: 0 });
        assert_eq!(effects.rejects[0].reason, reason);
        assert_eq!(memory, before);
    }
}

fn price(at: i64, user: &str, units: i64) -> Event {
    let mut event = event(at, user, Value::Null, Value::Null);
    event.values.push(Value::Decimal(Decimal { units, places: 2 }));
    event
}

#[test]
fn decimals_are_ranked_in_whole_units() {
    // First-come ties too: 0.10 + 0.20 and 0.30 are one score, which b reached first.
    let events = [price(1, "a", 10), price(2, "b", 30), price(3, "a", 20), price(4, "c", -5)];
    let expected = vec![("b".to_owned(), 30.0), ("a".to_owned(), 30.0), ("c".to_owned(), -5.0)];
    let bolt = leaderboard(Score::Sum(field("price")), Ties::First);
    assert_eq!(everyone(&bolt, &events), expected);
    for ties in [Ties::Shared, Ties::Dense] {
        let bolt = leaderboard(Score::Sum(field("price")), ties);
        assert_eq!(
            scores(&bolt, &events),
            BTreeMap::from([("a".into(), 30.0), ("b".into(), 30.0), ("c".into(), -5.0)])
        );
        let shape = bolt.options.shape();
        assert_eq!(shape[2], ("score".to_owned(), "sum(price) in 2 places".to_owned()));
        let (_, rejects) =
            run(&bolt, &[price(1, "a", GREATEST), price(2, "a", 1)], &[true; 2], false);
        let reason = "1 score 90071992547409.93 is beyond 90071992547409.92, the greatest that a board holds (2^53 units of the last place)";
        assert_eq!(rejects, [reason]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_order_of_arrival_changes_a_decimal(
        rows in proptest::collection::vec((0u8..3, -10_000i64..10_000), 1..40),
        cuts in proptest::collection::vec(any::<bool>(), 41),
        shift in any::<prop::sample::Index>(),
    ) {
        let row = |(at, (user, units)): (i64, &(u8, i64))| price(at, &user.to_string(), *units);
        let events: Vec<Event> = (1..).zip(&rows).map(row).collect();
        let mut other = events.clone();
        other.reverse();
        other.rotate_left(shift.index(events.len()));
        for score in [Score::Sum, Score::Last, Score::Max, Score::Min] {
            for ties in [Ties::Shared, Ties::Dense] {
                let bolt = leaderboard(score(field("price")), ties);
                let (memory, _) = run(&bolt, &events, &[], false);
                prop_assert_eq!(&run(&bolt, &other, &cuts, true).0, &memory);
            }
        }
        let sums = scores(&leaderboard(Score::Sum(field("price")), Ties::Shared), &events);
        for (user, sum) in sums {
            let units = rows.iter().filter(|(of, _)| of.to_string() == user);
            prop_assert_eq!(units.map(|(_, units)| units).sum::<i64>() as f64, sum);
        }
    }

    #[test]
    fn no_order_of_arrival_changes_a_sum_or_a_last_value(
        rows in proptest::collection::vec((0u8..3, -10_000i32..10_000, 0i32..12), 1..40),
        shift in any::<prop::sample::Index>(),
    ) {
        // Every event has a time of its own, in which it is the last one or not.
        let row = |(at, &(user, cents, exponent)): (i64, &(u8, i32, i32))| {
            grade(at, &user.to_string(), f64::from(cents) / 100.0 * 10f64.powi(exponent))
        };
        let events: Vec<Event> = (1..).zip(&rows).map(row).collect();
        let mut other = events.clone();
        other.reverse();
        other.rotate_left(shift.index(events.len()));
        for score in [Score::Sum, Score::Last] {
            let bolt = leaderboard(score(field("grade")), Ties::Shared);
            prop_assert_eq!(scores(&bolt, &other), scores(&bolt, &events));
        }
    }
}
