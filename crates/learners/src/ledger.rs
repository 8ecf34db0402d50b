//! What must come out: counted in the plainest way, as a careful clerk would.
//!
//! It is fed with what Redis accepted, in the order of the entry ids, and takes no part in how the
//! engine counts: plain maps, one answer at a time, nothing sketched or rounded.

mod clock;
mod edits;
mod kept;

pub use clock::{Length, UnknownTimeZone};
pub use edits::Part;
pub use kept::{Kept, Latest, State};

use crate::{Answer, Item, Malformation, Sending};
use clock::Clock;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// The longest that an answer may wait before it is processed, in ms, in a run that passes.
pub const MOST_DELAY_MS: i64 = 180_000;

/// What a ledger counts beside the totals.
#[derive(Clone, Debug, PartialEq)]
pub struct LedgerOptions {
    /// The IANA name of the time zone.
    pub time_zone: String,
    /// The windows of the answers by concept.
    pub windows: Vec<Span>,
    /// The periods of the boards.
    pub periods: Vec<Span>,
    /// For how long an answer is known, in ms. `None`: for ever.
    pub remembered_ms: Option<i64>,
}

/// A kind of window or period.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its name, such as `1h` or `week`.
    pub name: Arc<str>,
    /// How long one is.
    pub length: Length,
    /// How long after its end an answer may still arrive for it, in ms. `None`: for ever.
    pub grace_ms: Option<i64>,
    /// How long after its end it is deleted, in ms. `None`: never.
    pub retain_ms: Option<i64>,
}

/// A concept in a window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConceptWindow {
    /// The concept.
    pub concept: Arc<str>,
    /// The name of the kind of window.
    pub window: Arc<str>,
    /// The window's first millisecond.
    pub start: i64,
}

/// What was answered in a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConceptCount {
    /// The first millisecond after the window; `i64::MAX` for all time.
    pub end: i64,
    /// How many answers.
    pub answers: u64,
    /// How many of them were right.
    pub right: u64,
    /// The sum of their response times, in ms.
    pub ms_sum: i128,
    /// The longest response time, in ms.
    pub ms_max: i64,
    /// Who answered.
    pub learners: HashSet<Arc<str>>,
}

/// A leaderboard of a period.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Board {
    /// The class; `None` for everyone.
    pub class: Option<Arc<str>>,
    /// The name of the kind of period.
    pub period: Arc<str>,
    /// The period's first millisecond.
    pub start: i64,
}

/// Who stands on a board.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranking {
    /// The first millisecond after the period; `i64::MAX` for all time.
    pub end: i64,
    /// The members, in no order.
    pub members: HashMap<Arc<str>, Standing>,
}

/// How a member stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The sum of the points.
    pub score: i64,
    /// The latest `at` among the member's answers of the period that changed the score.
    pub reached: Option<i64>,
}

/// What a learner answered in all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LearnerCount {
    /// All answers.
    pub total: Kept<Tally>,
    /// Those about each concept.
    pub concepts: BTreeMap<Arc<str>, Kept<Tally>>,
    /// The state that goes by who answered later: all answers, and when.
    pub latest: Kept<Latest>,
    /// The answers that were counted by their numbers, with the eighths of the time for which they
    /// are known: what comes again within it is a duplicate.
    pub numbers: HashMap<u32, Vec<i64>>,
}

/// Answers, and how many of them were right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many answers.
    pub answers: u64,
    /// How many of them were right.
    pub right: u64,
}

/// The figures. `sent = distinct + duplicates + dead letters`.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// Entries accepted by Redis.
    pub entries: u64,
    /// What was sent in them, well-formed or not.
    pub sent: u64,
    /// Answers that are not the same as an earlier one. Two are the same if user and id are, and the
    /// first is still known.
    pub distinct: u64,
    /// Answers sent again.
    pub duplicates: u64,
    /// What is no event, by what is wrong with it.
    pub malformed: BTreeMap<Malformation, u64>,
    /// The distinct answers by concept and window.
    pub concepts: BTreeMap<ConceptWindow, ConceptCount>,
    /// The points of the distinct answers by board and period.
    pub boards: BTreeMap<Board, Ranking>,
    /// The distinct answers by learner.
    pub learners: BTreeMap<Arc<str>, LearnerCount>,
    /// How many answers came too late for a window, by the name of its kind.
    pub late_windows: BTreeMap<Arc<str>, u64>,
    /// How many answers came in time for a window that was deleted within three minutes after:
    /// whether they were processed before that, only the server's clock knows.
    pub perhaps_late: u64,
    /// How many answers came too late for a period, by the name of its kind.
    pub late_periods: BTreeMap<Arc<str>, u64>,
    /// Of those that count, how many answers came so short before their period was deleted that a
    /// worker may have found it gone.
    pub perhaps_late_periods: u64,
    edited: edits::Edited,
    windows: Vec<(Span, Clock)>,
    periods: Vec<(Span, Clock)>,
    /// The length of an eighth of the time for which an answer is known, in ms.
    eighth_ms: Option<i64>,
}

