//! False alarms, drifts found and delay, at a threshold.

use crate::{
    drift::{LEAST, START},
    log::Session,
};

/// Which sessions count.
#[derive(Clone, Copy, PartialEq)]
pub enum Learners {
    All,
    Half(usize),
}

impl Learners {
    fn has(self, session: &Session) -> bool {
        self == Learners::All || self == Learners::Half(session.half)
    }
}

/// What a threshold does.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// The share of sessions of at least 75 answers with an alert, without a drift.
    pub false_alarms: f64,
    /// The same of all sessions.
    pub false_alarms_all: f64,
    /// The share of drifts with an alert after their start, and none before.
    pub found: f64,
    /// The median number of answers from the drift's start to the alert, over those found.
    pub delay: f64,
}

/// Which answer of a session (from 1) is the first to reach the threshold.
fn first(session: &Session, scores: &[f64], threshold: f64) -> Option<usize> {
    session.answers.iter().position(|&place| scores[place] >= threshold).map(|n| n + 1)
}

/// What a threshold does on the log as it is (`calm`) and on the drifted logs.
pub fn point(
    sessions: &[Session],
    learners: Learners,
    calm: &[f64],
    drifted: &[Vec<f64>],
    threshold: f64,
) -> Point {
    let chosen: Vec<&Session> = sessions.iter().filter(|s| learners.has(s)).collect();
    let long: Vec<&Session> = chosen.iter().copied().filter(|s| s.answers.len() >= LEAST).collect();
    let alarms = |sessions: &[&Session]| {
        let alarmed = sessions.iter().filter(|s| first(s, calm, threshold).is_some()).count();
        alarmed as f64 / sessions.len() as f64
    };
    let mut delays: Vec<usize> = Vec::new();
    for scores in drifted {
        let found = long.iter().filter_map(|s| first(s, scores, threshold));
        delays.extend(found.filter(|n| *n > START).map(|n| n - START));
    }
    delays.sort_unstable();
    let drifts = long.len() * drifted.len();
    Point {
        false_alarms: alarms(&long),
        false_alarms_all: alarms(&chosen),
        found: delays.len() as f64 / drifts as f64,
        delay: delays.get(delays.len() / 2).map_or(f64::NAN, |d| *d as f64),
    }
}

/// The lowest threshold at which at most a share of `false_alarms` of the sessions of at least 75
/// answers have an alert.
pub fn threshold(sessions: &[Session], learners: Learners, calm: &[f64], false_alarms: f64) -> f64 {
    let long = sessions.iter().filter(|s| learners.has(s) && s.answers.len() >= LEAST);
    let highest = |s: &Session| s.answers.iter().map(|&p| calm[p]).fold(f64::MIN, f64::max);
    let mut peaks: Vec<f64> = long.map(highest).collect();
    peaks.sort_by(|a, b| b.total_cmp(a));
    let allowed = (false_alarms * peaks.len() as f64) as usize;
    peaks.get(allowed).map_or(f64::MIN, |peak| peak + 1e-4)
}
