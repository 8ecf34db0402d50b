//! Watched questions: each is read once for all who watch it, and only when something was
//! committed.

use crate::{
    answer::{Answer, read},
    app::App,
    delta,
    live::Event,
    problem::{Code, Problem},
    question::Question,
};
use serde_json::Value;
use smol_str::SmolStr;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};
use tallyd_topology::NodeKind;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval_at},
};

/// How many past answers are kept, so that those who were away for a moment go on from there.
const PAST: usize = 4;
/// How many questions may be watched.
const MOST: usize = 4096;
/// How many of them one caller may have begun.
const MOST_OF_ONE: usize = 512;
/// How many are kept that nobody watches.
const MOST_UNWATCHED: usize = 64;
/// How long a feed is kept that nobody watches: who comes back within it goes on from where it was.
const KEPT: Duration = Duration::from_secs(60);
/// Updates a second at which a feed may be read.
pub const RATES: std::ops::RangeInclusive<u64> = 1..=20;

/// A question that somebody watches, at so many updates a second.
type Key = (Question, u64);

/// All watched questions.
#[derive(Default)]
pub struct Feeds(Mutex<HashMap<Key, Arc<Feed>>>);

/// What is known of a watched question.
pub struct Feed {
    /// Who was the first to watch it.
    begun_by: SmolStr,
    state: watch::Sender<State>,
    past: Mutex<VecDeque<Arc<Answer>>>,
}

/// The last that was heard.
#[derive(Clone)]
pub enum State {
    /// Nothing yet.
    Waiting,
    /// An answer.
    Now(Arc<Update>),
    /// There is none now.
    Problem(Arc<Problem>),
}

/// An answer, and how it differs from the one before.
pub struct Update {
    /// The answer.
    pub answer: Arc<Answer>,
    /// The tag of the answer before, and what changed since: encoded once for all.
    pub change: Option<(u64, Event)>,
}

impl Feeds {
    /// Watches a question.
    ///
    /// # Errors
    /// Where too many questions are watched, or this caller began to watch too many of them.
    pub fn watch(
        &self,
        app: &Arc<App>,
        question: Question,
        rate: u64,
        subject: &SmolStr,
    ) -> Result<Watch, Problem> {
        let key = (question, rate);
        let mut all = self.open();
        let feed = match all.get(&key) {
            Some(feed) => Arc::clone(feed),
            None if all.len() >= MOST => {
                let detail = format!("{MOST} views are watched (at most)");
                return Err(Problem::new(Code::Unavailable, detail).after(KEPT));
            }
            None if all.values().filter(|feed| feed.begun_by == *subject).count()
                >= MOST_OF_ONE =>
            {
                let detail = format!("{MOST_OF_ONE} different views are watched by you (at most)");
                return Err(Problem::new(Code::TooManyRequests, detail).after(KEPT));
            }
            None => {
                let (state, past) = (watch::Sender::new(State::Waiting), Mutex::default());
                let feed = Arc::new(Feed { begun_by: subject.clone(), state, past });
                all.insert(key.clone(), Arc::clone(&feed));
                tokio::spawn(follow(Arc::downgrade(app), key, Arc::clone(&feed)));
                feed
            }
        };
        let mut state = feed.state.subscribe();
        // What there is already is news to who begins to watch.
        state.mark_changed();
        Ok(Watch { feed, state })
    }

