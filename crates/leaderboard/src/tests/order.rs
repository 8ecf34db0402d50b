//! What does not depend on the order in which events arrive: sums of floats, and last values.

use super::*;

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
        (
            Score::Sum(field("grade")),
            "stored beside the score is \"1x\", which is not an exact sum",
        ),
        (
            Score::Last(field("grade")),
            "stored beside the score is \"1x\", which is not a time in ms",
        ),
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

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
