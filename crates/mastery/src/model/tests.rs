//! What the formulas promise: bounded steps, and an uncertainty that is of the size of the error.

use super::*;
use crate::grasp;
use proptest::prelude::*;

fn any_parameters() -> impl Strategy<Value = Parameters> {
    let parts: Vec<_> = Parameters::TABLE.iter().map(|p| p.min..=p.max).collect();
    parts.prop_map(|values| {
        let mut parameters = Parameters::default();
        for (parameter, value) in Parameters::TABLE.iter().zip(values) {
            *(parameter.place)(&mut parameters) = value;
        }
        parameters
    })
}

fn taken(correct: bool, at: u32) -> Taken<'static> {
    Taken { item: "q", correct, at, everyone: 0.5 }
}

proptest! {
    #[test]
    fn no_parameters_and_no_answers_lead_out_of_bounds(
        parameters in any_parameters(),
        answers in proptest::collection::vec((any::<bool>(), any::<u32>()), 1..80),
        difficulty in any::<i64>(),
    ) {
        let item = Difficulty { level: difficulty, answers: 3 };
        let unknown = Abilities::unknown(&parameters);
        let mut abilities = unknown;
        for (correct, at) in answers {
            let expected = abilities.expect(&item);
            prop_assert!((0.0..=1.0).contains(&expected.right));
            abilities = abilities.learn(expected, taken(correct, at), &parameters);
            for (ability, unknown) in
                [(abilities.overall, unknown.overall), (abilities.concept, unknown.concept)]
            {
                prop_assert!(ability.level.abs() <= LIMIT && ability.correct <= ability.answers);
                prop_assert!(ability.variance <= unknown.variance);
            }
        }
    }

    /// Whatever came before, and whatever the parameters: of the concept that was asked about, and of
    /// another one, which shares the overall ability.
    #[test]
    fn a_wrong_answer_never_raises_what_is_shown_and_a_right_one_never_lowers_it(
        parameters in prop_oneof![Just(Parameters::default()), any_parameters()],
        answers in proptest::collection::vec(
            (any::<bool>(), any::<bool>(), -3 * LIMIT..3 * LIMIT, any::<u32>()),
            1..80,
        ),
    ) {
        let unknown = Abilities::unknown(&parameters);
        let (mut overall, mut concepts) = (unknown.overall, [unknown.concept; 2]);
        for (correct, other, level, at) in answers {
            let shown = |overall: Ability, concepts: [Ability; 2]| {
                concepts.map(|concept| grasp(&Abilities { overall, concept }, &parameters, 0).mastery)
            };
            let before = shown(overall, concepts);
            let concept = concepts[usize::from(other)];
            let abilities = Abilities { overall, concept };
            let expected = abilities.expect(&Difficulty { level, answers: 3 });
            let after = abilities.learn(expected, taken(correct, at), &parameters);
            (overall, concepts[usize::from(other)]) = (after.overall, after.concept);
            let now = shown(overall, concepts);
            for (before, now) in before.into_iter().zip(now) {
                prop_assert!(if correct { now >= before } else { now <= before }, "{before} {now}");
            }
        }
    }

    /// Forgetting makes a grasp less certain, and changes it in no other way.
    #[test]
    fn time_alone_never_changes_the_mastery_and_never_lowers_the_uncertainty(
        parameters in prop_oneof![Just(Parameters::default()), any_parameters()],
        answers in proptest::collection::vec((any::<bool>(), 0u32..4_000_000_000), 0..40),
        later in proptest::collection::vec(0i64..4_000_000_000_000, 2..9),
    ) {
        let mut abilities = Abilities::unknown(&parameters);
        for (correct, at) in answers {
            let expected = abilities.expect(&Difficulty::default());
            abilities = abilities.learn(expected, taken(correct, at), &parameters);
        }
        let mut times = later;
        times.sort_unstable();
        let shown: Vec<_> = times.iter().map(|now| grasp(&abilities, &parameters, *now)).collect();
        for pair in shown.windows(2) {
            prop_assert_eq!(pair[0].mastery, pair[1].mastery);
            prop_assert!(pair[0].uncertainty <= pair[1].uncertainty);
        }
        let ages = abilities.squared_errors(u32::MAX, &parameters);
        let unknown = Abilities::unknown(&parameters).squared_errors(0, &parameters);
        prop_assert!(ages.iter().zip(unknown).all(|(age, unknown)| *age <= unknown));
    }

    /// Of two learners who were asked the same about a concept, the one who was right wherever the
    /// other was is never shown as knowing less. And nothing but their answers tells them apart.
    #[test]
    fn who_was_right_wherever_another_was_is_never_shown_lower(
        questions in proptest::collection::vec(
            (any::<bool>(), any::<bool>(), -6 * LIMIT / 30..6 * LIMIT / 30),
            0..80,
        ),
    ) {
        let parameters = Parameters::default();
        let [mut better, mut other] = [Abilities::unknown(&parameters); 2];
        for (right, too, level) in questions {
            let item = Difficulty { level, answers: 3 };
            for (abilities, correct) in [(&mut better, right || too), (&mut other, right)] {
                let expected = abilities.expect(&item);
                *abilities = abilities.learn(expected, taken(correct, 0), &parameters);
            }
            let [better, other] = [better, other].map(|of| grasp(&of, &parameters, 0).mastery);
            prop_assert!(better >= other, "{better} {other}");
        }
    }

    #[test]
    fn a_difficulty_never_moves_far_nor_beyond_its_limit(
        parameters in any_parameters(),
        level in prop_oneof![any::<i64>(), -2 * LIMIT..2 * LIMIT],
        answers in any::<i64>(),
        right in 0.0..=1.0,
        correct: bool,
    ) {
        let item = Difficulty { level, answers };
        let delta = item.delta(Expectation { right, slope: 0.25 }, correct, &parameters);
        prop_assert!(delta.abs() <= 4_000_000_000_000);
        let moved = level.checked_add(delta);
        prop_assert!(moved.is_some_and(|moved| moved.unsigned_abs() <= level.unsigned_abs().max(LIMIT as u64)));
        let against = if correct { delta > 0 } else { delta < 0 };
        prop_assert!(!against);
    }

    #[test]
    fn evidence_shrinks_uncertainty_to_what_the_last_steps_stir_up(
        answers in proptest::collection::vec(any::<bool>(), 1..200),
    ) {
        let parameters = Parameters::default();
        let item = Difficulty::default();
        let mut abilities = Abilities::unknown(&parameters);
        for correct in answers {
            let before = abilities;
            let expected = abilities.expect(&item);
            abilities = abilities.learn(expected, taken(correct, 0), &parameters);
            // A step U keeps a variance of at least U/2 stirred up; above twice that it shrinks.
            let floor = Variance::nearest(parameters.concept_step);
            let (was, is) = (before.concept.variance, abilities.concept.variance);
            prop_assert!(is < was || was <= floor, "{was:?} {is:?}");
        }
    }
}

