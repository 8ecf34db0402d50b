//! What a bolt wants to change. The store turns it into commands, in one place.

use crate::{Key, Names};
use smol_str::SmolStr;
use tallyd_event::Event;

/// The effects of one batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// Changes of stored values, at most one an address.
    pub writes: Vec<Write>,
    /// Until when a key is written at most, in ms since the epoch: one entry for each key written
    /// that has an end. Storage may collect it some time after that, and never before.
    pub expiries: Vec<(Key, i64)>,
    /// Events of the bolt's output schema, in order.
    pub emits: Vec<Event>,
    /// Events of the batch that the bolt can't use.
    pub rejects: Vec<Rejection>,
    /// How many events were dropped as already seen.
    pub duplicates: u64,
    /// The windows and periods that events came too late for: they counted in the others.
    pub late: Vec<Late>,
}

/// One change of a stored value.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Adds to shared numbers of a hash.
    Add {
        /// The hash.
        key: Key,
        /// The fields.
        names: Names,
        /// What is added to each. Bolts bound it, so that no sum can overflow. 0 writes nothing.
        deltas: Vec<i64>,
    },
    /// Deletes a key, whatever it holds, that one partition owns. For edits: what is cached of the key
    /// has to be looked for. Nothing else may be written to the key in the same commit.
    Drop {
        /// The key.
        key: Key,
    },
    /// Appends to a log of fingerprints.
    Append {
        /// The log.
        key: Key,
        /// What is appended, each new to the log.
        fingerprints: Vec<u128>,
    },
    /// Deletes a log of fingerprints, and what is appended to it afterwards begins it again; or a hash
    /// whose fields are never asked for or written any more.
    DropLog {
        /// The log or hash.
        key: Key,
    },
    /// Counts items in a HyperLogLog.
    Distinct {
        /// The HyperLogLog.
        key: Key,
        /// The items, each once.
        items: Vec<SmolStr>,
    },
    /// Sets a field of a hash.
    Field {
        /// The hash.
        key: Key,
        /// The field.
        name: SmolStr,
        /// The new bytes.
        value: Vec<u8>,
    },
    /// Puts members into a set.
    Member {
        /// The set.
        key: Key,
        /// The members, each once.
        members: Vec<SmolStr>,
    },
    /// Takes a field out of a hash.
    RemoveField {
        /// The hash.
        key: Key,
        /// The field.
        name: SmolStr,
    },
    /// Takes members out of a set.
    RemoveMember {
        /// The set.
        key: Key,
        /// The members, each once.
        members: Vec<SmolStr>,
    },
    /// Takes a member out of a sorted set.
    RemoveScore {
        /// The sorted set.
        key: Key,
        /// The member.
        member: SmolStr,
    },
    /// Sets a member's score in a sorted set.
    Score {
        /// The sorted set.
        key: Key,
        /// The member.
        member: SmolStr,
        /// The new score: finite.
        score: f64,
    },
}

impl Write {
    /// The key that it changes.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Write::Add { key, .. }
            | Write::Append { key, .. }
            | Write::Drop { key }
            | Write::DropLog { key }
            | Write::Distinct { key, .. }
            | Write::Field { key, .. }
            | Write::Member { key, .. }
            | Write::RemoveField { key, .. }
            | Write::RemoveMember { key, .. }
            | Write::RemoveScore { key, .. }
            | Write::Score { key, .. } => key,
        }
    }
}

/// An event that a bolt can't use: it goes to the dead letters in the same commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    /// Its place in the batch.
    pub event: usize,
    /// Why, in the style of errors: lowercase, with values, no period.
    pub reason: String,
}

/// A window or period that an event came too late for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Late {
    /// The event's place in the batch.
    pub event: usize,
    /// The name of the window or period, such as `1h` or `day`.
    pub window: SmolStr,
    /// The label of the one that is final.
    pub label: SmolStr,
}

impl Effects {
    /// Sets a field of a hash to a text or bytes.
    pub fn set_field(&mut self, key: &Key, name: &str, value: impl Into<Vec<u8>>) {
        self.writes.push(Write::Field { key: key.clone(), name: name.into(), value: value.into() });
    }

    /// Sets a member's score.
    pub fn set_score(&mut self, key: &Key, member: &str, score: f64) {
        self.writes.push(Write::Score { key: key.clone(), member: member.into(), score });
    }

    /// Takes a field out of a hash.
    pub fn remove_field(&mut self, key: &Key, name: &str) {
        self.writes.push(Write::RemoveField { key: key.clone(), name: name.into() });
    }

    /// Deletes a key.
    pub fn drop_key(&mut self, key: &Key) {
        self.writes.push(Write::Drop { key: key.clone() });
    }

    /// Takes a member out of a sorted set.
    pub fn remove_score(&mut self, key: &Key, member: &str) {
        self.writes.push(Write::RemoveScore { key: key.clone(), member: member.into() });
    }

    /// Adds to shared numbers. Nothing is written where all that is added is 0.
    pub fn add<const N: usize>(
        &mut self,
        key: &Key,
        names: &'static [&'static str; N],
        deltas: [i64; N],
    ) {
        if deltas.iter().any(|delta| *delta != 0) {
            self.writes.push(Write::Add { key: key.clone(), names, deltas: deltas.into() });
        }
    }

    /// Rejects an event of the batch.
    pub fn reject(&mut self, event: usize, reason: impl Into<String>) {
        self.rejects.push(Rejection { event, reason: reason.into() });
    }
}
