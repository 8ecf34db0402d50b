//! Which partitions a task owns: it takes and releases them, begins with them, sets their groups
//! back, and halts them.

use super::Task;
use crate::{
    store::{Commit, Fence, Owned, Session, Store, StoreError, last},
    tasks::Why,
};
use std::collections::BTreeMap;
use tallyd_event::EntryId;

impl<S: Store> Task<S> {
    /// Gives back what it should not own, and takes what it should.
    pub(super) async fn reassign(&mut self, session: &mut S::Session) -> Result<(), StoreError> {
        let wanted = self.options.wanted.borrow_and_update().clone();
        let cache_bytes = self.options.cache_bytes / wanted.tasks.max(1) as u64;
        self.nodes.iter_mut().for_each(|node| node.cache.bound(cache_bytes));
        let stray = wanted.stray.iter().filter(|(p, _)| !self.owned.contains_key(p));
        let surplus = self.owned.iter().filter(|(p, _)| !wanted.own.contains(p));
        let surplus: Owned = surplus.chain(stray).map(clone_pair).collect();
        if !surplus.is_empty() {
            session.release(&surplus).await?;
            let partitions: Vec<u16> = surplus.into_keys().collect();
            self.metrics.released(&partitions);
            // Before all look at what is free: another task of this worker takes only what this one
            // says that it has not.
            self.options.owned.send_modify(|owned| owned.retain(|p| !partitions.contains(p)));
            self.options.released.notify_one();
            let kept = self.owned.keys().copied().filter(|p| !partitions.contains(p)).collect();
            self.keep(session, kept, false).await?;
        }
        let free = wanted.free.iter().filter(|(p, _)| !self.owned.contains_key(p));
        let fences: BTreeMap<u16, Fence> = free.map(|(p, free)| (*p, free.fence.clone())).collect();
        if !fences.is_empty() {
            let why = wanted.free.into_iter().map(|(p, free)| (p, free.why)).collect();
            let taken = session.take(&fences).await?;
            if taken.len() < fences.len() {
                // Another moved one of the fences meanwhile: what is free is looked at again at
                // once, and not with the next heartbeat.
                self.options.released.notify_one();
            }
            self.gained(session, taken, &why).await?;
        }
        Ok(())
    }

    /// Begins with partitions that were just taken: their pending entries come first.
    pub(super) async fn gained(
        &mut self,
        session: &mut S::Session,
        mut taken: Owned,
        why: &BTreeMap<u16, Why>,
    ) -> Result<(), StoreError> {
        for (partition, reason) in self.halting.clone() {
            if let Some(fence) = taken.remove(&partition) {
                session.halt(&[(partition, fence)].into(), &reason).await?;
                self.halting.remove(&partition);
            }
        }
        if !taken.is_empty() {
            let partitions: Vec<u16> = taken.keys().copied().collect();
            self.metrics.took(&partitions, why);
            self.recovering.extend(partitions.iter().map(|&p| (p, EntryId::ZERO)));
            self.owned.extend(taken);
        }
        self.begin(session).await
    }

    /// Goes on with these partitions only. Caches are dropped: a partition that is lost may come
    /// back after others changed its state. Where `all_again`, what was read of the kept ones is
    /// dropped too, and claimed again.
    pub(super) async fn keep(
        &mut self,
        session: &mut S::Session,
        kept: Vec<u16>,
        all_again: bool,
    ) -> Result<(), StoreError> {
        self.owned.retain(|p, _| kept.contains(p));
        self.clear_caches();
        if all_again {
            self.claim_all_again();
        }
        self.begin(session).await
    }

