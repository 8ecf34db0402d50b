//! What the runtime needs from storage, as traits and plain data.
//!
//! The safeguards of exactly-once are the contract of [`Session::commit`]: all of a commit happens
//! or nothing, and nothing happens once a fence of the session has moved.

mod cursor;
mod error;
mod fetched;
mod late;
mod membership;
mod rejected;
mod streams;

pub use cursor::{Counts, Cursor, Cursors, last};
pub use error::{ErrorKind, StoreError};
pub use fetched::{Fetched, Refused, Span};
pub use late::{LATE_EXAMPLES, Late, LateEvent};
pub use membership::{Announcement, Beat, Listener, NodeLoad, ProbeSeen, View};
pub use rejected::Rejected;
pub use streams::{Begun, Lag, StreamFacts};

use smol_str::SmolStr;
use std::{collections::BTreeMap, future::Future, time::Duration};
use tallyd_bolt::{Address, Write};
use tallyd_event::{
    EntryId,
    decode::{Fields, Packed},
};

/// Who may work on a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Owner {
    /// Nobody: never taken, or released.
    #[default]
    Nobody,
    /// The worker of this id.
    Worker(SmolStr),
    /// Nobody until an operator has looked: a command failed inside a commit.
    Halted,
}

/// The fence of one node's partition. Every take-over writes a value that was never there before,
/// even where the server lost its last writes and the epoch has gone back with them: so fences are
/// only ever compared for equality.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fence {
    /// Who may commit.
    pub owner: Owner,
    /// How often the partition changed hands, as far as the server knows.
    pub epoch: u64,
    /// Drawn for each take-over.
    pub random: u64,
}

/// One entry of a stream, as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// Its fields, in order. Empty for an entry that was deleted while it was pending.
    pub fields: Packed,
}

/// An event or entry that could not be processed.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// The kind of the reason.
    pub kind: Rejected,
    /// Why, for people.
    pub reason: String,
    /// The entry of the source that brought it; for an unreadable frame, the frame's entry.
    pub entry: EntryId,
    /// When that arrived, in ms since the epoch: a replay keeps it.
    pub arrived: i64,
    /// The original fields.
    pub fields: Fields,
    /// How many bytes the original fields were long, where only their beginning is kept.
    pub cut: Option<u64>,
}

/// Events on their way to one partition of an edge.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The place of the edge in the node's edges.
    pub edge: usize,
    /// The partition.
    pub partition: u16,
    /// The encoded frame.
    pub bytes: Vec<u8>,
}

/// What a commit reads at its end, inside the transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// New entries of these partitions, at most `count` of each.
    New {
        /// The partitions.
        partitions: Vec<u16>,
        /// The most entries of one partition.
        count: usize,
    },
    /// Pending entries of one partition, whoever read them, in order of id.
    Pending {
        /// The partition.
        partition: u16,
        /// The lowest id.
        from: EntryId,
        /// The most entries.
        count: usize,
    },
}

/// Waiting without changing anything, so that an idle task asks for nothing over and over.
#[derive(Clone, Debug, PartialEq)]
pub struct Wait {
    /// Until one of these partitions has an entry after the given one,
    pub after: Vec<(u16, EntryId)>,
    /// or for so long.
    pub at_most: Duration,
}

/// Everything that one batch changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// What comes before: only a commit that changes nothing waits.
    pub wait: Option<Wait>,
    /// What it changes of each node of the task.
    pub parts: Vec<Part>,
    /// Entries that are done, by partition.
    pub acks: Vec<(u16, Vec<EntryId>)>,
    /// What to read next.
    pub next: Next,
}

