//! The typed operations of a server, on the simulated one: the session that works with them is the
//! real one.

mod plans;

pub(crate) use plans::SimulatedPlans;

use crate::{
    Mutation,
    store::{Heard, Wire},
    world::{Slot, Watch, World},
};
use smol_str::SmolStr;
use std::sync::{Arc, Mutex, PoisonError};
use tallyd_bolt::Address;
use tallyd_event::EntryId;
use tallyd_runtime::{
    StoreError,
    store::{Commit, Cursors, ErrorKind, Fence, Fetched, Read, Refused, Span, StreamFacts, Wait},
};
use tallyd_store::{Change, Committed, Lost, Server, Watched};
use tokio::time::{Instant, timeout_at};

/// A task's connection to the simulated server.
pub struct SimulatedServer {
    wire: Wire,
    /// The places of the node and of those fused with it.
    nodes: Vec<usize>,
    worker: SmolStr,
    /// The generation of plans of which the worker last heard.
    heard: Heard,
    /// By what the server knows the connection.
    number: u64,
    /// The server's clock at the last read that was heard of.
    read_at: i64,
    /// The server's side of the connection: a request that arrives late still finds it.
    watch: Arc<Mutex<Watch>>,
}

impl SimulatedServer {
    pub(crate) fn new(
        wire: Wire,
        nodes: Vec<usize>,
        worker: SmolStr,
        number: u64,
        heard: Heard,
    ) -> Self {
        Self { wire, nodes, worker, number, heard, read_at: 0, watch: Arc::default() }
    }

    /// The place of the node that reads.
    fn place(&self) -> usize {
        self.nodes.first().copied().unwrap_or(usize::MAX)
    }

    fn watched(&self, (fences, generation): (Vec<Fence>, Option<SmolStr>)) -> Watched {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let unlooked = self.wire.peek(|world| world.mutation == Some(Mutation::PlanUnwatched));
        Watched { fences, in_force: *heard == generation || unlooked && heard.is_some() }
    }

    fn slots(&self, partitions: &[u16]) -> Vec<Slot> {
        partitions.iter().map(|partition| (self.place(), *partition)).collect()
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

    /// The partitions for which a blocked read ends.
    async fn wait(&self, wait: &Wait) -> Result<Vec<(u16, EntryId)>, StoreError> {
        let until = Instant::now() + wait.at_most;
        self.trip("wait", false, |_, _| ()).await?;
        let stirred = self.wire.peek(World::stirred);
        loop {
            let stirs = stirred.notified();
            let found: Vec<(u16, EntryId)> = self.wire.peek(|world| {
                let first = |(partition, id): &(u16, EntryId)| {
                    Some((*partition, world.after((self.place(), *partition), *id)?))
                };
                wait.after.iter().filter_map(first).collect()
            });
            let woken = self.wire.is_woken(self.number);
            if !found.is_empty() || woken || timeout_at(until, stirs).await.is_err() {
                return Ok(found);
            }
        }
    }
}

impl Server for SimulatedServer {
    fn connection(&self) -> Option<u64> {
        Some(self.number)
    }

    fn random(&mut self) -> Result<u64, StoreError> {
        Ok(self.wire.random())
    }

    async fn watch(&mut self, partitions: &[u16]) -> Result<Watched, StoreError> {
        let slots = self.slots(partitions);
        let run = move |world: &mut World, watch: &mut Watch| {
            (world.watch(watch, &slots), world.generation())
        };
        let watched = self.trip("watch", false, run).await?;
        Ok(self.watched(watched))
    }

    async fn execute(&mut self, changes: Vec<Change>) -> Result<bool, StoreError> {
        let nodes = self.nodes.clone();
        self.trip(name(&changes), true, move |world, watch| {
            let unmoved = world.unmoved(watch);
            if unmoved {
                changes.iter().for_each(|change| world.change(&nodes, change));
            }
            unmoved
        })
        .await
    }

    async fn cursors(&mut self, partitions: &[u16]) -> Result<(Cursors, Lost), StoreError> {
        let (nodes, partitions) = (self.nodes.clone(), partitions.to_vec());
        let read = move |world: &mut World, _: &mut Watch| {
            partitions.into_iter().map(|p| (p, world.cursors_of(&nodes, p))).collect()
        };
        Ok((self.trip("read cursors", false, read).await?, Lost::new()))
    }

