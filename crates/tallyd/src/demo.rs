//! `tallyd demo`: everything at once, on a private Redis, with a kill and an audit.

mod interrupt;
mod screen;
mod snapshot;
mod view;

use crate::{output::Unwritten, serve, wrong_use::WrongUse};
use anyhow::{Context, ensure};
use interrupt::{Ended, Interrupts};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tallyd_harness::{
    Deployment, Server, ServerOptions, WorkerProcess, audit, duration, probe, producer,
};
use tallyd_learners::SimulationOptions;
use tallyd_serve::ReadFrom;
use tallyd_store::inspect;
use tallyd_topology::RedisAddress;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// The topology that the demo runs.
const TOPOLOGY: &str = include_str!("../../../topologies/testprep.toml");
/// Where the pages are, if nobody else is there.
const PORT: u16 = 8080;
/// How many differences are printed.
const SHOWN: usize = 20;
/// How often the view is drawn.
const FRAME: Duration = Duration::from_millis(500);

/// The arguments of `tallyd demo`.
#[derive(clap::Args)]
pub struct Args {
    /// How long to send, such as 20s or 10m
    #[arg(long = "for", value_name = "DURATION", default_value = "20s", value_parser = duration)]
    length: Duration,
    /// Go on until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// How many workers to start
    #[arg(long, default_value_t = 3)]
    workers: usize,
    /// How many events to send in a second
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// The seed of the simulated learners
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The redis-server or valkey-server to start
    #[arg(long, value_name = "PATH")]
    redis_bin: Option<PathBuf>,
}

/// Runs the demo. Fails if the audit finds any difference.
///
/// Whatever ends it, SIGTERM and a closed terminal included, its server and workers end with it:
/// they are killed when what holds them is dropped.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.workers == 0 {
        return Err(WrongUse("--workers: at least one worker is needed".to_owned()).into());
    }
    let ended = Ended::listen()?;
    let view = view::View::new(&args)?;
    let interrupts = Interrupts::listen(view.has_screen())?;
    tokio::select! {
        outcome = show(&args, view, &interrupts) => outcome,
        () = interrupts.asked(2) => Ok(ExitCode::from(128 + 2)),
        code = ended.wait() => Ok(code),
    }
}

/// What the demo has started.
struct Stage {
    server: Server,
    workers: Vec<WorkerProcess>,
    open: Deployment,
}

impl Stage {
    async fn start(args: &Args, folder: &Path) -> anyhow::Result<Self> {
        let options = ServerOptions {
            program: args.redis_bin.clone(),
            own_group: true,
            ..ServerOptions::with(&["--appendonly", "yes"])
        };
        let server = Server::start(folder, options).await?;
        let file = folder.join("testprep.toml");
        std::fs::write(&file, TOPOLOGY).context("can't write the topology")?;
        let program = std::env::current_exe().context("can't find this program")?;
        let mut workers = Vec::new();
        for number in 1..=args.workers {
            workers.push(WorkerProcess::start_apart(&program, folder, &file, &server.url, number)?);
        }
        let topology = crate::load::topology(&file)?;
        let open = Deployment::open(topology, &server.url).await?;
        Ok(Self { server, workers, open })
    }
}

/// The pages of the demo, which end with it.
struct Pages {
    address: SocketAddr,
    stop: CancellationToken,
}

