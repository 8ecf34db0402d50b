//! For how long results stand still when a worker dies, and when all are restarted in turn.

use crate::{
    BenchError,
    load::{LEARNERS, Load, LoadOptions, Observed},
    outcome,
    processes::{Deployed, Processes, start_workers, until_owned},
    results::Gaps,
    run::Setting,
    server::Private,
};
use std::{sync::Arc, time::Duration};
use tallyd_harness::WorkerProcess;
use tallyd_store::keys::Keys;
use tokio::time::sleep;

/// What is sent before and after.
const AROUND: Duration = Duration::from_secs(3);
/// The workers that share the work.
const WORKERS: usize = 2;

/// Measures both gaps at this rate.
///
/// # Errors
/// Where a worker or the server fails.
pub async fn measure(setting: &Setting<'_>, rate: f64) -> Result<Gaps, BenchError> {
    let deployed = Deployed { workers: WORKERS, ..setting.deployed };
    let takeover = gap(setting, &deployed, rate, takeover).await?;
    let rolling = gap(setting, &deployed, rate, rolling_restart).await?;
    let session_timeout = deployed.topology.settings.session_timeout_ms;
    Ok(Gaps {
        takeover_ms: takeover,
        session_timeout_ms: session_timeout as f64,
        rolling_restart_ms: rolling,
        rate,
    })
}

/// The longest delay of a probe while something happens, in ms.
async fn gap(
    setting: &Setting<'_>,
    deployed: &Deployed<'_>,
    rate: f64,
    happens: impl AsyncFnOnce(
        &mut Site<'_>,
        Vec<WorkerProcess>,
    ) -> Result<Vec<WorkerProcess>, BenchError>,
) -> Result<f64, BenchError> {
    let mut server = Private::start(setting.aof).await?;
    let Processes::Workers(workers) = start_workers(&mut server, deployed).await? else {
        return Ok(f64::NAN);
    };
    let options = LoadOptions {
        rate,
        answers: Arc::new(setting.workload.answers.clone()),
        name: "gap".to_owned(),
        board: outcome::EVERYONE.to_owned(),
        probing: LEARNERS,
        in_classes: false,
    };
    let load = Load::start(server.address, options)?;
    sleep(AROUND).await;
    let from = std::time::Instant::now();
    let keys = Keys::new(&deployed.topology.name, 0);
    let mut site = Site { server: &mut server, deployed, keys };
    let workers = happens(&mut site, workers).await?;
    sleep(AROUND).await;
    let Observed { delays, .. } = load.finish()?;
    Processes::Workers(workers).stop().await?;
    // A probe that was due a little before waits through the gap too.
    let counts_from = from.checked_sub(AROUND / 3).unwrap_or(from);
    let during = delays.iter().filter(|delay| delay.due >= counts_from);
    Ok(during.map(|delay| delay.took.as_secs_f64() * 1000.0).fold(0.0, f64::max))
}

/// Where workers are started and looked at.
struct Site<'a> {
    server: &'a mut Private,
    deployed: &'a Deployed<'a>,
    keys: Keys,
}

impl Site<'_> {
    async fn settle(&mut self, workers: usize) -> Result<(), BenchError> {
        until_owned(self.server, self.deployed.topology, &self.keys, workers).await
    }
}

async fn takeover(
    site: &mut Site<'_>,
    mut workers: Vec<WorkerProcess>,
) -> Result<Vec<WorkerProcess>, BenchError> {
    if let Some(mut killed) = workers.pop() {
        killed.kill().await?;
    }
    // Its partitions are still in its name until they are taken over.
    site.settle(WORKERS - 1).await?;
    Ok(workers)
}

async fn rolling_restart(
    site: &mut Site<'_>,
    workers: Vec<WorkerProcess>,
) -> Result<Vec<WorkerProcess>, BenchError> {
    let mut restarted = Vec::new();
    for worker in workers {
        let number = worker.number() + WORKERS;
        worker.stop().await?;
        let Deployed { program, file, .. } = site.deployed;
        let folder = site.server.folder().to_owned();
        restarted.push(WorkerProcess::start(program, &folder, file, &site.server.url, number)?);
        site.settle(WORKERS).await?;
    }
    Ok(restarted)
}
