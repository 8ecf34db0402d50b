//! A worker: its tasks, which it directs by what its heart hears, and its end.

mod heart;
mod liveness;
mod shared;
mod upkeep;
mod wanted;

pub use liveness::Gone;
pub use shared::Shared;

use crate::{
    context::Context,
    load::{Loads, Meter},
    plan::{self, Stand},
    spread::Spread,
    store::{Announcement, ErrorKind, Store, StoreError},
    task::{Task, TaskOptions},
    tasks::{self, TaskHandle, Tasks, Wanted},
    telemetry,
};
use heart::{Heard, Heart, Signals};
use smol_str::{SmolStr, format_smolstr};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tallyd_bolt::Bolt;
use tallyd_topology::{Node, Topology};
use tokio::{sync::watch, task::JoinSet, time::Instant};
use upkeep::Upkeep;

/// After how long without a heartbeat tasks that wait try their connections: who was cut off may
/// have to find another server.
const SILENCE: Duration = Duration::from_secs(2);
/// How long it waits before it tries again to join.
const RETRY: Duration = Duration::from_secs(1);

/// Makes the bolt of a node, with the seed that keys its fingerprints; `None` for a source.
pub type MakeBolt = fn(&Topology, &Node, [u8; 16]) -> Option<Arc<dyn Bolt>>;

/// What a worker is told to do.
#[derive(Clone)]
pub struct WorkerOptions {
    /// Its id, unique to this run of it.
    pub id: SmolStr,
    /// The nodes that it serves; `None` for all.
    pub nodes: Option<BTreeSet<SmolStr>>,
    /// Where its metrics are.
    pub metrics: Option<String>,
    /// The host it runs on.
    pub host: String,
    /// Its process id.
    pub pid: u32,
    /// The version of tallyd that it runs.
    pub version: SmolStr,
    /// When it started, by its own clock, in ms since the epoch.
    pub since: i64,
    /// Makes the bolt of a node: [`Topology::bolt`], but for tests that put another in its place.
    pub bolts: MakeBolt,
    /// How many events must be about to come for a task to rest after a small batch:
    /// [`RESTS_FROM`](crate::RESTS_FROM), but for simulations, in which few come.
    pub rests_from: f64,
    /// How busy one task of a node has to be, in percent, for others to share its partitions:
    /// [`SPREADS_FROM`](crate::SPREADS_FROM), but for simulations.
    pub spreads_from: u8,
}

/// What a worker's health endpoints tell.
#[derive(Debug, Default)]
pub struct WorkerStatus {
    started: AtomicBool,
    last_heartbeat: AtomicU64,
}

impl WorkerStatus {
    /// Whether the worker has joined, and heard from storage within `within`.
    #[must_use]
    pub fn ready(&self, clock: Instant, within: Duration) -> bool {
        let last = Duration::from_millis(self.last_heartbeat.load(Ordering::Relaxed));
        self.started.load(Ordering::Relaxed) && clock.elapsed().saturating_sub(last) <= within
    }
}

/// How a worker that was stopped ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All of its partitions are released.
    HandedOver,
    /// It could not release all of them: others take them over.
    Kept {
        /// How many it still owns.
        partitions: usize,
    },
}

/// A worker of one topology.
pub struct Worker<S> {
    store: S,
    topology: Arc<Topology>,
    options: WorkerOptions,
    status: Arc<WorkerStatus>,
    clock: Instant,
}

struct Running {
    place: usize,
    name: SmolStr,
    /// The places of the node and of those fused with it.
    nodes: Vec<usize>,
    shared: Arc<Shared>,
    /// By task.
    meters: Vec<Arc<Meter>>,
    tasks: Tasks,
    spread: Spread,
}

impl<S: Store> Worker<S> {
    /// A worker that is not yet running.
    #[must_use]
    pub fn new(store: S, topology: Arc<Topology>, options: WorkerOptions) -> Self {
        Self { store, topology, options, status: Arc::default(), clock: Instant::now() }
    }

    /// What its health endpoints tell, and the clock that they go by.
    #[must_use]
    pub fn status(&self) -> (Arc<WorkerStatus>, Instant) {
        (Arc::clone(&self.status), self.clock)
    }

