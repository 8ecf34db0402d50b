//! What the bolt is compared with: each predicts an answer, and then learns from it.

use crate::log::Answer;
use std::collections::HashMap;

/// Bayesian Knowledge Tracing (Corbett and Anderson 1995): the probabilities that a concept is known
/// at first, that an answer teaches it, of a slip and of a guess.
#[derive(Clone, Copy, Debug)]
pub struct Bkt(pub [f64; 4]);

impl Bkt {
    pub fn predict(&self, answers: &[Answer]) -> Vec<f64> {
        let Self([first, learns, slip, guess]) = *self;
        let mut known: HashMap<(&str, &str), f64> = HashMap::new();
        let step = |answer: &Answer, known: &mut f64| {
            let right = *known * (1.0 - slip) + (1.0 - *known) * guess;
            let told = match answer.correct {
                true => *known * (1.0 - slip) / right,
                false => *known * slip / (1.0 - right),
            };
            *known = told + (1.0 - told) * learns;
            right
        };
        let mut predicted = Vec::with_capacity(answers.len());
        for answer in answers {
            let Answer { learner, concept, .. } = answer;
            predicted.push(step(answer, known.entry((learner, concept)).or_insert(first)));
        }
        predicted
    }

    /// The parameters, the same for all concepts, of least log loss on some learners' answers:
    /// coordinate descent on a grid.
    pub fn fitted(answers: &[Answer]) -> Self {
        let loss = |bkt: &Bkt| -> f64 {
            let predicted = bkt.predict(answers);
            let lost = |(p, answer): (&f64, &Answer)| {
                -(if answer.correct { *p } else { 1.0 - *p }).max(1e-9).ln()
            };
            predicted.iter().zip(answers).map(lost).sum()
        };
        let mut best = Self([0.5, 0.1, 0.1, 0.25]);
        let mut least = loss(&best);
        for step in [0.1, 0.03, 0.01] {
            for _ in 0..4 {
                for place in 0..4 {
                    for change in [-step, step] {
                        let mut tried = best;
                        let end = if place < 2 { 0.99 } else { 0.49 };
                        if let Some(value) = tried.0.get_mut(place) {
                            *value = (*value + change).clamp(0.005, end);
                        }
                        let lost = loss(&tried);
                        if lost < least {
                            (best, least) = (tried, lost);
                        }
                    }
                }
            }
        }
        best
    }
}

/// Performance Factors Analysis (Pavlik, Cen and Koedinger 2009), online: of each concept a bias
/// and a weight each of the learner's right and wrong answers in it.
pub fn pfa(answers: &[Answer]) -> Vec<f64> {
    let mut head = Online::default();
    let mut counts: HashMap<(&str, &str), [f64; 2]> = HashMap::new();
    let mut predicted = Vec::with_capacity(answers.len());
    for Answer { learner, concept, correct, .. } in answers {
        let count = counts.entry((learner, concept)).or_default();
        let [right, wrong] = *count;
        let features = [("bias", 1.0), ("right", right / 10.0), ("wrong", wrong / 10.0)];
        let of_concept = features.map(|(name, x)| ((name, concept.as_str()), x));
        predicted.push(head.learn(of_concept, *correct));
        note(count, *correct);
    }
    predicted
}

/// Best-LR (Gervet, Koedinger, Schneider and Mitchell 2020), streaming: a bias of each item and
/// each concept, and the logarithms of right answers and of answers of the learner in all, in the
/// concept, and to the item.
pub fn best_lr(answers: &[Answer]) -> Vec<f64> {
    let mut head = Online::default();
    let mut counts: HashMap<(&str, &str, &str), [f64; 2]> = HashMap::new();
    let mut predicted = Vec::with_capacity(answers.len());
    for Answer { learner, concept, item, correct, .. } in answers {
        let of = [(learner.as_str(), "", ""), (learner, concept, ""), (learner, "", item)];
        let log = |[right, wrong]: [f64; 2]| [right.ln_1p(), (right + wrong).ln_1p()];
        let [all, concept_counts, item_counts] =
            of.map(|key| log(counts.get(&key).copied().unwrap_or_default()));
        let features = [
            (("bias", ""), 1.0),
            (("item", item.as_str()), 1.0),
            (("concept", concept.as_str()), 1.0),
            (("right", "all"), all[0]),
            (("answers", "all"), all[1]),
            (("right", "concept"), concept_counts[0]),
            (("answers", "concept"), concept_counts[1]),
            (("right", "item"), item_counts[0]),
            (("answers", "item"), item_counts[1]),
        ];
        predicted.push(head.learn(features, *correct));
        of.into_iter().for_each(|key| note(counts.entry(key).or_default(), *correct));
    }
    predicted
}

fn note([right, wrong]: &mut [f64; 2], correct: bool) {
    *(if correct { right } else { wrong }) += 1.0;
}

/// A logistic regression by AdaGrad (rate 0.1, as the bolt's head), a weight for each name.
#[derive(Default)]
struct Online<'a> {
    weights: HashMap<(&'static str, &'a str), (f64, f64)>,
}

impl<'a> Online<'a> {
    fn learn<const N: usize>(
        &mut self,
        features: [((&'static str, &'a str), f64); N],
        correct: bool,
    ) -> f64 {
        let weight = |(name, x): &(_, f64)| self.weights.get(name).map_or(0.0, |w| w.0) * x;
        let logits: f64 = features.iter().map(weight).sum();
        let p = 1.0 / (1.0 + (-logits.clamp(-10.0, 10.0)).exp());
        for (name, x) in features {
            let gradient = (f64::from(u8::from(correct)) - p) * x;
            let (weight, squares) = self.weights.entry(name).or_default();
            *squares += gradient * gradient;
            *weight += 0.1 * gradient / (1.0 + *squares).sqrt();
        }
        p
    }
}
