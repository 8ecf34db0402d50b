//! The simulated storage: the `Store` trait over a [`World`], one round trip at a time, each of
//! which takes time and may be hit by a fault.

mod simulated;
mod wire;

pub(crate) use simulated::Heard;
pub use simulated::SimulatedStore;
pub use wire::Wire;

use crate::{Fault, FaultKind, Plan, world::World};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tallyd_event::EntryId;
use tallyd_topology::Topology;
use tokio::time::Instant;

/// The server's clock when a run begins.
const BEGIN: i64 = 1_767_225_600_000;
/// Keys the fingerprints of all runs.
const SEED: [u8; 16] = [7; 16];

/// The round trip that puts a plan in force.
pub(crate) const SWITCH: &str = "switch plans";

/// The round trip of a heartbeat.
const HEARTBEAT: &str = "heartbeat";

/// What all workers of a run share.
pub struct Server {
    inner: Mutex<Inner>,
    began: Instant,
}

struct Inner {
    world: World,
    random: ChaCha8Rng,
    /// The random parts of fences.
    fences: ChaCha8Rng,
    trips: u64,
    faults: VecDeque<Fault>,
    /// Faults no longer happen.
    calm: bool,
    /// Round trips take no time.
    hurried: bool,
    /// How often the server restarted: connections of before are broken.
    restarts: u64,
    out_of_memory_until: i64,
    loading_until: i64,
    /// The server answers nobody before.
    stalled_until: Instant,
    /// By worker, and by fingerprint of a file: who stands still, and until when.
    paused_until: BTreeMap<SmolStr, Instant>,
    /// By fingerprint of a file: until when heartbeats of its workers do not come through.
    silent_until: BTreeMap<SmolStr, Instant>,
    /// The next worker that switches plans dies.
    crash_at_switch: bool,
    orders: VecDeque<Order>,
    injected: BTreeMap<&'static str, u64>,
    log: Vec<String>,
    logging: bool,
    hash: u64,
    emptied: u64,
}

/// The random parts of the fences of a run, in the order of the take-overs.
#[must_use]
pub fn fence_numbers(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed ^ 0xFE2CE)
}

/// What a fault asks of whoever runs the workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// End a worker at once.
    Crash(SmolStr),
    /// Start one more.
    Join,
    /// Stop a worker, which hands over.
    Leave(SmolStr),
    /// End all of them at once, and start another so many ms later.
    AllAway(u64),
    /// Stop those that run one by one, so many ms apart, and start one with the other file for
    /// each.
    Roll(u64),
}

/// What becomes of one round trip.
enum Fate {
    Normal,
    LoseRequest,
    LoseReply,
    Late(Duration),
    CrashBefore,
    CrashAfter,
}

impl Server {
    /// The server of a plan, with nothing in it.
    #[must_use]
    pub fn new(topology: Arc<Topology>, plan: &Plan, logging: bool) -> Arc<Self> {
        let inner = Inner {
            world: World::new(topology, BEGIN, plan.mutation),
            random: ChaCha8Rng::seed_from_u64(plan.seed ^ 0x5eed),
            fences: fence_numbers(plan.seed),
            trips: 0,
            faults: plan.faults.iter().copied().collect(),
            calm: false,
            hurried: false,
            restarts: 0,
            out_of_memory_until: 0,
            loading_until: 0,
            stalled_until: Instant::now(),
            paused_until: BTreeMap::new(),
            silent_until: BTreeMap::new(),
            crash_at_switch: false,
            orders: VecDeque::new(),
            injected: BTreeMap::new(),
            log: Vec::new(),
            logging,
            hash: 0,
            emptied: 0,
        };
        Arc::new(Self { inner: Mutex::new(inner), began: Instant::now() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(0);
        inner.world.go_on(BEGIN + passed);
        inner
    }

    /// Looks at the data, or changes it, outside of any worker.
    pub fn with<T>(&self, run: impl FnOnce(&mut World) -> T) -> T {
        run(&mut self.lock().world)
    }

    /// A producer's XADD: how often the data was lost before, and the entry's id. `None` while the
    /// server loads or has no memory.
    pub fn produce(&self, stream: &str, fields: Vec<(Vec<u8>, Vec<u8>)>) -> Option<(u64, EntryId)> {
        let mut inner = self.lock();
        let refused = inner.world.now < inner.loading_until.max(inner.out_of_memory_until);
        (!refused).then(|| {
            let id = inner.world.add(stream, fields);
            (inner.emptied, id)
        })
    }

    /// How often the data was lost.
    pub fn emptied(&self) -> u64 {
        self.lock().emptied
    }

    /// The next order, if there is one.
    pub fn order(&self) -> Option<Order> {
        self.lock().orders.pop_front()
    }

    /// The server stands still for a while, as after CLIENT PAUSE: who asks waits.
    pub fn stall(&self, time: Duration) {
        self.lock().stall(time);
    }

    /// The server restarts and keeps its data: every connection breaks.
    pub fn restart(&self) {
        let mut inner = self.lock();
        inner.restarts += 1;
        inner.world.restart();
    }

    /// From now on nothing goes wrong any more.
    pub fn calm(&self) {
        let mut inner = self.lock();
        inner.calm = true;
        inner.out_of_memory_until = 0;
        inner.loading_until = 0;
        inner.stalled_until = Instant::now();
        inner.paused_until.clear();
        inner.silent_until.clear();
    }

    /// From now on round trips take no time: for those who call a store without a virtual clock.
    pub fn hurry(&self) {
        self.lock().hurried = true;
    }

    /// How many faults of each kind happened.
    pub fn injected(&self) -> BTreeMap<&'static str, u64> {
        self.lock().injected.clone()
    }

    /// How many round trips there were, a hash over all of them, and what they were if logged.
    pub fn trace(&self) -> (u64, u64, Vec<String>) {
        let mut inner = self.lock();
        (inner.trips, inner.hash, std::mem::take(&mut inner.log))
    }

    /// Says something in the log.
    pub fn say(&self, text: impl FnOnce() -> String) {
        self.lock().note(text);
    }
}

impl Inner {
    fn note(&mut self, text: impl FnOnce() -> String) {
        if self.logging {
            let line = format!("{:>7} {}", self.world.now - BEGIN, text());
            self.log.push(line);
        }
    }

