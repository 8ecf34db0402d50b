//! State that a task keeps between batches, bounded in bytes.
//!
//! It is only ever right while the task holds its fences: whoever loses one clears it.
//!
//! Cells stand in two generations. What a batch asks for is in the young one; when that is full it
//! becomes the old one, and what stood there is forgotten. So a bolt reads its cells where they
//! are, and no batch moves more than the cells that it is the first to ask for. A library's cache
//! may drop a cell at any moment, so that every batch would have to take its cells out and put them
//! back: measured, about a sixth of a worker's CPU.

use std::time::Duration;
use tallyd_bolt::{Address, Cell, Kind, Reads, State, Write};
use tokio::time::Instant;

/// After how long a generation ends that does not fill: what no batch asked for during one is
/// forgotten after the next.
const TURN: Duration = Duration::from_secs(1800);
/// How many forgotten cells are freed with each batch: a whole generation takes too long.
const FREED: usize = 8192;

/// The cells of one task.
pub struct Cache {
    young: State,
    old: State,
    /// Cells that are forgotten and not yet freed.
    forgotten: Box<dyn Iterator<Item = (Address, Cell)> + Send>,
    /// Where the clock of the cells begins.
    began: Instant,
    turned: Instant,
    bytes: u64,
    shared_refresh: Duration,
}

impl Cache {
    /// An empty cache of about so many bytes at most, logs aside. Shared numbers are fetched again
    /// once they are older than `shared_refresh`.
    #[must_use]
    pub fn new(bytes: u64, shared_refresh: Duration, now: Instant) -> Self {
        Self {
            young: State::default(),
            old: State::default(),
            forgotten: Box::new(std::iter::empty()),
            began: now,
            turned: now,
            bytes,
            shared_refresh,
        }
    }

    /// From now on it holds about so many bytes at most.
    pub fn bound(&mut self, bytes: u64) {
        self.bytes = bytes;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new(self.bytes, self.shared_refresh, self.turned);
    }

