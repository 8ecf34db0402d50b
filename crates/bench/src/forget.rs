//! What forgetting one of many learners costs Redis: from `tallyd forget` to the end of
//! `tallyd wait`.

use crate::{
    BenchError,
    machine::Machine,
    processes::{Deployed, start_workers},
    run::Setting,
    scale,
    server::Private,
    wire,
};
use serde::Serialize;
use std::{process::Stdio, time::Duration};
use tokio::{
    process::Command,
    time::{Instant, sleep},
};

/// How many workers there are: with two, partitions of both have a part in it.
const WORKERS: usize = 2;
/// For how long the workers are watched while nothing happens.
const IDLE: Duration = Duration::from_secs(5);
/// Commands that take longer are counted, in µs.
const SLOW_US: u64 = 1_000;

/// What forgetting costs.
#[derive(Clone, Debug, Serialize)]
pub struct Forget {
    /// Where it ran.
    pub machine: Machine,
    /// The command that ran it.
    pub command: String,
    /// How many learners had state in all bolts and stood on the boards.
    pub learners: u32,
    /// How many keys that made.
    pub keys: u64,
    /// Learner by learner.
    pub points: Vec<ForgetPoint>,
}

/// What one learner cost.
#[derive(Clone, Debug, Serialize)]
pub struct ForgetPoint {
    /// CPU of Redis's main thread, without what it takes while nothing happens, in ms.
    pub redis_cpu_ms: f64,
    /// How many commands took Redis longer than a millisecond.
    pub slow_commands: u64,
    /// The time until `tallyd wait` ended, in ms.
    pub took_ms: f64,
}

/// Fills a server, and forgets one learner a round.
///
/// # Errors
/// Where a program or the server fails.
pub async fn measure(
    setting: &Setting<'_>,
    (machine, command): (Machine, String),
    rounds: usize,
) -> Result<Forget, BenchError> {
    let mut server = Private::start(setting.aof).await?;
    let learners = setting.options.learners;
    scale::fill(&mut server, setting, setting.options, learners, true).await?;
    let deployed = Deployed { workers: WORKERS, ..setting.deployed };
    let workers = start_workers(&mut server, &deployed).await?;
    // What workers do at their start is over, such as trimming.
    sleep(IDLE).await;
    let before = server.snapshot().await?;
    sleep(IDLE).await;
    let idle = server.snapshot().await?.since(&before)?.main_thread / IDLE.as_secs_f64();
    let keys = server.ask(&["DBSIZE"]).await?;
    let slower = SLOW_US.to_string();
    server.ask::<()>(&["CONFIG", "SET", "slowlog-log-slower-than", &slower]).await?;
    let mut points = Vec::new();
    for round in 1..=u32::try_from(rounds).unwrap_or(u32::MAX) {
        // Any learner but the busiest, who come first.
        let name = wire::user(learners / 2 + round);
        server.ask::<()>(&["SLOWLOG", "RESET"]).await?;
        let (before, began) = (server.snapshot().await?, Instant::now());
        ran(&deployed, &["forget", &name], &server.url).await?;
        ran(&deployed, &["wait"], &server.url).await?;
        let took = began.elapsed();
        let costs = server.snapshot().await?.since(&before)?;
        let slow_commands = server.ask(&["SLOWLOG", "LEN"]).await?;
        let redis_cpu_ms = (costs.main_thread - idle * took.as_secs_f64()) / 1_000.0;
        let took_ms = took.as_secs_f64() * 1_000.0;
        println!(
            "round {round}: {redis_cpu_ms:.1} ms of Redis's CPU in {took_ms:.0} ms, {slow_commands} commands of over 1 ms"
        );
        points.push(ForgetPoint { redis_cpu_ms, slow_commands, took_ms });
    }
    workers.stop().await?;
    Ok(Forget { machine, command, learners, keys, points })
}

/// Runs a command of tallyd to its end.
async fn ran(deployed: &Deployed<'_>, words: &[&str], url: &str) -> Result<(), BenchError> {
    let mut command = Command::new(deployed.program);
    command.args(words).arg("--topology").arg(deployed.file).args(["--redis", url]);
    let what = format!("tallyd {}", words.join(" "));
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.map_err(BenchError::io(what.clone()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(BenchError::Ended { what: format!("{what} ({said})"), status: output.status })
}
