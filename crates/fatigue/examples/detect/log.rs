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
    /// Whether it declines by itself.
    pub declines: bool,
}

/// Reads the answers; rows without one (STUDY) are left out. A log without times is taken for one in
/// which each learner answers without a pause, and one without response times for one in which all
/// take 10 s.
pub fn read(path: &Path) -> Result<Vec<Answer>, Box<dyn Error>> {
    let file = std::fs::File::open(path)?;
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let file: Box<dyn std::io::Read> =
        if packed { Box::new(flate2::read::GzDecoder::new(file)) } else { Box::new(file) };
    let mut reader = csv::Reader::from_reader(file);
    let names = reader.headers()?.clone();
    let place = |usual: &[&str]| usual.iter().find_map(|u| names.iter().position(|n| n == *u));
    let learner = place(&["user_id", "learner", "user"]).ok_or("no column \"learner\"")?;
    let skill = place(&["skill_id", "concept"]).ok_or("no column \"concept\"")?;
    let item = place(&["item_id", "item", "question"]).unwrap_or(skill);
    let correct = place(&["correct"]).ok_or("no column \"correct\"")?;
    let (at, ms) = (place(&["ts_ms", "time", "at"]), place(&["rt_ms", "ms"]));
    let mut answers = Vec::new();
    for (number, row) in reader.records().enumerate() {
        let row = row?;
        let cell = |place: usize| row.get(place).unwrap_or_default();
        if cell(correct).is_empty() {
            continue;
        }
        answers.push(Answer {
            learner: cell(learner).to_owned(),
            item: cell(item).to_owned(),
            skill: cell(skill).to_owned(),
            at: at.map_or(Ok(number as i64), |place| cell(place).parse())?,
            ms: ms.map_or(Ok(10_000), |place| cell(place).parse())?,
            correct: cell(correct).starts_with(['1', 't', 'T']),
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
                sessions.push(Session { answers: Vec::new(), half, declines: false });
                (sessions.len() - 1, half)
            }
        };
        sessions[session].answers.push(place);
        let last = known.map_or(answer.at, |(_, last, _)| last.max(answer.at));
        open.insert(&answer.learner, (session, last, half));
    }
    sessions
}
