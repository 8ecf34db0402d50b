//! What edits take back of what was answered before, and what they keep from counting afterwards.

use super::{Board, LearnerCount, Ledger, Standing};
use std::{collections::BTreeSet, sync::Arc};

/// What edits have changed so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Edited {
    hidden: BTreeSet<Arc<str>>,
    /// The periods that are closed: the names of their kinds, and their labels.
    closed: BTreeSet<(Arc<str>, String)>,
}

impl Edited {
    /// Whether a period is closed. `label` gives its label.
    pub(super) fn is_closed(&self, period: &Arc<str>, label: impl FnOnce() -> String) -> bool {
        !self.closed.is_empty() && self.closed.contains(&(Arc::clone(period), label()))
    }
}

/// The boards that are started over. What is left out is all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The name of the kind of period.
    pub period: Option<Arc<str>>,
    /// The period's label, such as `2026-W05`.
    pub label: Option<String>,
    /// The class.
    pub class: Option<Arc<str>>,
}

impl Ledger {
    /// Takes a learner off all boards.
    pub fn hide(&mut self, user: Arc<str>) {
        self.edited.hidden.insert(user);
    }

    /// Puts a learner back who was hidden.
    pub fn unhide(&mut self, user: &str) {
        self.edited.hidden.remove(user);
    }

    /// Whether a learner stands on no board.
    #[must_use]
    pub fn is_hidden(&self, user: &str) -> bool {
        self.edited.hidden.contains(user)
    }

    /// Forgets what a learner answered. What it added to the concepts stays, and what was sent before is
    /// known all the same if it comes again.
    pub fn forget(&mut self, user: &str) {
        self.unhide(user);
        for ranking in self.boards.values_mut() {
            ranking.members.remove(user);
        }
        if let Some(learner) = self.learners.get_mut(user) {
            let numbers = std::mem::take(&mut learner.numbers);
            *learner = LearnerCount { numbers, ..LearnerCount::default() };
        }
    }

    /// Gives all that is kept of a learner to another name. What was sent before is known by the old name
    /// if it comes again.
    pub fn rename(&mut self, old: &str, new: &Arc<str>) {
        if self.edited.hidden.remove(old) {
            self.hide(Arc::clone(new));
        }
        for ranking in self.boards.values_mut() {
            if let Some(standing) = ranking.members.remove(old) {
                ranking.members.entry(Arc::clone(new)).or_default().add(standing);
            }
        }
        if let Some(learner) = self.learners.get_mut(old) {
            let numbers = std::mem::take(&mut learner.numbers);
            let all =
                std::mem::replace(learner, LearnerCount { numbers, ..LearnerCount::default() });
            self.learners.entry(Arc::clone(new)).or_default().take_in(&all);
        }
    }

    /// Takes a learner off the boards of a class, and puts what stood there onto those of another one,
    /// if it `keeps` that.
    pub fn go(&mut self, user: &str, (from, to): (&str, &Arc<str>), keeps: bool) {
        let mut left = Vec::new();
        for (board, ranking) in &mut self.boards {
            if board.class.as_deref() == Some(from)
                && let Some((user, standing)) = ranking.members.remove_entry(user)
            {
                let joined = Board { class: Some(Arc::clone(to)), ..board.clone() };
                left.push((joined, ranking.end, user, standing));
            }
        }
        for (board, end, user, standing) in left.into_iter().filter(|_| keeps) {
            let ranking = self.boards.entry(board).or_default();
            ranking.end = end;
            ranking.members.entry(user).or_default().add(standing);
        }
    }

    /// Closes a period: answers for it are late from now on.
    pub fn close(&mut self, period: Arc<str>, label: String) {
        self.edited.closed.insert((period, label));
    }

    /// Starts boards over. Where that are all boards of a period that was closed, it goes on.
    pub fn reset(&mut self, part: &Part) {
        let Part { period, label, class } = part;
        let is_of = |of: &Arc<str>, its: &str| {
            period.as_ref().is_none_or(|period| period == of)
                && label.as_ref().is_none_or(|label| label == its)
        };
        for (span, clock) in &self.periods {
            let boards = self.boards.iter_mut().filter(|(board, _)| board.period == span.name);
            for (Board { class: of, start, .. }, ranking) in boards {
                let is_of_class = class.as_ref().is_none_or(|class| of.as_ref() == Some(class));
                if is_of_class && is_of(&span.name, &clock.label(*start)) {
                    ranking.members.clear();
                }
            }
        }
        if class.is_none() {
            self.edited.closed.retain(|(period, label)| !is_of(period, label));
        }
    }
}

impl Standing {
    /// Both scores as one.
    fn add(&mut self, other: Self) {
        self.score += other.score;
        self.reached = self.reached.max(other.reached);
    }
}

impl LearnerCount {
    /// Takes in what another name had.
    fn take_in(&mut self, other: &Self) {
        self.total.take_in(&other.total);
        self.latest.take_in(&other.latest);
        for (concept, tally) in &other.concepts {
            self.concepts.entry(Arc::clone(concept)).or_default().take_in(tally);
        }
    }
}
