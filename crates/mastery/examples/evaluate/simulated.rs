//! Simulated logs of exam practice: many items, which a learner seldom meets again.

use crate::log::Answer;

/// What a simulated log is made of, and its name.
pub struct Exam {
    pub name: &'static str,
    items: usize,
    concepts: usize,
    guess: f64,
    learners_deviation: f64,
    items_deviation: f64,
    seed: u64,
}

const LEARNERS: usize = 300;
const ANSWERS: usize = 52_668;

/// Three of them: with few and many items, with and without guessing.
pub const EXAMS: [Exam; 3] = [
    Exam {
        name: "3,000 items",
        items: 3_000,
        concepts: 40,
        guess: 0.0,
        learners_deviation: 0.7,
        items_deviation: 0.9,
        seed: 3,
    },
    Exam {
        name: "5,000 items, one of four to choose",
        items: 5_000,
        concepts: 40,
        guess: 0.25,
        learners_deviation: 0.8,
        items_deviation: 1.2,
        seed: 1,
    },
    Exam {
        name: "12,000 items, one of five to choose",
        items: 12_000,
        concepts: 150,
        guess: 0.2,
        learners_deviation: 0.9,
        items_deviation: 1.3,
        seed: 2,
    },
];

/// Numbers that look random (Marsaglia's xorshift 2003).
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        ((self.uniform() * end as f64) as usize).min(end - 1)
    }

    /// About normal: the sum of twelve uniform numbers.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// The log, in the order of time. A learner comes for 5 to 40 questions, then stays away for days;
/// how many each answers differs much. Some items are asked for eight times as often as others.
pub fn log(exam: &Exam) -> Vec<Answer> {
    let mut random = Random(exam.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let concepts: Vec<f64> = (0..exam.concepts).map(|_| 0.5 * random.normal()).collect();
    let items: Vec<(usize, f64)> = (0..exam.items)
        .map(|_| {
            let concept = random.below(exam.concepts);
            let middle = concepts.get(concept).copied().unwrap_or_default() - 0.5;
            (concept, middle + exam.items_deviation * random.normal())
        })
        .collect();
    let eager: Vec<f64> = (0..LEARNERS).map(|_| random.normal().exp()).collect();
    let all: f64 = eager.iter().sum();
    let mut answers = Vec::new();
    for (learner, eager) in eager.iter().enumerate() {
        let ability = exam.learners_deviation * random.normal();
        let abilities: Vec<f64> =
            concepts.iter().map(|_| ability + 0.4 * random.normal()).collect();
        let mut left = (eager / all * ANSWERS as f64).round() as usize;
        let mut at = 1_500_000_000 + random.below(120 * 86_400);
        while left > 0 {
            let sitting = (5 + random.below(36)).min(left);
            left -= sitting;
            for _ in 0..sitting {
                // The lower the place, the likelier: the square of a uniform number, and all alike.
                let share = random.uniform();
                let place = if random.uniform() < 0.5 { share * share } else { share };
                let item = ((place * exam.items as f64) as usize).min(exam.items - 1);
                let Some(&(concept, difficulty)) = items.get(item) else { continue };
                let logits = abilities.get(concept).copied().unwrap_or_default() - difficulty;
                let right = exam.guess + (1.0 - exam.guess) / (1.0 + (-logits).exp());
                answers.push(Answer {
                    learner: learner.to_string(),
                    concept: concept.to_string(),
                    item: item.to_string(),
                    correct: random.uniform() < right,
                    at: at as i64 * 1000,
                });
                at += 15 + random.below(45);
            }
            at += (86_400.0 * (1.2 * random.normal()).exp()) as usize;
        }
    }
    answers.sort_by_key(|answer| answer.at);
    answers
}
