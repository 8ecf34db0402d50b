//! A run: everything started, faults until the time is over, calm, drain, audit.

use crate::{
    ChaosError,
    client::Client,
    edit::Names,
    fault::Schedule,
    fleet::{Fleet, FleetOptions},
    outcome::{self, Outcome, Sent},
    producer::Load,
    stage::Stage,
    subject::{PRODUCER, Subject},
    tape::{Book, Tape},
    topology,
};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tallyd_harness::{Deployment, Server, ServerOptions, audit, producer, proxy::Proxy};
use tallyd_learners::{Simulation, SimulationOptions};
use tallyd_store::{edits, inspect, keys::Keys};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

/// How often it looks what is due.
const TICK: Duration = Duration::from_millis(20);
/// How long a producer waits for an answer before it sends again.
const PRODUCER_PATIENCE: Duration = Duration::from_secs(1);
/// How long those wait who only look on.
const WATCHER_PATIENCE: Duration = Duration::from_millis(500);
/// How long no result may come, whatever happens.
const STUCK: Duration = Duration::from_secs(180);
/// When all workers are killed at once: first after half of this time, then again after each.
const AWAY_EVERY: Duration = Duration::from_secs(600);
/// How long it goes on without faults before the load stops.
const CALM: Duration = Duration::from_secs(2);
/// How long everything may take to be acknowledged, and then to be processed, without faults.
const DRAIN: Duration = Duration::from_secs(120);

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long faults are struck.
    pub length: Duration,
    /// How many, about.
    pub faults: u32,
    /// Decides the faults and the load.
    pub seed: u64,
    /// Events a second, of all producers together.
    pub rate: u32,
    /// How few workers there are, how many at first, and how many at most.
    pub workers: (usize, usize, usize),
    /// How many producers there are.
    pub producers: usize,
    /// The tallyd program.
    pub program: PathBuf,
    /// The redis-server or valkey-server; `None` for the first that there is.
    pub redis: Option<PathBuf>,
    /// An empty folder for sockets, data and logs.
    pub folder: PathBuf,
}

/// Runs it all. What the audit found is in the outcome.
///
/// # Errors
/// Where the audit could not be reached: a worker ended by itself, nothing moved any more, or the
/// machine refused something.
pub async fn run(options: Options) -> Result<Outcome, ChaosError> {
    let book = Arc::new(Book::default());
    let seed = options.seed;
    let simulation = Simulation::new(SimulationOptions { seed, ..Default::default() })
        .map_err(tallyd_harness::HarnessError::from)?;
    let edits = (Names::of(&simulation), Arc::clone(&book));
    let mut stage = set(&options, edits).await?;
    let load = Arc::new(Load::new(simulation, Arc::clone(&book)));
    let direct = direct_url(&options);
    let looking = |name: &str| Client::new(&direct, name, WATCHER_PATIENCE);
    let ledger = producer::ledger(&stage.topology)?;
    let tape = Tape::begin(looking("tape"), book, ledger).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let taping = tokio::spawn(tape.run(Arc::clone(&stop)));
    let cursors = stage.keys.cursors("points");
    let gaps = Arc::clone(&stage.gaps);
    let watching = tokio::spawn(gaps.watch(looking("gaps"), cursors, Arc::clone(&stop)));
    let mut producers = JoinSet::new();
    for number in 0..options.producers {
        let url = if number % 2 == 0 { &direct } else { &stage.proxy.url };
        let client = Client::new(url, &format!("{PRODUCER}-{number}"), PRODUCER_PATIENCE);
        let rate = f64::from(options.rate) / options.producers as f64;
        producers.spawn(Arc::clone(&load).produce(client, rate));
    }

    torment(&mut stage, &options).await?;
    stage.calm().await?;
    stage.note_cuts();
    println!("the faults have stopped");
    sleep(CALM).await;
    load.stop();
    let all_sent = async {
        while let Some(ended) = producers.join_next().await {
            ended??;
        }
        Ok::<(), ChaosError>(())
    };
    let unanswered = || stuck(&options, "the producers had no answer", DRAIN);
    timeout(DRAIN, all_sent).await.map_err(|_| unanswered())??;
    let topology = topology::topology()?;
    let mut open = Deployment::open(topology, &direct).await?;
    drain(&mut stage, &mut open, &options).await?;
    let edits = edits::list(&mut open.connection, &open.topology, &open.keys, usize::MAX).await?;
    let refused: Vec<_> = edits.iter().filter(|edit| audit::had_to_wait(edit, &edits)).collect();
    refused.iter().for_each(|edit| stage.book.refuse(&edit.id));
    let refused = refused.len();
    stop.store(true, Ordering::Relaxed);
    let tape = taping.await??;
    watching.await?;
    let findings = audit::run(&mut open, &tape.ledger, 0).await?;
    let sent = Sent { tape: &tape, refused, load: &load };
    let outcome = outcome::gather(&options, &mut stage, &mut open, sent, findings).await?;
    stage.fleet.stop_all().await?;
    Ok(outcome)
}