/// What one batch changes of one node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// The place of the node.
    pub node: usize,
    /// Changes of the bolt's state.
    pub writes: Vec<Write>,
    /// When keys of that state go.
    pub expiries: Vec<(tallyd_bolt::Key, i64)>,
    /// Frames for the node's edges.
    pub frames: Vec<Frame>,
    /// Entries for the node's sinks: the place of the sink, and the fields.
    pub published: Vec<(usize, Fields)>,
    /// Dead letters.
    pub dead: Vec<DeadLetter>,
    /// What came too late.
    pub late: Late,
    /// What it does of an edit.
    pub edit: Option<EditPart>,
    /// The new cursors of the partitions in it.
    pub cursors: Vec<(u16, Cursor)>,
}

/// What a commit does of an edit in one partition of a bolt, for those who look how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditPart {
    /// The edit's id.
    pub id: SmolStr,
    /// How many results it changes.
    pub changed: u64,
    /// Whether nothing is left to do in the partition.
    pub done: bool,
    /// What it hands over to partitions of the bolt: each an entry for the stream that the partition
    /// reads.
    pub handed: Vec<(u16, Vec<u8>)>,
    /// Of a source: the entry of its stream that the edit is, where that has to be known.
    pub place: Option<EntryId>,
}

impl Commit {
    /// A commit that only reads.
    #[must_use]
    pub fn read(next: Next) -> Self {
        Self { wait: None, parts: Vec::new(), acks: Vec::new(), next }
    }
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All of it happened.
    Done(Read),
    /// Nothing of it happened: a fence had moved. The partitions that are still the session's,
    /// with unchanged epoch.
    Fenced {
        /// The partitions that are still the session's.
        kept: Vec<u16>,
    },
}

/// What a commit read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// Entries by partition, in order of id within each.
    pub entries: Vec<(u16, Entry)>,
    /// The partitions for which the wait ended, each with the first entry after the given one.
    pub woken: Vec<(u16, EntryId)>,
    /// Where [`Next::Pending`] goes on; `None` once nothing more is pending.
    pub pending_from: Option<EntryId>,
    /// How many dead letters are lost, the oldest, because there are more than may be kept.
    pub dead_dropped: u64,
    /// The server's clock right after the read, in ms since the epoch. A session of a source tells
    /// it: no entry can have arrived later than that, whatever its id says.
    pub now: Option<i64>,
    /// A group was missing, so that nothing was read: it has to be made again from the cursor.
    pub group_missing: bool,
    /// The partitions that are still the session's after the commit.
    pub kept: Vec<u16>,
}

/// What is to be known of a node's streams.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// By node and partition: how many entries wait, and since when the oldest (ms since the
    /// epoch).
    pub lags: Vec<(usize, u16, Lag)>,
    /// By node: the most entries that one stream which it writes holds, those aside whose readers
    /// are halted or missing.
    pub backlogs: Vec<(usize, u64)>,
    /// By node: about how many bytes wait, in streams that it writes, for partitions that are
    /// halted or that nobody owns.
    pub stalled: Vec<(usize, u64)>,
    /// How many dead letters are stored.
    pub dead_letters: u64,
    /// How many were dropped, the oldest, because all took more memory than they may.
    pub dead_dropped: u64,
    /// Whether streams are being swept for a member who is forgotten.
    pub sweeps: bool,
}

/// A partition that a session owns, with the fence that says so.
pub type Owned = BTreeMap<u16, Fence>;

