//! A task's fenced cycle, over the typed operations of a [`Server`].
//!
//! WATCH on the fences holds from before state is read until EXEC. Every EXEC is followed, in the
//! same round trip, by WATCH and a read of the fences: that arms the next one, and shows whether
//! the fences still are the session's.
//!
//! Which operation comes when, and what of an answer counts, is decided here alone. It runs on
//! Redis ([`RedisServer`]) and on the simulated server, which breaks it in every way that it can.

mod names;
mod on_redis;
mod server;
mod transaction;

pub(crate) use names::Names;
pub use on_redis::RedisServer;
pub use server::{Change, Committed, Lost, LostCursor, Server, Watched};

use smol_str::SmolStr;
use std::collections::BTreeMap;
use tallyd_bolt::Address;
use tallyd_event::EntryId;
use tallyd_runtime::{
    Session, StoreError,
    reckon::{began_again, restarted},
    store::{
        Begun, Commit, Cursor, Fence, Fetched, Outcome, Owned, Owner, Read, Span, StreamFacts, last,
    },
};

/// Why a partition is halted whose cursor is missing, and what to write in its place. `gone`: how
/// many entries its stream had that it holds no more.
fn lost_cursor(lost: &LostCursor, partition: u16, gone: u64) -> String {
    let LostCursor { key, reads } = lost;
    let (accounted, from) = match reads {
        true => (
            gone,
            "to go on after another entry than 0-0, the beginning of its stream, write its \
             id there, and as the eighth word how many entries were ever added up to it",
        ),
        false => (0, "it goes on where the bolt does whose commits do its work"),
    };
    format!(
        "its cursor in {key} is missing, which was there: the server lost writes, or somebody \
         deleted it. Restore the data, or: HSET {key} {partition} \"0-0 0 0 0 0 0 0 {accounted} 0 0 0-0\" \
         ({from})"
    )
}

/// A task's session on a server.
pub struct FencedSession<S> {
    server: S,
    worker: SmolStr,
}

/// A task on Redis.
pub type RedisSession = FencedSession<RedisServer>;

impl<S: Server> Session for FencedSession<S> {
    fn connection(&self) -> Option<u64> {
        self.server.connection()
    }

    async fn take(&mut self, seen: &BTreeMap<u16, Fence>) -> Result<Owned, StoreError> {
        let stored = self.watch(seen.keys().copied()).await?;
        let mut taken = Owned::new();
        for (partition, fence) in stored {
            if seen.get(&partition) == Some(&fence) && fence.owner != Owner::Halted {
                let owner = Owner::Worker(self.worker.clone());
                // Never a value of before, so that nothing of before passes for it.
                let random = self.server.random()?;
                taken.insert(partition, Fence { owner, epoch: fence.epoch + 1, random });
            }
        }
        let set = |(partition, fence): (&u16, &Fence)| Change::Fence(*partition, fence.clone());
        let happened = self.execute(taken.iter().map(set).collect()).await?;
        Ok(if happened { taken } else { Owned::new() })
    }

    async fn release(&mut self, owned: &Owned) -> Result<(), StoreError> {
        self.set_owner(owned, &Owner::Nobody, None).await
    }

    async fn halt(&mut self, owned: &Owned, reason: &str) -> Result<(), StoreError> {
        self.set_owner(owned, &Owner::Halted, Some(reason)).await
    }

