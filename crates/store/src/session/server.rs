//! What a session asks of a server, as typed operations: each is one round trip.

use smol_str::SmolStr;
use std::{collections::BTreeMap, future::Future};
use tallyd_bolt::Address;
use tallyd_event::EntryId;
use tallyd_runtime::{
    StoreError,
    store::{Commit, Cursor, Cursors, Fence, Fetched, Read, Span, StreamFacts},
};

/// A change of what belongs to a node's partition, in a transaction of its own.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Sets the cursor of a node: by its place among the node of the task and those fused with it.
    Cursor(usize, u16, Cursor),
    /// Sets the fence.
    Fence(u16, Fence),
    /// Deletes a consumer of the group, if both exist.
    ForgetConsumer(u16, SmolStr),
    /// Notes why the partition is halted.
    Halt(u16, String),
    /// Makes the group, and the stream, where they are missing: the next entry that it delivers
    /// is the one after this id.
    MakeGroup(u16, EntryId),
    /// Sets the group to this id, if it exists.
    MoveGroup(u16, EntryId),
}

/// The fences that are watched.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// As they are, in the order asked for.
    pub fences: Vec<Fence>,
    /// Whether the plan of this connection's worker is in force. The generation of plans is
    /// watched beside the fences.
    pub in_force: bool,
}

/// Partitions of which a cursor is missing, each with the first that is.
pub type Lost = BTreeMap<u16, LostCursor>;

/// A cursor that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostCursor {
    /// The key of the hash that lacks it.
    pub key: String,
    /// It is that of the node that reads, not of one that is fused with it.
    pub reads: bool,
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// What it read; `None` where a fence had moved, so that nothing happened.
    pub read: Option<Read>,
    /// The fences as they are after it.
    pub watched: Watched,
}

/// One node's task's own connection to a server. After an error it is of no more use.
///
/// Partitions are those of the node. WATCH holds from [`Server::watch`] or the end of
/// [`Server::commit`] to the next transaction, whatever becomes of that.
pub trait Server: Send {
    /// By what another connection can end a wait of this one; `None` where none can.
    fn connection(&self) -> Option<u64>;

    /// A random number, for a fence. No round trip.
    ///
    /// # Errors
    /// Where the system gives none.
    fn random(&mut self) -> Result<u64, StoreError>;

    /// Watches the fences of these partitions, whatever was watched before, and returns them in
    /// this order.
    fn watch(
        &mut self,
        partitions: &[u16],
    ) -> impl Future<Output = Result<Watched, StoreError>> + Send;

    /// Does all of these changes if no watched fence has moved, else nothing. Returns whether it
    /// did. Afterwards nothing is watched.
    fn execute(
        &mut self,
        changes: Vec<Change>,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Reads the cursors of these partitions. Those of which one is missing are told apart. What the
    /// connection knew of stored keys is forgotten: others may have changed them since.
    fn cursors(
        &mut self,
        partitions: &[u16],
    ) -> impl Future<Output = Result<(Cursors, Lost), StoreError>> + Send;

    /// What the server says of the streams that these partitions read, with their cursors, in this
    /// order.
    fn streams(
        &mut self,
        partitions: &[(u16, EntryId)],
    ) -> impl Future<Output = Result<Vec<StreamFacts>, StoreError>> + Send;

    /// How many bytes of memory the streams that these partitions read take together.
    fn weigh(&mut self, partitions: &[u16])
    -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Fetches cells of the nodes' bolts, by their places, and looks into spans for entries. Very
    /// long logs take more than one round trip.
    fn fetch(
        &mut self,
        addresses: Vec<(usize, Vec<Address>)>,
        spans: &[Span],
    ) -> impl Future<Output = Result<Fetched, StoreError>> + Send;

    /// Waits for what the commit says, does all of it if no watched fence has moved, else nothing,
    /// then watches the fences of these partitions and returns them.
    ///
    /// # Errors
    /// Of kind [`Halt`](tallyd_runtime::store::ErrorKind::Halt) where a command failed and the
    /// others happened.
    fn commit(
        &mut self,
        commit: &Commit,
        partitions: &[u16],
    ) -> impl Future<Output = Result<Committed, StoreError>> + Send;

    /// The consumers of a partition's group, each with how many entries are pending of it. None
    /// where there is no group.
    fn consumers(
        &mut self,
        partition: u16,
    ) -> impl Future<Output = Result<Vec<(SmolStr, u64)>, StoreError>> + Send;
}
