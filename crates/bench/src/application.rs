//! What an application does without tallyd: the commands of one answer, by hand, with the same
//! results as `topologies/testprep.toml`.
//!
//! It is as cheap as it can honestly be. One round trip for a whole batch looks what was seen
//! before and reads the learners' states, one writes. The greatest time comes of `ZADD GT`, which
//! needs no script. The models of fatigue and mastery are the plainest that keep a state, and
//! nothing is kept of questions, where tallyd keeps how hard and how slow each is. Nothing expires
//! but the ids.

use crate::wire::Fields;
use redis::{Pipeline, Value};
use std::collections::{HashMap, HashSet};

/// For how long an id is remembered, in seconds: as the topology's `window`.
const REMEMBERED: u32 = 86_400;
/// The hour, day and week begin at half past six in the evening UTC in India.
const OFFSET_MS: i64 = 19_800_000;

/// The answers of a batch that are new, and the learners' states.
#[derive(Default)]
pub struct Known {
    new: HashSet<usize>,
    fatigue: HashMap<String, Fatigue>,
    overall: HashMap<String, Mastery>,
    concepts: HashMap<(String, String), Mastery>,
}

/// The plainest figure of fatigue: how right and how fast lately, against before.
#[derive(Clone, Copy, Debug, Default)]
struct Fatigue {
    answers: u64,
    accuracy: f64,
    speed: f64,
    at: i64,
}

/// The plainest figure of mastery: Elo.
#[derive(Clone, Copy, Debug, Default)]
struct Mastery {
    answers: u64,
    right: u64,
    level: f64,
}

/// The first round trip: what was seen before, and the states. `owner` makes an id one's own, so
/// that a consumer knows it again when its entry is delivered again.
pub fn ask(answers: &[Fields], owner: impl Fn(usize) -> Option<String>) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(answers.len() * 3);
    for (place, answer) in answers.iter().enumerate() {
        let seen = format!("seen:{}", answer.id);
        let command = pipeline.cmd("SET").arg(seen);
        match owner(place) {
            Some(owner) => command.arg(owner).arg("NX").arg("GET"),
            None => command.arg(1).arg("NX"),
        };
        command.arg("EX").arg(REMEMBERED);
        pipeline.cmd("HGET").arg(format!("fatigue:{}", answer.user)).arg("state");
        let mastery = pipeline.cmd("HMGET").arg(format!("mastery:{}", answer.user));
        mastery.arg("overall").arg(format!("concept:{}", answer.concept));
    }
    pipeline
}

impl Known {
    /// What the replies to [`ask`] say.
    pub fn read(
        answers: &[Fields],
        replies: &[Value],
        owner: impl Fn(usize) -> Option<String>,
    ) -> Self {
        let mut known = Self::default();
        for ((place, answer), replies) in answers.iter().enumerate().zip(replies.chunks(3)) {
            let [seen, fatigue, mastery] = replies else { continue };
            let new = match owner(place) {
                // With GET the reply is what was there: nothing, or the same entry's own mark.
                Some(owner) => text(seen).is_none_or(|found| found == owner),
                None => !matches!(seen, Value::Nil),
            };
            if new {
                known.new.insert(place);
            }
            let state = text(fatigue).map(Fatigue::parse).unwrap_or_default();
            known.fatigue.entry(answer.user.clone()).or_insert(state);
            let Value::Array(fields) = mastery else { continue };
            let of = |place: usize| fields.get(place).and_then(text).map(Mastery::parse);
            let overall = of(0).unwrap_or_default();
            known.overall.entry(answer.user.clone()).or_insert(overall);
            let place = (answer.user.clone(), answer.concept.clone());
            known.concepts.entry(place).or_insert_with(|| of(1).unwrap_or_default());
        }
        known
    }

    /// The second round trip's commands for one answer: none where it came before.
    pub fn write(&mut self, place: usize, answer: &Fields, pipeline: &mut Pipeline) {
        if self.new.contains(&place) {
            windows(answer, pipeline);
            boards(answer, pipeline);
            self.learner(answer, pipeline);
        }
    }

