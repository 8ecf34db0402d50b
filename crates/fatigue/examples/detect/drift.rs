//! Injects a known drift: from a session's 30th answer on, over 30 answers and staying, accuracy
//! falls by 0.3 and response time rises by half.
//!
//! Answer n of a session (from 1) has the ramp r = (n − 30)/30, within 0..1. Its response time is
//! multiplied by 1 + r/2. If it was right, it becomes wrong with probability min(1, 0.3·r/p̂),
//! p̂ being Elo B's probability before it on the log as it is: the chance of a right answer falls
//! from p̂ to max(0, p̂ − 0.3·r). The "random" number is a hash of the seed and the answer's place.

use crate::log::{Answer, Session};
use std::collections::HashMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// After how many answers of a session the drift begins.
pub const START: usize = 30;
/// The fewest answers of a session that is given a drift.
pub const LEAST: usize = 75;

/// The log with a drift in each session of at least [`LEAST`] answers. Where `limit_ms` is given,
/// no response time rises beyond it.
pub fn inject(
    answers: &[Answer],
    sessions: &[Session],
    expected: &[f64],
    seed: u64,
    limit_ms: Option<f64>,
) -> Vec<Answer> {
    let mut drifted = answers.to_vec();
    for session in sessions.iter().filter(|s| s.answers.len() >= LEAST) {
        for (n, &place) in (1..).zip(&session.answers) {
            let ramp = ((f64::from(n) - START as f64) / 30.0).clamp(0.0, 1.0);
            let answer = &mut drifted[place];
            let slower = answer.ms as f64 * (1.0 + ramp / 2.0);
            let limit = limit_ms.unwrap_or(f64::INFINITY).max(answer.ms as f64);
            answer.ms = slower.min(limit).round() as i64;
            let hash = xxh3_64_with_seed(&place.to_le_bytes(), seed);
            let random = (hash >> 11) as f64 / (1u64 << 53) as f64;
            answer.correct &= random >= (0.3 * ramp / expected[place]).min(1.0);
        }
    }
    drifted
}

/// Elo B: the probability of a right answer before each answer, from the ability of the learner,
/// that in the skill, and the item's difficulty; steps of 0.4/(1 + 0.02n).
pub fn elo_b(answers: &[Answer]) -> Vec<f64> {
    let mut ratings: HashMap<(u8, &str, &str), (f64, f64)> = HashMap::new();
    let mut expected = Vec::with_capacity(answers.len());
    for answer in answers {
        let (learner, skill, item) = (&*answer.learner, &*answer.skill, &*answer.item);
        let keys = [((0, learner, ""), 1.0), ((1, learner, skill), 1.0), ((2, "", item), -1.0)];
        let logit: f64 =
            keys.iter().map(|(key, sign)| sign * ratings.get(key).map_or(0.0, |r| r.0)).sum();
        let p = 1.0 / (1.0 + (-logit).exp());
        expected.push(p);
        let surprise = f64::from(u8::from(answer.correct)) - p;
        for (key, sign) in keys {
            let (rating, earlier) = ratings.entry(key).or_default();
            *rating += sign * 0.4 / (1.0 + 0.02 * *earlier) * surprise;
            *earlier += 1.0;
        }
    }
    expected
}
