//! A worker: its heartbeat, who should own what, and its tasks.

use crate::{
    assign::{NodeShare, assign},
    context::Context,
    plan::{self, Stand},
    store::{Announcement, ErrorKind, Fence, Lag, Owner, Store, StoreError, Survey, View},
    task::{Task, TaskOptions},
    tasks::{self, TaskHandle, Tasks, Wanted},
    telemetry::{self, TaskMetrics},
};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use tallyd_bolt::Bolt;
use tallyd_topology::{Node, Topology};
use tokio::{sync::watch, task::JoinSet, time::Instant};

/// How often the membership is looked at. A released partition waits at most this long.
const POLL: Duration = Duration::from_millis(100);
/// How long it waits before it tries again to join.
const RETRY: Duration = Duration::from_secs(1);
/// How often streams are trimmed and looked at.
const TEND: Duration = Duration::from_millis(500);

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
}

/// What a task and its worker tell each other without waiting.
#[derive(Debug, Default)]
pub struct Shared {
    /// The server's clock less this process's monotonic one, in ms.
    clock_offset: AtomicI64,
    /// By task: events that an entry which it writes holds, times 1,000.
    pub frame_events: AtomicU64,
    /// A stream that the task writes is too long.
    pub paused: AtomicBool,
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
    tasks: Tasks,
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
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> Result<(), StoreError> {
        telemetry::begin(&self.topology, self.options.nodes.as_ref());
        let Some(seed) = self.register(&mut stop).await? else { return Ok(()) };
        let mut tasks = JoinSet::new();
        let mut running = self.start(seed, &mut tasks);
        let announcement = self.announcement(&running);
        self.status.started.store(true, Ordering::Relaxed);
        let mut tended = Instant::now();
        while !*stop.borrow_and_update() {
            match self.store.heartbeat(&announcement).await {
                Ok(view) => {
                    telemetry::upkeep_worked("heartbeat");
                    self.follow(&mut running, view).await;
                }
                Err(error) if error.kind == ErrorKind::Mismatch => return Err(error),
                Err(error) => telemetry::upkeep_failed("heartbeat", &error),
            }
            if let Some(ended) = tasks.try_join_next() {
                return Err(ended_early(ended));
            }
            if tended.elapsed() >= TEND {
                tended = Instant::now();
                self.tend(&running).await;
            }
            tokio::select! {
                _ = stop.changed() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        self.leave(&running, tasks).await;
        Ok(())
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
                _ = stop.changed() => {}
                () = tokio::time::sleep(RETRY) => {}
            }
        }
        Ok(None)
    }

