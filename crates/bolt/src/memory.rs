//! A topology's stored state in plain maps: what a commit does to Redis, done to memory.
//!
//! Serves the `[[test]]` blocks of topology files and the tests of bolts. Keys never expire here.

use crate::{Address, Batch, Bolt, Cell, Effects, Fingerprints, Key, Kind, Reads, State, Write};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// The stored values of one bolt, by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// Hashes: fields that one partition owns, as bytes.
    pub hashes: BTreeMap<Key, BTreeMap<SmolStr, Vec<u8>>>,
    /// Hashes of shared numbers.
    pub counters: BTreeMap<Key, BTreeMap<SmolStr, i64>>,
    /// Sorted sets.
    pub scores: BTreeMap<Key, BTreeMap<SmolStr, f64>>,
    /// Logs of fingerprints.
    pub logs: BTreeMap<Key, Fingerprints>,
    /// What HyperLogLogs counted, exactly.
    pub distinct: BTreeMap<Key, BTreeSet<SmolStr>>,
    /// Sets.
    pub members: BTreeMap<Key, BTreeSet<SmolStr>>,
    /// When keys go.
    pub expiries: BTreeMap<Key, i64>,
    /// How many events were dropped as already seen.
    pub duplicates: u64,
    /// How many windows events came too late for.
    pub late: u64,
}

impl Memory {
    /// Runs a batch through a bolt and applies its effects, as the runtime and the store do.
    pub fn run(&mut self, bolt: &dyn Bolt, batch: &Batch<'_>) -> Effects {
        let state = self.load(&Reads::of(bolt, batch));
        let effects = bolt.process(batch, &state);
        self.apply(&effects);
        effects
    }

    /// The cells of these addresses.
    #[must_use]
    pub fn load(&self, reads: &Reads<'_>) -> State {
        let mut state = State::default();
        for address in reads.iter() {
            state.insert(address.clone(), self.cell(address));
        }
        state
    }

    /// The cell of an address.
    #[must_use]
    pub fn cell(&self, Address { kind, key, name }: &Address) -> Cell {
        match kind {
            Kind::Counters(names) => {
                let stored = self.counters.get(key);
                let value = |name: &&str| stored.and_then(|c| c.get(*name)).copied().unwrap_or(0);
                Cell::Counters(names.iter().map(value).collect(), 0)
            }
            Kind::Field => Cell::Field(self.hashes.get(key).and_then(|h| h.get(name)).cloned()),
            Kind::Log => Cell::Log(self.logs.get(key).cloned().unwrap_or_default()),
            Kind::Score => Cell::Score(self.scores.get(key).and_then(|s| s.get(name)).copied()),
        }
    }

    /// Applies effects; what a bolt emits or rejects is the caller's.
    pub fn apply(&mut self, effects: &Effects) {
        for write in effects.writes.iter().cloned() {
            match write {
                Write::Add { key, names, deltas } => {
                    let counters = self.counters.entry(key).or_default();
                    for (name, delta) in names.iter().zip(deltas).filter(|(_, delta)| *delta != 0) {
                        *counters.entry(SmolStr::new_static(name)).or_default() += delta;
                    }
                    // No reader tells 0 from none, and whether it is stored depends on the split.
                    counters.retain(|_, value| *value != 0);
                }
                Write::Append { key, fingerprints } => {
                    self.logs.entry(key).or_default().extend(fingerprints);
                }
                Write::DropLog { key } => {
                    self.logs.remove(&key);
                    self.expiries.remove(&key);
                }
                Write::Distinct { key, items } => {
                    self.distinct.entry(key).or_default().extend(items);
                }
                Write::Field { key, name, value } => {
                    self.hashes.entry(key).or_default().insert(name, value);
                }
                Write::Member { key, members } => {
                    self.members.entry(key).or_default().extend(members);
                }
                Write::Score { key, member, score } => {
                    self.scores.entry(key).or_default().insert(member, score);
                }
            }
        }
        self.expiries.extend(effects.expiries.iter().cloned());
        self.duplicates += effects.duplicates;
        self.late += effects.late.len() as u64;
    }
}
