//! What an event costs and how long it takes at steady loads: those that people run, far below the
//! highest rate, with small classes and with several workers, and some near it.

use crate::{
    BenchError,
    figures::quantile,
    load::{Load, LoadOptions, Observed},
    outcome,
    processes::{Deployed, start_workers},
    run::Setting,
    server::Private,
    workload::{Workload, WorkloadOptions},
};
use serde::Serialize;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// Events a second, and how many workers.
const LOADS: [(f64, usize); 9] = [
    (400.0, 1),
    (2_000.0, 1),
    (4_000.0, 1),
    (11_000.0, 1),
    (22_000.0, 1),
    (4_000.0, 3),
    (8_000.0, 3),
    (10_000.0, 3),
    (12_000.0, 3),
];
/// How many classes there are, each of about 25 learners.
const CLASSES: u32 = 200;
/// How many learners there are.
const LEARNERS: u32 = 25 * CLASSES;
/// What is sent before anything counts.
const WARM_UP: Duration = Duration::from_secs(3);

/// One load.
#[derive(Clone, Debug, Serialize)]
pub struct LightPoint {
    /// Events a second.
    pub rate: f64,
    /// How many workers.
    pub workers: usize,
    /// CPU of Redis's main thread for each event that was sent, in µs.
    pub redis_cpu_us: f64,
    /// CPU of all workers for each event that was sent, in µs.
    pub worker_cpu_us: f64,
    /// From when an event was due until it was visible, the median, in ms.
    pub p50_ms: f64,
    /// The same, of a hundred the highest but one.
    pub p99_ms: f64,
}

/// Measures all loads, each for so long, on servers and workers of their own.
///
/// # Errors
/// Where a worker or the server fails, or no result becomes visible.
pub async fn measure(setting: &Setting<'_>, each: Duration) -> Result<Vec<LightPoint>, BenchError> {
    let workload = Workload::new(&WorkloadOptions {
        events: 100_000,
        learners: LEARNERS,
        classes: CLASSES,
        skew: 0.0,
        ..*setting.options
    });
    let answers = Arc::new(workload.answers);
    let mut points = Vec::new();
    for (rate, workers) in LOADS {
        let options = LoadOptions {
            rate,
            answers: Arc::clone(&answers),
            name: "light".to_owned(),
            board: outcome::EVERYONE.to_owned(),
            probing: u64::from(CLASSES),
            in_classes: true,
        };
        points.push(one(setting, options, workers, each).await?);
    }
    Ok(points)
}

async fn one(
    setting: &Setting<'_>,
    options: LoadOptions,
    workers: usize,
    each: Duration,
) -> Result<LightPoint, BenchError> {
    let mut server = Private::start(setting.aof).await?;
    let processes = start_workers(&mut server, &Deployed { workers, ..setting.deployed }).await?;
    let rate = options.rate;
    let load = Load::start(server.address, options)?;
    sleep(WARM_UP).await;
    let (from, cpu, redis) = (Instant::now(), processes.cpu()?, server.snapshot().await?);
    sleep(each).await;
    let (to, cpu) = (Instant::now(), processes.cpu()? - cpu);
    let costs = server.snapshot().await?.since(&redis)?;
    let observed = load.finish()?;
    processes.stop().await?;
    let events = rate * (to - from).as_secs_f64();
    let delays = delays(&observed, from, to);
    let of_delays =
        |share| quantile(&delays, share).ok_or_else(|| BenchError::NoFigure("a delay".to_owned()));
    Ok(LightPoint {
        rate,
        workers,
        redis_cpu_us: costs.main_thread / events,
        worker_cpu_us: cpu / events,
        p50_ms: of_delays(0.5)?,
        p99_ms: of_delays(0.99)?,
    })
}

/// The delays of probes that were due in between, in ms and in order.
fn delays(observed: &Observed, from: Instant, to: Instant) -> Vec<f64> {
    let counted = observed.delays.iter().filter(|delay| (from..to).contains(&delay.due));
    let mut ms: Vec<f64> = counted.map(|delay| delay.took.as_secs_f64() * 1000.0).collect();
    ms.sort_by(f64::total_cmp);
    ms
}
