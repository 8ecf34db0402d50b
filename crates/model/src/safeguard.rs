//! The safeguards of the protocol, each of which the model can do without, to show what then
//! happens. It knows nothing of how they work.

/// One safeguard of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Safeguard {
    /// A commit happens only if no fence of it was written since the task watched it.
    Fence,
    /// A task that re-arms its WATCH compares the fences' values with those it took.
    FenceCompared,
    /// A worker that reconnects takes its partitions over from itself, with a new epoch.
    EpochRaisedOnReconnect,
    /// A worker that reconnects or is fenced forgets the state that it had cached.
    CachesDropped,
    /// The next read is inside the transaction of the commit.
    ReadInsideCommit,
    /// A new owner claims what is pending before it reads what is new.
    PendingFirst,
    /// Each commit writes the cursor, and what is at or below it is skipped.
    Cursor,
    /// A missing group is made at the cursor, not at the end of the stream.
    GroupMadeAtCursor,
    /// A group that does not deliver what is after the cursor is moved back to the cursor.
    GroupMovedBack,
    /// Entries between the cursor and what was read are looked for; where there are some, the group
    /// is moved back to the cursor.
    GapsLookedFor,
    /// A stream is trimmed to the lowest position of all its groups.
    TrimByAllGroups,
    /// A shard keeps the id of the last entry that it took from an outbox.
    ReceiverMark,
}

impl Safeguard {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 12] = [
        Self::Fence,
        Self::FenceCompared,
        Self::EpochRaisedOnReconnect,
        Self::CachesDropped,
        Self::ReadInsideCommit,
        Self::PendingFirst,
        Self::Cursor,
        Self::GroupMadeAtCursor,
        Self::GroupMovedBack,
        Self::GapsLookedFor,
        Self::TrimByAllGroups,
        Self::ReceiverMark,
    ];

    /// The safeguard that catches what goes wrong without this one: only without both is there
    /// harm.
    #[must_use]
    pub fn second_line(self) -> Option<Self> {
        match self {
            Self::ReadInsideCommit | Self::PendingFirst | Self::GroupMadeAtCursor => {
                Some(Self::GapsLookedFor)
            }
            _ => None,
        }
    }

    /// The name of its section in `docs/internals/protocol.md`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fence => "fence",
            Self::FenceCompared => "fence-compared",
            Self::EpochRaisedOnReconnect => "epoch-raised-on-reconnect",
            Self::CachesDropped => "caches-dropped",
            Self::ReadInsideCommit => "read-inside-commit",
            Self::PendingFirst => "pending-first",
            Self::Cursor => "cursor",
            Self::GroupMadeAtCursor => "group-made-at-cursor",
            Self::GroupMovedBack => "group-moved-back",
            Self::GapsLookedFor => "gaps-looked-for",
            Self::TrimByAllGroups => "trim-by-all-groups",
            Self::ReceiverMark => "receiver-mark",
        }
    }
}
