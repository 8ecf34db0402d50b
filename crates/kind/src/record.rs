//! How what is stored of one learner is read: step by step, without I/O in the bolt.

use crate::row::Row;
use smol_str::SmolStr;
use std::{collections::BTreeMap, fmt};
use tallyd_bolt::Key;

/// How the rows of one learner are found: those of a view of the form
/// [`Form::Record`](crate::view::Form::Record).
pub trait Record: Sync {
    /// The next step to the rows, from what was found until now. Pure: equal inputs give the same
    /// step.
    ///
    /// # Errors
    /// Where something is stored that the bolt does not write.
    fn read(&self, asked: Asked<'_>, found: &Found) -> Result<Step, Unreadable>;
}

/// Whose rows are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Who.
    pub learner: &'a str,
    /// When, in ms since the epoch.
    pub now: i64,
    /// Into how many partitions the bolt's input is split.
    pub partitions: u16,
}

/// A step to the rows of a learner.
#[derive(Debug)]
pub enum Step {
    /// The same fields of each of these hashes have to be read.
    Fields(Vec<Key>, Vec<SmolStr>),
    /// This hash has to be read, whole.
    Hash(Key),
    /// The rows; none where nothing is stored.
    Rows(Vec<Row>),
}

/// The fields of a hash, with their values.
pub type Hash = BTreeMap<SmolStr, Vec<u8>>;

/// What was read on the way to the rows of a learner.
#[derive(Debug, Default)]
pub struct Found {
    fields: BTreeMap<(Key, SmolStr), Option<Vec<u8>>>,
    hashes: BTreeMap<Key, Hash>,
}

impl Found {
    /// What a field holds: `Some(None)`, where there is none; `None` where it was not read yet.
    #[must_use]
    pub fn field(&self, key: &Key, name: &str) -> Option<Option<&[u8]>> {
        self.fields.get(&(key.clone(), name.into())).map(Option::as_deref)
    }

    /// What a hash holds: nothing, where there is none; `None` where it was not read yet.
    #[must_use]
    pub fn hash(&self, key: &Key) -> Option<&Hash> {
        self.hashes.get(key)
    }

    /// A field was read.
    pub fn add_field(&mut self, key: &Key, name: &str, value: Option<Vec<u8>>) {
        self.fields.insert((key.clone(), name.into()), value);
    }

    /// A hash was read.
    pub fn add_hash(&mut self, key: Key, hash: Hash) {
        self.hashes.insert(key, hash);
    }
}

/// A stored value that is not what the bolt writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}
