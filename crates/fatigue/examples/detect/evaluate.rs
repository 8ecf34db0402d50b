//! False alarms, drifts found and delay.

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

    fn long(self, sessions: &[Session]) -> Vec<&Session> {
        sessions.iter().filter(|s| self.has(s) && s.answers.len() >= LEAST).collect()
    }
}

/// So many of so many.
#[derive(Clone, Copy, Debug)]
pub struct Share(pub f64, pub usize);

impl Share {
    /// The share and its 95 % interval (Wilson 1927), in percent.
    pub fn text(self) -> String {
        let Share(some, of) = self;
        let (n, z) = (of as f64, 1.96f64);
        let p = some / n;
        let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt() / (1.0 + z * z / n);
        let [p, low, high] = [p, middle - half, middle + half].map(|share| 100.0 * share.max(0.0));
        format!("{p:5.1} % ({low:.1} to {high:.1})")
    }
}

/// Which answer of a session (from 1) is the first to reach the threshold.
fn first(session: &Session, scores: &[f64], threshold: f64) -> Option<usize> {
    session.answers.iter().position(|&place| scores[place] >= threshold).map(|n| n + 1)
}

/// The sessions with an alert on the log as it is: of those of at least 75 answers that don't
/// decline by themselves, of those that do, and of all sessions.
pub fn alarms(
    sessions: &[Session],
    learners: Learners,
    calm: &[f64],
    threshold: f64,
) -> (Share, Share, Share) {
    let share = |sessions: Vec<&Session>| {
        let alarmed = sessions.iter().filter(|s| first(s, calm, threshold).is_some()).count();
        Share(alarmed as f64, sessions.len())
    };
    let (falling, steady): (Vec<_>, Vec<_>) =
        learners.long(sessions).into_iter().partition(|s| s.declines);
    let all = sessions.iter().filter(|s| learners.has(s)).collect();
    (share(steady), share(falling), share(all))
}

/// The drifts with an alert after their start and none before, the mean over the drawn logs; and the
/// median number of answers from the start to the alert, over those found.
pub fn found(
    sessions: &[Session],
    learners: Learners,
    drifted: &[Vec<f64>],
    threshold: f64,
) -> (Share, f64) {
    let long = learners.long(sessions);
    let mut delays: Vec<usize> = Vec::new();
    for scores in drifted {
        let alerts = long.iter().filter_map(|s| first(s, scores, threshold));
        delays.extend(alerts.filter(|n| *n > START).map(|n| n - START));
    }
    delays.sort_unstable();
    let share = Share(delays.len() as f64 / drifted.len() as f64, long.len());
    (share, delays.get(delays.len() / 2).map_or(f64::NAN, |d| *d as f64))
}

/// The lowest threshold at which at most a share of `false_alarms` of the sessions of at least 75
/// answers have an alert.
pub fn threshold(sessions: &[Session], learners: Learners, calm: &[f64], false_alarms: f64) -> f64 {
    let highest = |s: &&Session| s.answers.iter().map(|&p| calm[p]).fold(f64::MIN, f64::max);
    let mut peaks: Vec<f64> = learners.long(sessions).iter().map(highest).collect();
    peaks.sort_by(|a, b| b.total_cmp(a));
    let allowed = (false_alarms * peaks.len() as f64) as usize;
    peaks.get(allowed).map_or(f64::MIN, |peak| peak + 1e-4)
}
