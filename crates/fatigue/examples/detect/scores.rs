//! What each detector says after each answer of a log.

use crate::{drift, log::Answer};
use std::collections::HashMap;
use tallyd_bolt::{Batch, Bolt, FieldRef, memory::Memory};
use tallyd_event::{EntryId, Event, Field, FieldType, Schema, Value};
use tallyd_fatigue::{Fatigue, Options, Parameters, Reading, learner_fields};

/// The score after each answer, and the places of the answers that caused a `tired` alert.
pub struct Scores {
    pub scores: Vec<f64>,
    pub alerts: Vec<usize>,
}

/// Runs the real bolt, an answer a batch.
pub fn bolt(answers: &[Answer], parameters: Parameters) -> Scores {
    let kinds = [
        ("learner", FieldType::String),
        ("item", FieldType::String),
        ("correct", FieldType::Bool),
        ("ms", FieldType::Int),
        ("at", FieldType::Time),
    ];
    let fields = kinds.iter().map(|(name, kind)| Field::new(name, *kind)).collect();
    let schema = Schema { fields, id: None, key: Some(0), time: Some(4) };
    let field = |index: usize| FieldRef { index, name: kinds[index].0.into() };
    let options = Options {
        learner: field(0),
        item: field(1),
        correct: field(2),
        response_ms: field(3),
        parameters,
    };
    let bolt = Fatigue::new(options, schema.clone(), 1);
    let mut memory = Memory::default();
    let mut out = Scores { scores: Vec::with_capacity(answers.len()), alerts: Vec::new() };
    for (place, answer) in answers.iter().enumerate() {
        let values = vec![
            Value::Str(answer.learner.as_str().into()),
            Value::Str(answer.item.as_str().into()),
            Value::Bool(answer.correct),
            Value::Int(answer.ms),
            Value::Int(answer.at),
        ];
        let origin = EntryId { ms: answer.at as u64, seq: place as u64 };
        let events = [Event::new(origin, 0, values)];
        let effects =
            memory.run(&bolt as &dyn Bolt, &Batch { schema: &schema, events: &events, now: 0 });
        assert!(effects.rejects.is_empty(), "{:?}", effects.rejects);
        let tired = Value::Str("tired".into());
        if effects.emits.iter().any(|alert| *alert.value(2) == tired) {
            out.alerts.push(place);
        }
        let (key, field) = learner_fields(&answer.learner, 1).remove(0);
        let reading = Reading::of(&memory.hashes[&key][&field]).expect("the bolt wrote it");
        out.scores.push(reading.score);
    }
    out
}

/// The plain sum of both CUSUMs on Elo B's expectation: k 0.5 each, the item's mean log time
/// (drawn to the mean of all with the weight of 5 answers), a standard deviation of 0.47, the
/// learner's pace by an EWMA of 0.05, no more. Elo and items learn from `known`.
pub fn plain(answers: &[Answer], known: &[Answer], gap_ms: f64) -> Vec<f64> {
    let mut items: HashMap<&str, (f64, f64)> = HashMap::new();
    let mut all = (0.0, 0.0);
    let mut learners: HashMap<&str, (f64, f64, f64, i64)> = HashMap::new();
    let mut scores = Vec::with_capacity(answers.len());
    for ((answer, known), p) in answers.iter().zip(known).zip(drift::elo_b(known)) {
        let [log_ms, known_ms] = [answer, known].map(|a| (a.ms.max(1) as f64).ln());
        let (n, sum) = items.entry(&answer.item).or_default();
        let mean = if all.0 > 0.0 { all.1 / all.0 } else { log_ms };
        let usual = (*sum + 5.0 * mean) / (*n + 5.0);
        (*n, *sum) = (*n + 1.0, *sum + known_ms);
        all = (all.0 + 1.0, all.1 + known_ms);
        let learner = learners.entry(&answer.learner).or_insert((0.0, 0.0, 0.0, answer.at));
        if (answer.at - learner.3) as f64 >= gap_ms {
            (learner.0, learner.1) = (0.0, 0.0);
        }
        let wrong = (p - f64::from(u8::from(answer.correct))) / (p * (1.0 - p)).sqrt();
        let slow = log_ms - usual - learner.2;
        learner.0 = (learner.0 + wrong - 0.5).max(0.0);
        learner.1 = (learner.1 + slow / 0.47 - 0.5).max(0.0);
        learner.2 += 0.05 * slow;
        learner.3 = learner.3.max(answer.at);
        scores.push(learner.0 + learner.1);
    }
    scores
}
