//! `tallyd demo`: everything at once, on a private Redis, with a kill and an audit.

mod view;

use crate::wrong_use::WrongUse;
use anyhow::{Context, ensure};
use std::{
    path::PathBuf,
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
use tallyd_store::inspect;
use tokio::time::{Instant, sleep};

/// The topology that the demo runs.
const TOPOLOGY: &str = include_str!("../../../topologies/testprep.toml");
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
    #[arg(long, default_value_t = 10_000)]
    rate: u32,
    /// The seed of the simulated learners
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The redis-server or valkey-server to start
    #[arg(long, value_name = "PATH")]
    redis_bin: Option<PathBuf>,
}

/// Runs the demo. Fails if the audit finds any difference.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.workers == 0 {
        return Err(WrongUse("--workers: at least one worker is needed".to_owned()).into());
    }
    let folder =
        tempfile::Builder::new().prefix("tallyd-demo-").tempdir().context("can't make a folder")?;
    let options = ServerOptions {
        program: args.redis_bin.clone(),
        ..ServerOptions::with(&["--appendonly", "yes"])
    };
    let server = Server::start(folder.path(), options).await?;
    let file = folder.path().join("testprep.toml");
    std::fs::write(&file, TOPOLOGY).context("can't write the topology")?;
    let program = std::env::current_exe().context("can't find this program")?;
    let mut workers = Vec::new();
    for number in 1..=args.workers {
        let worker = WorkerProcess::start(&program, folder.path(), &file, &server.url, number)?;
        workers.push(worker);
    }
    let topology = crate::load::topology(&file)?;
    let mut open = Deployment::open(topology, &server.url).await?;
    let ledger = producer::ledger(&open.topology)?;
    let stop = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(producer::Sent::default());
    let options = SimulationOptions { seed: args.seed, ..SimulationOptions::default() };
    let loader = tokio::spawn(producer::run(
        server.url.clone(),
        options,
        ledger,
        args.rate,
        Arc::clone(&stop),
        Arc::clone(&sent),
    ));
    let probe = Arc::new(probe::Probe::default());
    let prober = tokio::spawn(probe::run(
        server.url.clone(),
        open.keys.clone(),
        Arc::clone(&stop),
        Arc::clone(&probe),
    ));
    let mut view = view::View::new(&args, &server)?;
    let outcome =
        watch(&args, &mut open, &mut workers, &mut view, &sent, &probe, loader.is_finished()).await;
    stop.store(true, Ordering::Relaxed);
    view.close();
    outcome?;
    let ledger = loader.await?.context("the producer failed")?;
    let probes = prober.await?.context("the probe failed")?;
    drain(&mut open, &mut workers).await?;
    let findings = audit::run(&mut open, &ledger, probes).await?;
    let fine = report(&findings, sent.doubtful());
    for worker in workers {
        worker.stop().await?;
    }
    if !fine {
        let kept = folder.keep();
        println!("the logs are kept in {}", kept.display());
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what the audit found, and returns whether all is well.
fn report(findings: &audit::Findings, doubtful: u64) -> bool {
    for difference in findings.differences.iter().take(SHOWN) {
        println!("DIFFERENCE {difference}");
    }
    if findings.differences.len() > SHOWN {
        println!("… and {} more", findings.differences.len() - SHOWN);
    }
    let (figures, differ) = (findings.figures, findings.differences.len());
    println!("audit: {figures} figures compared, {differ} differ\n{}", findings.summary);
    if doubtful > 0 {
        println!(
            "{doubtful} entries were sent without an answer: the ledger can't say whether they count"
        );
    }
    differ == 0 && doubtful == 0
}

/// Shows what goes on until the time is over, and kills a worker in the middle.
async fn watch(
    args: &Args,
    open: &mut Deployment,
    workers: &mut [WorkerProcess],
    view: &mut view::View,
    sent: &producer::Sent,
    probe: &probe::Probe,
    finished: bool,
) -> anyhow::Result<()> {
    ensure!(!finished, "the producer could not start");
    let began = Instant::now();
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    let mut killed = false;
    loop {
        let elapsed = began.elapsed();
        if !args.keep && elapsed >= args.length {
            return Ok(());
        }
        if !killed && elapsed >= args.length / 2 && workers.len() > 1 {
            killed = true;
            if let Some(victim) = workers.first_mut() {
                victim.kill().await?;
                view.say(format!(
                    "{:.1} s: killed worker 1 with SIGKILL; the others take over within 5 s",
                    elapsed.as_secs_f64()
                ));
            }
        }
        for worker in workers.iter_mut().skip(usize::from(killed)) {
            worker.check()?;
        }
        view.draw(open, elapsed, sent, probe).await?;
        tokio::select! {
            _ = &mut interrupt => return Ok(()),
            () = sleep(FRAME) => {}
        }
    }
}

/// Waits until everything that was sent is processed.
async fn drain(open: &mut Deployment, workers: &mut [WorkerProcess]) -> anyhow::Result<()> {
    println!("the load has stopped; waiting until everything is processed");
    let began = Instant::now();
    while !inspect::drained(&mut open.connection, &open.topology, &open.keys).await? {
        ensure!(began.elapsed() < Duration::from_secs(120), "still processing after 120 s");
        ensure!(workers.iter_mut().any(|worker| worker.check().is_ok()), "no worker is left");
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
