//! Hashes of learners that somebody overwrites with a value of another type, and what comes of it.

use super::{Slot, World};
use crate::Mutation;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use tallyd_bolt::{Key, Write};
use tallyd_event::partition_of;
use tallyd_runtime::{
    StoreError,
    store::{ErrorKind, Fence, Owner, Part},
};

/// The bolt whose keys are overwritten.
pub const OVERWRITTEN: &str = "fatigue";

/// What was overwritten.
#[derive(Debug, Default)]
pub(super) struct Broken {
    /// By the key of a partition's learners: how many answers of each were counted there and are
    /// gone.
    gone: BTreeMap<Key, BTreeMap<SmolStr, u64>>,
    /// From when on an operator resumes what is halted, if one looks at all.
    pub(super) resume_at: Option<i64>,
    /// The partitions that ever were halted.
    pub(super) halts: BTreeSet<Slot>,
}

impl World {
    /// Sets a string at the key of the hash that has a learner.
    pub fn overwrite(&mut self, user: usize, ms: u64) {
        let key = self.key_of(&format!("u{user}"));
        self.broken.resume_at = Some(self.now.saturating_add_unsigned(ms));
        let Some((place, _)) = self.topology.node(OVERWRITTEN) else { return };
        let memory = self.bolts.entry(place).or_default();
        let hash = memory.hashes.remove(&key).unwrap_or_default();
        memory.expiries.remove(&key);
        let counted = || hash.iter().map(|(name, value)| (name.clone(), answers(value)));
        self.broken.gone.entry(key).or_insert_with(|| counted().collect());
    }

    /// The key of the hash that has a learner.
    fn key_of(&self, learner: &str) -> Key {
        let partition = partition_of([learner], self.topology.partitions);
        Key::new(&["learners", &partition.to_string()])
    }

    /// How many answers were counted of this learner before the key was overwritten, or were in
    /// the commit that failed; `None` where it was not.
    #[must_use]
    pub fn overwritten(&self, learner: &str) -> Option<u64> {
        let gone = self.broken.gone.get(&self.key_of(learner))?;
        Some(gone.get(learner).copied().unwrap_or_default())
    }

    /// The partitions whose learners' key was overwritten.
    pub fn overwritten_partitions(&self) -> impl Iterator<Item = u16> {
        self.broken.gone.keys().filter_map(|key| key.as_str().rsplit(':').next()?.parse().ok())
    }

    /// The partitions that ever were halted.
    #[must_use]
    pub fn ever_halted(&self) -> &BTreeSet<Slot> {
        &self.broken.halts
    }

    /// Why a key can't be read, if it can't.
    #[must_use]
    pub fn refusal(&self, place: usize, key: &Key) -> Option<String> {
        self.is_broken(place, key).then(|| format!("key {key:?}: WRONGTYPE"))
    }

    /// What of a part can be written. The keys for which that fails are added to `failed`.
    pub(super) fn writable(&mut self, part: &Part, failed: &mut Vec<(usize, Key)>) -> Vec<Write> {
        let mut writes = Vec::new();
        for write in &part.writes {
            if !self.is_broken(part.node, write.key()) {
                writes.push(write.clone());
                continue;
            }
            if let Write::Field { key, name, value } = write {
                let gone = self.broken.gone.entry(key.clone()).or_default();
                gone.insert(name.clone(), answers(value));
            }
            failed.push((part.node, write.key().clone()));
        }
        writes
    }

    /// The error of commands that failed inside EXEC.
    pub(super) fn halts(&self, failed: Vec<(usize, Key)>) -> StoreError {
        let told = self.mutation != Some(Mutation::FailureUntold);
        let failed = if told { failed } else { Vec::new() };
        StoreError { failed, ..StoreError::new(ErrorKind::Halt, "WRONGTYPE inside EXEC") }
    }

    /// What an operator does when it is time.
    pub(super) fn resume(&mut self) {
        if self.broken.resume_at.is_none_or(|at| self.now < at) {
            return;
        }
        for slot in std::mem::take(&mut self.halted).into_keys() {
            let fence = self.fence(slot);
            self.set_fence(slot, Fence { owner: Owner::Nobody, ..fence });
        }
    }

    fn is_broken(&self, place: usize, key: &Key) -> bool {
        let of_bolt = || self.topology.node(OVERWRITTEN).is_some_and(|(of, _)| of == place);
        self.broken.gone.contains_key(key) && of_bolt()
    }
}

/// The answers that a learner's field begins with, as LEB128.
pub fn answers(bytes: &[u8]) -> u64 {
    let number = bytes.chunk_by(|byte, _| *byte >= 0x80).next().unwrap_or_default();
    number.iter().rev().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f))
}