    /// Whether so many are kept that nobody watches that one more is too much.
    fn is_crowded(&self) -> bool {
        let all = self.open();
        let unwatched = all.values().filter(|feed| feed.state.receiver_count() == 0);
        unwatched.count() > MOST_UNWATCHED
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Key, Arc<Feed>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a feed away, unless somebody watches it. Whoever begins to watch holds the same lock.
    fn end(&self, key: &Key, feed: &Feed) -> bool {
        let mut all = self.open();
        let is_unwatched = feed.state.receiver_count() == 0;
        if is_unwatched {
            all.remove(key);
        }
        is_unwatched
    }
}

/// One who watches.
pub struct Watch {
    feed: Arc<Feed>,
    /// What there is to see.
    pub state: watch::Receiver<State>,
}

impl Watch {
    /// A past answer by its tag.
    #[must_use]
    pub fn past(&self, tag: u64) -> Option<Arc<Answer>> {
        let past = self.feed.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.iter().find(|answer| answer.tag == tag).cloned()
    }
}

/// Reads a question again whenever something was committed, as long as somebody watches.
async fn follow(app: Weak<App>, key: Key, feed: Arc<Feed>) {
    let (question, rate) = (&key.0, key.1);
    let every = Duration::from_millis(1000 / rate.max(1));
    let mut ticks = interval_at(Instant::now(), every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut seen, mut watched) = (None, Instant::now());
    loop {
        ticks.tick().await;
        let Some(app) = app.upgrade() else { return };
        if feed.state.receiver_count() == 0 {
            let is_over = watched.elapsed() > KEPT || app.feeds.is_crowded();
            if is_over && app.feeds.end(&key, &feed) {
                return;
            }
            continue;
        }
        watched = Instant::now();
        match look(&app, question, &mut seen).await {
            Ok(Some(answer)) => feed.publish(answer),
            Ok(None) => {}
            Err(problem) => {
                if !is_absence(&problem) {
                    seen = None;
                }
                feed.tell(problem);
            }
        }
    }
}

/// What a question was read at: the versions of its bolts, and until when it can't change by the
/// clock alone.
#[derive(PartialEq)]
struct Seen {
    versions: Vec<u64>,
    until: i64,
}

/// The answer, if it may have changed. Where there is none that only a commit can bring, such as
/// that of a member who is not on the board, that is not asked again until then.
async fn look(
    app: &App,
    question: &Question,
    seen: &mut Option<Seen>,
) -> Result<Option<Arc<Answer>>, Problem> {
    // Of another server the same version may come with other results.
    let mut versions = vec![app.readers.turn()];
    let mut now = i64::MAX;
    for bolt in bolts(app, question) {
        let head = app.head(&bolt).await?;
        versions.push(head.version);
        now = now.min(head.now);
    }
    if seen.as_ref().is_some_and(|seen| seen.versions == versions && now < seen.until) {
        return Ok(None);
    }
    // What goes by the clock alone, as the end of a period, is looked at once a minute.
    let in_a_minute = now.saturating_add(60_000);
    // Read now, and not taken from what was kept: that may be older than the versions.
    let answer = match read(app, question).await {
        Ok(answer) => Arc::new(answer),
        Err(problem) => {
            if is_absence(&problem) {
                *seen = Some(Seen { versions, until: in_a_minute });
            }
            return Err(problem);
        }
    };
    let rows = answer.rows.iter().flatten().filter_map(|(_, row)| row.get("end")?.as_i64());
    let until = answer.head.get("end").and_then(Value::as_i64).into_iter().chain(rows);
    let until = until.filter(|end| *end > now).fold(in_a_minute, i64::min);
    *seen = Some(Seen { versions, until });
    Ok(Some(answer))
}

/// Whether only a commit can bring what is not there.
fn is_absence(problem: &Problem) -> bool {
    matches!(problem.code, Code::MemberAbsent | Code::LearnerAbsent)
}

/// The bolts whose commits may change an answer.
fn bolts(app: &App, question: &Question) -> Vec<SmolStr> {
    match question {
        Question::Board(question) => vec![question.bolt.clone()],
        Question::Stats(question) => vec![question.bolt.clone()],
        Question::Learner(..) | Question::Learners(_) => {
            let nodes = app.topology.nodes.iter();
            let of_learner = nodes.filter(|node| match &node.kind {
                NodeKind::Bolt(bolt) => bolt.options.about().is_some(),
                NodeKind::Source(_) => false,
            });
            of_learner.map(|node| node.name.clone()).collect()
        }
    }
}

impl Feed {
    fn publish(&self, answer: Arc<Answer>) {
        let before = match &*self.state.borrow() {
            State::Now(update) => Some(Arc::clone(&update.answer)),
            State::Waiting | State::Problem(_) => None,
        };
        if before.as_ref().is_some_and(|before| before.tag == answer.tag) {
            return;
        }
        let change = before.map(|before| {
            let change = delta::between(&before, &answer);
            (before.tag, Event::delta(answer.tag, change))
        });
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.truncate(PAST - 1);
        past.push_front(Arc::clone(&answer));
        drop(past);
        self.state.send_replace(State::Now(Arc::new(Update { answer, change })));
    }

    fn tell(&self, problem: Problem) {
        let is_same = match &*self.state.borrow() {
            State::Problem(told) => told.code == problem.code,
            State::Waiting | State::Now(_) => false,
        };
        if !is_same {
            if problem.code == Code::Internal {
                tracing::error!(detail = problem.detail, "a watched view can't be read");
            }
            self.state.send_replace(State::Problem(Arc::new(problem)));
        }
    }
}