impl Ledger {
    /// An empty ledger.
    ///
    /// # Errors
    /// Where there is no time zone of that name.
    pub fn new(options: LedgerOptions) -> Result<Self, UnknownTimeZone> {
        let clocked = |spans: Vec<Span>| {
            let clocked = spans.into_iter().map(|span| {
                let clock = Clock::new(span.length, &options.time_zone)?;
                Ok((span, clock))
            });
            clocked.collect::<Result<Vec<_>, UnknownTimeZone>>()
        };
        Ok(Self {
            entries: 0,
            sent: 0,
            distinct: 0,
            duplicates: 0,
            malformed: BTreeMap::new(),
            concepts: BTreeMap::new(),
            boards: BTreeMap::new(),
            learners: BTreeMap::new(),
            late_windows: BTreeMap::new(),
            perhaps_late: 0,
            late_periods: BTreeMap::new(),
            perhaps_late_periods: 0,
            edited: edits::Edited::default(),
            windows: clocked(options.windows)?,
            periods: clocked(options.periods)?,
            eighth_ms: options.remembered_ms.map(|ms| (ms + 7) / 8).map(|eighth| eighth.max(1000)),
        })
    }

    /// Takes in one entry that Redis accepted. `arrival_ms` is the time in its entry id. Of two
    /// entries the one with the lower id comes first.
    pub fn record(&mut self, sending: &Sending, arrival_ms: i64) {
        self.entries += 1;
        for item in &sending.items {
            self.sent += 1;
            match item {
                Item::Answer(answer) => self.answer(answer, arrival_ms),
                Item::DeadLetter(malformation) => {
                    *self.malformed.entry(*malformation).or_default() += 1;
                }
            }
        }
    }

    /// How many dead letters there must be.
    #[must_use]
    pub fn dead_letters(&self) -> u64 {
        self.malformed.values().sum()
    }

    /// How many events there were, duplicates included.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.distinct + self.duplicates
    }

    fn answer(&mut self, answer: &Answer, arrival_ms: i64) {
        let learner = self.learners.entry(Arc::clone(&answer.user)).or_default();
        // It is known in its own eighth, and in the eight before and after.
        let eighth = self.eighth_ms.map_or(0, |length| arrival_ms.div_euclid(length));
        let counted = learner.numbers.entry(answer.number).or_default();
        if counted.iter().any(|before| (before - eighth).abs() <= 8) {
            self.duplicates += 1;
            return;
        }
        counted.push(eighth);
        self.distinct += 1;
        learner.count(answer, arrival_ms);
        self.count_windows(answer, arrival_ms);
        self.count_periods(answer, arrival_ms);
    }

    fn count_windows(&mut self, answer: &Answer, arrival_ms: i64) {
        for (span, clock) in &mut self.windows {
            let (start, end) = clock.around(answer.at);
            if span.is_too_late(end, arrival_ms) {
                *self.late_windows.entry(Arc::clone(&span.name)).or_default() += 1;
                continue;
            }
            self.perhaps_late += u64::from(span.goes_within(end, arrival_ms, MOST_DELAY_MS));
            let concept = Arc::clone(&answer.concept);
            let window = ConceptWindow { concept, window: Arc::clone(&span.name), start };
            let count = self.concepts.entry(window).or_default();
            count.end = end;
            count.answers += 1;
            count.right += u64::from(answer.correct);
            count.ms_sum += i128::from(answer.ms);
            count.ms_max = count.ms_max.max(answer.ms);
            count.learners.insert(Arc::clone(&answer.user));
        }
    }

    fn count_periods(&mut self, answer: &Answer, arrival_ms: i64) {
        for (span, clock) in &mut self.periods {
            let (start, end) = clock.around(answer.at);
            let is_closed = self.edited.is_closed(&span.name, || clock.label(start));
            if is_closed || span.is_too_late(end, arrival_ms) {
                *self.late_periods.entry(Arc::clone(&span.name)).or_default() += 1;
                continue;
            }
            let goes = span.goes_within(end, arrival_ms, MOST_DELAY_MS);
            self.perhaps_late_periods += u64::from(goes);
            let classes = answer.class.as_ref().map(|class| Some(Arc::clone(class)));
            for class in [None].into_iter().chain(classes) {
                let board = Board { class, period: Arc::clone(&span.name), start };
                let ranking = self.boards.entry(board).or_default();
                ranking.end = end;
                ranking.members.entry(Arc::clone(&answer.user)).or_default().count(answer);
            }
        }
    }
}

impl Span {
    /// Whether what ended at `end` is given up when an answer for it arrives.
    fn is_too_late(&self, end: i64, arrival_ms: i64) -> bool {
        match self.grace_ms {
            Some(grace_ms) => end.saturating_add(grace_ms) <= arrival_ms,
            None => false,
        }
    }

    /// Whether what ended at `end` is deleted so soon after an answer for it arrives.
    fn goes_within(&self, end: i64, arrival_ms: i64, delay_ms: i64) -> bool {
        let gone = self.retain_ms.map_or(i64::MAX, |retain_ms| end.saturating_add(retain_ms));
        gone <= arrival_ms.saturating_add(delay_ms)
    }
}

impl LearnerCount {
    fn count(&mut self, answer: &Answer, arrival_ms: i64) {
        self.total.count(|tally| tally.count(answer));
        let concept = self.concepts.entry(Arc::clone(&answer.concept)).or_default();
        concept.count(|tally| tally.count(answer));
        let at = answer.at.min(arrival_ms);
        self.latest.count(|latest| {
            *latest = Latest { answers: latest.answers + 1, at: latest.at.max(Some(at)) };
        });
    }

    /// Whether anything is kept.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.total.all().any(|tally| tally.answers > 0)
    }
}

impl Standing {
    fn count(&mut self, answer: &Answer) {
        self.score += answer.points;
        if answer.points != 0 {
            self.reached = self.reached.max(Some(answer.at));
        }
    }
}

impl Tally {
    fn count(&mut self, answer: &Answer) {
        self.answers += 1;
        self.right += u64::from(answer.correct);
    }
}

#[cfg(test)]
mod tests;