    fn learner(&mut self, answer: &Fields, pipeline: &mut Pipeline) {
        let fatigue = self.fatigue.entry(answer.user.clone()).or_default();
        fatigue.learn(answer);
        let key = format!("fatigue:{}", answer.user);
        pipeline.cmd("HSET").arg(key).arg("state").arg(fatigue.to_text());
        let overall = self.overall.entry(answer.user.clone()).or_default();
        let place = (answer.user.clone(), answer.concept.clone());
        let concept = self.concepts.entry(place).or_default();
        let expected = 1.0 / (1.0 + (-(overall.level + concept.level)).exp());
        overall.learn(answer.correct, expected);
        concept.learn(answer.correct, expected);
        let command = pipeline.cmd("HSET").arg(format!("mastery:{}", answer.user));
        command.arg("overall").arg(overall.to_text());
        command.arg(format!("concept:{}", answer.concept)).arg(concept.to_text());
    }
}

fn windows(answer: &Fields, pipeline: &mut Pipeline) {
    for window in labels(answer.at, &[("1m", 60_000), ("1h", 3_600_000), ("1d", 86_400_000)]) {
        let key = format!("concept:{window}:{}", answer.concept);
        pipeline.cmd("HINCRBY").arg(&key).arg("answers").arg(1);
        if answer.correct {
            pipeline.cmd("HINCRBY").arg(&key).arg("right").arg(1);
        }
        pipeline.cmd("HINCRBY").arg(&key).arg("time.sum").arg(answer.ms);
        pipeline.cmd("HINCRBY").arg(&key).arg("time.count").arg(1);
        let slowest = pipeline.cmd("ZADD").arg(format!("slowest:{window}"));
        slowest.arg("GT").arg(answer.ms).arg(&answer.concept);
        let learners = pipeline.cmd("PFADD").arg(format!("learners:{window}:{}", answer.concept));
        learners.arg(&answer.user);
    }
}

fn boards(answer: &Fields, pipeline: &mut Pipeline) {
    for period in labels(answer.at, &[("day", 86_400_000), ("week", 604_800_000)]) {
        for board in [format!("board:{period}"), format!("board:{period}:{}", answer.class)] {
            pipeline.cmd("ZINCRBY").arg(board).arg(answer.points).arg(&answer.user);
        }
    }
}

/// The name and number of each window that holds a time, and `all`.
fn labels(at: i64, lengths: &[(&str, i64)]) -> Vec<String> {
    let number = |(name, length): &(&str, i64)| format!("{name}:{}", (at + OFFSET_MS) / length);
    lengths.iter().map(number).chain(["all".to_owned()]).collect()
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

impl Fatigue {
    fn learn(&mut self, answer: &Fields) {
        const WEIGHT: f64 = 0.1;
        self.answers += 1;
        self.accuracy += WEIGHT * (f64::from(u8::from(answer.correct)) - self.accuracy);
        self.speed += WEIGHT * ((answer.ms.max(1) as f64).ln() - self.speed);
        self.at = answer.at;
    }

    fn to_text(self) -> String {
        format!("{} {:.4} {:.4} {}", self.answers, self.accuracy, self.speed, self.at)
    }

    fn parse(text: &str) -> Self {
        let mut words = text.split(' ');
        let mut number = || words.next().and_then(|w| w.parse::<f64>().ok()).unwrap_or(0.0);
        Self { answers: number() as u64, accuracy: number(), speed: number(), at: number() as i64 }
    }
}

impl Mastery {
    fn learn(&mut self, correct: bool, expected: f64) {
        self.answers += 1;
        self.right += u64::from(correct);
        self.level += 0.4 * (f64::from(u8::from(correct)) - expected);
    }

    fn to_text(self) -> String {
        format!("{} {} {:.6}", self.answers, self.right, self.level)
    }

    fn parse(text: &str) -> Self {
        let mut words = text.split(' ');
        let mut number = || words.next().and_then(|w| w.parse::<f64>().ok()).unwrap_or(0.0);
        Self { answers: number() as u64, right: number() as u64, level: number() }
    }
}
