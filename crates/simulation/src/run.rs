//! One run: workers, a producer and faults, until everything is processed, and then the audit.

use crate::{
    Plan, audit, bolts,
    producer::{self, Book},
    store::{Order, Server, SimulatedStore},
};
use smol_str::{SmolStr, format_smolstr};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tallyd_runtime::{Worker, WorkerOptions};
use tallyd_topology::Topology;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep},
};

const TOPOLOGY: &str = include_str!("topology.toml");
/// How many workers there may be at once.
const MAX_WORKERS: usize = 4;
/// How often the runner looks at what to do.
const LOOK: Duration = Duration::from_millis(5);
/// How long everything may take to be processed once nothing goes wrong any more, in virtual
/// time: many session timeouts.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// What is not as it must be: empty where all is well.
    pub differences: Vec<String>,
    /// How many answers were counted.
    pub answers: u64,
    /// How many round trips there were.
    pub trips: u64,
    /// A hash over all of them.
    pub hash: u64,
    /// How many faults of each kind happened.
    pub injected: BTreeMap<&'static str, u64>,
    /// What happened, if it was to be logged.
    pub log: Vec<String>,
}

/// The topology of all runs, with or without fused bolts.
///
/// # Panics
/// Where the file in this crate does not hold.
#[must_use]
pub fn topology(fuse: bool) -> Arc<Topology> {
    let text = TOPOLOGY.replace("[run]", &format!("[run]\nfuse = {fuse}"));
    let parsed = tallyd_topology::parse("topology.toml", &text, &|_| None);
    let mut topology = parsed.unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    // Far below what a file may say, so that backpressure is met with few events.
    topology.settings.max_backlog = 40;
    Arc::new(topology)
}

/// Runs a plan on virtual time.
///
/// # Panics
/// Where the system gives no runtime.
#[must_use]
pub fn run(plan: &Plan, logging: bool) -> Report {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
    runtime.block_on(simulate(topology(plan.fuse), plan, logging))
}

struct Workers {
    topology: Arc<Topology>,
    server: Arc<Server>,
    running: BTreeMap<SmolStr, (JoinHandle<()>, watch::Sender<bool>)>,
    started: usize,
    /// Until when none is to run.
    away_until: Instant,
}

async fn simulate(topology: Arc<Topology>, plan: &Plan, logging: bool) -> Report {
    let server = Server::new(Arc::clone(&topology), plan, logging);
    let mut workers = Workers {
        topology,
        server: Arc::clone(&server),
        running: BTreeMap::new(),
        started: 0,
        away_until: Instant::now(),
    };
    (0..plan.workers).for_each(|_| workers.join());
    let (sender, sent_by) = (Arc::clone(&server), plan.clone());
    let producer = tokio::spawn(async move { producer::run(sender, &sent_by).await });
    while !producer.is_finished() {
        workers.obey();
        sleep(LOOK).await;
    }
    let book = producer.await.unwrap_or_default();
    server.calm();
    let mut differences = workers.drain().await;
    if differences.is_empty() {
        differences = workers.settle(&book).await;
    }
    workers.stop().await;
    let (trips, hash, log) = server.trace();
    let injected = server.injected();
    let answers = server.with(|world| book.ledger(world)).distinct;
    Report { differences, answers, trips, hash, injected, log }
}

impl Workers {
    fn join(&mut self) {
        if self.running.len() >= MAX_WORKERS || Instant::now() < self.away_until {
            return;
        }
        self.started += 1;
        let id = format_smolstr!("w{}", self.started);
        self.server.say(|| format!("{id} starts"));
        let options = WorkerOptions {
            version: SmolStr::default(),
            since: 0,
            id: id.clone(),
            nodes: None,
            metrics: None,
            host: "simulated".into(),
            pid: 0,
            bolts: bolts::bolt,
        };
        let (stop, stopped) = watch::channel(false);
        let store = SimulatedStore::new(&self.server, &id);
        let worker = Worker::new(store, Arc::clone(&self.topology), options);
        let run = tokio::spawn(async move {
            if let Err(error) = worker.run(stopped).await {
                panic!("a worker ended: {error}");
            }
        });
        self.running.insert(id, (run, stop));
    }

    /// Does what faults asked for. There is always a worker, but when all are to be away.
    fn obey(&mut self) {
        while let Some(order) = self.server.order() {
            match order {
                Order::Crash(id) => {
                    if let Some((run, _)) = self.running.remove(&id) {
                        run.abort();
                    }
                }
                Order::Join => self.join(),
                Order::AllAway(ms) => {
                    self.server.say(|| format!("all workers are away for {ms} ms"));
                    self.away_until = Instant::now() + Duration::from_millis(ms);
                    for (run, _) in std::mem::take(&mut self.running).into_values() {
                        run.abort();
                    }
                }
                Order::Leave(id) => {
                    if let Some((_, stop)) = self.running.remove(&id) {
                        stop.send_replace(true);
                    }
                }
            }
        }
        if self.running.is_empty() {
            self.join();
        }
    }

    /// Waits until every node has done what waits for it.
    async fn drain(&mut self) -> Vec<String> {
        let began = Instant::now();
        loop {
            self.obey();
            let topology = &self.topology;
            let waiting = self.server.with(|world| {
                let slots = topology.nodes.iter().enumerate();
                let slots = slots.flat_map(|(place, n)| (0..n.partitions).map(move |p| (place, p)));
                let waiting = slots.filter(|slot| world.waiting(*slot).0 > 0);
                waiting.collect::<BTreeSet<_>>()
            });
            if waiting.is_empty() {
                return Vec::new();
            }
            if began.elapsed() > PATIENCE {
                let at = waiting.iter().map(|(place, partition)| {
                    let name = topology.nodes.get(*place).map(|node| node.name.as_str());
                    format!("{}:{partition}", name.unwrap_or_default())
                });
                let at = at.collect::<Vec<_>>().join(", ");
                return vec![format!("stuck at {at}")];
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until the streams are trimmed and what was lost is counted, and returns what differs
    /// then.
    async fn settle(&mut self, book: &Book) -> Vec<String> {
        let began = Instant::now();
        loop {
            let differences =
                self.server.with(|world| audit::differences(world, &book.ledger(world)));
            if differences.is_empty() || began.elapsed() > PATIENCE {
                return differences;
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    async fn stop(self) {
        for (_, (run, stop)) in self.running {
            stop.send_replace(true);
            drop(run.await);
        }
    }
}