    async fn streams(
        &mut self,
        partitions: &[(u16, EntryId)],
    ) -> Result<Vec<StreamFacts>, StoreError> {
        let (place, asked) = (self.place(), partitions.to_vec());
        let facts = move |world: &mut World, _: &mut Watch| {
            asked.into_iter().map(|(partition, at)| world.facts((place, partition), at)).collect()
        };
        self.trip("read streams", false, facts).await
    }

    async fn weigh(&mut self, partitions: &[u16]) -> Result<u64, StoreError> {
        let slots = self.slots(partitions);
        let weigh = move |world: &mut World, _: &mut Watch| {
            slots.into_iter().map(|slot| world.weight(slot)).sum()
        };
        self.trip("weigh streams", false, weigh).await
    }

    async fn fetch(
        &mut self,
        addresses: Vec<(usize, Vec<Address>)>,
        spans: &[Span],
    ) -> Result<Fetched, StoreError> {
        let (place, spans) = (self.place(), spans.to_vec());
        let fetch = move |world: &mut World, _: &mut Watch| {
            let mut fetched =
                Fetched { skipped: world.skipped(place, &spans), ..Fetched::default() };
            for (node, addresses) in addresses {
                for address in addresses {
                    let key = &address.key;
                    if let Some(reason) = world.refusal(node, key) {
                        let refused = Refused { node, key: key.clone(), reason };
                        if !fetched.refused.contains(&refused) {
                            fetched.refused.push(refused);
                        }
                        continue;
                    }
                    let cell = world.bolts.entry(node).or_default().cell(&address);
                    fetched.cells.push((node, address, cell));
                }
            }
            let fails = world.mutation == Some(Mutation::RefusalFails);
            match fetched.refused.first().filter(|_| fails) {
                Some(refused) => Err(StoreError::new(ErrorKind::WrongType, &refused.reason)),
                None => Ok(fetched),
            }
        };
        self.trip("fetch", false, fetch).await?
    }

    async fn commit(
        &mut self,
        commit: &Commit,
        partitions: &[u16],
    ) -> Result<Committed, StoreError> {
        let woken = match &commit.wait {
            Some(wait) => self.wait(wait).await?,
            None => Vec::new(),
        };
        let slots = self.slots(partitions);
        let (place, worker, commit) = (self.place(), self.worker.clone(), commit.clone());
        let read_at = self.read_at;
        let run = move |world: &mut World, watch: &mut Watch| {
            let mut read = None;
            if world.unmoved(watch) {
                let committed = world.commit(place, &worker, &commit, read_at);
                let told = world.mutation != Some(Mutation::ArrivalById);
                let now = Some(if told { world.now } else { i64::MAX });
                read = Some(committed.map(|read| (Read { woken, now, ..read }, world.now)));
            } else if world.mutation == Some(Mutation::ReadOutside) {
                drop(world.read(place, &worker, &commit.next));
            }
            (read, (world.watch(watch, &slots), world.generation()))
        };
        let (read, watched) = self.trip("commit", true, run).await?;
        let read = read.transpose()?.map(|(read, now)| {
            self.read_at = now;
            read
        });
        Ok(Committed { read, watched: self.watched(watched) })
    }

    async fn consumers(&mut self, partition: u16) -> Result<Vec<(SmolStr, u64)>, StoreError> {
        let slot = (self.place(), partition);
        self.trip("read consumers", false, move |world, _| world.consumers(slot)).await
    }
}

/// What a transaction does, for the log.
fn name(changes: &[Change]) -> &'static str {
    match changes.first() {
        Some(Change::Cursor(..)) => "set cursors back",
        Some(Change::Fence(..)) => "set fences",
        Some(Change::ForgetConsumer(..)) => "forget consumers",
        Some(Change::Halt(..)) => "halt",
        Some(Change::MakeGroup(..)) => "make groups",
        Some(Change::MoveGroup(..)) => "move groups",
        None => "nothing",
    }
}