    /// Runs until `stop` becomes true, then gives everything back and leaves.
    ///
    /// # Errors
    /// Where it can't begin (the server's address, its version, the stored topology or the user's
    /// rights do not fit), where the stored topology is no longer the one that it began with, and
    /// where a task of it panicked. Everything else is waited out.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> Result<Ended, StoreError> {
        telemetry::begin(&self.topology, self.options.nodes.as_ref());
        let Some(seed) = self.register(&mut stop).await? else { return Ok(Ended::HandedOver) };
        let signals = Signals::default();
        let mut tasks = JoinSet::new();
        let mut running = self.start(seed, &signals, &mut tasks)?;
        let (announce, announced) = watch::channel(self.announcement(&running));
        let (hear, mut heard) = watch::channel(Heard::default());
        let mut heart = JoinSet::new();
        let of_heart = Heart::new(
            self.store.clone(),
            self.session_timeout(),
            self.clock,
            announced,
            Loads::of(&self.topology, running.iter().map(|r| (&r.nodes[..], &r.meters[..]))),
            signals.clone(),
            hear,
        );
        heart.spawn(of_heart.run());
        // What goes on beside it ends with this function, which may be dropped at any time.
        let mut company = JoinSet::new();
        company.spawn(heart::listen(self.store.clone(), self.options.id.clone(), signals));
        let (store, topology) = (self.store.clone(), Arc::clone(&self.topology));
        company.spawn(Upkeep::new(store, topology, self.clock, &running).run());
        self.status.started.store(true, Ordering::Relaxed);
        while !*stop.borrow_and_update() {
            tokio::select! {
                biased;
                changed = stop.changed() => {
                    if changed.is_err() {
                        // Nobody is left who could stop it.
                        break;
                    }
                }
                _ = heard.changed() => {
                    let heard = heard.borrow_and_update().clone();
                    self.follow(&mut running, heard).await;
                }
                Some(ended) = heart.join_next() => {
                    return Err(match ended {
                        Ok(Some(error)) => error,
                        Ok(None) => ended_early(Ok(())),
                        Err(error) => ended_early(Err(error)),
                    });
                }
                Some(ended) = tasks.join_next() => return Err(ended_early(ended)),
                Some(ended) = company.join_next() => return Err(ended_early(ended)),
            }
        }
        announce.send_modify(|announcement| announcement.leaving = true);
        Ok(self.leave(&running, tasks, (announce, heart)).await)
    }

    fn session_timeout(&self) -> Duration {
        Duration::from_millis(self.topology.settings.session_timeout_ms)
    }

    /// Joins, however long the server can't be reached: a worker may be started before it. `None`
    /// where it is stopped first.
    async fn register(
        &self,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Option<[u8; 16]>, StoreError> {
        while !*stop.borrow_and_update() {
            match self.store.register().await {
                Ok(seed) => return Ok(Some(seed)),
                Err(error) if hopeless(error.kind) => return Err(error),
                Err(error) => telemetry::upkeep_failed("heartbeat", &error),
            }
            tokio::select! {
                biased;
                _ = stop.changed() => {}
                () = tokio::time::sleep(RETRY) => {}
            }
        }
        Ok(None)
    }

    fn start(
        &self,
        seed: [u8; 16],
        signals: &Signals,
        tasks: &mut JoinSet<()>,
    ) -> Result<Vec<Running>, StoreError> {
        let mut running = Vec::new();
        for (place, node) in self.topology.nodes.iter().enumerate() {
            let served = self.options.nodes.as_ref().is_none_or(|nodes| nodes.contains(&node.name));
            let bolt = |node: &Node| (self.options.bolts)(&self.topology, node, seed);
            let context = Context::new(&self.topology, place, bolt)?;
            let Some(context) = context.filter(|_| served) else { continue };
            let nodes: Vec<usize> = context.stages.iter().map(|stage| stage.place).collect();
            let shared = Arc::new(Shared::default());
            let (mut of_node, mut meters) = (Vec::new(), Vec::new());
            let number = tasks::tasks_of(node.partitions, nodes.len());
            for task in 0..number {
                let (wanted, wanted_by_task) = watch::channel(Wanted::default());
                let (owned_by_task, owned) = watch::channel(BTreeSet::new());
                let meter = Arc::new(Meter::new(nodes.len()));
                meters.push(Arc::clone(&meter));
                let options = TaskOptions {
                    worker: self.options.id.clone(),
                    name: format_smolstr!("{} {} {task}", self.options.id, node.name),
                    wanted: wanted_by_task,
                    owned: owned_by_task,
                    shared: Arc::clone(&shared),
                    meter,
                    released: Arc::clone(&signals.released),
                    cache_bytes: self.topology.settings.cache_bytes,
                    rests_from: self.options.rests_from,
                    clock: self.clock,
                };
                tasks.spawn(Task::new(self.store.clone(), context.clone(), options).run());
                of_node.push(TaskHandle { wanted, owned });
            }
            let tasks = Tasks::new(of_node);
            let spread = Spread::new(self.options.spreads_from, number, Instant::now());
            let name = node.name.clone();
            running.push(Running { place, name, nodes, shared, meters, tasks, spread });
        }
        Ok(running)
    }

    fn announcement(&self, running: &[Running]) -> Announcement {
        let partitions = |r: &Running| self.topology.nodes.get(r.place).map_or(1, |n| n.partitions);
        Announcement {
            id: self.options.id.clone(),
            nodes: running.iter().map(|r| (r.name.clone(), partitions(r))).collect(),
            metrics: self.options.metrics.clone(),
            host: self.options.host.clone(),
            pid: self.options.pid,
            plan: self.topology.fingerprint(),
            version: self.options.version.clone(),
            since: self.options.since,
            leaving: false,
            subscribed: None,
            load: BTreeMap::new(),
        }
    }

    /// Runs the plan in force, or waits for those that run another, or puts its own in force.
    async fn follow(&self, running: &mut [Running], mut heard: Heard) {
        let mine = self.topology.fingerprint();
        let Heard { view, gone } = &mut heard;
        match plan::stand(view, &mine, |id| !gone.contains_key(id)) {
            Stand::Run => {
                telemetry::plan_waits_for(&[]);
                // Whoever runs another plan does no work: what it owned before is free.
                view.workers.retain(|(worker, _)| worker.plan == mine);
            }
            Stand::Wait(others) => {
                telemetry::plan_waits_for(&others);
                view.workers.clear();
            }
            Stand::Switch => {
                match self.store.switch(view.generation.as_ref(), &self.options.id).await {
                    Ok(true) => {
                        telemetry::plan_switched(plan::short(&mine));
                        // All look at once, this worker too: else it goes on with the next beat.
                        if let Err(error) = self.store.nudge().await {
                            telemetry::upkeep_failed("plan", &error);
                        }
                    }
                    Ok(false) => {}
                    Err(error) => telemetry::upkeep_failed("plan", &error),
                }
                view.workers.clear();
            }
        }
        self.direct(running, &heard);
    }

    /// Tells each task what it should own.
    fn direct(&self, running: &mut [Running], Heard { view, gone }: &Heard) {
        let elapsed = self.clock.elapsed().as_millis() as u64;
        let before = self.status.last_heartbeat.swap(elapsed, Ordering::Relaxed);
        let silence = Duration::from_millis(elapsed.saturating_sub(before));
        let wanted = wanted::wanted(view, &self.options.id, gone);
        for node in running {
            node.shared.clock_offset.store(view.now - elapsed as i64, Ordering::Relaxed);
            let wanted = wanted.get(&node.name).cloned().unwrap_or_default();
            let busy = node.meters.iter().map(|meter| meter.busy()).sum();
            let workers = wanted::serving(view, &node.name, gone).count();
            let sharing = node.spread.look(Instant::now(), busy, workers);
            if node.tasks.direct(&wanted, sharing) {
                telemetry::shared(&node.name, sharing);
            }
            if silence > SILENCE {
                node.tasks.wake();
            }
            telemetry::owned(&node.name, node.tasks.owned().len());
            telemetry::halted(&node.name, view.fences.get(&node.name).into_iter().flatten());
        }
    }

    /// Others know by now that it gets nothing any more: they take what each task releases.
    async fn leave(
        &self,
        running: &[Running],
        mut tasks: JoinSet<()>,
        (announce, mut heart): (watch::Sender<Announcement>, JoinSet<Option<StoreError>>),
    ) -> Ended {
        running.iter().for_each(|node| node.tasks.stop());
        let all = async { while tasks.join_next().await.is_some() {} };
        // Whatever is not given back by then is taken over as from a worker that died.
        drop(tokio::time::timeout(self.session_timeout(), all).await);
        let left = running.iter().map(|node| node.tasks.owned().len()).sum();
        // A beat after the worker has left would bring it back, as one that is gone.
        drop(announce);
        drop(tokio::time::timeout(self.session_timeout(), heart.join_next()).await);
        heart.abort_all();
        let end = async {
            self.store.leave(&self.options.id).await?;
            self.store.nudge().await
        };
        if let Err(error) = end.await {
            telemetry::upkeep_failed("leaving", &error);
        }
        if left == 0 { Ended::HandedOver } else { Ended::Kept { partitions: left } }
    }
}

/// Why a worker ends whose task did: else its partitions would stay with one that is alive.
fn ended_early(ended: Result<(), tokio::task::JoinError>) -> StoreError {
    let reason = ended.err().map_or_else(|| "for no reason".into(), |error| error.to_string());
    StoreError::new(ErrorKind::Other, format!("a task ended: {reason} (please report this)"))
}

/// Whether waiting can't help a worker that begins: the server gave an answer, and will give the
/// same again.
fn hopeless(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Auth
        | ErrorKind::Bug
        | ErrorKind::Halt
        | ErrorKind::Mismatch
        | ErrorKind::Other
        | ErrorKind::Reply
        | ErrorKind::Setup
        | ErrorKind::WrongType => true,
        ErrorKind::Busy
        | ErrorKind::Cluster
        | ErrorKind::Connection
        | ErrorKind::Loading
        | ErrorKind::NoReplicas
        | ErrorKind::OutOfMemory
        | ErrorKind::Persistence
        | ErrorKind::Replica
        | ErrorKind::Timeout => false,
    }
}
