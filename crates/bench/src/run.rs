//! One run of one contender: a fresh server, all events, the result compared, the costs read.

use crate::{
    BenchError,
    contender::Contender,
    figures::Figures,
    info::Costs,
    outcome,
    processes::{Deployed, Processes, processed},
    producer,
    server::Private,
    wire,
    workload::{self, Workload, WorkloadOptions},
};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::{Instant, sleep};

/// How long workers may take to trim the last entries.
const TRIMMED_WITHIN: Duration = Duration::from_secs(3);

/// What stays the same from run to run.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The program that is a consumer when it is asked to be: this benchmark.
    pub consumer: &'a Path,
    /// tallyd's program, topology and number of workers.
    pub deployed: Deployed<'a>,
    /// What the events are made of.
    pub options: &'a WorkloadOptions,
    /// The events.
    pub workload: &'a Workload,
    /// Whether servers write an append-only file.
    pub aof: bool,
    /// Whether results are compared with the plain count: not where a server held data before.
    pub checked: bool,
}

/// What a run gave.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The figures of the table.
    pub figures: Figures,
    /// What it cost the server, by command.
    pub costs: Costs,
}

/// Runs a contender on a server of its own.
///
/// # Errors
/// Where it fails, or its results differ from the plain count.
pub async fn run(contender: Contender, setting: &Setting<'_>) -> Result<Measured, BenchError> {
    let mut server = Private::start(setting.aof).await?;
    run_on(&mut server, contender, setting).await
}

/// Runs a contender on a server that may hold data already.
///
/// # Errors
/// As [`run`].
pub async fn run_on(
    server: &mut Private,
    contender: Contender,
    setting: &Setting<'_>,
) -> Result<Measured, BenchError> {
    let expected = setting.workload.expected();
    let first_at = workload::first_at(now_ms());
    let chunks = match contender.format() {
        Some(format) => wire::encode(&setting.workload.answers, format, first_at)?,
        None => Vec::new(),
    };
    let progress = Arc::new(AtomicU64::new(0));
    let mut processes = Processes::start(contender, server, setting, first_at, &progress).await?;
    let done_before = processed(server).await?;
    let (before, cpu_before) = (server.snapshot().await?, processes.cpu()?);
    let (address, seen) = (server.address, Arc::clone(&progress));
    let began = Instant::now();
    let sending = tokio::task::spawn_blocking(move || producer::flood(address, &chunks, &seen));
    processes.go().await?;
    let target = if contender.consumer().is_some() { expected.events } else { expected.distinct };
    let outcome = processes.until_done(server, (target, done_before), &progress).await;
    // A consumer that failed says why; the producer would wait for it for ever.
    if outcome.is_err() {
        progress.store(u64::MAX / 2, Ordering::Relaxed);
    }
    let sent = sending.await.map_err(|_| BenchError::Thread("producer"))?;
    let (ended, sent) = (outcome?, sent?);
    let client_cpu = processes.cpu().unwrap_or(cpu_before) - cpu_before;
    let costs = server.snapshot().await?.since(&before)?;
    let began = if contender == Contender::Direct { began } else { sent.began.into() };
    if contender.consumer().is_none() {
        until_trimmed(server).await?;
    }
    let after = server.snapshot().await?;
    processes.stop().await?;
    if setting.checked {
        outcome::check(contender, server, &expected).await?;
    }

    let events = expected.events as f64;
    let mut figures = Figures::default();
    figures.set("events_per_second", events / (ended - began).as_secs_f64());
    figures.set("redis_cpu_us", costs.main_thread / events);
    figures.set("redis_cpu_process_us", costs.process / events);
    figures.set("redis_stream_us", (costs.main_thread - costs.state) / events);
    figures.set("redis_state_us", costs.state / events);
    figures.set("redis_waited_us", costs.waited / events);
    figures.set("client_cpu_us", client_cpu / events);
    figures.set("producer_cpu_us", sent.cpu / events);
    figures.set("memory_end_bytes", after.field("used_memory")?);
    figures.set("memory_peak_bytes", after.field("used_memory_peak")?);
    figures.set("commands", costs.commands / events);
    figures.set("reads", costs.reads / events);
    // Redis 7 and newer tell it.
    if let Ok(micros) = after.field("exec_p99_usec") {
        figures.set("exec_p99_us", micros);
    }
    Ok(Measured { figures, costs })
}

async fn until_trimmed(server: &mut Private) -> Result<(), BenchError> {
    let began = Instant::now();
    while server.ask::<u64>(&["XLEN", wire::STREAM]).await? > 0 && began.elapsed() < TRIMMED_WITHIN
    {
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Now, in ms since the epoch.
#[must_use]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
