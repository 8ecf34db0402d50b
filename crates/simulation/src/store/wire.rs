//! A worker's connection to the simulated server: round trips that take time and may go wrong.

use super::{Fate, HEARTBEAT, Order, Server};
use crate::world::World;
use rand::RngExt;
use smol_str::SmolStr;
use std::{sync::Arc, time::Duration};
use tallyd_runtime::{StoreError, store::ErrorKind};
use tokio::time::{Instant, sleep, sleep_until};

/// One connection of a worker.
#[derive(Clone)]
pub struct Wire {
    server: Arc<Server>,
    /// The fingerprint of the worker's file.
    file: SmolStr,
    worker: SmolStr,
    /// The node whose task it serves; empty for upkeep.
    node: SmolStr,
    restarts: u64,
}

impl Wire {
    /// Connects.
    pub(crate) fn open(
        server: &Arc<Server>,
        file: &SmolStr,
        worker: &SmolStr,
        node: SmolStr,
    ) -> Self {
        let restarts = server.lock().restarts;
        let (server, file, worker) = (Arc::clone(server), file.clone(), worker.clone());
        Self { server, file, worker, node, restarts }
    }

    /// One round trip: `run` happens at once on the server, or not at all. `writes`: the server
    /// refuses it where it has no memory.
    pub(crate) async fn trip<T: Send + 'static>(
        &self,
        name: &'static str,
        writes: bool,
        run: impl FnOnce(&mut World) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        self.stand_still().await;
        let (fate, delay) = {
            let mut inner = self.server.lock();
            inner.trips += 1;
            let fate = inner.fate(name, &self.worker, &self.file);
            let micros = if inner.hurried { 0 } else { inner.random.random_range(50..3000) };
            (fate, Duration::from_micros(micros))
        };
        if name == HEARTBEAT {
            self.be_silent().await;
        }
        // A fault may have been a pause.
        self.stand_still().await;
        match fate {
            Fate::CrashBefore => self.crash().await,
            Fate::LoseRequest => return Err(broken("the request was lost")),
            Fate::Late(late) => {
                let wire = self.clone();
                tokio::spawn(async move {
                    sleep(late).await;
                    drop(wire.happen(name, writes, run));
                });
                return Err(StoreError::new(ErrorKind::Timeout, "no answer in time"));
            }
            _ => {}
        }
        sleep(delay).await;
        self.wait_for_the_server().await;
        let outcome = self.happen(name, writes, run);
        sleep(delay).await;
        match fate {
            Fate::CrashAfter => self.crash().await,
            Fate::LoseReply => return Err(broken("the reply was lost")),
            _ => {}
        }
        self.stand_still().await;
        outcome
    }

    fn happen<T>(
        &self,
        name: &'static str,
        writes: bool,
        run: impl FnOnce(&mut World) -> T,
    ) -> Result<T, StoreError> {
        let mut inner = self.server.lock();
        let trouble = if inner.restarts != self.restarts {
            Some(broken("the server restarted"))
        } else if inner.world.now < inner.loading_until {
            Some(StoreError::new(ErrorKind::Loading, "LOADING"))
        } else if writes && inner.world.now < inner.out_of_memory_until {
            Some(StoreError::new(ErrorKind::OutOfMemory, "OOM"))
        } else {
            None
        };
        let (worker, result) = (self.worker.clone(), trouble.as_ref().map(|e| e.message.clone()));
        let node = &self.node;
        inner.note(|| format!("{worker} {node} {name} {}", result.unwrap_or_default()));
        let step = (name.len() as u64) ^ (inner.world.now as u64) ^ worker.len() as u64;
        inner.hash =
            inner.hash.rotate_left(5).wrapping_add(step).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        match trouble {
            Some(trouble) => Err(trouble),
            None => Ok(run(&mut inner.world)),
        }
    }

    /// A random number for a fence.
    pub(crate) fn random(&self) -> u64 {
        self.server.lock().fences.random()
    }

    /// Looks at the data as a blocked read does, which is no round trip.
    pub(crate) fn peek<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.server.lock().world)
    }

    /// Whether somebody ended the wait of this connection.
    pub(crate) fn is_woken(&self, connection: u64) -> bool {
        self.server.lock().world.is_woken(connection)
    }

    async fn stand_still(&self) {
        loop {
            match self.paused_until() {
                Some(until) if until > Instant::now() => sleep_until(until).await,
                _ => return,
            }
        }
    }

    fn paused_until(&self) -> Option<Instant> {
        let inner = self.server.lock();
        let paused = [&self.worker, &self.file].map(|of| inner.paused_until.get(of).copied());
        paused.into_iter().flatten().max()
    }

    /// Until heartbeats come through.
    async fn be_silent(&self) {
        let until = self.server.lock().silent_until.get(&self.file).copied();
        if let Some(until) = until {
            sleep_until(until).await;
        }
    }

    async fn wait_for_the_server(&self) {
        let mut until = self.server.lock().stalled_until;
        while until > Instant::now() {
            sleep_until(until).await;
            until = self.server.lock().stalled_until;
        }
    }

    /// Never comes back: whoever runs the workers ends this one.
    async fn crash(&self) {
        self.server.lock().orders.push_back(Order::Crash(self.worker.clone()));
        std::future::pending::<()>().await;
    }
}

fn broken(message: &str) -> StoreError {
    StoreError::new(ErrorKind::Connection, message)
}