    fn start(&self, seed: [u8; 16], tasks: &mut JoinSet<()>) -> Vec<Running> {
        let mut running = Vec::new();
        for (place, node) in self.topology.nodes.iter().enumerate() {
            let served = self.options.nodes.as_ref().is_none_or(|nodes| nodes.contains(&node.name));
            let bolt = |node: &Node| (self.options.bolts)(&self.topology, node, seed);
            let Some(context) = Context::new(&self.topology, place, bolt).filter(|_| served) else {
                continue;
            };
            let nodes: Vec<usize> = context.stages.iter().map(|stage| stage.place).collect();
            let shared = Arc::new(Shared::default());
            let mut of_node = Vec::new();
            let number = tasks::tasks_of(node.partitions, nodes.len());
            for _ in 0..number {
                let (wanted, wanted_by_task) = watch::channel(Wanted::default());
                let (owned_by_task, owned) = watch::channel(BTreeSet::new());
                let options = TaskOptions {
                    worker: self.options.id.clone(),
                    wanted: wanted_by_task,
                    owned: owned_by_task,
                    shared: Arc::clone(&shared),
                    cache_bytes: self.topology.settings.cache_bytes / number as u64,
                    clock: self.clock,
                };
                tasks.spawn(Task::new(self.store.clone(), context.clone(), options).run());
                of_node.push(TaskHandle { wanted, owned });
            }
            let tasks = Tasks::new(of_node);
            running.push(Running { place, name: node.name.clone(), nodes, shared, tasks });
        }
        running
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
        }
    }

    /// Runs the plan in force, or waits for those that run another, or puts its own in force.
    async fn follow(&self, running: &mut [Running], mut view: View) {
        let timeout = i64::try_from(self.topology.settings.session_timeout_ms).unwrap_or(i64::MAX);
        let silent = |beat: i64| view.now.saturating_sub(beat) > timeout;
        let live = |id: &SmolStr| {
            view.workers.iter().any(|(worker, beat)| worker.id == *id && !silent(*beat))
        };
        let mine = self.topology.fingerprint();
        match plan::stand(&view, &mine, live) {
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
                    Ok(true) => telemetry::plan_switched(plan::short(&mine)),
                    Ok(false) => {}
                    Err(error) => telemetry::upkeep_failed("plan", &error),
                }
                view.workers.clear();
            }
        }
        self.direct(running, &view);
    }

    /// Tells each task what it should own.
    fn direct(&self, running: &mut [Running], view: &View) {
        let elapsed = self.clock.elapsed().as_millis() as u64;
        self.status.last_heartbeat.store(elapsed, Ordering::Relaxed);
        let timeout = i64::try_from(self.topology.settings.session_timeout_ms).unwrap_or(i64::MAX);
        let wanted = wanted(view, &self.options.id, timeout);
        for node in running {
            node.shared.clock_offset.store(view.now - elapsed as i64, Ordering::Relaxed);
            let wanted = wanted.get(&node.name).cloned().unwrap_or_default();
            // Sent with every poll, even unchanged: what could not be taken is tried again.
            node.tasks.direct(&wanted);
            telemetry::owned(&node.name, node.tasks.owned().len());
            telemetry::halted(&node.name, view.fences.get(&node.name).into_iter().flatten());
        }
    }

    async fn tend(&self, running: &[Running]) {
        let of_task = |task: &Running| {
            let owned = task.tasks.owned();
            task.nodes.iter().map(|place| (*place, owned.clone())).collect::<Vec<_>>()
        };
        let owned: Vec<(usize, Vec<u16>)> = running.iter().flat_map(of_task).collect();
        match self.store.tend(&owned).await {
            Ok(survey) => {
                telemetry::upkeep_worked("trimming");
                self.note(running, &survey);
            }
            Err(error) => telemetry::upkeep_failed("trimming", &error),
        }
    }

    fn note(&self, running: &[Running], survey: &Survey) {
        for task in running {
            let mut sum = Lag::default();
            for (_, _, lag) in survey.lags.iter().filter(|(place, _, _)| *place == task.place) {
                sum.entries += lag.entries;
                sum.oldest = [sum.oldest, lag.oldest].into_iter().flatten().min();
            }
            TaskMetrics::lag(&task.name, sum, task.shared.now(self.clock));
            let written = survey.backlogs.iter().filter(|(place, _)| task.nodes.contains(place));
            let entries = written.map(|(_, entries)| *entries).max().unwrap_or(0);
            let frame_events = task.shared.frame_events.load(Ordering::Relaxed);
            let backlog = entries.saturating_mul(frame_events) / 1000;
            let paused = backlog > self.topology.settings.max_backlog;
            task.shared.paused.store(paused, Ordering::Relaxed);
            let stalled = survey.stalled.iter().filter(|(place, _)| task.nodes.contains(place));
            TaskMetrics::stalled(&task.name, stalled.map(|(_, bytes)| bytes).sum());
        }
        telemetry::dead_letters(survey.dead_letters);
        if let Some(node) = self.topology.nodes.first() {
            let bound = self.topology.settings.dead_letters_bytes;
            telemetry::dead_letters_dropped(&node.name, survey.dead_dropped, bound);
        }
    }

    /// Leaves the membership first, so that others are ready when the partitions come free.
    async fn leave(&self, running: &[Running], mut tasks: JoinSet<()>) {
        if let Err(error) = self.store.leave(&self.options.id).await {
            telemetry::upkeep_failed("leaving", &error);
        }
        running.iter().for_each(|node| node.tasks.stop());
        let patience = Duration::from_millis(self.topology.settings.session_timeout_ms);
        let all = async { while tasks.join_next().await.is_some() {} };
        // Whatever is not given back by then is taken over as from a worker that died.
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!("could not release every partition in time; others take them over");
        }
    }
}

/// Why a worker ends whose task did: else its partitions would stay with one that is alive.
fn ended_early(ended: Result<(), tokio::task::JoinError>) -> StoreError {
    let reason = ended.err().map_or_else(|| "for no reason".into(), |error| error.to_string());
    StoreError::new(ErrorKind::Other, format!("a task ended: {reason} (please report this)"))
}

/// Whether waiting can't help a worker that begins.
fn hopeless(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Auth | ErrorKind::Mismatch | ErrorKind::Setup)
}

