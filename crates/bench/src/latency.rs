//! How long it takes from the moment an event is due until its result is visible.

use crate::{
    BenchError,
    contender::Contender,
    figures::quantile,
    load::{LEARNERS, Load, LoadOptions, Observed},
    outcome,
    processes::start_workers,
    results::LatencyPoint,
    run::{self, Setting},
    server::Private,
};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// The shares of the highest rate.
const SHARES: [f64; 4] = [0.01, 0.25, 0.5, 0.8];
/// What is sent before delays count, at each rate.
const WARM_UP: Duration = Duration::from_secs(3);

/// Measures delays at shares of the highest rate, on one server with one set of workers.
///
/// # Errors
/// Where a worker or the server fails, or a result does not become visible.
pub async fn measure(
    setting: &Setting<'_>,
    highest: f64,
    each: Duration,
) -> Result<Vec<LatencyPoint>, BenchError> {
    let mut server = Private::start(setting.aof).await?;
    let processes = start_workers(&mut server, &setting.deployed).await?;
    let answers = Arc::new(setting.workload.answers.clone());
    let mut points = Vec::new();
    for share in SHARES {
        let rate = highest * share;
        let options = LoadOptions {
            rate,
            answers: Arc::clone(&answers),
            name: format!("p{:.0}", share * 100.0),
            board: outcome::EVERYONE.to_owned(),
            probing: LEARNERS,
            in_classes: false,
        };
        points.extend(probe(&server, options, share, each).await?);
    }
    processes.stop().await?;
    Ok(points)
}

/// Measures delays at one rate, on a server and workers of their own; `None` where no probe came
/// back.
///
/// # Errors
/// As [`measure`].
pub async fn at(
    setting: &Setting<'_>,
    rate: f64,
    each: Duration,
) -> Result<Option<LatencyPoint>, BenchError> {
    let mut server = Private::start(setting.aof).await?;
    let processes = start_workers(&mut server, &setting.deployed).await?;
    let options = LoadOptions {
        rate,
        answers: Arc::new(setting.workload.answers.clone()),
        name: "light".to_owned(),
        board: outcome::EVERYONE.to_owned(),
        probing: LEARNERS,
        in_classes: false,
    };
    let point = probe(&server, options, f64::NAN, each).await?;
    processes.stop().await?;
    Ok(point)
}

/// One load, whose first delays do not count.
async fn probe(
    server: &Private,
    options: LoadOptions,
    share: f64,
    each: Duration,
) -> Result<Option<LatencyPoint>, BenchError> {
    let rate = options.rate;
    let load = Load::start(server.address, options)?;
    let counts_from = std::time::Instant::now() + WARM_UP;
    sleep(WARM_UP + each).await;
    let mut observed = load.finish()?;
    observed.delays.retain(|delay| delay.due >= counts_from);
    Ok(point(share, rate, &observed, WARM_UP + each))
}

/// The highest rate, by a run of its own: where no contenders were measured.
///
/// # Errors
/// As [`run::run`].
pub async fn highest(setting: &Setting<'_>) -> Result<f64, BenchError> {
    let measured = run::run(Contender::Tallyd, setting).await?;
    measured
        .figures
        .get("events_per_second")
        .ok_or_else(|| BenchError::NoFigure("events_per_second".to_owned()))
}

fn point(share: f64, rate: f64, observed: &Observed, over: Duration) -> Option<LatencyPoint> {
    let mut ms: Vec<f64> = observed.delays.iter().map(|d| d.took.as_secs_f64() * 1000.0).collect();
    ms.sort_by(f64::total_cmp);
    Some(LatencyPoint {
        share,
        rate,
        samples: ms.len(),
        p50_ms: quantile(&ms, 0.5)?,
        p99_ms: quantile(&ms, 0.99)?,
        p999_ms: quantile(&ms, 0.999)?,
        max_ms: *ms.last()?,
        looks_per_second: observed.looks as f64 / over.as_secs_f64(),
    })
}
