//! Live updates: many clients follow boards under a steady load of events.
//!
//! In each round the same load runs without clients and with them, so that it shows what they take
//! away from the workers; then nchan fans out the messages that the clients got.
//!
//! Each view has a probing learner. The clock of a probe starts when its event was due to be sent,
//! which is before it is committed, and stops when a client has received the score that shows it.

use super::{
    crowd::{Crowd, CrowdOptions, Tap},
    nchan,
    programs::{self, Program},
};
use crate::{
    BenchError,
    figures::{Figures, quantile},
    load::{Load, LoadOptions, Observed, probing},
    outcome,
    processes::{Processes, processed, start_workers},
    run::Setting,
    server::Private,
    workload::{Workload, WorkloadOptions},
};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// How many boards are followed: each of a class.
const VIEWS: u32 = 200;
/// How many learners answer; with 25 in a class most answers change one of its first ten rows.
const LEARNERS: u32 = 25 * VIEWS;
/// Events a second.
const RATE: f64 = 2_000.0;
/// What is sent before anything counts.
const WARM_UP: Duration = Duration::from_secs(5);
/// The name of the load.
const NAME: &str = "live";

/// What a round gave.
pub struct Round {
    /// The load without clients.
    pub without: Figures,
    /// The load with them.
    pub with: Figures,
    /// nchan; `None` where it is not installed.
    pub nchan: Option<Figures>,
}

/// How live updates are measured.
#[derive(Clone, Copy, Debug)]
pub struct LiveOptions {
    /// How many clients.
    pub clients: usize,
    /// For how long each time.
    pub time: Duration,
}

/// What is to be fanned out again: the messages, and when the first of them was due.
struct Heard {
    began: Instant,
    taps: Vec<Tap>,
}

/// One round.
///
/// # Errors
/// Where a program fails.
pub async fn round(setting: &Setting<'_>, options: LiveOptions) -> Result<Round, BenchError> {
    programs::allow_clients(options.clients)?;
    let workload = Workload::new(&WorkloadOptions {
        events: 100_000,
        learners: LEARNERS,
        classes: VIEWS,
        skew: 0.0,
        ..*setting.options
    });
    let answers = LoadOptions {
        rate: RATE,
        answers: Arc::new(workload.answers),
        name: NAME.to_owned(),
        board: outcome::EVERYONE.to_owned(),
        probing: u64::from(VIEWS),
        in_classes: true,
    };
    let (without, _) = phase(setting, options, answers.clone(), 0).await?;
    let (with, heard) = phase(setting, options, answers, options.clients).await?;
    let fanned = (VIEWS as usize, options.clients);
    let nchan = nchan::measure(fanned, heard.began, heard.taps).await?;
    Ok(Round { without, with, nchan })
}

async fn phase(
    setting: &Setting<'_>,
    options: LiveOptions,
    load: LoadOptions,
    clients: usize,
) -> Result<(Figures, Heard), BenchError> {
    let mut server = Private::start(setting.aof).await?;
    let processes = start_workers(&mut server, &setting.deployed).await?;
    let serve = serve(setting, &server).await?;
    let empty = serve.memory()?;
    let mut crowd = Crowd::start(CrowdOptions {
        address: serve.address,
        views: (0..VIEWS).map(path).collect(),
        members: (0..u64::from(VIEWS)).map(|view| probing(NAME, view)).collect(),
        clients,
    })
    .await?;
    let load = Load::start(server.address, load)?;
    crowd.expect(load.schedule);
    sleep(WARM_UP).await;

    drop(crowd.take());
    let before = look(&mut server, &processes, &serve).await?;
    sleep(options.time).await;
    let after = look(&mut server, &processes, &serve).await?;
    let (tally, memory) = (crowd.take(), serve.memory()?);

    let observed = load.finish()?;
    let behind = crowd.behind(observed.sent).await;
    let mut figures = figures(&before, &after)?;
    delays(&mut figures, observed, (before.at, after.at));
    if clients > 0 {
        let (messages, cpu) = (tally.messages as f64, after.serve_cpu - before.serve_cpu);
        let took = (after.at - before.at).as_secs_f64();
        figures.set("live_p50_ms", tally.delays.quantile(0.5));
        figures.set("live_p99_ms", tally.delays.quantile(0.99));
        figures.set("live_p999_ms", tally.delays.quantile(0.999));
        figures.set("live_probes", tally.delays.count() as f64);
        figures.set("messages_per_second", messages / took);
        figures.set("server_cpu_us_per_message", cpu / messages);
        figures.set("messages_per_cpu_second", messages / (cpu / 1e6));
        figures.set("bytes_per_client", (memory - empty) / clients as f64);
        figures.set("clients", clients as f64);
        figures.set("clients_lost", crowd.lost() as f64);
        figures.set("clients_behind", behind as f64);
    }
    let heard = Heard { began: before.at, taps: tally.taps };
    crowd.end()?;
    serve.stop().await?;
    processes.stop().await?;
    Ok((figures, heard))
}

/// `tallyd serve` beside the workers of a setting.
pub(super) async fn serve(setting: &Setting<'_>, server: &Private) -> Result<Program, BenchError> {
    let (program, file): (&Path, &Path) = (setting.deployed.program, setting.deployed.file);
    programs::tallyd(program, file, &server.url, server.folder()).await
}

fn path(view: u32) -> String {
    format!("/v1/boards/points/live?by.class=c{view}&period=all&limit=10&rate=4")
}

/// What all processes had done by a moment.
struct Moment {
    at: Instant,
    events: f64,
    worker_cpu: f64,
    serve_cpu: f64,
    redis: crate::info::Snapshot,
}

async fn look(
    server: &mut Private,
    processes: &Processes,
    serve: &Program,
) -> Result<Moment, BenchError> {
    Ok(Moment {
        at: Instant::now(),
        events: processed(server).await? as f64,
        worker_cpu: processes.cpu()?,
        serve_cpu: serve.cpu()?,
        redis: server.snapshot().await?,
    })
}

fn figures(before: &Moment, after: &Moment) -> Result<Figures, BenchError> {
    let took = (after.at - before.at).as_secs_f64();
    let events = (after.events - before.events).max(1.0);
    let costs = after.redis.since(&before.redis)?;
    let mut figures = Figures::default();
    figures.set("events_per_second", events / took);
    figures.set("worker_cpu_us", (after.worker_cpu - before.worker_cpu) / events);
    figures.set("redis_cpu_us", costs.main_thread / events);
    figures.set("serve_cpu_share", (after.serve_cpu - before.serve_cpu) / 1e6 / took);
    Ok(figures)
}

/// From due to visible on the board, of the probes that were due in between.
fn delays(figures: &mut Figures, observed: Observed, (from, to): (Instant, Instant)) {
    let counted = observed.delays.iter().filter(|delay| (from..to).contains(&delay.due));
    let mut ms: Vec<f64> = counted.map(|delay| delay.took.as_secs_f64() * 1000.0).collect();
    ms.sort_by(f64::total_cmp);
    for (name, share) in [("delay_p50_ms", 0.5), ("delay_p99_ms", 0.99)] {
        figures.set(name, quantile(&ms, share).unwrap_or(f64::NAN));
    }
}