    /// Every fault whose turn has come: what it does to the server is done, what it does to the
    /// round trip is returned.
    fn fate(&mut self, name: &str, worker: &SmolStr, file: &SmolStr) -> Fate {
        let mut fate = Fate::Normal;
        if name == SWITCH && std::mem::take(&mut self.crash_at_switch) && !self.calm {
            fate = Fate::CrashAfter;
        }
        while let Some(fault) = self.faults.front().copied().filter(|f| f.at <= self.trips) {
            self.faults.pop_front();
            if self.calm {
                continue;
            }
            *self.injected.entry(fault.kind.name()).or_default() += 1;
            self.note(|| format!("FAULT {:?} at {worker}", fault.kind));
            match fault.kind {
                FaultKind::CrashBefore => fate = Fate::CrashBefore,
                FaultKind::CrashAfter => fate = Fate::CrashAfter,
                FaultKind::LoseRequest => fate = Fate::LoseRequest,
                FaultKind::LoseReply => fate = Fate::LoseReply,
                FaultKind::Late(ms) => fate = Fate::Late(Duration::from_millis(ms)),
                kind => self.strike(kind, worker, file),
            }
        }
        fate
    }

    fn stall(&mut self, time: Duration) {
        self.stalled_until = self.stalled_until.max(Instant::now() + time);
    }

    fn strike(&mut self, kind: FaultKind, worker: &SmolStr, file: &SmolStr) {
        let (now, groups) = (self.world.now, self.world.groups());
        let after = |ms: u64| now.saturating_add_unsigned(ms);
        let chosen = |number: usize| groups.get(number % groups.len().max(1)).cloned();
        match kind {
            FaultKind::Pause(ms) => {
                let until = Instant::now() + Duration::from_millis(ms);
                self.paused_until.insert(worker.clone(), until);
            }
            FaultKind::PauseFile(ms) => {
                let until = Instant::now() + Duration::from_millis(ms);
                self.paused_until.insert(file.clone(), until);
            }
            FaultKind::SilentFile(ms) => {
                let until = Instant::now() + Duration::from_millis(ms);
                self.silent_until.insert(file.clone(), until);
            }
            FaultKind::CrashAtSwitch => self.crash_at_switch = true,
            FaultKind::Roll(ms) => self.orders.push_back(Order::Roll(ms)),
            FaultKind::OutOfMemory(ms) => self.out_of_memory_until = after(ms),
            FaultKind::Loading(ms) => self.loading_until = after(ms),
            FaultKind::Stall(ms) => self.stall(Duration::from_millis(ms)),
            FaultKind::CutSubscription => self.world.break_subscriptions(Some(worker)),
            FaultKind::Restart => {
                self.restarts += 1;
                self.world.restart();
            }
            FaultKind::RestartEmpty => {
                self.restarts += 1;
                self.world.restart();
                self.emptied += 1;
                self.world.lose_everything();
            }
            FaultKind::DestroyGroup(number) => {
                if let Some((stream, group)) = chosen(number) {
                    self.world.streams.entry(stream).or_default().groups.remove(&group);
                }
            }
            FaultKind::GroupToEnd(number) | FaultKind::GroupToStart(number) => {
                if let Some((stream, group)) = chosen(number) {
                    let stream = self.world.streams.entry(stream).or_default();
                    let end = kind == FaultKind::GroupToEnd(number);
                    let to = if end { stream.last } else { EntryId::ZERO };
                    stream.groups.entry(group).or_default().delivered = to;
                }
            }
            FaultKind::AllAway(ms) => self.orders.push_back(Order::AllAway(ms)),
            FaultKind::DeleteEntries(count) => self.world.delete_entries(count),
            FaultKind::StreamBeginsAgain(behind) => self.world.delete_source(behind),
            FaultKind::ReplyLimit(bytes) => self.world.reply_limit = Some(bytes),
            FaultKind::IdAhead(ms) => self.world.next_id_ahead(ms),
            FaultKind::Overwrite(user, ms) => self.world.overwrite(user, ms),
            FaultKind::Join => self.orders.push_back(Order::Join),
            FaultKind::Leave => self.orders.push_back(Order::Leave(worker.clone())),
            FaultKind::CrashBefore
            | FaultKind::CrashAfter
            | FaultKind::LoseRequest
            | FaultKind::LoseReply
            | FaultKind::Late(_) => {}
        }
    }
}