    async fn begin(&mut self, owned: &Owned) -> Result<Begun, StoreError> {
        let (kept, mut begun) = self.known(owned).await?;
        if kept.is_empty() {
            return Ok(begun);
        }
        let at = |partition: &u16| (*partition, last(&begun.cursors, *partition));
        let asked: Vec<(u16, EntryId)> = kept.iter().map(at).collect();
        let streams = self.server.streams(&asked).await?;
        let mut changes = Vec::new();
        for (partition, facts) in kept.into_iter().zip(streams) {
            let of_nodes = begun.cursors.get_mut(&partition).ok_or_else(no_cursor(partition))?;
            if let Some(before) = set_back(of_nodes, &facts) {
                begun.restarted.push((partition, before));
                let set =
                    |(stage, cursor): (usize, &Cursor)| Change::Cursor(stage, partition, *cursor);
                changes.extend(of_nodes.iter().enumerate().map(set));
                changes.push(Change::MoveGroup(partition, EntryId::ZERO));
            }
            // Missing groups are made at the cursor: never at `$`, which would lose entries.
            let reads = of_nodes.first().ok_or_else(no_cursor(partition))?;
            changes.push(Change::MakeGroup(partition, reads.last));
        }
        let happened = self.execute(changes).await?;
        // The transaction ended the WATCH, or a fence moved under it: look again.
        let kept = self.kept(owned).await?;
        begun.cursors.retain(|partition, _| kept.contains(partition));
        begun.restarted.retain(|(partition, _)| kept.contains(partition));
        if !happened {
            // The cursors of these were not set back. Whoever begins again sees that once more.
            let restarted: Vec<u16> = begun.restarted.drain(..).map(|(p, _)| p).collect();
            begun.cursors.retain(|partition, _| !restarted.contains(partition));
        }
        Ok(begun)
    }

    async fn streams(
        &mut self,
        partitions: &[(u16, EntryId)],
    ) -> Result<Vec<StreamFacts>, StoreError> {
        self.server.streams(partitions).await
    }

    async fn weigh(&mut self, partitions: &[u16]) -> Result<u64, StoreError> {
        self.server.weigh(partitions).await
    }

    async fn fetch(
        &mut self,
        addresses: Vec<(usize, Vec<Address>)>,
        spans: &[Span],
    ) -> Result<Fetched, StoreError> {
        self.server.fetch(addresses, spans).await
    }

    async fn commit(&mut self, owned: &Owned, commit: &Commit) -> Result<Outcome, StoreError> {
        let partitions: Vec<u16> = owned.keys().copied().collect();
        let Committed { read, watched } = self.server.commit(commit, &partitions).await?;
        let kept = still(owned, with_fences(partitions, watched)?);
        Ok(match read {
            Some(read) => Outcome::Done(Read { kept, ..read }),
            None => Outcome::Fenced { kept },
        })
    }

    async fn rewind(
        &mut self,
        owned: &Owned,
        cursors: &[(u16, EntryId)],
    ) -> Result<(), StoreError> {
        let kept = self.kept(owned).await?;
        let of_kept = cursors.iter().filter(|(partition, _)| kept.contains(partition));
        let groups = of_kept.map(|(partition, id)| Change::MoveGroup(*partition, *id)).collect();
        self.execute(groups).await.map(drop)
    }

    async fn forget_consumers(&mut self, owned: &Owned, partition: u16) -> Result<(), StoreError> {
        if !self.kept(owned).await?.contains(&partition) {
            return Ok(());
        }
        let consumers = self.server.consumers(partition).await?;
        let idle = consumers.into_iter().filter(|(name, pending)| {
            // The session's own stays: it reads with it.
            *pending == 0 && *name != self.worker
        });
        let forget = idle.map(|(name, _)| Change::ForgetConsumer(partition, name)).collect();
        self.execute(forget).await.map(drop)
    }
}

impl<S: Server> FencedSession<S> {
    /// A session of this worker, over a connection that nothing else uses.
    pub fn new(server: S, worker: SmolStr) -> Self {
        Self { server, worker }
    }

    /// Watches the fences of partitions, whatever was watched before, and returns them.
    async fn watch(
        &mut self,
        partitions: impl Iterator<Item = u16> + Send,
    ) -> Result<Vec<(u16, Fence)>, StoreError> {
        let partitions: Vec<u16> = partitions.collect();
        let watched = self.server.watch(&partitions).await?;
        with_fences(partitions, watched)
    }