    pub(super) async fn begin(&mut self, session: &mut S::Session) -> Result<(), StoreError> {
        self.cursors.clear();
        self.reading.forget();
        if !self.owned.is_empty() {
            self.beginning = true;
            let begun = session.begin(&self.owned).await?;
            self.beginning = false;
            self.metrics.restarted(&begun);
            self.metrics.lost_cursors(&begun.lost);
            self.cursors = begun.cursors;
        }
        if self.owned.len() != self.cursors.len() {
            // One was lost just now: as in `keep`.
            self.clear_caches();
        }
        let Self { owned, cursors, queue, unchecked, recovering, .. } = self;
        owned.retain(|p, _| cursors.contains_key(p));
        queue.retain(|(p, _)| cursors.contains_key(p));
        unchecked.retain(|(p, ..)| cursors.contains_key(p));
        recovering.retain(|p, _| cursors.contains_key(p));
        self.idle = false;
        self.options.owned.send_replace(self.owned.keys().copied().collect());
        Ok(())
    }

    fn clear_caches(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.cache.clear());
    }

    pub(super) fn forget_all(&mut self) {
        self.clear_caches();
        self.queue.clear();
        self.unchecked.clear();
        self.recovering.clear();
        self.cursors.clear();
        self.sizing.forget();
        self.reading.forget();
        self.beginning = false;
    }

    /// Drops what was read and is not committed: it is pending, and claimed again.
    fn claim_all_again(&mut self) {
        self.queue.clear();
        self.unchecked.clear();
        self.recovering = self.owned.keys().map(|&p| (p, EntryId::ZERO)).collect();
    }

    /// Drops the batch that was taken off the queue, and sets these partitions back.
    pub(super) async fn go_back(
        &mut self,
        session: &mut S::Session,
        skipped: &[u16],
    ) -> Result<(), StoreError> {
        self.claim_all_again();
        self.rewind(session, skipped).await
    }

    /// A stream began again: what it holds is read from its beginning.
    pub(super) async fn begin_again(&mut self, session: &mut S::Session) -> Result<(), StoreError> {
        self.claim_all_again();
        self.begin(session).await
    }

    /// There are entries after the cursors of these partitions that their groups do not deliver:
    /// somebody moved the groups, or read with them. The cursors know better. What is pending is
    /// read again too, in its order.
    pub(super) async fn rewind(
        &mut self,
        session: &mut S::Session,
        skipped: &[u16],
    ) -> Result<(), StoreError> {
        self.metrics.group_restored(skipped);
        self.recovering.retain(|partition, _| !skipped.contains(partition));
        let known = skipped.iter().filter(|p| self.cursors.contains_key(p));
        let cursors: Vec<(u16, EntryId)> = known.map(|p| (*p, last(&self.cursors, *p))).collect();
        session.rewind(&self.owned, &cursors).await?;
        self.begin(session).await
    }

    /// A command failed inside the commit, and the others happened, cursors and acknowledgements
    /// among them. So the partitions that did not write to its key are whole, and go on. Nobody
    /// goes on with those that did, or where it is not known, with all of the commit, until an
    /// operator has looked.
    pub(super) async fn halt(
        &mut self,
        session: &mut S::Session,
        commit: &Commit,
        writers: Option<Vec<u16>>,
        error: &StoreError,
    ) -> Result<(), StoreError> {
        let in_commit = |p: &u16| match &writers {
            Some(writers) => writers.contains(p),
            None => {
                commit.acks.is_empty() || commit.acks.iter().any(|(partition, _)| partition == p)
            }
        };
        let halted: Owned =
            self.owned.iter().filter(|(p, _)| in_commit(p)).map(clone_pair).collect();
        self.metrics.halted(&halted.keys().copied().collect::<Vec<_>>(), error);
        self.halting.extend(halted.keys().map(|&p| (p, error.message.clone())));
        session.halt(&halted, &error.message).await?;
        self.halting.retain(|p, _| !halted.contains_key(p));
        let kept = self.owned.keys().copied().filter(|p| !halted.contains_key(p)).collect();
        self.keep(session, kept, true).await
    }
}

fn clone_pair((partition, fence): (&u16, &Fence)) -> (u16, Fence) {
    (*partition, fence.clone())
}
