//! The `Store` trait over the simulated server.

use super::{HEARTBEAT, SEED, Server, Wire};
use crate::{
    server::{SimulatedPlans, SimulatedServer},
    world::World,
};
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tallyd_runtime::{
    Store, StoreError,
    store::{Beat, ErrorKind, Lag, Listener, Survey, View},
};
use tallyd_store::{FencedSession, plan};
use tallyd_topology::Topology;
use tokio::sync::Notify;

/// The generation of plans of which a worker last heard.
pub(crate) type Heard = Arc<Mutex<Option<SmolStr>>>;

/// The simulated storage, as one worker sees it.
#[derive(Clone)]
pub struct SimulatedStore {
    server: Arc<Server>,
    /// The worker's file.
    topology: Arc<Topology>,
    /// Its fingerprint.
    file: SmolStr,
    worker: SmolStr,
    heard: Heard,
}

impl SimulatedStore {
    /// The storage of a worker with this file.
    #[must_use]
    pub fn new(server: &Arc<Server>, topology: &Arc<Topology>, worker: &SmolStr) -> Self {
        let (server, topology) = (Arc::clone(server), Arc::clone(topology));
        let (file, worker) = (topology.fingerprint(), worker.clone());
        Self { server, topology, file, worker, heard: Heard::default() }
    }

    /// A connection for upkeep, which is opened again for each use: it repeats what fails.
    fn wire(&self) -> Wire {
        Wire::open(&self.server, &self.file, &self.worker, SmolStr::default())
    }
}

/// A worker's subscription. It ends when it is dropped, as the connection of a process does.
pub struct SimulatedListener {
    server: Arc<Server>,
    number: u64,
    told: Arc<Notify>,
}

impl Listener for SimulatedListener {
    async fn nudged(&mut self) -> Result<(), StoreError> {
        self.told.notified().await;
        let stands = self.server.with(|world| world.is_subscribed(self.number));
        let broken = || StoreError::new(ErrorKind::Connection, "the subscription broke");
        stands.then_some(()).ok_or_else(broken)
    }
}

impl Drop for SimulatedListener {
    fn drop(&mut self) {
        self.server.with(|world| world.unsubscribe(self.number));
    }
}

impl Store for SimulatedStore {
    type Session = FencedSession<SimulatedServer>;
    type Listener = SimulatedListener;

    async fn open(&self, node: usize, worker: &SmolStr) -> Result<Self::Session, StoreError> {
        let unknown = || StoreError::bug(format!("a task of node {node}, which is none"));
        let name = self.topology.nodes.get(node).ok_or_else(unknown)?.name.clone();
        let wire = Wire::open(&self.server, &self.file, worker, name);
        let number = wire.trip("connect", false, |world| world.connect()).await?;
        let server = SimulatedServer::new(
            wire,
            self.topology.fused(node),
            worker.clone(),
            number,
            Arc::clone(&self.heard),
        );
        Ok(FencedSession::new(server, worker.clone()))
    }

    async fn register(&self) -> Result<[u8; 16], StoreError> {
        self.wire().trip("register", true, |_| SEED).await
    }

    async fn listen(&self, worker: &SmolStr) -> Result<SimulatedListener, StoreError> {
        // A request that arrives after its sender gave up finds the connection closed.
        self.wire().trip("subscribe", false, |_| ()).await?;
        let told = Arc::new(Notify::new());
        let number = self.server.with(|world| world.subscribe(worker, Arc::clone(&told)));
        Ok(SimulatedListener { server: Arc::clone(&self.server), number, told })
    }

    async fn heartbeat(&self, beat: &Beat) -> Result<View, StoreError> {
        let beat = beat.clone();
        let view = self.wire().trip(HEARTBEAT, true, move |world| world.heartbeat(&beat)).await?;
        let in_force = view.in_force(&self.file);
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = in_force;
        Ok(view)
    }

    async fn switch(&self, seen: Option<&SmolStr>, worker: &SmolStr) -> Result<bool, StoreError> {
        let mut server = SimulatedPlans::new(self.wire());
        plan::switch(&mut server, &self.topology, seen.map(SmolStr::as_str), worker).await
    }

    async fn look(&self, workers: &[SmolStr]) -> Result<BTreeMap<SmolStr, bool>, StoreError> {
        let workers = workers.to_vec();
        self.wire().trip("look", false, move |world| world.look(&workers)).await
    }

    async fn nudge(&self) -> Result<(), StoreError> {
        self.wire().trip("nudge", false, |world| world.nudge()).await
    }

    async fn wake(&self, connection: u64) -> Result<(), StoreError> {
        self.wire().trip("wake", false, move |world| world.wake(connection)).await
    }

    async fn leave(&self, worker: &SmolStr) -> Result<(), StoreError> {
        let worker = worker.clone();
        self.wire().trip("leave", false, move |world| world.leave(&worker)).await
    }

    async fn tend(&self, owned: &[(usize, Vec<u16>)]) -> Result<Survey, StoreError> {
        let wire = self.wire();
        let cursors = wire.trip("read cursors", false, |world| world.cursors.clone()).await?;
        let (owned, topology) = (owned.to_vec(), Arc::clone(&self.topology));
        let generation = self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let survey = move |world: &mut World| {
            let mut survey = Survey { dead_letters: world.dead.len() as u64, ..Survey::default() };
            for (place, partitions) in owned.iter().filter(|(_, owned)| !owned.is_empty()) {
                survey.backlogs.push((
                    *place,
                    world.trim(&topology, &generation, *place, partitions, &cursors),
                ));
                let reads = topology.head(*place) == *place;
                for &partition in partitions.iter().filter(|_| reads) {
                    let (entries, oldest) = world.waiting((*place, partition));
                    survey.lags.push((
                        *place,
                        partition,
                        Lag { entries, oldest, unreadable: false },
                    ));
                }
            }
            survey
        };
        wire.trip("trim", false, survey).await
    }
}
