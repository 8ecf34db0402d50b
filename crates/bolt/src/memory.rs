//! A topology's stored state in plain maps: what a commit does to Redis, done to memory.
//!
//! Serves the `[[test]]` blocks of topology files and the tests of bolts. Keys never expire here.

use crate::{
    Address, Batch, Bolt, Cell, EditAt, Effects, Fingerprints, Key, Kind, Reads, State, Write,
};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use tallyd_event::{Edit, partition_of};

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
        let state = self.state(|reads| bolt.reads(batch, reads));
        let effects = bolt.process(batch, &state);
        self.apply(&effects);
        effects
    }

    /// The cells that are asked for, again and again until nothing is missing.
    pub fn state(&self, ask: impl Fn(&mut Reads<'_>)) -> State {
        let mut state = State::default();
        loop {
            let mut reads = Reads::beside(&state, i64::MIN);
            ask(&mut reads);
            let (again, missing) = (reads.is_incomplete(), reads.into_addresses());
            for address in missing {
                let cell = self.cell(&address);
                state.insert(address, cell);
            }
            if !again {
                return state;
            }
        }
    }

    /// Does an edit in a partition of a bolt, as the runtime and the store do, and returns how many
    /// results it changed. After so many steps it stops, as if the worker had died.
    pub fn edit(&mut self, bolt: &dyn Bolt, edit: &Edit, at: EditAt, steps: usize) -> u64 {
        let state = self.state(|reads| bolt.edit_reads(edit, at, reads));
        let done = bolt.edit(edit, at, &state).into_iter().take(steps);
        done.map(|step| {
            self.apply(&step.effects);
            step.changed
        })
        .sum()
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
            Kind::Log => Cell::Log(Box::new(self.logs.get(key).cloned().unwrap_or_default())),
            Kind::Names => Cell::Names(Box::new(
                self.members.get(key).into_iter().flatten().cloned().collect(),
            )),
            Kind::Ranked(partition, of) => {
                let is_of = |name: &&SmolStr| partition_of([name.as_str()], *of) == *partition;
                let all = self.scores.get(key).into_iter().flat_map(BTreeMap::keys);
                Cell::Names(Box::new(all.filter(is_of).cloned().collect()))
            }
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
                Write::Drop { key } => {
                    self.counters.remove(&key);
                    self.distinct.remove(&key);
                    self.expiries.remove(&key);
                    self.hashes.remove(&key);
                    self.logs.remove(&key);
                    self.members.remove(&key);
                    self.scores.remove(&key);
                }
                Write::DropLog { key } => {
                    self.logs.remove(&key);
                    self.hashes.remove(&key);
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
                Write::RemoveField { key, name } => remove(&mut self.hashes, &key, |h| {
                    h.remove(&name);
                    h.is_empty()
                }),
                Write::RemoveMember { key, members } => remove(&mut self.members, &key, |set| {
                    set.retain(|name| !members.contains(name));
                    set.is_empty()
                }),
                Write::RemoveScore { key, member } => remove(&mut self.scores, &key, |set| {
                    set.remove(&member);
                    set.is_empty()
                }),
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

/// Takes something out of what a key holds. A key that is left empty is gone.
fn remove<T>(all: &mut BTreeMap<Key, T>, key: &Key, change: impl FnOnce(&mut T) -> bool) {
    if all.get_mut(key).is_some_and(change) {
        all.remove(key);
    }
}
