//! How far a partition has come, and what was done up to there.

use std::collections::BTreeMap;
use tallyd_event::EntryId;

/// How far a node's partition has come: written by every commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The last entry whose effects are in.
    pub last: EntryId,
    /// The [mark](tallyd_event::mark) of that entry; 0 where it is not known.
    pub mark: u64,
    /// Of a source: the first entry whose id was ahead of the server's clock, as long as those that
    /// follow are. Else the lowest id.
    pub ahead: EntryId,
    /// How many of the entries that were ever added to the stream are accounted for up to there:
    /// processed, or lost. Only the node that reads counts them.
    pub accounted: u64,
    /// How often the stream began again: somebody deleted it, or set its ids back.
    pub restarts: u64,
    /// What was done up to there.
    pub counts: Counts,
}

/// By partition: the cursors of the nodes of a task, in the order of
/// [`Topology::fused`](tallyd_topology::Topology::fused). That of the node which reads comes first,
/// and the others never are at another entry once they have done something.
pub type Cursors = BTreeMap<u16, Vec<Cursor>>;

/// The last entry of a partition whose effects are in.
#[must_use]
pub fn last(cursors: &Cursors, partition: u16) -> EntryId {
    let of_node = cursors.get(&partition).and_then(|of_nodes| of_nodes.first());
    of_node.map(|cursor| cursor.last).unwrap_or_default()
}

/// What a node's partition has done since the topology began, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events read.
    pub events: u64,
    /// Events emitted.
    pub emitted: u64,
    /// Events dropped as already seen.
    pub duplicates: u64,
    /// Events (or whole entries) put among the dead letters.
    pub dead: u64,
    /// Windows that an event came too late for.
    pub late: u64,
    /// Entries that were added to the stream and deleted before they were read.
    pub lost: u64,
}

impl Counts {
    /// Adds what one batch did.
    pub fn add(&mut self, other: &Counts) {
        self.events += other.events;
        self.emitted += other.emitted;
        self.duplicates += other.duplicates;
        self.dead += other.dead;
        self.late += other.late;
        self.lost += other.lost;
    }

    /// What was done since an earlier count.
    #[must_use]
    pub fn since(&self, earlier: &Counts) -> Counts {
        Counts {
            events: self.events.saturating_sub(earlier.events),
            emitted: self.emitted.saturating_sub(earlier.emitted),
            duplicates: self.duplicates.saturating_sub(earlier.duplicates),
            dead: self.dead.saturating_sub(earlier.dead),
            late: self.late.saturating_sub(earlier.late),
            lost: self.lost.saturating_sub(earlier.lost),
        }
    }
}