    /// What a batch may leave out of what it asks for.
    #[must_use]
    pub fn known(&self, now: Instant) -> Reads<'_> {
        Reads::beside(
            &self.young,
            self.ms(now).saturating_sub(self.shared_refresh.as_millis() as i64) + 1,
        )
    }

    /// Makes ready for a batch that asks for these addresses too, and returns those that have to
    /// be fetched first.
    pub fn missing(&mut self, asked: impl IntoIterator<Item = Address>) -> Vec<Address> {
        let mut missing = Vec::new();
        for address in asked {
            let old = self.old.remove(&address);
            match old.filter(|_| !matches!(address.kind, Kind::Counters(_))) {
                Some(cell) => self.young.insert(address, cell),
                None => missing.push(address),
            }
        }
        missing
    }

    /// Takes in what was fetched.
    pub fn insert(&mut self, address: Address, mut cell: Cell, now: Instant) {
        if let Cell::Counters(_, fetched) = &mut cell {
            *fetched = self.ms(now);
        }
        self.young.insert(address, cell);
    }

    fn ms(&self, now: Instant) -> i64 {
        i64::try_from(now.duration_since(self.began).as_millis()).unwrap_or(i64::MAX)
    }

    /// The cells, those of the batch among them.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.young
    }

    /// An edit is committed, or a part of it: what it wrote, it did not ask this cache for.
    pub fn edited(&mut self, writes: &[Write], now: Instant) {
        self.old.apply(writes);
        self.committed(writes, now);
    }

    /// The batch is committed: changes the cells as it changed what is stored.
    pub fn committed(&mut self, writes: &[Write], now: Instant) {
        self.young.apply(writes);
        for write in writes {
            if let Write::DropLog { key } = write {
                self.old.drop_log(key);
            }
        }
        self.forgotten.by_ref().take(FREED).for_each(drop);
        // A third each for the young, the old and the forgotten that are not yet freed.
        if self.young.bytes() > self.bytes / 3 || now.duration_since(self.turned) >= TURN {
            let old = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            self.forgotten = Box::new(old.into_cells());
            self.turned = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallyd_bolt::Key;

    const REFRESH: Duration = Duration::from_secs(1);

    fn ask(cache: &mut Cache, ask: impl Fn(&mut Reads<'_>), now: Instant) -> Vec<Address> {
        let mut asked = cache.known(now);
        ask(&mut asked);
        let asked = asked.into_addresses();
        let missing = cache.missing(asked);
        for address in &missing {
            let cell = match address.kind {
                Kind::Counters(names) => Cell::Counters(names.iter().map(|_| 0).collect(), 0),
                Kind::Field => Cell::Field(Some(vec![0; 1000])),
                Kind::Log => Cell::Log(Box::new([1].into())),
                Kind::Names | Kind::Ranked(..) => Cell::Names(Box::new(["n".into()].into())),
                Kind::Score => Cell::Score(None),
            };
            cache.insert(address.clone(), cell, now);
        }
        let mut all = Reads::default();
        ask(&mut all);
        assert!(all.iter().all(|address| cache.state().contains(address)));
        cache.committed(&[], now);
        missing
    }

    #[test]
    fn owned_cells_stay_and_shared_ones_are_fetched_again() {
        let start = Instant::now();
        let mut cache = Cache::new(1 << 20, REFRESH, start);
        let reads = |reads: &mut Reads<'_>| {
            let key = Key::new(&["k"]);
            reads.counters(&key, &["n"]);
            reads.score(&key, "u");
            reads.log(&key);
        };
        assert_eq!(ask(&mut cache, reads, start).len(), 3);
        assert_eq!(ask(&mut cache, reads, start + REFRESH / 2), []);
        // Using a shared number does not make it fresher than it is.
        let missing = ask(&mut cache, reads, start + REFRESH);
        assert_eq!(missing.iter().map(|a| a.kind).collect::<Vec<_>>(), [Kind::Counters(&["n"])]);
        assert_eq!(ask(&mut cache, reads, start + REFRESH), []);
        cache.clear();
        assert_eq!(ask(&mut cache, reads, start + REFRESH).len(), 3);
    }

    #[test]
    fn an_edit_changes_what_no_batch_asked_for_lately() {
        let now = Instant::now();
        let mut cache = Cache::new(50_000, REFRESH, now);
        let (board, list) = (Key::new(&["board"]), Key::new(&["list"]));
        let reads = |reads: &mut Reads<'_>| {
            reads.field(&board, "u");
            reads.names(&list);
        };
        assert_eq!(ask(&mut cache, reads, now).len(), 2);
        // Now they stand in the old generation.
        cache.committed(&[], now + TURN);
        let members = vec!["n".into()];
        let removed = [
            Write::RemoveField { key: board.clone(), name: "u".into() },
            Write::RemoveMember { key: list.clone(), members },
        ];
        cache.edited(&removed, now + TURN);
        assert_eq!(ask(&mut cache, reads, now + TURN), []);
        assert_eq!(cache.state().field(&board, "u"), None);
        assert!(!cache.state().has_name(&list, "n"));
    }

    #[test]
    fn it_stays_within_its_bytes() {
        let now = Instant::now();
        let mut cache = Cache::new(50_000, REFRESH, now);
        let mut missing = 0;
        for round in 0..2 {
            for number in 0..1000 {
                let key = Key::new(&["k", &number.to_string()]);
                missing += ask(&mut cache, |reads| reads.field(&key, "f"), now).len() * round;
            }
        }
        assert!(missing > 900, "{missing} of 1000 were forgotten");
    }

    #[test]
    fn what_is_asked_for_stays_and_what_is_not_goes() {
        let now = Instant::now();
        let mut cache = Cache::new(50_000, REFRESH, now);
        let often = |reads: &mut Reads<'_>| reads.score(&Key::new(&["often"]), "u");
        let once = |reads: &mut Reads<'_>| reads.log(&Key::new(&["once"]));
        assert_eq!(ask(&mut cache, once, now).len() + ask(&mut cache, often, now).len(), 2);
        for turn in 1..4 {
            let later = now + TURN * turn;
            assert_eq!(ask(&mut cache, often, later), [], "turn {turn}");
        }
        assert_eq!(ask(&mut cache, once, now + TURN * 3).len(), 1);
    }
}