impl Pages {
    async fn open(stage: &Stage) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let begin = |port| {
            let redis = RedisAddress::from(stage.server.url.as_str());
            let listen = SocketAddr::from(([127, 0, 0, 1], port));
            serve::begin(
                stage.open.topology.clone(),
                (redis, ReadFrom::Primary),
                listen,
                false,
                stop.clone(),
            )
        };
        // The usual port, or any where that one is taken.
        let (address, _) = match begin(PORT).await {
            Ok(begun) => begun,
            Err(_) => begin(0).await?,
        };
        Ok(Self { address, stop })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn show(
    args: &Args,
    mut view: view::View,
    interrupts: &Interrupts,
) -> anyhow::Result<ExitCode> {
    let folder =
        tempfile::Builder::new().prefix("tallyd-demo-").tempdir().context("can't make a folder")?;
    let mut stage = Stage::start(args, folder.path()).await?;
    let pages = Pages::open(&stage).await?;
    view.say(format!("pages while it runs: http://{0}/ (http://{0}/operator)", pages.address))?;
    let stop = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(producer::Sent::default());
    let loader = tokio::spawn(producer::run(
        stage.server.url.clone(),
        SimulationOptions { seed: args.seed, ..SimulationOptions::default() },
        producer::ledger(&stage.open.topology)?,
        args.rate,
        Arc::clone(&stop),
        Arc::clone(&sent),
    ));
    let probe = Arc::new(probe::Probe::default());
    let prober = tokio::spawn(probe::run(
        stage.server.url.clone(),
        stage.open.keys.clone(),
        Arc::clone(&stop),
        Arc::clone(&probe),
    ));
    let outcome = watch(args, &mut stage, &mut view, (&sent, &probe), interrupts).await;
    stop.store(true, Ordering::Relaxed);
    let closed = view.close();
    interrupts.screen_closed();
    outcome?;
    closed?;
    let ledger = loader.await?.context("the producer failed")?;
    let probes = prober.await?.context("the probe failed")?;
    drain(&mut stage).await?;
    let findings = audit::run(&mut stage.open, &ledger, probes).await?;
    let fine = report(&findings, sent.doubtful())?;
    drop(pages);
    for worker in stage.workers {
        worker.stop().await?;
    }
    // Before its folder goes: it would write into it to the last.
    stage.server.stop().await?;
    if !fine {
        let kept = folder.keep();
        outln!("the logs are kept in {}", kept.display())?;
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what the audit found, and returns whether all is well.
fn report(findings: &audit::Findings, doubtful: u64) -> Result<bool, Unwritten> {
    for difference in findings.differences.iter().take(SHOWN) {
        outln!("DIFFERENCE {difference}")?;
    }
    if findings.differences.len() > SHOWN {
        outln!("… and {} more", findings.differences.len() - SHOWN)?;
    }
    let (figures, differ) = (findings.figures, findings.differences.len());
    outln!("audit: {figures} figures compared, {differ} differ\n{}", findings.summary)?;
    if doubtful > 0 {
        outln!(
            "{doubtful} entries were sent without an answer: the ledger can't say whether they count"
        )?;
    }
    Ok(differ == 0 && doubtful == 0)
}

/// Shows what goes on until the time is over or the user ends it, and kills a worker in the middle.
async fn watch(
    args: &Args,
    stage: &mut Stage,
    view: &mut view::View,
    sent: (&producer::Sent, &probe::Probe),
    interrupts: &Interrupts,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let pids: Vec<Option<u32>> = stage.workers.iter().map(WorkerProcess::pid).collect();
    let mut killed = None;
    loop {
        let elapsed = began.elapsed();
        if !args.keep && elapsed >= args.length {
            return Ok(());
        }
        if killed.is_none()
            && elapsed >= args.length / 2
            && stage.workers.len() > 1
            && let Some(victim) = stage.workers.first_mut()
        {
            victim.kill().await?;
            killed = Some(elapsed);
            view.say(format!(
                "{:.1} s: killed worker 1 with SIGKILL; the others take over its work",
                elapsed.as_secs_f64()
            ))?;
        }
        for worker in stage.workers.iter_mut().skip(usize::from(killed.is_some())) {
            worker.check()?;
        }
        let workers = snapshot::Workers { pids: &pids, first_is_killed: killed.is_some() };
        let mut now = snapshot::take(&mut stage.open, &workers, view.rows(), sent).await?;
        now.elapsed = elapsed;
        now.length = (!args.keep).then_some(args.length);
        view.draw(now)?;
        tokio::select! {
            () = interrupts.asked(1) => return Ok(()),
            () = sleep(FRAME) => {}
        }
    }
}

/// Waits until everything that was sent is processed.
async fn drain(stage: &mut Stage) -> anyhow::Result<()> {
    outln!("the load has stopped; waiting until everything is processed")?;
    let began = Instant::now();
    let open = &mut stage.open;
    while !inspect::drained(&mut open.connection, &open.topology, &open.keys).await? {
        ensure!(began.elapsed() < Duration::from_secs(120), "still processing after 120 s");
        ensure!(stage.workers.iter_mut().any(|worker| worker.check().is_ok()), "no worker is left");
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