    /// Watches the fences, and reads the cursors of the partitions that still are the session's.
    /// A cursor was made when its node was registered. One that is missing was lost, and to begin
    /// without it would count everything again: such a partition is halted.
    async fn known(&mut self, owned: &Owned) -> Result<(Vec<u16>, Begun), StoreError> {
        let mut begun = Begun::default();
        loop {
            let kept = self.kept(owned).await?;
            if kept.is_empty() {
                return Ok((kept, begun));
            }
            let (cursors, lost) = self.server.cursors(&kept).await?;
            begun.cursors = cursors;
            if lost.is_empty() {
                return Ok((kept, begun));
            }
            for (partition, lost) in lost {
                let facts = self.server.streams(&[(partition, EntryId::ZERO)]).await?.pop();
                let unknown = || StoreError::bug(format!("nothing of the stream of {partition}"));
                let facts = facts.ok_or_else(unknown)?;
                // A server before Redis 7.0 does not count.
                let gone = facts.added.unwrap_or_default().saturating_sub(facts.length);
                let reason = lost_cursor(&lost, partition, gone);
                let not_owned = || StoreError::bug(format!("partition {partition} is not owned"));
                let fence = owned.get(&partition).cloned().ok_or_else(not_owned)?;
                let of_lost = [(partition, fence)].into();
                self.set_owner(&of_lost, &Owner::Halted, Some(&reason)).await?;
                begun.lost.push((partition, reason));
            }
            // That ended the WATCH under which the cursors were read: all over again.
        }
    }

    /// Watches the fences and returns the partitions that still are the session's.
    async fn kept(&mut self, owned: &Owned) -> Result<Vec<u16>, StoreError> {
        Ok(still(owned, self.watch(owned.keys().copied()).await?))
    }

    /// Runs a transaction under the WATCH that holds, and says whether it happened. Afterwards
    /// nothing is watched. One without changes is left out.
    async fn execute(&mut self, changes: Vec<Change>) -> Result<bool, StoreError> {
        if changes.is_empty() {
            return Ok(true);
        }
        self.server.execute(changes).await
    }

    async fn set_owner(
        &mut self,
        owned: &Owned,
        owner: &Owner,
        halted: Option<&str>,
    ) -> Result<(), StoreError> {
        let kept = self.kept(owned).await?;
        let mut changes = Vec::new();
        for (partition, fence) in owned.iter().filter(|(partition, _)| kept.contains(partition)) {
            let fence = Fence { owner: owner.clone(), ..fence.clone() };
            changes.push(Change::Fence(*partition, fence));
            changes.extend(halted.map(|reason| Change::Halt(*partition, reason.to_owned())));
        }
        // Where a fence moved meanwhile, another has the partition, which is as good.
        self.execute(changes).await.map(drop)
    }
}

/// Sets cursors back where their stream began again, and returns that of the node that reads as it
/// was before.
fn set_back(of_nodes: &mut [Cursor], facts: &StreamFacts) -> Option<Cursor> {
    let before = *of_nodes.first()?;
    if !began_again(&before, facts) {
        return None;
    }
    for fused in of_nodes.iter_mut().skip(1) {
        (fused.last, fused.mark) = (EntryId::ZERO, 0);
    }
    if let Some(reads) = of_nodes.first_mut() {
        *reads = restarted(&before, facts);
    }
    Some(before)
}

fn no_cursor(partition: u16) -> impl Fn() -> StoreError {
    move || StoreError::bug(format!("partition {partition} has no cursor"))
}

/// The partitions, each with its fence. None where another plan is in force: then nothing is this
/// session's, and nothing may be taken.
fn with_fences(
    partitions: Vec<u16>,
    Watched { fences, in_force }: Watched,
) -> Result<Vec<(u16, Fence)>, StoreError> {
    if !in_force {
        return Ok(Vec::new());
    }
    if partitions.len() != fences.len() {
        let (asked, came) = (partitions.len(), fences.len());
        return Err(StoreError::bug(format!("{came} fences came of {asked} partitions")));
    }
    Ok(partitions.into_iter().zip(fences).collect())
}

/// The partitions whose fences are as the session set them.
fn still(owned: &Owned, stored: Vec<(u16, Fence)>) -> Vec<u16> {
    let unmoved = stored.into_iter().filter(|(p, fence)| owned.get(p) == Some(fence));
    unmoved.map(|(partition, _)| partition).collect()
}
