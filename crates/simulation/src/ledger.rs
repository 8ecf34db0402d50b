//! What must come out of a run, counted in the plainest way. It knows none of the engine's code.

use std::collections::{BTreeMap, BTreeSet};

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub id: String,
    pub user: String,
    pub concept: String,
    pub question: String,
    pub correct: bool,
    pub ms: i64,
    pub points: i64,
}

/// The counts of a concept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Concept {
    pub answers: u64,
    pub right: u64,
    pub ms: i64,
    pub slowest: i64,
    pub users: BTreeSet<String>,
}

/// The counts of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    pub ids: BTreeSet<String>,
    pub right: u64,
    /// The points on the board whose bolt panics on poison, if it is on it.
    pub points: Option<i64>,
    pub last: i64,
}

/// The whole.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub distinct: u64,
    pub duplicates: u64,
    pub malformed: u64,
    pub poisoned: u64,
    pub concepts: BTreeMap<String, Concept>,
    pub users: BTreeMap<String, User>,
}

impl Ledger {
    /// Counts an answer that the server has taken.
    pub fn count(&mut self, answer: &Answer, poisoned: bool) {
        let user = self.users.entry(answer.user.clone()).or_default();
        if !user.ids.insert(answer.id.clone()) {
            self.duplicates += 1;
            return;
        }
        self.distinct += 1;
        user.right += u64::from(answer.correct);
        user.last = answer.points;
        if poisoned {
            self.poisoned += 1;
        } else {
            *user.points.get_or_insert_default() += answer.points;
        }
        let concept = self.concepts.entry(answer.concept.clone()).or_default();
        concept.answers += 1;
        concept.right += u64::from(answer.correct);
        concept.ms += answer.ms;
        concept.slowest = concept.slowest.max(answer.ms);
        concept.users.insert(answer.user.clone());
    }
}