/// Starts the server, the proxy and the workers.
async fn set(options: &Options, edits: (Names, Arc<Book>)) -> Result<Stage, ChaosError> {
    let file = options.folder.join("testprep.toml");
    std::fs::write(&file, topology::text()).map_err(ChaosError::io("can't write the topology"))?;
    let durable = ServerOptions { program: options.redis.clone(), ..ServerOptions::durable() };
    let server = Server::start(&options.folder, durable).await?;
    let proxy = Proxy::start(&options.folder, options.folder.join("redis.sock"))?;
    let mut fleet = Fleet::new(FleetOptions {
        program: options.program.clone(),
        folder: options.folder.clone(),
        file,
        urls: vec![server.url.clone(), proxy.url.clone()],
    });
    let (fewest, first, most) = options.workers;
    for _ in 0..first {
        fleet.start()?;
    }
    let topology = topology::topology()?;
    let keys = Keys::new(&topology.name, 0);
    Ok(Stage::new(fleet, Subject::new(server), proxy, (topology, keys), edits, (fewest, most)))
}

fn direct_url(options: &Options) -> String {
    format!("redis+unix://{}", options.folder.join("redis.sock").display())
}

/// Strikes faults until the time is over.
async fn torment(stage: &mut Stage, options: &Options) -> Result<(), ChaosError> {
    let mean = options.length / options.faults.max(1);
    let mut schedule = Schedule::new(options.seed, mean);
    let end = stage.began + options.length;
    let mut next = stage.began;
    let mut next_away = stage.began + AWAY_EVERY / 2;
    while Instant::now() < end {
        stage.undo().await?;
        stage.note_cuts();
        stage.fleet.check()?;
        if stage.gaps.still() > STUCK {
            return Err(stuck(options, "no result has come", STUCK));
        }
        if Instant::now() >= next_away {
            next_away += AWAY_EVERY;
            stage.kill_all_workers().await?;
        }
        if Instant::now() >= next {
            next += schedule.pause();
            // What is not possible now (a second pause of the server, say) gives way to another.
            while !stage.strike(&schedule.draw()).await? {}
        }
        sleep(TICK.min(next.saturating_duration_since(Instant::now()))).await;
    }
    Ok(())
}

/// Waits until everything that was sent is processed.
async fn drain(
    stage: &mut Stage,
    open: &mut Deployment,
    options: &Options,
) -> Result<(), ChaosError> {
    let began = Instant::now();
    while !inspect::drained(&mut open.connection, &open.topology, &open.keys).await? {
        stage.fleet.check()?;
        if began.elapsed() > DRAIN {
            return Err(stuck(options, "entries wait that nobody processes", DRAIN));
        }
        sleep(TICK).await;
    }
    Ok(())
}

fn stuck(options: &Options, what: &str, time: Duration) -> ChaosError {
    let folder = options.folder.clone();
    ChaosError::Stuck { what: what.to_owned(), seconds: time.as_secs(), folder }
}
