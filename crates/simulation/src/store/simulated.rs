//! The `Store` trait over the simulated server.

use super::{SEED, Server, Wire};
use crate::{server::SimulatedServer, world::World};
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tallyd_runtime::{
    Store, StoreError,
    store::{Beat, ErrorKind, Lag, Listener, Survey, View},
};
use tallyd_store::FencedSession;
use tokio::sync::Notify;

/// The generation of plans of which a worker last heard.
pub(crate) type Heard = Arc<Mutex<Option<SmolStr>>>;

/// The simulated storage, as one worker sees it.
#[derive(Clone)]
pub struct SimulatedStore {
    server: Arc<Server>,
    worker: SmolStr,
    heard: Heard,
}

impl SimulatedStore {
    /// The storage of a worker.
    #[must_use]
    pub fn new(server: &Arc<Server>, worker: &SmolStr) -> Self {
        Self { server: Arc::clone(server), worker: worker.clone(), heard: Heard::default() }
    }

    /// A connection for upkeep, which is opened again for each use: it repeats what fails.
    fn wire(&self) -> Wire {
        Wire::open(&self.server, &self.worker, SmolStr::default())
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
        let name = self.server.with(|world| {
            world.topology.nodes.get(node).map(|node| node.name.clone()).unwrap_or_default()
        });
        let wire = Wire::open(&self.server, worker, name);
        let number = wire.trip("connect", false, |world| world.connect()).await?;
        let server =
            SimulatedServer::new(wire, node, worker.clone(), number, Arc::clone(&self.heard));
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
        let view = self.wire().trip("heartbeat", true, move |world| world.heartbeat(&beat)).await?;
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&view.generation);
        Ok(view)
    }

    async fn switch(&self, seen: Option<&SmolStr>, _: &SmolStr) -> Result<bool, StoreError> {
        let seen = seen.cloned();
        self.wire().trip("switch plans", true, move |world| world.switch(seen.as_ref())).await
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
        let owned = owned.to_vec();
        let survey = move |world: &mut World| {
            let mut survey = Survey { dead_letters: world.dead.len() as u64, ..Survey::default() };
            for (place, partitions) in owned.iter().filter(|(_, owned)| !owned.is_empty()) {
                survey.backlogs.push((*place, world.trim(*place, partitions, &cursors)));
                let reads = world.topology.head(*place) == *place;
                for &partition in partitions.iter().filter(|_| reads) {
                    let (entries, oldest) = world.waiting((*place, partition));
                    survey.lags.push((*place, partition, Lag { entries, oldest }));
                }
            }
            survey
        };
        wire.trip("trim", false, survey).await
    }
}
