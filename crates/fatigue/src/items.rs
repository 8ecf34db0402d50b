//! What is usual for each item: shared numbers, which every partition adds to.
//!
//! All are whole numbers, so that their sums do not depend on the order of the additions. A batch
//! sees its own additions at once.

use crate::{
    Parameters,
    model::{Expected, Verdict},
};
use hashbrown::HashMap;
use smol_str::SmolStr;
use tallyd_bolt::{Effects, Key, Reads, State};

/// Log times are counted in millionths. One answer adds at most 18.3e6 (the logarithm of a day),
/// so that 5e11 answers fit an i64.
const LOG_UNIT: f64 = 1e-6;
/// Difficulties are counted in billionths of a logit. One answer changes one by at most the
/// greatest `difficulty_step`, 4: 2.3e9 such changes in one direction fit an i64.
const LOGIT_UNIT: f64 = 1e-9;

/// The fields of a first meeting with an item, and of later ones: answers, sum of log times,
/// difficulty.
const FIELDS: &[&str; 6] =
    &["new.answers", "new.log_ms", "new.difficulty", "met.answers", "met.log_ms", "met.difficulty"];

/// The key of an item's numbers.
pub(crate) fn item_key(item: &str) -> Key {
    Key::named("item", item)
}

/// The key of the numbers over all items. They have no difficulty.
pub(crate) fn all_key() -> Key {
    Key::new(&["items"])
}

/// Asks for what [`Items::new`] looks at.
pub(crate) fn ask_all(reads: &mut Reads<'_>) {
    reads.counters(&all_key(), FIELDS);
}

/// Asks for what [`Items::expected`] looks at.
pub(crate) fn ask(reads: &mut Reads<'_>, item: &str) {
    reads.counters(&item_key(item), FIELDS);
}

/// The numbers of one item, for first or later meetings.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    answers: i64,
    log_ms: i64,
    difficulty: i64,
}

impl Numbers {
    fn plus(self, other: Numbers) -> Numbers {
        Numbers {
            answers: self.answers.saturating_add(other.answers),
            log_ms: self.log_ms.saturating_add(other.log_ms),
            difficulty: self.difficulty.saturating_add(other.difficulty),
        }
    }

    fn mean_log_ms(self) -> Option<f64> {
        (self.answers > 0).then(|| self.log_ms as f64 * LOG_UNIT / self.answers as f64)
    }
}

/// What is stored of an item, and what the batch adds.
#[derive(Clone, Debug)]
struct Tally {
    key: Key,
    stored: [Numbers; 2],
    added: [Numbers; 2],
}

impl Tally {
    fn load(key: Key, state: &State) -> Self {
        let [answers, log_ms, difficulty, met_answers, met_log_ms, met_difficulty] =
            state.counters(&key, FIELDS);
        let new = Numbers { answers, log_ms, difficulty };
        let met = Numbers { answers: met_answers, log_ms: met_log_ms, difficulty: met_difficulty };
        Self { key, stored: [new, met], added: Default::default() }
    }

    fn now(&self, met: bool) -> Numbers {
        let ([new, again], [new_added, again_added]) = (self.stored, self.added);
        if met { again.plus(again_added) } else { new.plus(new_added) }
    }

    fn add(&mut self, met: bool, more: Numbers) {
        let [new, again] = &mut self.added;
        let place = if met { again } else { new };
        *place = place.plus(more);
    }
}

/// The items of a batch.
pub(crate) struct Items<'a> {
    state: &'a State,
    all: Tally,
    tallies: Vec<Tally>,
    places: HashMap<SmolStr, usize>,
}

impl<'a> Items<'a> {
    pub(crate) fn new(state: &'a State) -> Self {
        let all = Tally::load(all_key(), state);
        Self { state, all, tallies: Vec::new(), places: HashMap::new() }
    }

    /// What is usual for an item that the learner has `met` before or not: its mean log time is
    /// drawn towards that of all items while few have answered it.
    pub(crate) fn expected(
        &mut self,
        parameters: &Parameters,
        item: &SmolStr,
        met: bool,
    ) -> Expected {
        let all = self.all.now(met).mean_log_ms().or(self.all.now(!met).mean_log_ms());
        let own = self.tally(item).now(met);
        let prior = parameters.item_prior;
        let answers = own.answers as f64;
        let log_ms = match (all, own.mean_log_ms()) {
            (Some(all), Some(mean)) => Some((mean * answers + all * prior) / (answers + prior)),
            (all, mean) => mean.or(all),
        };
        Expected { difficulty: own.difficulty as f64 * LOGIT_UNIT, log_ms }
    }

    /// Takes an answer into account. What is not typical says nothing of an item.
    pub(crate) fn learn(
        &mut self,
        parameters: &Parameters,
        item: &SmolStr,
        met: bool,
        log_ms: f64,
        verdict: Verdict,
    ) {
        if !verdict.typical {
            return;
        }
        let tally = self.tally(item);
        let answers = tally.now(met).answers as f64;
        let step = parameters.difficulty_step / (1.0 + parameters.difficulty_slowing * answers);
        let more = Numbers {
            answers: 1,
            log_ms: (log_ms / LOG_UNIT).round() as i64,
            difficulty: (-step * verdict.surprise / LOGIT_UNIT).round() as i64,
        };
        tally.add(met, more);
        self.all.add(met, Numbers { difficulty: 0, ..more });
    }

    /// Writes what the batch adds.
    pub(crate) fn write(&self, effects: &mut Effects) {
        for tally in self.tallies.iter().chain([&self.all]) {
            let [new, met] = tally.added;
            let deltas =
                [new.answers, new.log_ms, new.difficulty, met.answers, met.log_ms, met.difficulty];
            effects.add(&tally.key, FIELDS, deltas);
        }
    }

    fn tally(&mut self, item: &SmolStr) -> &mut Tally {
        let place = *self.places.entry_ref(item).or_insert_with(|| {
            self.tallies.push(Tally::load(item_key(item), self.state));
            self.tallies.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "places holds only places of tallies")]
        &mut self.tallies[place]
    }
}
