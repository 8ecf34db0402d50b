//! What is known of the streams that a task reads.

use super::{Cursor, Cursors};
use tallyd_event::EntryId;

/// What a server says of a stream, at one moment. A stream that is missing has only zeroes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamFacts {
    /// How many entries it holds.
    pub length: u64,
    /// How many nodes hold them. Each has up to a hundred entries, and to weigh one takes the
    /// server about 0.1 µs.
    pub nodes: u64,
    /// The highest id that it ever had, or was set to.
    pub generated: EntryId,
    /// The first and the last entry that it holds.
    pub ends: Option<(EntryId, EntryId)>,
    /// How many entries were ever added to it. Servers before Redis 7.0 do not say.
    pub added: Option<u64>,
    /// The group that asks is not there: somebody destroyed it, or deleted the stream with it. Only
    /// asked of sources.
    pub ungrouped: bool,
    /// The mark of the entry at the cursor that asks, where it is still there. Only asked of sources.
    pub at: Option<u64>,
}

/// What a cycle begins with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Begun {
    /// The cursors of the partitions that are still the session's.
    pub cursors: Cursors,
    /// Those of them whose stream began again, with the cursors of the node that reads from before.
    pub restarted: Vec<(u16, Cursor)>,
    /// Partitions that were halted just now, because a cursor is missing, and why.
    pub lost: Vec<(u16, String)>,
}

/// What waits for a node's partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Entries that are not yet processed.
    pub entries: u64,
    /// When the oldest of them arrived, in ms since the epoch, where that is known.
    pub oldest: Option<i64>,
    /// The first of them can't be read: the server cuts off who asks for it, because it is larger
    /// than it lets a client have. Then how many wait is about right, and the oldest may be unknown.
    pub unreadable: bool,
}
