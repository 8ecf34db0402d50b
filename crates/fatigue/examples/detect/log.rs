//! The answers of a log, and its sessions.

use std::{collections::HashMap, error::Error, path::Path};

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub learner: String,
    pub item: String,
    pub skill: String,
    pub at: i64,
    pub ms: i64,
    pub correct: bool,
}

/// A run of answers of one learner without a long pause.
#[derive(Clone, Debug)]
pub struct Session {
    /// The places of its answers in the log.
    pub answers: Vec<usize>,
    /// 0 or 1: the learner's place in the order of first appearance, even or odd.
    pub half: usize,
}

/// Reads the answers; rows without one (STUDY) are left out.
pub fn read(path: &Path) -> Result<Vec<Answer>, Box<dyn Error>> {
    let file = flate2::read::GzDecoder::new(std::fs::File::open(path)?);
    let mut reader = csv::Reader::from_reader(file);
    let names = reader.headers()?.clone();
    let place = |name: &str| {
        names.iter().position(|n| n == name).ok_or_else(|| format!("no column \"{name}\""))
    };
    let (learner, item, skill) = (place("user_id")?, place("item_id")?, place("skill_id")?);
    let (at, ms, correct) = (place("ts_ms")?, place("rt_ms")?, place("correct")?);
    let mut answers = Vec::new();
    for row in reader.records() {
        let row = row?;
        let cell = |place: usize| row.get(place).unwrap_or_default();
        if cell(correct).is_empty() {
            continue;
        }
        answers.push(Answer {
            learner: cell(learner).to_owned(),
            item: cell(item).to_owned(),
            skill: cell(skill).to_owned(),
            at: cell(at).parse()?,
            ms: cell(ms).parse()?,
            correct: cell(correct).starts_with('1'),
        });
    }
    Ok(answers)
}

/// The sessions, as the bolt divides them: a new one begins after a pause of `gap_ms`.
pub fn sessions(answers: &[Answer], gap_ms: f64) -> Vec<Session> {
    let mut sessions: Vec<Session> = Vec::new();
    let mut open: HashMap<&str, (usize, i64, usize)> = HashMap::new();
    for (place, answer) in answers.iter().enumerate() {
        let half = open.len() % 2;
        let known = open.get(answer.learner.as_str()).copied();
        let (session, half) = match known {
            Some((session, last, half)) if ((answer.at - last) as f64) < gap_ms => (session, half),
            _ => {
                let half = known.map_or(half, |(_, _, half)| half);
                sessions.push(Session { answers: Vec::new(), half });
                (sessions.len() - 1, half)
            }
        };
        sessions[session].answers.push(place);
        let last = known.map_or(answer.at, |(_, last, _)| last.max(answer.at));
        open.insert(&answer.learner, (session, last, half));
    }
    sessions
}
