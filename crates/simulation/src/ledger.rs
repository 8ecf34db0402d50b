//! What must come out of a run, counted in the plainest way. It knows none of the engine's code.

use std::collections::{BTreeMap, BTreeSet};
use tallyd_learners::{Kept, Latest, Tally};

/// For how many seconds after the one in which it first arrived an answer is known, and so many
/// before: the window of the topology's dedup bolt, which goes by whole seconds.
pub const WINDOW_S: i64 = 2;

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
    /// In which seconds each of the user's answers was counted.
    pub ids: BTreeMap<String, Vec<i64>>,
    /// What the answers say of the user: of two who became one, what there was of one of them.
    pub total: Kept<Tally>,
    /// The same, where the one who answered later stays.
    pub latest: Kept<Latest>,
    /// The answers by this name: where they are counted, nobody is renamed.
    pub predicted: u64,
    /// The points by concept on that board's boards by concept.
    pub by_concept: BTreeMap<String, i64>,
    /// The points on the board whose bolt panics on poison, if it is on it.
    pub points: Option<i64>,
    /// The points of the latest answer, if the user is on its board: events without a time of their own
    /// happen as they arrive.
    pub last: Option<i64>,
    /// When that one arrived.
    pub last_at: i64,
}

/// The whole.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub distinct: u64,
    pub duplicates: u64,
    pub malformed: u64,
    pub poisoned: u64,
    /// Entries that were deleted before they were processed.
    pub lost: u64,
    /// How many answers were counted in each second of arrival.
    pub seconds: BTreeMap<i64, u64>,
    /// The second in which the last answer arrived.
    pub last_second: i64,
    /// By id, when each of the answers arrived that were counted.
    pub arrivals: BTreeMap<String, Vec<i64>>,
    pub concepts: BTreeMap<String, Concept>,
    pub users: BTreeMap<String, User>,
    /// Of each user and question the latest answer, and when it arrived.
    pub latest: BTreeMap<(String, String), (i64, Answer)>,
    /// How many of them took the place of another.
    pub replaced: u64,
    /// How many answers were older than the latest one when they came.
    pub outdated: u64,
    /// The users who stand on no board.
    pub hidden: BTreeSet<String>,
    /// The leaderboards whose one period is closed.
    pub closed: BTreeSet<String>,
    /// How many answers came too late for each.
    pub late: BTreeMap<String, u64>,
    /// The ids of the edits that took effect, each once.
    pub edits: Vec<String>,
}

impl Ledger {
    /// Does an edit of a user that the server has taken.
    pub fn edit(&mut self, what: &str, name: &str) {
        if what == "hide" {
            self.hidden.insert(name.to_owned());
        } else {
            self.hidden.remove(name);
        }
        if let Some(user) = self.users.get_mut(name).filter(|_| what == "forget") {
            // Their ids are known all the same: a retry does not count again.
            *user = User { ids: std::mem::take(&mut user.ids), ..User::default() };
        }
    }

    /// Gives what there is of a user to another name. Ids are known by the old one, and so are answers
    /// that are grouped by it.
    pub fn rename(&mut self, name: &str, to: &str) {
        if self.hidden.remove(name) {
            self.hidden.insert(to.to_owned());
        }
        let Some(user) = self.users.get_mut(name) else { return };
        let (ids, predicted) = (std::mem::take(&mut user.ids), user.predicted);
        let old = std::mem::replace(user, User { ids, predicted, ..User::default() });
        let new = self.users.entry(to.to_owned()).or_default();
        new.total.take_in(&old.total);
        new.latest.take_in(&old.latest);
        for (concept, points) in old.by_concept {
            *new.by_concept.entry(concept).or_default() += points;
        }
        if let Some(points) = old.points {
            *new.points.get_or_insert_default() += points;
        }
        if old.last.is_some() && (new.last.is_none() || old.last_at > new.last_at) {
            (new.last, new.last_at) = (old.last, old.last_at);
        }
    }

    /// Takes a user off a board by concept, and puts the points onto another one, if they are kept.
    pub fn go(&mut self, name: &str, (from, to): (&str, &str), keeps: bool) {
        let concept = |group: &str| group.trim_start_matches("concept=").to_owned();
        let Some(user) = self.users.get_mut(name).filter(|_| from != to) else { return };
        if let Some(points) = user.by_concept.remove(&concept(from)).filter(|_| keeps) {
            *user.by_concept.entry(concept(to)).or_default() += points;
        }
    }

    /// Closes a leaderboard, or starts it over.
    pub fn cut(&mut self, what: &str, board: &str) {
        if what == "close" {
            self.closed.insert(board.to_owned());
            return;
        }
        self.closed.remove(board);
        for user in self.users.values_mut() {
            match board {
                "points" => (user.points, user.by_concept) = (None, BTreeMap::new()),
                _ => (user.last, user.last_at) = (None, 0),
            }
        }
    }

    /// Whether an answer counts on a leaderboard; one that does not is late for it.
    fn is_on(&mut self, board: &str) -> bool {
        let closed = self.closed.contains(board);
        if closed {
            *self.late.entry(board.to_owned()).or_default() += 1;
        }
        !closed
    }

    /// Counts an answer that the server has taken; it arrived at this time, in ms.
    pub fn count(&mut self, answer: &Answer, poisoned: bool, arrival: i64) {
        let second = arrival / 1000;
        self.last_second = second;
        let user = self.users.entry(answer.user.clone()).or_default();
        let counted = user.ids.entry(answer.id.clone()).or_default();
        if counted.iter().any(|before| (before - second).abs() <= WINDOW_S) {
            self.duplicates += 1;
            return;
        }
        counted.push(second);
        *self.seconds.entry(second).or_default() += 1;
        self.distinct += 1;
        self.arrivals.entry(answer.id.clone()).or_default().push(arrival);
        user.predicted += 1;
        user.total.count(|tally| {
            (tally.answers, tally.right) =
                (tally.answers + 1, tally.right + u64::from(answer.correct));
        });
        user.latest.count(|latest| {
            *latest = Latest { answers: latest.answers + 1, at: latest.at.max(Some(arrival)) };
        });
        self.rank(answer, poisoned, arrival);
        let concept = self.concepts.entry(answer.concept.clone()).or_default();
        concept.answers += 1;
        concept.right += u64::from(answer.correct);
        concept.ms += answer.ms;
        concept.slowest = concept.slowest.max(answer.ms);
        concept.users.insert(answer.user.clone());
        self.correct(answer, arrival);
    }

    /// Counts an answer on the leaderboards.
    fn rank(&mut self, answer: &Answer, poisoned: bool, arrival: i64) {
        self.poisoned += u64::from(poisoned);
        let is_on_points = !poisoned && self.is_on("points");
        let is_on_latest = self.is_on("latest");
        let user = self.users.entry(answer.user.clone()).or_default();
        if is_on_points {
            *user.points.get_or_insert_default() += answer.points;
            *user.by_concept.entry(answer.concept.clone()).or_default() += answer.points;
        }
        if is_on_latest && arrival >= user.last_at {
            (user.last, user.last_at) = (Some(answer.points), arrival);
        }
    }

    /// Takes an answer in the place of the one to the same question before, if it is the later one.
    fn correct(&mut self, answer: &Answer, arrival: i64) {
        let key = (answer.user.clone(), answer.question.clone());
        let before = self.latest.get(&key);
        if before.is_some_and(|(at, kept)| (arrival, &answer.id) <= (*at, &kept.id)) {
            self.outdated += 1;
            return;
        }
        self.replaced += u64::from(before.is_some());
        self.latest.insert(key, (arrival, answer.clone()));
    }
}
