//! Who counts as alive, on virtual time: a server that stands still robs nobody, a killed process
//! is noticed at once, and one that only lost its subscription is not.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use smol_str::{SmolStr, format_smolstr};
use std::{sync::Arc, time::Duration};
use tallyd_runtime::{Ended, RESTS_FROM, SPREADS_FROM, Worker, WorkerOptions, store::Owner};
use tallyd_simulation::{
    Plan, bolts, run,
    store::{Server, SimulatedStore},
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep},
};

const SECOND: Duration = Duration::from_secs(1);

struct Fleet {
    server: Arc<Server>,
    workers: Vec<(SmolStr, JoinHandle<Ended>, watch::Sender<bool>)>,
}

impl Fleet {
    /// Workers that share all partitions of the topology, whose session timeout is one second.
    async fn of(workers: usize) -> Self {
        let topology = run::topology(true);
        let plan = Plan { faults: Vec::new(), ..Plan::of(1) };
        let server = Server::new(Arc::clone(&topology), &plan, false);
        let mut fleet = Self { server, workers: Vec::new() };
        for number in 1..=workers {
            let id = format_smolstr!("w{number}");
            let options = WorkerOptions {
                id: id.clone(),
                nodes: None,
                metrics: None,
                host: "simulated".into(),
                version: "test".into(),
                since: 0,
                pid: 0,
                bolts: bolts::bolt,
                rests_from: RESTS_FROM,
                spreads_from: SPREADS_FROM,
            };
            let (stop, stopped) = watch::channel(false);
            let store = SimulatedStore::new(&fleet.server, &topology, &id);
            let worker = Worker::new(store, Arc::clone(&topology), options);
            let run = tokio::spawn(async move { worker.run(stopped).await.unwrap() });
            fleet.workers.push((id, run, stop));
        }
        sleep(5 * SECOND).await;
        assert!(!fleet.owners().contains(&None), "{:?}", fleet.owners());
        fleet
    }

    fn owners(&self) -> Vec<Option<SmolStr>> {
        self.server.with(|world| {
            let topology = Arc::clone(&world.topology);
            let nodes = topology.nodes.iter().enumerate();
            let heads = nodes.filter(|(place, _)| topology.head(*place) == *place);
            let slots = heads.flat_map(|(place, n)| (0..n.partitions).map(move |p| (place, p)));
            let owner = |slot| match world.fence(slot).owner {
                Owner::Worker(id) => Some(id),
                Owner::Nobody | Owner::Halted => None,
            };
            slots.map(owner).collect()
        })
    }

    fn fence_writes(&self) -> u64 {
        self.server.with(|world| world.fence_writes())
    }

    /// How long until no partition is this worker's any more.
    async fn until_gone(&self, id: &SmolStr) -> Duration {
        let began = Instant::now();
        while self.owners().iter().any(|owner| owner.as_ref().is_none_or(|owner| owner == id)) {
            assert!(began.elapsed() < 20 * SECOND, "{:?}", self.owners());
            sleep(Duration::from_millis(1)).await;
        }
        began.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stands_still_robs_nobody() {
    for times in [1.1, 2.0, 6.0, 40.0] {
        let fleet = Fleet::of(3).await;
        let before = fleet.fence_writes();
        fleet.server.stall(SECOND.mul_f64(times));
        sleep(SECOND.mul_f64(times) + 10 * SECOND).await;
        assert_eq!(fleet.fence_writes(), before, "after {times} session timeouts");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_restarts_robs_nobody_of_another() {
    let fleet = Fleet::of(3).await;
    let owners = fleet.owners();
    fleet.server.restart();
    sleep(10 * SECOND).await;
    assert_eq!(fleet.owners(), owners);
}

#[tokio::test(start_paused = true)]
async fn a_killed_process_is_noticed_within_half_a_second() {
    for number in 0..3 {
        let mut fleet = Fleet::of(3).await;
        let (id, run, _stop) = fleet.workers.remove(number);
        run.abort();
        let took = fleet.until_gone(&id).await;
        assert!(took < SECOND / 2, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_only_lost_its_subscription_is_not_robbed() {
    let fleet = Fleet::of(3).await;
    let before = fleet.fence_writes();
    for _ in 0..20 {
        fleet.server.with(|world| world.break_subscriptions(Some(&"w2".into())));
        sleep(Duration::from_millis(321)).await;
    }
    fleet.server.with(|world| world.break_subscriptions(None));
    sleep(5 * SECOND).await;
    assert_eq!(fleet.fence_writes(), before);
}

#[tokio::test(start_paused = true)]
async fn one_that_stops_hands_over_at_once_and_says_so() {
    let mut fleet = Fleet::of(3).await;
    let (id, run, stop) = fleet.workers.remove(1);
    stop.send_replace(true);
    let took = fleet.until_gone(&id).await;
    assert!(took < Duration::from_millis(100), "{took:?}");
    assert_eq!(run.await.unwrap(), Ended::HandedOver);
}

#[tokio::test(start_paused = true)]
async fn one_that_can_not_release_says_so() {
    let mut fleet = Fleet::of(2).await;
    let (_, run, stop) = fleet.workers.remove(0);
    stop.send_replace(true);
    fleet.server.stall(4 * SECOND);
    match run.await.unwrap() {
        Ended::Kept { partitions } => assert!(partitions > 0),
        Ended::HandedOver => panic!("it could not reach the server"),
    }
}
