//! What a fetch asks for and finds.

use tallyd_bolt::{Address, Cell, Key};
use tallyd_event::EntryId;

/// What lies strictly between two ids in a partition's stream.
pub type Span = (u16, EntryId, EntryId);

/// A key that holds something else than a bolt stores there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The place of the bolt's node.
    pub node: usize,
    /// The key.
    pub key: Key,
    /// The whole name of the key, and what was wrong.
    pub reason: String,
}

/// What a fetch found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fetched {
    /// The cells, each with the place of its node.
    pub cells: Vec<(usize, Address, Cell)>,
    /// The keys that could be read and hold no such cells.
    pub refused: Vec<Refused>,
    /// The partitions whose stream holds an entry in one of their spans: the group did not
    /// deliver it.
    pub skipped: Vec<u16>,
}
