//! One run: workers, a producer and faults, until everything is processed, and then the audit.

use crate::{
    Plan, audit, bolts,
    producer::{self, Book},
    store::{Order, Server, SimulatedStore},
};
use smol_str::{SmolStr, format_smolstr};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};
use tallyd_runtime::{RESTS_FROM, SPREADS_FROM, Worker, WorkerOptions};
use tallyd_topology::Topology;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep},
};

const TOPOLOGY: &str = include_str!("topology.toml");
/// What the other file has more.
const MORE: &str = include_str!("more.toml");
/// What both have more in plans with corrections.
const CORRECTED: &str = include_str!("corrected.toml");
/// A line of the leaderboard that has more boards in plans with edits.
const POINTS: &str = "score = \"sum(points)\"\n";
/// Its boards.
const BY_CONCEPT: &str = "boards = [[], [\"concept\"]]\n";
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
    parsed(TOPOLOGY, fuse)
}

/// The same with the bolts of the other file.
///
/// # Panics
/// Where the file in this crate does not hold.
#[must_use]
pub fn topology_with_more(fuse: bool) -> Arc<Topology> {
    parsed(&format!("{TOPOLOGY}{MORE}"), fuse)
}

fn parsed(text: &str, fuse: bool) -> Arc<Topology> {
    let text = text.replace("[run]", &format!("[run]\nfuse = {fuse}"));
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
    runtime.block_on(simulate(plan, logging))
}

struct Workers {
    /// The file of those that start next, and the other one.
    files: [Arc<Topology>; 2],
    server: Arc<Server>,
    /// Those that are yet to be replaced, how far apart in time, and when the next one is.
    rolling: (VecDeque<SmolStr>, Duration, Instant),
    running: BTreeMap<SmolStr, (JoinHandle<()>, watch::Sender<bool>)>,
    /// Those that were told to end, and may be killed while they do.
    ending: BTreeMap<SmolStr, JoinHandle<()>>,
    started: usize,
    rests_from: f64,
    spreads_from: u8,
    /// Until when none is to run.
    away_until: Instant,
}

async fn simulate(plan: &Plan, logging: bool) -> Report {
    let (fewer, more) = match plan.corrects {
        false if producer::has_edits(plan) => {
            let fewer = TOPOLOGY.replace(POINTS, &format!("{POINTS}{BY_CONCEPT}"));
            (parsed(&fewer, plan.fuse), parsed(&format!("{fewer}{MORE}"), plan.fuse))
        }
        false => (topology(plan.fuse), topology_with_more(plan.fuse)),
        true => {
            let fewer = format!("{TOPOLOGY}{CORRECTED}");
            (parsed(&fewer, plan.fuse), parsed(&format!("{fewer}{MORE}"), plan.fuse))
        }
    };
    let whole = if plan.has_two_files() { &more } else { &fewer };
    let server = Server::new(Arc::clone(whole), plan, logging);
    let files = if plan.begins_with_more { [more, fewer] } else { [fewer, more] };
    let mut workers = Workers {
        files,
        server: Arc::clone(&server),
        rolling: (VecDeque::new(), Duration::ZERO, Instant::now()),
        running: BTreeMap::new(),
        ending: BTreeMap::new(),
        started: 0,
        // So few events come that no task would rest: every third time all do, after each batch.
        rests_from: if plan.seed.is_multiple_of(3) { 0.0 } else { RESTS_FROM },
        // So few that none is busy: in two of three, tasks share from the first look on, for ever or
        // for as long as they have a little to do, so that partitions move to and fro.
        spreads_from: match plan.seed / 3 % 3 {
            0 => SPREADS_FROM,
            1 => 0,
            _ => 10,
        },
        away_until: Instant::now(),
    };
    (0..plan.workers).for_each(|_| workers.join());
    let (sender, sent_by) = (Arc::clone(&server), plan.clone());
    let producer = tokio::spawn(async move { producer::run(sender, &sent_by).await });
    while !producer.is_finished() {
        workers.obey();
        sleep(LOOK).await;
    }
    let produced = producer.await;
    server.calm();
    let mut differences = workers.drain().await;
    let book = produced.unwrap_or_else(|error| {
        differences.push(format!("the producer ended before its time: {error}"));
        Book::default()
    });
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
        let [file, _] = &self.files;
        self.server.say(|| format!("{id} starts with {} nodes", file.nodes.len()));
        let options = WorkerOptions {
            version: SmolStr::default(),
            since: 0,
            id: id.clone(),
            nodes: None,
            metrics: None,
            host: "simulated".into(),
            pid: 0,
            bolts: bolts::bolt,
            rests_from: self.rests_from,
            spreads_from: self.spreads_from,
        };
        let (stop, stopped) = watch::channel(false);
        let store = SimulatedStore::new(&self.server, file, &id);
        let worker = Worker::new(store, Arc::clone(file), options);
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
                    let run = self.running.remove(&id).map(|(run, _)| run);
                    if let Some(run) = run.or_else(|| self.ending.remove(&id)) {
                        run.abort();
                    }
                }
                Order::Join => self.join(),
                Order::AllAway(ms) => {
                    self.server.say(|| format!("all workers are away for {ms} ms"));
                    self.away_until = Instant::now() + Duration::from_millis(ms);
                    let running = std::mem::take(&mut self.running).into_values();
                    let ending = std::mem::take(&mut self.ending).into_values();
                    running.map(|(run, _)| run).chain(ending).for_each(|run| run.abort());
                }
                Order::Leave(id) => self.end(&id),
                Order::Roll(ms) => {
                    self.files.reverse();
                    let all = self.running.keys().cloned().collect();
                    self.rolling = (all, Duration::from_millis(ms), Instant::now());
                }
            }
        }
        self.roll();
        if self.running.is_empty() {
            self.join();
        }
    }

    /// Lets a worker hand over.
    fn end(&mut self, id: &SmolStr) {
        if let Some((run, stop)) = self.running.remove(id) {
            stop.send_replace(true);
            self.ending.insert(id.clone(), run);
        }
    }

    /// Replaces the next worker of a roll, when it is time.
    fn roll(&mut self) {
        let (old, pace, next) = &mut self.rolling;
        if Instant::now() < *next {
            return;
        }
        *next = Instant::now() + *pace;
        if let Some(id) = old.pop_front() {
            self.end(&id);
            self.join();
        }
    }

    /// Waits until every node of the plan in force has done what waits for it.
    async fn drain(&mut self) -> Vec<String> {
        let began = Instant::now();
        loop {
            self.obey();
            let (topology, waiting) = self.server.with(|world| {
                let topology = Arc::clone(&world.topology);
                let slots = topology.nodes.iter().enumerate();
                let slots = slots.filter(|(place, _)| world.is_in_force(*place));
                let slots = slots.flat_map(|(place, n)| (0..n.partitions).map(move |p| (place, p)));
                let waiting = slots.filter(|slot| world.waiting(*slot).0 > 0);
                let waiting: BTreeSet<_> = waiting.collect();
                (topology, world.plan().map(|_| waiting))
            });
            // Where no plan is in force, no worker has begun yet.
            let begun = waiting.is_some();
            let waiting = waiting.unwrap_or_default();
            if begun && waiting.is_empty() {
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