/// Storage.
pub trait Store: Clone + Send + Sync + 'static {
    /// A task's own connection.
    type Session: Session;
    /// A worker's subscription, on a connection of its own.
    type Listener: Listener;

    /// Opens a session for a node and those fused with it, by its place in the topology. `worker`
    /// owns what it takes.
    fn open(
        &self,
        node: usize,
        worker: &SmolStr,
    ) -> impl Future<Output = Result<Self::Session, StoreError>> + Send;

    /// Checks the server and the stored topology, stores what is new in it, and returns the seed
    /// that keys its fingerprints.
    fn register(&self) -> impl Future<Output = Result<[u8; 16], StoreError>> + Send;

    /// Subscribes in the name of a worker.
    fn listen(
        &self,
        worker: &SmolStr,
    ) -> impl Future<Output = Result<Self::Listener, StoreError>> + Send;

    /// Says that a worker is alive, and returns what is known of all. One round trip, on a
    /// connection that serves nothing else.
    fn heartbeat(&self, beat: &Beat) -> impl Future<Output = Result<View, StoreError>> + Send;

    /// Asks only which of these workers are subscribed.
    fn look(
        &self,
        workers: &[SmolStr],
    ) -> impl Future<Output = Result<BTreeMap<SmolStr, bool>, StoreError>> + Send;

    /// Makes all who listen look at the membership and the fences at once.
    fn nudge(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Ends the wait of the session on this connection, if it waits.
    fn wake(&self, connection: u64) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Puts the own plan in force, where the generation still is the one that was seen. Returns
    /// whether it is in force now.
    fn switch(
        &self,
        seen: Option<&SmolStr>,
        worker: &SmolStr,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Takes a worker out of the membership: what it still owns is free to take.
    fn leave(&self, worker: &SmolStr) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Trims the streams that the owned partitions write, and says how long those are.
    fn tend(
        &self,
        owned: &[(usize, Vec<u16>)],
    ) -> impl Future<Output = Result<Survey, StoreError>> + Send;
}

/// A task's own connection. After an error it is of no more use: nothing that it did last is
/// known to have happened or not, and all that it owned has to be taken again.
pub trait Session: Send {
    /// By what [`Store::wake`] knows its connection; `None` where its waits can't be cut short.
    fn connection(&self) -> Option<u64>;

    /// Takes partitions whose fences still are as seen, writing new fences. Returns the new
    /// fences of those it got: all, or none if a fence moved meanwhile.
    fn take(
        &mut self,
        seen: &BTreeMap<u16, Fence>,
    ) -> impl Future<Output = Result<Owned, StoreError>> + Send;

    /// Gives partitions back, where their fences are still the session's.
    fn release(&mut self, owned: &Owned) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Marks partitions as halted until an operator has looked.
    fn halt(
        &mut self,
        owned: &Owned,
        reason: &str,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Begins a cycle: from here on, a commit of these partitions is fenced. Makes missing groups
    /// from the cursors and returns the cursors of those that are still the session's.
    ///
    /// Where a stream's ids are below its cursor, the stream began again, and what it holds was
    /// never read: the cursor is set back to its beginning, fenced.
    fn begin(&mut self, owned: &Owned) -> impl Future<Output = Result<Begun, StoreError>> + Send;

    /// What the server says of the streams of these partitions, with their cursors, in this order.
    fn streams(
        &mut self,
        partitions: &[(u16, EntryId)],
    ) -> impl Future<Output = Result<Vec<StreamFacts>, StoreError>> + Send;

    /// How many bytes of memory the streams of these partitions take together: no read brings
    /// more of what they hold now. It takes as long as they have nodes.
    fn weigh(&mut self, partitions: &[u16])
    -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Fetches cells of the nodes' bolts, by their places, and looks into spans for what was not
    /// delivered.
    fn fetch(
        &mut self,
        addresses: Vec<(usize, Vec<Address>)>,
        spans: &[Span],
    ) -> impl Future<Output = Result<Fetched, StoreError>> + Send;

    /// Waits for what the commit says, then does all of it, if no fence of `owned` has moved since
    /// [`Session::begin`] or the last commit, or nothing.
    fn commit(
        &mut self,
        owned: &Owned,
        commit: &Commit,
    ) -> impl Future<Output = Result<Outcome, StoreError>> + Send;

    /// Sets a group back to its cursor, fenced: for one that does not deliver what is there.
    fn rewind(
        &mut self,
        owned: &Owned,
        cursors: &[(u16, EntryId)],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Deletes the consumers of a partition's group, other than the session's own, that have
    /// nothing pending.
    fn forget_consumers(
        &mut self,
        owned: &Owned,
        partition: u16,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
