//! A task's connection to the simulated server: the same round trips as `RedisSession` makes, with
//! the same WATCH held between them.

use crate::{
    Mutation,
    store::Wire,
    world::{Slot, Watch, World},
};
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tallyd_bolt::Address;
use tallyd_event::EntryId;
use tallyd_runtime::{
    Session, StoreError,
    store::{Commit, Cursors, Fence, Fetched, Outcome, Owned, Owner, Read, Span, Wait, last},
};
use tokio::time::{Instant, sleep};

/// How often a blocked read looks.
const LOOK: Duration = Duration::from_millis(2);

/// A node's task on the simulated server.
pub struct SimulatedSession {
    wire: Wire,
    place: usize,
    worker: SmolStr,
    /// The server's side of the connection: a request that arrives late still finds it.
    watch: Arc<Mutex<Watch>>,
}

impl SimulatedSession {
    pub(crate) fn new(wire: Wire, place: usize, worker: SmolStr) -> Self {
        Self { wire, place, worker, watch: Arc::default() }
    }

    fn slots(&self, partitions: impl IntoIterator<Item = u16>) -> Vec<Slot> {
        partitions.into_iter().map(|partition| (self.place, partition)).collect()
    }

    /// A round trip that knows what the connection watches.
    async fn trip<T: Send + 'static>(
        &self,
        name: &'static str,
        writes: bool,
        run: impl FnOnce(&mut World, &mut Watch) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let watch = Arc::clone(&self.watch);
        let run = move |world: &mut World| {
            run(world, &mut watch.lock().unwrap_or_else(PoisonError::into_inner))
        };
        self.wire.trip(name, writes, run).await
    }

    /// A transaction under the WATCH that holds; `None` where a fence had moved.
    async fn execute<T: Send + 'static>(
        &self,
        name: &'static str,
        run: impl FnOnce(&mut World) -> T + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        self.trip(name, true, move |world, watch| world.unmoved(watch).then(|| run(world))).await
    }

    async fn kept(&self, owned: &Owned) -> Result<Vec<u16>, StoreError> {
        let (owned, slots) = (owned.clone(), self.slots(owned.keys().copied()));
        self.trip("watch", false, move |world, watch| kept(world, watch, &owned, &slots)).await
    }

    /// The partitions for which a blocked read ends.
    async fn wait(&self, wait: &Wait) -> Result<Vec<(u16, EntryId)>, StoreError> {
        let until = Instant::now() + wait.at_most;
        self.trip("wait", false, |_, _| ()).await?;
        loop {
            let found: Vec<(u16, EntryId)> = self.wire.peek(|world| {
                let first = |(partition, id): &(u16, EntryId)| {
                    Some((*partition, world.after((self.place, *partition), *id)?))
                };
                wait.after.iter().filter_map(first).collect()
            });
            if !found.is_empty() || Instant::now() >= until {
                return Ok(found);
            }
            sleep(LOOK).await;
        }
    }

    async fn set_owner(
        &self,
        name: &'static str,
        owned: &Owned,
        owner: Owner,
        halted: Option<String>,
    ) -> Result<(), StoreError> {
        let kept = self.kept(owned).await?;
        let (owned, place) = (owned.clone(), self.place);
        let set = move |world: &mut World| {
            for partition in kept {
                if let Some(Fence { epoch, .. }) = owned.get(&partition) {
                    let fence = Fence { owner: owner.clone(), epoch: *epoch };
                    world.set_fence((place, partition), fence);
                }
                if let Some(reason) = &halted {
                    world.halted.insert((place, partition), reason.clone());
                }
            }
        };
        self.execute(name, set).await.map(drop)
    }
}

fn kept(world: &World, watch: &mut Watch, owned: &Owned, slots: &[Slot]) -> Vec<u16> {
    let fences = world.watch(watch, slots);
    let mine = owned.iter().zip(fences).filter(|((_, mine), stored)| *mine == stored);
    mine.map(|((partition, _), _)| *partition).collect()
}

impl Session for SimulatedSession {
    async fn take(&mut self, seen: &BTreeMap<u16, Fence>) -> Result<Owned, StoreError> {
        let slots = self.slots(seen.keys().copied());
        let watched = slots.clone();
        let stored =
            self.trip("watch to take", false, move |world, watch| world.watch(watch, &watched));
        let mut taken = Owned::new();
        for ((_, partition), fence) in slots.into_iter().zip(stored.await?) {
            if seen.get(&partition) == Some(&fence) && fence.owner != Owner::Halted {
                let owner = Owner::Worker(self.worker.clone());
                taken.insert(partition, Fence { owner, epoch: fence.epoch + 1 });
            }
        }
        let (place, fences, seen) = (self.place, taken.clone(), seen.clone());
        let take = move |world: &mut World| {
            let mut fences = fences;
            for (partition, fence) in &mut fences {
                let before = seen.get(partition).filter(|before| before.owner == fence.owner);
                match before {
                    Some(before) if world.mutation == Some(Mutation::FenceNotRaised) => {
                        *fence = before.clone();
                    }
                    _ => world.set_fence((place, *partition), fence.clone()),
                }
            }
            fences
        };
        Ok(self.execute("take", take).await?.unwrap_or_default())
    }

