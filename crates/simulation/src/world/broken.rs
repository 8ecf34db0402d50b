//! Keys of learners that somebody overwrites with a value of another type, and what comes of it.

use super::{Slot, World};
use crate::Mutation;
use std::collections::{BTreeMap, BTreeSet};
use tallyd_bolt::{Key, Write};
use tallyd_runtime::{
    StoreError,
    store::{ErrorKind, Fence, Owner, Part},
};

/// The bolt whose keys are overwritten.
pub const OVERWRITTEN: &str = "fatigue";
/// The field of a learner's hash that says how many answers are counted there.
const ANSWERS: &str = "answers";

/// What was overwritten.
#[derive(Debug, Default)]
pub(super) struct Broken {
    /// By learner's key: how many answers were counted there and are gone.
    gone: BTreeMap<Key, u64>,
    /// From when on an operator resumes what is halted, if one looks at all.
    pub(super) resume_at: Option<i64>,
    /// The partitions that ever were halted.
    pub(super) halts: BTreeSet<Slot>,
}

impl World {
    /// Sets a string at the key of the hash of a learner.
    pub fn overwrite(&mut self, user: usize, ms: u64) {
        let key = Key::new(&["learner", &format!("u{user}")]);
        self.broken.resume_at = Some(self.now.saturating_add_unsigned(ms));
        let Some((place, _)) = self.topology.node(OVERWRITTEN) else { return };
        let memory = self.bolts.entry(place).or_default();
        let hash = memory.hashes.remove(&key);
        let counted = hash.as_ref().and_then(|hash| number(hash.get(ANSWERS)?));
        memory.expiries.remove(&key);
        self.broken.gone.entry(key).or_insert(counted.unwrap_or_default());
    }

    /// How many answers were counted at this learner's key before it was overwritten, or were in
    /// the commit that failed; `None` where it was not.
    #[must_use]
    pub fn overwritten(&self, learner: &str) -> Option<u64> {
        self.broken.gone.get(&Key::new(&["learner", learner])).copied()
    }

    /// The learners whose keys were overwritten.
    pub fn overwritten_learners(&self) -> impl Iterator<Item = &str> {
        self.broken.gone.keys().filter_map(|key| key.as_str().rsplit(':').next())
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
            if let Write::Field { key, name, value } = write
                && name == ANSWERS
            {
                self.broken.gone.insert(key.clone(), number(value).unwrap_or_default());
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

fn number(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}