impl Shared {
    /// The server's clock, in ms since the epoch, as last heard.
    #[must_use]
    pub fn now(&self, clock: Instant) -> i64 {
        let elapsed = i64::try_from(clock.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.clock_offset.load(Ordering::Relaxed).saturating_add(elapsed)
    }
}

/// What the worker `me` should own of each node, and what of it is free to take.
fn wanted(view: &View, me: &SmolStr, session_timeout_ms: i64) -> BTreeMap<SmolStr, Wanted> {
    let alive = |beat: i64| view.now.saturating_sub(beat) <= session_timeout_ms;
    let live: Vec<&Announcement> =
        view.workers.iter().filter(|(_, beat)| alive(*beat)).map(|(worker, _)| worker).collect();
    let is_live = |id: &SmolStr| live.iter().any(|worker| worker.id == *id);
    let share = |(name, fences): (&SmolStr, &Vec<Fence>)| {
        let serves = live.iter().filter(|w| w.nodes.contains_key(name)).map(|w| w.id.clone());
        let owner = |fence: &Fence| match &fence.owner {
            Owner::Worker(id) => Some(id.clone()),
            Owner::Nobody | Owner::Halted => None,
        };
        (
            name.clone(),
            NodeShare { workers: serves.collect(), owners: fences.iter().map(owner).collect() },
        )
    };
    let assigned = assign(&view.fences.iter().map(share).collect());
    let mut wanted = BTreeMap::new();
    for (name, owners) in assigned {
        let mut of_node = Wanted::default();
        let fences = view.fences.get(&name).map(Vec::as_slice).unwrap_or_default();
        for ((partition, owner), fence) in (0u16..).zip(owners).zip(fences) {
            if owner.as_ref() != Some(me) {
                if fence.owner == Owner::Worker(me.clone()) {
                    of_node.stray.insert(partition, fence.clone());
                }
                continue;
            }
            of_node.own.insert(partition);
            let free = match &fence.owner {
                Owner::Nobody => true,
                Owner::Worker(id) => id == me || !is_live(id),
                Owner::Halted => false,
            };
            if free {
                of_node.free.insert(partition, fence.clone());
            }
        }
        wanted.insert(name, of_node);
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fence(owner: Owner, epoch: u64) -> Fence {
        Fence { owner, epoch, random: 0 }
    }

    #[test]
    fn only_what_nobody_alive_owns_is_free() {
        let worker = |id: &str| Announcement {
            id: id.into(),
            nodes: [("n".into(), 4)].into(),
            ..Announcement::default()
        };
        let by = |id: &str| Owner::Worker(id.into());
        let fences = vec![
            fence(by("a"), 1),
            fence(by("gone"), 7),
            fence(by("b"), 1),
            fence(Owner::Halted, 3),
        ];
        let view = View {
            now: 10_000,
            workers: vec![(worker("a"), 9_000), (worker("b"), 9_000), (worker("gone"), 4_000)],
            fences: [("n".into(), fences)].into(),
            ..View::default()
        };
        let of_a = wanted(&view, &"a".into(), 5_000)["n"].clone();
        let of_b = wanted(&view, &"b".into(), 5_000)["n"].clone();
        assert_eq!(of_a.own.len() + of_b.own.len(), 4);
        let free: Vec<u16> = of_a.free.keys().chain(of_b.free.keys()).copied().collect();
        assert_eq!(free.iter().collect::<BTreeSet<_>>(), BTreeSet::from([&0, &1, &2]));
        assert!(!of_a.free.contains_key(&2) && !of_b.free.contains_key(&0));
        assert!(of_a.stray.is_empty() && of_b.stray.is_empty());
    }

    #[test]
    fn a_fence_that_names_a_worker_is_given_back_where_another_is_assigned() {
        let worker = |id: &str| Announcement {
            id: id.into(),
            nodes: [("n".into(), 2)].into(),
            ..Announcement::default()
        };
        let mine = fence(Owner::Worker("a".into()), 4);
        let view = View {
            now: 0,
            workers: vec![(worker("a"), 0), (worker("b"), 0)],
            fences: [("n".into(), vec![mine.clone(), mine.clone()])].into(),
            ..View::default()
        };
        let of_a = wanted(&view, &"a".into(), 5_000)["n"].clone();
        let of_b = wanted(&view, &"b".into(), 5_000)["n"].clone();
        assert_eq!(of_a.own.len(), 1);
        assert_eq!(of_a.stray.keys().collect::<Vec<_>>(), of_b.own.iter().collect::<Vec<_>>());
        assert_eq!(of_a.stray.into_values().collect::<Vec<_>>(), [mine]);
        assert!(of_b.free.is_empty());
    }
}
