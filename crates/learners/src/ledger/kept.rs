//! What is kept of somebody who may have been two: one of two states stays, by a rule.
//!
//! When the one that comes is taken in depends on the workers: answers to the new name may be counted
//! before. So all states are kept that there may be.

use super::Tally;

/// A state of which, of two, one stays. What it is judged by only grows.
pub trait State: Clone + Default + PartialEq {
    /// Whether it gives way to one that comes.
    fn gives_way_to(&self, comes: &Self) -> bool;
}

/// How many answers, and when the last of them was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latest {
    /// How many answers.
    pub answers: u64,
    /// The latest time of one, but not later than it arrived, in ms since the epoch; `None`: there is
    /// none.
    pub at: Option<i64>,
}

/// The states that there may be: one where nobody was renamed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept<T> {
    first: T,
    others: Vec<T>,
    open: Option<Box<Open<T>>>,
}

/// What comes, and what there is as long as it is not taken in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Open<T> {
    own: Vec<T>,
    comes: Vec<T>,
}

impl State for Tally {
    fn gives_way_to(&self, comes: &Self) -> bool {
        comes.answers > self.answers
    }
}

impl State for Latest {
    fn gives_way_to(&self, comes: &Self) -> bool {
        comes.at > self.at
    }
}

impl<T: State> Kept<T> {
    /// All states that there may be.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Counts one more answer.
    pub fn count(&mut self, count: impl Fn(&mut T)) {
        count(&mut self.first);
        self.others.iter_mut().for_each(&count);
        if let Some(mut open) = self.open.take() {
            open.own.iter_mut().for_each(&count);
            open.merged().into_iter().for_each(|state| self.add(state));
            self.open = open.is_open().then_some(open);
        }
    }

    /// Takes in what another name had, sooner or later.
    pub fn take_in(&mut self, other: &Self) {
        let (own, comes) = (self.all().cloned().collect(), other.all().cloned().collect());
        let open = Open { own, comes };
        let mut merged = open.merged().into_iter();
        *self = Self { first: merged.next().unwrap_or_default(), ..Self::default() };
        merged.for_each(|state| self.add(state));
        self.open = open.is_open().then(|| Box::new(open));
    }

    fn add(&mut self, state: T) {
        if !self.all().any(|other| *other == state) {
            self.others.push(state);
        }
    }
}

impl<T: State> Open<T> {
    /// What there would be if it was taken in now.
    fn merged(&self) -> Vec<T> {
        let of = |own: &T, comes: &T| if own.gives_way_to(comes) { comes } else { own }.clone();
        self.own.iter().flat_map(|own| self.comes.iter().map(move |comes| of(own, comes))).collect()
    }

    /// Whether it makes a difference when it is taken in.
    fn is_open(&self) -> bool {
        self.own.iter().any(|own| self.comes.iter().any(|comes| own.gives_way_to(comes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tallies(kept: &Kept<Tally>) -> Vec<(u64, u64)> {
        kept.all().map(|tally| (tally.answers, tally.right)).collect()
    }

    #[test]
    fn the_one_with_more_answers_stays_whenever_it_is_taken_in() {
        let of = |answers, right| Kept { first: Tally { answers, right }, ..Kept::default() };
        let wrong = |tally: &mut Tally| tally.answers += 1;
        let mut fewer = of(3, 3);
        fewer.take_in(&of(5, 4));
        assert_eq!(tallies(&fewer), [(5, 4)]);
        fewer.count(wrong);
        assert_eq!(tallies(&fewer), [(6, 4), (5, 4)]);
        // From here on its own stays, whenever the other one comes.
        fewer.count(wrong);
        assert_eq!(tallies(&fewer), [(7, 4), (6, 4), (5, 3)]);
        assert_eq!(fewer.open, None);
        fewer.count(wrong);
        assert_eq!(tallies(&fewer), [(8, 4), (7, 4), (6, 3)]);

        let mut more = of(5, 4);
        more.take_in(&of(5, 5));
        more.count(wrong);
        assert_eq!(tallies(&more), [(6, 4)]);
        let mut third = of(0, 0);
        third.take_in(&fewer);
        assert_eq!(tallies(&third), tallies(&fewer));
    }

    #[test]
    fn the_one_who_answered_later_stays() {
        let of = |answers, at| Kept { first: Latest { answers, at }, ..Kept::default() };
        let mut kept = of(9, Some(5));
        kept.take_in(&of(2, Some(5)));
        assert_eq!(kept, of(9, Some(5)));
        kept.take_in(&of(0, None));
        assert_eq!(kept, of(9, Some(5)));
        kept.take_in(&of(2, Some(8)));
        kept.count(|latest| (latest.answers, latest.at) = (latest.answers + 1, Some(9)));
        assert_eq!(kept.all().map(|of| of.answers).collect::<Vec<_>>(), [3, 10]);
        assert_eq!(kept.open, None);
    }
}
