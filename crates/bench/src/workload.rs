//! The events of a benchmark, made from a seed, and the plain count of what must come of them.
//!
//! Every contender gets these events. The time of an event is given when it is encoded, just
//! before a run, so that no window is late however long a benchmark takes.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use tallyd_learners::zipf::Zipf;

/// One answer in a hundred is an earlier one that is sent again.
const RETRIES: f64 = 0.01;
/// How far back a retry reaches at most.
const RETRY_REACH: usize = 4_096;
/// Over how long the times of a run's events spread.
const SPAN_MS: i64 = 60_000;

/// What a workload is made of. Equal options give equal events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorkloadOptions {
    /// Decides every draw.
    pub seed: u64,
    /// How many events.
    pub events: usize,
    /// How many learners there are, the busiest first.
    pub learners: u32,
    /// How many concepts.
    pub concepts: u32,
    /// How many questions over all concepts.
    pub questions: u32,
    /// How many classes the learners are divided into.
    pub classes: u32,
    /// The exponent of Zipf's distribution, over learners and over concepts.
    pub skew: f64,
}

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its number: the identity of the event.
    pub number: u32,
    /// Who answered.
    pub learner: u32,
    /// The learner's class.
    pub class: u32,
    /// What it was about.
    pub concept: u32,
    /// Which question.
    pub question: u32,
    /// Whether it was right.
    pub correct: bool,
    /// How long it took, in ms.
    pub ms: u32,
    /// When it was given, in ms after the first one.
    pub after_ms: i64,
}

impl Answer {
    /// 4 for a right answer, -1 for a wrong one.
    #[must_use]
    pub fn points(&self) -> i64 {
        if self.correct { 4 } else { -1 }
    }
}

/// The events, in the order of sending.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The answers, retries among them.
    pub answers: Vec<Answer>,
}

/// What must come of the events, counted plainly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Events, retries among them.
    pub events: u64,
    /// Events without retries.
    pub distinct: u64,
    /// The points of all learners.
    pub points: i64,
    /// How many learners there are who answered.
    pub learners: u64,
    /// Answers by concept.
    pub by_concept: BTreeMap<u32, u64>,
}

impl Workload {
    /// Draws the events.
    #[must_use]
    pub fn new(options: &WorkloadOptions) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        let by_learner = Zipf::new(options.learners, options.skew);
        let by_concept = Zipf::new(options.concepts, options.skew);
        let mut answers: Vec<Answer> = Vec::with_capacity(options.events);
        for place in 0..options.events {
            if rng.random_bool(RETRIES) {
                let back = rng.random_range(1..=RETRY_REACH);
                if let Some(earlier) = place.checked_sub(back).and_then(|p| answers.get(p)) {
                    answers.push(*earlier);
                    continue;
                }
            }
            let learner = by_learner.rank(rng.random());
            let concept = by_concept.rank(rng.random());
            let per_concept = (options.questions / options.concepts.max(1)).max(1);
            answers.push(Answer {
                number: u32::try_from(place).unwrap_or(u32::MAX),
                learner,
                class: learner % options.classes.max(1),
                concept,
                question: concept + options.concepts * rng.random_range(0..per_concept),
                correct: rng.random_bool(0.7),
                ms: rng.random_range(1_000..30_000),
                after_ms: place as i64 * SPAN_MS / options.events.max(1) as i64,
            });
        }
        Self { answers }
    }

    /// What must come of the events.
    #[must_use]
    pub fn expected(&self) -> Expected {
        let mut expected = Expected { events: self.answers.len() as u64, ..Expected::default() };
        let mut seen = BTreeSet::new();
        let mut learners = BTreeSet::new();
        for answer in &self.answers {
            if seen.insert(answer.number) {
                expected.distinct += 1;
                expected.points += answer.points();
                *expected.by_concept.entry(answer.concept).or_default() += 1;
                learners.insert(answer.learner);
            }
        }
        expected.learners = learners.len() as u64;
        expected
    }
}

/// The time of the first event of a run that begins now: the last one is not in the future.
#[must_use]
pub fn first_at(now_ms: i64) -> i64 {
    now_ms - SPAN_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> WorkloadOptions {
        WorkloadOptions {
            seed: 1,
            events: 20_000,
            learners: 1_000,
            concepts: 30,
            questions: 500,
            classes: 24,
            skew: 1.0,
        }
    }

    #[test]
    fn equal_options_give_equal_events() {
        let one = Workload::new(&options());
        assert_eq!(one.answers, Workload::new(&options()).answers);
        let other = Workload::new(&WorkloadOptions { seed: 2, ..options() });
        assert_ne!(one.answers, other.answers);
    }

    #[test]
    fn retries_count_once() {
        let expected = Workload::new(&options()).expected();
        assert_eq!(expected.events, 20_000);
        let retries = expected.events - expected.distinct;
        assert!((100..300).contains(&retries), "{retries} retries");
        assert_eq!(expected.by_concept.values().sum::<u64>(), expected.distinct);
        assert!(expected.learners <= 1_000);
    }
}
