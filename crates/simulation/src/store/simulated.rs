//! The `Store` trait over the simulated server.

use super::{SEED, Server, Wire};
use crate::{server::SimulatedServer, world::World};
use smol_str::SmolStr;
use std::sync::{Arc, Mutex, PoisonError};
use tallyd_runtime::{
    Store, StoreError,
    store::{Announcement, Lag, Survey, View},
};
use tallyd_store::FencedSession;

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

    /// A connection for upkeep, which is opened anew for each use: it repeats what fails.
    fn wire(&self) -> Wire {
        Wire::open(&self.server, &self.worker, SmolStr::default())
    }
}

impl Store for SimulatedStore {
    type Session = FencedSession<SimulatedServer>;

    async fn open(&self, node: usize, worker: &SmolStr) -> Result<Self::Session, StoreError> {
        let name = self.server.with(|world| {
            world.topology.nodes.get(node).map(|node| node.name.clone()).unwrap_or_default()
        });
        let wire = Wire::open(&self.server, worker, name);
        wire.trip("connect", false, |_| ()).await?;
        Ok(FencedSession::new(
            SimulatedServer::new(wire, node, worker.clone(), Arc::clone(&self.heard)),
            worker.clone(),
        ))
    }

    async fn register(&self) -> Result<[u8; 16], StoreError> {
        self.wire().trip("register", true, |_| SEED).await
    }

    async fn heartbeat(&self, announcement: &Announcement) -> Result<View, StoreError> {
        let announcement = announcement.clone();
        let beat = move |world: &mut World| world.heartbeat(&announcement);
        let view = self.wire().trip("heartbeat", true, beat).await?;
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&view.generation);
        Ok(view)
    }

    async fn switch(&self, seen: Option<&SmolStr>, _: &SmolStr) -> Result<bool, StoreError> {
        let seen = seen.cloned();
        self.wire().trip("switch plans", true, move |world| world.switch(seen.as_ref())).await
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
