//! `tallyd status` and `tallyd resume`.

use crate::{
    connect::Target,
    gaps::{Gaps, when},
    output::Unwritten,
    terminal::{Cell, Head, Paint, Table, painted, safe},
    wait::UNREADABLE,
};
use serde_json::{Value, json};
use std::{path::PathBuf, process::ExitCode, time::Duration};
use tallyd_query::status::{lag_seconds, owners, rate, runs_plan, status_now};
use tallyd_runtime::{plan, store::Owner};
use tallyd_store::{
    doctor::finding::bytes,
    inspect::{self, NodeStatus, Status},
    memory, replicas,
};
use tallyd_topology::Settings;

/// How long rates are measured.
const SAMPLE: Duration = Duration::from_secs(1);

/// The arguments of `tallyd status`.
#[derive(clap::Args)]
pub struct Args {
    /// The topology file, if it is not named by --topology
    file: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

/// The arguments of `tallyd resume`.
#[derive(clap::Args)]
pub struct ResumeArgs {
    /// The topology file, if it is not named by --topology
    file: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

/// Shows each node's partitions, owners, lag, rates and dead letters.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut open = args.target.open_file(args.file.as_deref()).await?;
    let before = inspect::status(&mut open.connection, &open.topology, &open.keys).await?;
    let memory_before = memory(&mut open.connection).await?;
    let replicas_before = replicas(&mut open.connection).await?;
    tokio::time::sleep(SAMPLE).await;
    let after = inspect::status(&mut open.connection, &open.topology, &open.keys).await?;
    let memory = memory(&mut open.connection).await?;
    let full = memory.is_full(&memory_before);
    let alone = replicas(&mut open.connection).await?.are_missing(&replicas_before);
    if args.target.json {
        let mut json = serde_json::to_value(status_now(&before, &after, &open.topology.settings))?;
        if let Value::Object(json) = &mut json {
            json.insert("memory_used".to_owned(), memory.used.into());
            json.insert("memory_limit".to_owned(), memory.limit.into());
            json.insert("memory_full".to_owned(), full.into());
            json.insert("replicas_missing".to_owned(), alone.into());
        }
        outln!("{}", serde_json::to_string_pretty(&json)?)?;
    } else {
        print(&before, &after, &open.topology.settings)?;
        if full {
            let (used, limit) = (bytes(memory.used), bytes(memory.limit));
            outln!(
                "{}: Redis refuses writes, {used} of {limit} are used; workers wait, and nothing is lost
  give Redis memory, or retain less; see: tallyd doctor",
                painted("FULL", Paint::Alarm)
            )?;
        }
        if alone {
            outln!(
                "{}: Redis refuses writes, because fewer replicas follow than its min-replicas-to-write asks for; workers wait, and nothing is lost
  look at the replicas; see: tallyd doctor",
                painted("NO REPLICAS", Paint::Alarm)
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How many dead letters a node made, and for which kinds of reasons.
fn dead_lines(node: &NodeStatus) -> Vec<String> {
    match node.dead.is_empty() {
        true => vec![node.counts.dead.to_string()],
        false => node.dead.iter().map(|(kind, count)| format!("{count} {kind}")).collect(),
    }
}

/// How many windows events came too late for, and which.
fn late_lines(node: &NodeStatus) -> Vec<String> {
    let by_window = node.late.counts.iter().map(|(window, count)| format!("{count} for {window}"));
    match node.late.counts.is_empty() {
        true => vec![node.counts.late.to_string()],
        false => by_window.collect(),
    }
}

fn print(before: &Status, after: &Status, settings: &Settings) -> Result<(), Unwritten> {
    outln!("{}", workers(after, settings))?;
    print_plan(after)?;
    outln!("\n{}", nodes(before, after))?;
    outln!(
        "dead letters stored: {} of at most {}, or {}",
        after.dead_letters,
        settings.dead_letters,
        bytes(settings.dead_letters_bytes)
    )?;
    if after.dead_letters >= settings.dead_letters {
        outln!(
            "{}: each new one costs the oldest\n  fix what rejects events, then: tallyd dead replay, or drop",
            painted("DEAD LETTERS FULL", Paint::Alarm)
        )?;
    }
    for node in &after.nodes {
        if let Some((entry, by_ms)) = node.ahead {
            outln!(
                "{} {}: since entry {entry}, ids are ahead of the server's clock, the last one by {} s\n  such events count as arrived when they were read; see: tallyd doctor",
                painted("ENTRY ID AHEAD", Paint::Notice),
                safe(&node.name),
                by_ms / 1000
            )?;
        }
        let (name, lost) = (safe(&node.name), node.counts.lost);
        if node.lag.unreadable {
            outln!("{} {name}: {UNREADABLE}", painted("CAN'T READ", Paint::Alarm))?;
        }
        if lost > 0 {
            outln!(
                "{} {name}: {lost} entries were deleted from its stream before it read them\n  let only tallyd trim what it reads; send again what is missing: a dedup bolt drops what was counted",
                painted("LOST", Paint::Alarm)
            )?;
        }
        if node.restarts > 0 {
            let times = node.restarts;
            outln!(
                "{} {name}: its stream was deleted, or its ids were set back, {times} times; what it held unread then is gone",
                painted("BEGAN AGAIN", Paint::Notice)
            )?;
        }
    }
    for (place, reason) in &after.halted {
        let (place, reason) = (safe(place), safe(reason));
        let halted = painted("HALTED", Paint::Alarm);
        outln!("{halted} {place}: {reason}\n  fix the cause, then: tallyd resume")?;
    }
    Ok(())
}

fn workers(after: &Status, settings: &Settings) -> Table {
    let mut workers = Table::new([
        Head::name("worker"),
        Head::figure("version"),
        Head::text("file"),
        Head::text("since"),
        Head::text("heartbeat"),
        Head::text("metrics"),
    ]);
    for (worker, beat) in &after.workers {
        let ago = after.now - beat;
        let file = plan::short(&worker.plan);
        let (file, waits) = match runs_plan(after, worker) {
            true => (file.to_owned(), None),
            false => (format!("{file} WAITS"), Some(Paint::Notice)),
        };
        let (beat, gone) = match ago > settings.session_timeout_ms as i64 {
            true => (format!("GONE for {:.1} s", ago as f64 / 1000.0), Some(Paint::Alarm)),
            false => (format!("{ago} ms ago"), None),
        };
        workers.add([
            Cell::from(&worker.id),
            Cell::from(&worker.version),
            Cell::from(file).paint(waits),
            Cell::from(second(worker.since)),
            Cell::from(beat).paint(gone),
            Cell::from(worker.metrics.as_deref().unwrap_or("-")),
        ]);
    }
    workers
}

/// A time to the second, of which a table can break the date from the rest.
fn second(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms);
    time.map_or_else(|_| format!("{ms} ms"), |time| time.strftime("%F %TZ").to_string())
}

fn nodes(before: &Status, after: &Status) -> Table {
    let figures = ["lag", "events/s", "events", "emitted", "duplicates", "dead", "late"];
    let heads = [Head::name("node"), Head::name("partitions of")].into_iter();
    let mut nodes = Table::new(heads.chain(figures.map(Head::figure)));
    for (place, node) in after.nodes.iter().enumerate() {
        let owned: Vec<String> = match &node.fused_with {
            Some(other) => vec![format!("{} with {other}", node.owners.len())],
            None => owners(node).into_iter().map(|(id, n)| format!("{n} {id}")).collect(),
        };
        let halted = node.owners.contains(&Owner::Halted).then_some(Paint::Alarm);
        let counts = &node.counts;
        nodes.add([
            Cell::from(&node.name),
            Cell::lines(&owned).paint(halted),
            Cell::lines(&lag(after, node)),
            Cell::from(format!("{:.0}", rate(before, after, place))),
            Cell::from(counts.events.to_string()),
            Cell::from(counts.emitted.to_string()),
            Cell::from(counts.duplicates.to_string()),
            Cell::lines(&dead_lines(node)),
            Cell::lines(&late_lines(node)),
        ]);
    }
    nodes
}

/// How many entries are not yet processed, and how old the oldest is.
fn lag(status: &Status, node: &NodeStatus) -> Vec<String> {
    let entries = node.lag.entries;
    let age = (entries > 0).then(|| match node.lag.oldest {
        // Only the entry itself tells its time.
        None if node.lag.unreadable => "unknown".to_owned(),
        _ => format!("{:.1} s", lag_seconds(status, node)),
    });
    [entries.to_string()].into_iter().chain(age).collect()
}

fn print_plan(status: &Status) -> Result<(), Unwritten> {
    let Some(plan) = &status.plan else { return Ok(()) };
    let fingerprint = plan.fingerprint();
    outln!(
        "file {} is in force since {} (generation {})",
        plan::short(&fingerprint),
        when(plan.since),
        plan.generation
    )?;
    let waits = status.workers.iter().any(|(worker, _)| !runs_plan(status, worker));
    if waits {
        outln!(
            "  a worker that WAITS has another file: it takes part once no worker runs this one"
        )?;
    }
    Gaps::of(plan).print()
}

/// Lets workers take halted partitions again.
pub async fn resume(args: ResumeArgs) -> anyhow::Result<ExitCode> {
    let mut open = args.target.open_file(args.file.as_deref()).await?;
    let resumed = inspect::resume(&mut open.connection, &open.topology, &open.keys).await?;
    if args.target.json {
        outln!("{}", json!({ "resumed": resumed }))?;
    } else if resumed.is_empty() {
        outln!("nothing is halted")?;
    } else {
        outln!("resumed {}", resumed.join(", "))?;
    }
    Ok(ExitCode::SUCCESS)
}
