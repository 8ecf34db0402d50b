//! The head: a logistic regression that learns online what the levels and the rest of a learner's
//! history say about the next answer, in this topology.
//!
//! Two stages. The first weighs the [features](crate::features), and adds a weight of the concept. The second bends
//! what comes out so that it fits how often such answers were right: a broken line over the log-odds,
//! whose corners are learned apart (a calibration in the manner of Platt 1999, with more corners
//! than two).

use crate::{
    features::{FEATURES, FIRST},
    model::logistic,
    weight,
};

/// The corners of the second stage stand at these log-odds.
const CORNERS: [f64; 7] = [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0];
/// How many numbers are shared by all learners: the weights, and two counts.
pub(crate) const SHARED: usize = FEATURES + CORNERS.len() + 2;
/// The place of how many answers were given in all.
pub(crate) const ANSWERS: usize = SHARED - 2;
/// The place of how many were right.
pub(crate) const CORRECT: usize = SHARED - 1;

/// The fields of the hash of shared weights: those of the features in their order, of the corners,
/// and the counts.
#[rustfmt::skip]
pub const HEAD_FIELDS: &[&str; SHARED] = &[
    "bias", "overall", "concept", "item", "share", "recent.overall", "recent", "first", "met",
    "met.right", "met.wrong", "met.last", "pause.overall", "pause", "pause.met", "wrong",
    "at-3", "at-2", "at-1", "at0", "at1", "at2", "at3",
    "n", "right",
];

/// What the head expects of an answer, and from what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forecast {
    features: [f64; FEATURES],
    /// The probability that the first stage gives.
    plain: f64,
    /// The corner below the first stage's log-odds, and how far it is from there to the next.
    corner: usize,
    beyond: f64,
    /// The probability that the answer is right.
    pub right: f64,
}

/// What an answer adds to the shared numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lesson {
    /// By place in [`HEAD_FIELDS`].
    pub shared: [i64; SHARED],
    /// To the weight of the concept.
    pub concept: i64,
}

impl Forecast {
    /// The forecast of these shared numbers and this weight of the concept.
    pub fn of(features: [f64; FEATURES], shared: &[i64; SHARED], concept: i64) -> Self {
        let weights =
            shared.iter().zip(FIRST).map(|(packed, first)| first + weight::value(*packed));
        let logits: f64 =
            features.iter().zip(weights).map(|(f, w)| f * w).sum::<f64>() + weight::value(concept);
        let ends = (-3.0, 3.0);
        let along = logits.clamp(ends.0, ends.1) - ends.0;
        let corner = (along as usize).min(CORNERS.len() - 2);
        let beyond = along - corner as f64;
        let at = |corner: usize| shared.get(FEATURES + corner).map_or(0.0, |p| weight::value(*p));
        let bent = logits + at(corner) * (1.0 - beyond) + at(corner + 1) * beyond;
        // Nothing is surer than 22,000 to 1.
        let right = logistic(bent.clamp(-10.0, 10.0));
        Self { features, plain: logistic(logits), corner, beyond, right }
    }

    /// What is learned from the answer.
    pub fn learn(&self, correct: bool, shared: &[i64; SHARED], concept: i64) -> Lesson {
        let truth = f64::from(u8::from(correct));
        let (plain, bent) = (truth - self.plain, truth - self.right);
        let mut added = [0; SHARED];
        let gradients = self.features.iter().map(|feature| plain * feature);
        for ((added, packed), gradient) in added.iter_mut().zip(shared).zip(gradients) {
            *added = weight::step(*packed, gradient);
        }
        let corners = [(self.corner, 1.0 - self.beyond), (self.corner + 1, self.beyond)];
        for (corner, near) in corners {
            let place = FEATURES + corner;
            if let (Some(added), Some(packed)) = (added.get_mut(place), shared.get(place)) {
                *added = weight::step(*packed, bent * near);
            }
        }
        added[ANSWERS] = 1;
        added[CORRECT] = i64::from(correct);
        Lesson { shared: added, concept: weight::step(concept, plain) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_are_named_once() {
        let names: std::collections::BTreeSet<&str> = HEAD_FIELDS.iter().copied().collect();
        assert_eq!(names.len(), SHARED);
        assert_eq!((HEAD_FIELDS[ANSWERS], HEAD_FIELDS[CORRECT]), ("n", "right"));
        assert_eq!((HEAD_FIELDS[FEATURES - 1], HEAD_FIELDS[FEATURES + 3]), ("wrong", "at0"));
    }

    #[test]
    fn it_begins_with_what_the_levels_expect() {
        let mut features = [0.7; FEATURES];
        (features[1], features[2], features[3]) = (0.5, -0.2, 0.4);
        let forecast = Forecast::of(features, &[0; SHARED], 0);
        assert!((forecast.right - logistic(0.7)).abs() < 1e-15);
    }

    /// A course in which the levels say the wrong thing, and another feature the right one.
    #[test]
    fn it_learns_which_feature_tells() {
        let (mut shared, mut concept) = ([0; SHARED], 0);
        let mut right = Vec::new();
        for number in 0..2_000u32 {
            let correct = number.wrapping_mul(2_654_435_761) >> 31 == 1;
            let mut features = [0.0; FEATURES];
            features[0] = 1.0;
            features[1] = f64::from(number % 7) - 3.0;
            features[6] = if correct { 1.0 } else { -1.0 };
            let forecast = Forecast::of(features, &shared, concept);
            right.push((forecast.right >= 0.5) == correct);
            let lesson = forecast.learn(correct, &shared, concept);
            shared.iter_mut().zip(lesson.shared).for_each(|(sum, more)| *sum += more);
            concept += lesson.concept;
        }
        let hits = |of: &[bool]| of.iter().filter(|hit| **hit).count();
        assert!(
            hits(&right[..50]) < 45 && hits(&right[1_500..]) == 500,
            "{}",
            hits(&right[1_500..])
        );
        assert_eq!(shared[ANSWERS], 2_000);
    }

    proptest! {
        #[test]
        fn whatever_is_stored_it_gives_a_probability(
            features in prop::array::uniform16(-8.0f64..=8.0),
            shared in prop::collection::vec(any::<i64>(), SHARED),
            concept: i64,
            correct: bool,
        ) {
            let shared: [i64; SHARED] = shared.try_into().unwrap();
            let forecast = Forecast::of(features, &shared, concept);
            prop_assert!(forecast.right > 0.0 && forecast.right < 1.0);
            let lesson = forecast.learn(correct, &shared, concept);
            prop_assert!(lesson.shared.iter().all(|added| added.unsigned_abs() < 1 << 50));
        }
    }
}
