//! State that a task keeps between batches, bounded in bytes.
//!
//! It is only ever right while the task holds its fences: whoever loses one clears it.

use hashbrown::HashMap;
use quick_cache::unsync::Cache as Bounded;
use std::time::Duration;
use tallyd_bolt::{Address, Cell, Kind, Reads, State};
use tokio::time::Instant;

/// What an entry costs beside its bytes: the places in the cache and the map.
const OVERHEAD_BYTES: u64 = 96;
/// After how long a log that no batch asked for is dropped.
const LOG_IDLE: Duration = Duration::from_secs(3600);

#[derive(Clone)]
struct Weighter;

impl quick_cache::Weighter<Address, (Cell, Instant)> for Weighter {
    fn weight(&self, address: &Address, (cell, _): &(Cell, Instant)) -> u64 {
        let held = match cell {
            Cell::Field(Some(bytes)) => bytes.capacity(),
            _ => 0,
        };
        OVERHEAD_BYTES + (address.key.as_str().len() + address.name.len() + held) as u64
    }
}

/// The cells of one task.
pub struct Cache {
    cells: Bounded<Address, (Cell, Instant), Weighter>,
    /// Logs are few and large, and a bolt that asks for one asks for it with every batch: they
    /// stay until nobody asks any more.
    logs: HashMap<Address, (Cell, Instant)>,
    bytes: u64,
    shared_refresh: Duration,
}

impl Cache {
    /// An empty cache of at most so many bytes, logs aside. Shared numbers are fetched again once
    /// they are older than `shared_refresh`.
    #[must_use]
    pub fn new(bytes: u64, shared_refresh: Duration) -> Self {
        Self { cells: Self::bounded(bytes), logs: HashMap::new(), bytes, shared_refresh }
    }

    fn bounded(bytes: u64) -> Bounded<Address, (Cell, Instant), Weighter> {
        let items = usize::try_from(bytes / (OVERHEAD_BYTES * 2)).unwrap_or(usize::MAX);
        Bounded::with_weighter(items, bytes, Weighter)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.cells = Self::bounded(self.bytes);
        self.logs.clear();
    }

    /// Moves the cells of these addresses into a state, and returns the addresses that it lacks,
    /// with what it knows of when the others were fetched.
    pub fn take(&mut self, reads: Reads, now: Instant) -> (State, Vec<Address>, Fetched) {
        let mut state = State::default();
        let mut missing = Vec::new();
        let mut fetched = Fetched::new();
        for address in reads.into_addresses() {
            let held = match address.kind {
                Kind::Log => self.logs.remove(&address),
                _ => self.cells.remove(&address).map(|(_, held)| held),
            };
            let shared = address.kind == Kind::Counter;
            match held {
                Some((cell, at)) if !shared || now.duration_since(at) < self.shared_refresh => {
                    if shared {
                        fetched.insert(address.clone(), at);
                    }
                    state.insert(address, cell);
                }
                _ => missing.push(address),
            }
        }
        (state, missing, fetched)
    }

    /// Puts the cells of a committed batch back.
    pub fn put(&mut self, state: &mut State, fetched: &Fetched, now: Instant) {
        for (address, cell) in state.drain() {
            let at = fetched.get(&address).copied().unwrap_or(now);
            match address.kind {
                Kind::Log => {
                    self.logs.insert(address, (cell, now));
                }
                _ => self.cells.insert(address, (cell, at)),
            }
        }
        self.logs.retain(|_, (_, asked)| now.duration_since(*asked) < LOG_IDLE);
    }
}

/// When the shared numbers of a batch's state were fetched.
pub type Fetched = HashMap<Address, Instant>;

#[cfg(test)]
mod tests {
    use super::*;
    use tallyd_bolt::Key;

    const REFRESH: Duration = Duration::from_secs(1);

    fn ask(cache: &mut Cache, reads: &Reads, now: Instant) -> Vec<Address> {
        let (mut state, missing, mut fetched) = cache.take(reads.clone(), now);
        for address in &missing {
            let cell = match address.kind {
                Kind::Counter => Cell::Counter(0),
                Kind::Field => Cell::Field(Some(vec![0; 1000])),
                Kind::Log => Cell::Log([1].into()),
                Kind::Score => Cell::Score(None),
            };
            state.insert(address.clone(), cell);
            fetched.insert(address.clone(), now);
        }
        cache.put(&mut state, &fetched, now);
        missing
    }

    #[test]
    fn owned_cells_stay_and_shared_ones_are_fetched_again() {
        let mut cache = Cache::new(1 << 20, REFRESH);
        let mut reads = Reads::default();
        let key = Key::new(&["k"]);
        reads.counter(&key, "n");
        reads.score(&key, "u");
        reads.log(&key);
        let start = Instant::now();
        assert_eq!(ask(&mut cache, &reads, start).len(), 3);
        assert_eq!(ask(&mut cache, &reads, start + REFRESH / 2), []);
        // Using a shared number does not make it fresher than it is.
        let missing = ask(&mut cache, &reads, start + REFRESH);
        assert_eq!(missing.iter().map(|a| a.kind).collect::<Vec<_>>(), [Kind::Counter]);
        cache.clear();
        assert_eq!(ask(&mut cache, &reads, start + REFRESH).len(), 3);
    }

    #[test]
    fn it_stays_within_its_bytes() {
        let mut cache = Cache::new(50_000, REFRESH);
        let now = Instant::now();
        let mut missing = 0;
        for round in 0..2 {
            for number in 0..1000 {
                let mut reads = Reads::default();
                reads.field(&Key::new(&["k", &number.to_string()]), "f");
                missing += ask(&mut cache, &reads, now).len() * round;
            }
        }
        assert!(missing > 900, "{missing} of 1000 were forgotten");
    }
}