/// A fixed sequence of uniform numbers in 0..1 (Marsaglia's xorshift, 2003).
struct Uniform(u64);

impl Uniform {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normal: the sum of twelve uniform numbers.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

/// Learners of known abilities answer items of known difficulty, and the root mean square of
/// (mastery − truth) is compared with that of the uncertainty.
#[test]
fn the_uncertainty_is_of_the_size_of_the_error() {
    const CONCEPTS: usize = 5;
    let parameters = Parameters::default();
    for answers_each in [0, 1, 4, 16, 64] {
        let mut random = Uniform(88_172_645_463_325_252);
        let (mut error, mut claimed) = (0.0, 0.0);
        for _ in 0..400 {
            let overall = random.normal();
            let truths = [(); CONCEPTS].map(|()| overall + random.normal());
            let mut abilities = [Abilities::unknown(&parameters); CONCEPTS];
            for _ in 0..answers_each {
                for at in 0..CONCEPTS {
                    let difficulty = random.normal();
                    let level = (difficulty * PICOLOGITS) as i64;
                    let expected = abilities[at].expect(&Difficulty { level, answers: 0 });
                    let correct = random.next() < logistic(truths[at] - difficulty);
                    abilities[at] = abilities[at].learn(expected, taken(correct, 0), &parameters);
                    let shared = abilities[at].overall;
                    abilities.iter_mut().for_each(|a| a.overall = shared);
                }
            }
            for (abilities, truth) in abilities.iter().zip(truths) {
                let seen = grasp(abilities, &parameters, 0);
                error += (seen.mastery - logistic(truth)).powi(2);
                claimed += seen.uncertainty.powi(2);
            }
        }
        let ratio = f64::sqrt(claimed / error);
        assert!((0.8..1.6).contains(&ratio), "{answers_each} answers: {ratio}");
    }
}
