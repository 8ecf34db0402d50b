//! This build against another one: each in turn, A B A B, so that what else the machine does hits
//! both.

use crate::{
    BenchError,
    contender::Contender,
    figures::Figures,
    gaps, latency,
    light::{self, LightPoint},
    machine::Machine,
    processes::Deployed,
    results::{Gaps, LatencyPoint},
    run::{self, Setting},
    scale,
};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

/// Events a second at which gaps are measured.
const GAPS_AT: f64 = 4_000.0;
/// Events a second at light load.
const LIGHT: f64 = 400.0;

/// What both builds gave.
#[derive(Clone, Debug, Serialize)]
pub struct Against {
    /// Where it ran.
    pub machine: Machine,
    /// The command that ran it.
    pub command: String,
    /// The other build, as it was asked for.
    pub other: String,
    /// The revision of this one, where git tells.
    pub revision: String,
    /// This build, round by round.
    pub this: Vec<Turn>,
    /// The other build, in the same rounds.
    pub that: Vec<Turn>,
}

/// The figures of one build in one round.
#[derive(Clone, Debug, Serialize)]
pub struct Turn {
    /// The longest gaps in results.
    pub gaps: Gaps,
    /// The delay at light load; nothing where no probe came back.
    pub delay: Option<LatencyPoint>,
    /// What an event costs and how long it takes at steady loads.
    pub loads: Vec<LightPoint>,
    /// All events at once, as single entries.
    pub drain: Figures,
}

/// The other build, and the folder that it was built in.
struct Other {
    program: PathBuf,
    /// The topology file of its time, where it was built.
    topology: Option<String>,
    _folder: Option<TempDir>,
}

/// Measures both builds, one after the other, for so many rounds.
///
/// # Errors
/// Where the other can't be built, or a worker or the server fails.
pub async fn measure(
    setting: &Setting<'_>,
    (machine, command): (Machine, String),
    (other, topology, partitions): (&str, &str, u16),
    (rounds, each): (usize, Duration),
) -> Result<Against, BenchError> {
    let built = build(other)?;
    let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
    let file = folder.path().join("other.toml");
    let text = built.topology.as_deref().unwrap_or(topology);
    let of_other = scale::topology(text, partitions, &file)?;
    let that = Setting {
        deployed: Deployed {
            program: &built.program,
            topology: &of_other,
            file: &file,
            ..setting.deployed
        },
        // It may store its figures in another form than the one that is looked for.
        checked: false,
        ..*setting
    };
    let revision = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_default();
    let (other, this, that_too) = (other.to_owned(), Vec::new(), Vec::new());
    let mut against = Against { machine, command, other, revision, this, that: that_too };
    for round in 1..=rounds {
        against.this.push(turn(setting, each, (round, "this build")).await?);
        against.that.push(turn(&that, each, (round, &against.other)).await?);
    }
    Ok(against)
}

async fn turn(
    setting: &Setting<'_>,
    each: Duration,
    (round, name): (usize, &str),
) -> Result<Turn, BenchError> {
    let gaps = gaps::measure(setting, GAPS_AT).await?;
    let delay = latency::at(setting, LIGHT, each).await?;
    let loads = light::measure(setting, each).await?;
    let p99 = delay.as_ref().map_or(f64::NAN, |delay| delay.p99_ms);
    println!(
        "round {round} {name}: {:.0} ms after SIGKILL, {:.0} ms in a rolling restart, p99 {p99:.2} ms at light load",
        gaps.takeover_ms, gaps.rolling_restart_ms
    );
    for LightPoint { rate, workers, redis_cpu_us, worker_cpu_us, p50_ms, p99_ms } in &loads {
        println!(
            "round {round} {name}: {rate:.0} events/s, {workers} workers: Redis {redis_cpu_us:.1} µs, workers {worker_cpu_us:.1} µs, p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms"
        );
    }
    let drain = run::run(Contender::Tallyd, setting).await?.figures;
    let figure = |name| drain.get(name).unwrap_or(f64::NAN);
    println!(
        "round {round} {name}: a drain at {:.0} events/s, Redis {:.1} µs, worker {:.1} µs an event, EXEC p99 {:.1} ms",
        figure("events_per_second"),
        figure("redis_cpu_us"),
        figure("client_cpu_us"),
        figure("exec_p99_us") / 1000.0
    );
    Ok(Turn { gaps, delay, loads, drain })
}

/// A program as it is, or a revision, built in a worktree of its own.
fn build(other: &str) -> Result<Other, BenchError> {
    let path = Path::new(other);
    if path.is_file() {
        // One of another time may not know the file of this one.
        let topology = std::fs::read_to_string(path.with_file_name("testprep.toml")).ok();
        return Ok(Other { program: path.to_owned(), topology, _folder: None });
    }
    let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
    let tree = folder.path().join("tree");
    let shown = tree.to_string_lossy().into_owned();
    git(&["worktree", "add", "--detach", &shown, other])?;
    println!("building {other}");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--locked", "--release", "--quiet", "--package", "tallyd"]);
    let built = ran(cargo.current_dir(&tree).env("CARGO_TARGET_DIR", folder.path().join("target")));
    let topology = std::fs::read_to_string(tree.join("topologies/testprep.toml"));
    git(&["worktree", "remove", "--force", &shown])?;
    built?;
    let topology = topology.map_err(BenchError::io("read the topology of that revision"))?;
    let program = folder.path().join("target/release/tallyd");
    Ok(Other { program, topology: Some(topology), _folder: Some(folder) })
}

fn git(arguments: &[&str]) -> Result<String, BenchError> {
    ran(Command::new("git").args(arguments))
}

/// What a command wrote.
fn ran(command: &mut Command) -> Result<String, BenchError> {
    let what = format!("{command:?}");
    let output = command.output().map_err(BenchError::io(what.clone()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(BenchError::Ended { what: format!("{what} ({said})"), status: output.status })
}
