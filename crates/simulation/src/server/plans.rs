//! What a switch of plans asks of a server, on the simulated one: the switch itself is the real one.

use crate::{
    store::{SWITCH, Wire},
    world::{Watch, World},
};
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tallyd_runtime::{
    StoreError,
    plan::Plan,
    store::{Cursor, StreamFacts},
};
use tallyd_store::plan::{PlanServer, SetCursor, Waiting};

/// A worker's connection for a switch.
pub struct SimulatedPlans {
    wire: Wire,
    watch: Arc<Mutex<Watch>>,
}

impl SimulatedPlans {
    pub(crate) fn new(wire: Wire) -> Self {
        Self { wire, watch: Arc::default() }
    }

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
}

impl PlanServer for SimulatedPlans {
    fn random(&mut self) -> Result<u64, StoreError> {
        Ok(self.wire.random())
    }

    async fn in_force(&mut self) -> Result<(Option<SmolStr>, Option<Plan>), StoreError> {
        self.trip("read the plan", false, |world, watch| world.watch_plan(watch)).await
    }

    async fn cursors(
        &mut self,
        nodes: &[SmolStr],
    ) -> Result<Vec<BTreeMap<u16, Cursor>>, StoreError> {
        let nodes = nodes.to_vec();
        let read = move |world: &mut World, watch: &mut Watch| world.watch_cursors(watch, &nodes);
        self.trip("watch cursors", false, read).await
    }

    async fn oldest(&mut self, waiting: &[Waiting]) -> Result<Option<i64>, StoreError> {
        let waiting = waiting.to_vec();
        self.trip("read what waits", false, move |world, _| world.oldest(&waiting)).await
    }

    async fn streams(&mut self, streams: &[String]) -> Result<Vec<StreamFacts>, StoreError> {
        let streams = streams.to_vec();
        let facts = move |world: &mut World, _: &mut Watch| {
            streams.iter().map(|stream| world.facts_of(stream)).collect()
        };
        self.trip("read edges", false, facts).await
    }

    async fn now(&mut self) -> Result<i64, StoreError> {
        self.trip("read the clock", false, |world, _| world.now).await
    }

    async fn put(
        &mut self,
        token: &SmolStr,
        plan: &Plan,
        cursors: &[SetCursor],
    ) -> Result<bool, StoreError> {
        let (stored, cursors) = ((token.clone(), plan.clone()), cursors.to_vec());
        let put =
            move |world: &mut World, watch: &mut Watch| world.put_plan(watch, stored, &cursors);
        self.trip(SWITCH, true, put).await
    }

    async fn unwatch(&mut self) -> Result<(), StoreError> {
        self.trip("unwatch", false, |_, watch| *watch = Watch::default()).await
    }
}