    async fn release(&mut self, owned: &Owned) -> Result<(), StoreError> {
        self.set_owner("release", owned, Owner::Nobody, None).await
    }

    async fn halt(&mut self, owned: &Owned, reason: &str) -> Result<(), StoreError> {
        self.set_owner("halt", owned, Owner::Halted, Some(reason.to_owned())).await
    }

    async fn begin(&mut self, owned: &Owned) -> Result<Cursors, StoreError> {
        let kept = self.kept(owned).await?;
        if kept.is_empty() {
            return Ok(Cursors::new());
        }
        let place = self.place;
        let read = move |world: &mut World, _: &mut Watch| {
            let nodes = world.topology.fused(place);
            let of =
                |partition| nodes.iter().map(|node| world.cursor((*node, partition))).collect();
            kept.into_iter().map(|partition| (partition, of(partition))).collect()
        };
        let mut cursors: Cursors = self.trip("read cursors", false, read).await?;
        let made = cursors.keys().map(|p| ((place, *p), last(&cursors, *p))).collect();
        self.trip("make groups", true, move |world, watch| {
            world.unmoved(watch).then(|| world.make_groups(&made))
        })
        .await?;
        let kept = self.kept(owned).await?;
        cursors.retain(|partition, _| kept.contains(partition));
        if self.wire.mutation() == Some(Mutation::NoCursor) {
            cursors.values_mut().flatten().for_each(|cursor| cursor.last = EntryId::ZERO);
        }
        Ok(cursors)
    }

    async fn fetch(
        &mut self,
        addresses: Vec<(usize, Vec<Address>)>,
        spans: &[Span],
    ) -> Result<Fetched, StoreError> {
        let (place, spans) = (self.place, spans.to_vec());
        self.trip("fetch", false, move |world, _| {
            let skipped = world.skipped(place, &spans);
            let mut cells = Vec::new();
            for (node, addresses) in addresses {
                let memory = world.bolts.entry(node).or_default();
                let cell = |address: Address| (node, address.clone(), memory.cell(&address));
                cells.extend(addresses.into_iter().map(cell));
            }
            Fetched { cells, skipped }
        })
        .await
    }

    async fn commit(&mut self, owned: &Owned, commit: &Commit) -> Result<Outcome, StoreError> {
        let woken = match &commit.wait {
            Some(wait) => self.wait(wait).await?,
            None => Vec::new(),
        };
        let (owned, slots) = (owned.clone(), self.slots(owned.keys().copied()));
        let (place, worker, commit) = (self.place, self.worker.clone(), commit.clone());
        let run = move |world: &mut World, watch: &mut Watch| {
            let unmoved = world.unmoved(watch);
            let mut read = Read::default();
            if unmoved {
                read = world.commit(place, &worker, &commit);
            } else if world.mutation == Some(Mutation::ReadOutside) {
                drop(world.read(place, &worker, &commit.next));
            }
            let kept = kept(world, watch, &owned, &slots);
            if unmoved {
                Outcome::Done(Read { kept, woken, ..read })
            } else {
                Outcome::Fenced { kept }
            }
        };
        self.trip("commit", true, run).await
    }

    async fn rewind(
        &mut self,
        owned: &Owned,
        cursors: &[(u16, EntryId)],
    ) -> Result<(), StoreError> {
        let kept = self.kept(owned).await?;
        let (place, cursors) = (self.place, cursors.to_vec());
        let rewind = move |world: &mut World| {
            for (partition, id) in cursors.into_iter().filter(|(p, _)| kept.contains(p)) {
                if let Some(group) = world.group((place, partition)) {
                    group.delivered = id;
                }
            }
        };
        self.execute("rewind", rewind).await.map(drop)
    }

    async fn forget_consumers(&mut self, owned: &Owned, partition: u16) -> Result<(), StoreError> {
        if !self.kept(owned).await?.contains(&partition) {
            return Ok(());
        }
        let (slot, worker) = ((self.place, partition), self.worker.clone());
        let forget = move |world: &mut World| world.forget_consumers(slot, &worker);
        self.execute("forget consumers", forget).await.map(drop)
    }
}
