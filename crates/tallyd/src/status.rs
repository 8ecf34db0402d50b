//! `tallyd status` and `tallyd resume`.

use crate::{
    connect::Target,
    gaps::{Gaps, when},
    output::Unwritten,
    terminal::{Cell, Table, safe},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, time::Duration};
use tallyd_runtime::{
    plan,
    store::{Announcement, LateEvent, Owner},
};
use tallyd_store::{
    doctor::finding::bytes,
    inspect::{self, NodeStatus, Status},
    memory,
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
    tokio::time::sleep(SAMPLE).await;
    let after = inspect::status(&mut open.connection, &open.topology, &open.keys).await?;
    let memory = memory(&mut open.connection).await?;
    let full = memory.is_full(&memory_before);
    if args.target.json {
        let mut json = as_json(&before, &after, &open.topology.settings);
        if let Value::Object(json) = &mut json {
            json.insert("memory_used".to_owned(), memory.used.into());
            json.insert("memory_limit".to_owned(), memory.limit.into());
            json.insert("memory_full".to_owned(), full.into());
        }
        outln!("{}", serde_json::to_string_pretty(&json)?)?;
    } else {
        print(&before, &after, &open.topology.settings)?;
        if full {
            let (used, limit) = (bytes(memory.used), bytes(memory.limit));
            outln!(
                "FULL: Redis refuses writes, {used} of {limit} are used; workers wait, and nothing is lost
  give Redis memory, or retain less; see: tallyd doctor"
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn rate(before: &Status, after: &Status, node: usize) -> f64 {
    let events = |status: &Status| status.nodes.get(node).map_or(0, |n| n.counts.events);
    let seconds = (after.now - before.now).max(1) as f64 / 1000.0;
    events(after).saturating_sub(events(before)) as f64 / seconds
}

fn owners(node: &NodeStatus) -> BTreeMap<String, usize> {
    let mut owners = BTreeMap::new();
    for owner in &node.owners {
        let name = match owner {
            Owner::Nobody => "nobody".to_owned(),
            Owner::Halted => "HALTED".to_owned(),
            Owner::Worker(id) => id.to_string(),
        };
        *owners.entry(name).or_default() += 1;
    }
    owners
}

fn lag_seconds(status: &Status, node: &NodeStatus) -> f64 {
    node.lag.oldest.map_or(0.0, |oldest| (status.now - oldest).max(0) as f64 / 1000.0)
}

fn late_json(event: &LateEvent) -> Value {
    json!({
        "id": event.id, "time": event.time, "arrival": event.arrival,
        "window": event.window, "label": event.label,
    })
}

/// How many windows events came too late for, and which.
fn late_lines(node: &NodeStatus) -> Vec<String> {
    let by_window = node.late.counts.iter().map(|(window, count)| format!("{count} for {window}"));
    match node.late.counts.is_empty() {
        true => vec![node.counts.late.to_string()],
        false => by_window.collect(),
    }
}

fn as_json(before: &Status, after: &Status, settings: &Settings) -> Value {
    let node = |(place, node): (usize, &NodeStatus)| {
        json!({
            "name": node.name,
            "fused_with": node.fused_with,
            "partitions": node.owners.len(),
            "owners": owners(node),
            "lag_entries": node.lag.entries,
            "lag_seconds": lag_seconds(after, node),
            "events_per_second": rate(before, after, place),
            "events": node.counts.events,
            "emitted": node.counts.emitted,
            "duplicates": node.counts.duplicates,
            "dead_letters": node.counts.dead,
            "late": node.counts.late,
            "ahead": node.ahead.map(|(entry, by_ms)| {
                json!({ "entry": entry.to_string(), "ahead_ms": by_ms })
            }),
            "lost_entries": node.counts.lost,
            "stream_restarts": node.restarts,
            "late_by_window": node.late.counts,
            "late_examples": node.late.examples.iter().map(late_json).collect::<Vec<_>>(),
        })
    };
    let worker = |(worker, beat): &(Announcement, i64)| {
        json!({
            "id": worker.id, "host": worker.host, "pid": worker.pid, "metrics": worker.metrics,
            "version": worker.version, "plan": worker.plan, "since": worker.since,
            "runs_plan": runs_plan(after, worker),
            "heartbeat_ms_ago": after.now - beat,
            "live": after.now - beat <= settings.session_timeout_ms as i64,
        })
    };
    let plan = after.plan.as_ref().map(|plan| {
        json!({
            "fingerprint": plan.fingerprint(), "generation": plan.generation,
            "since": plan.since, "by": plan.by, "gaps": Gaps::of(plan).json(),
        })
    });
    json!({
        "plan": plan,
        "workers": after.workers.iter().map(worker).collect::<Vec<_>>(),
        "nodes": after.nodes.iter().enumerate().map(node).collect::<Vec<_>>(),
        "dead_letters_stored": after.dead_letters,
        "dead_letters_limit": settings.dead_letters,
        "dead_letters_full": after.dead_letters >= settings.dead_letters,
        "halted": after.halted,
    })
}

fn print(before: &Status, after: &Status, settings: &Settings) -> Result<(), Unwritten> {
    let mut workers =
        Table::new(["worker", "host", "pid", "version", "file", "since", "heartbeat", "metrics"]);
    for (worker, beat) in &after.workers {
        let ago = after.now - beat;
        let beat = if ago > settings.session_timeout_ms as i64 {
            format!("GONE for {ago} ms")
        } else {
            format!("{ago} ms ago")
        };
        let metrics = worker.metrics.clone().unwrap_or_else(|| "-".into());
        workers.add([
            worker.id.to_string(),
            worker.host.clone(),
            worker.pid.to_string(),
            worker.version.to_string(),
            format!(
                "{}{}",
                plan::short(&worker.plan),
                if runs_plan(after, worker) { "" } else { " WAITS" }
            ),
            when(worker.since),
            beat,
            metrics,
        ]);
    }
    outln!("{workers}")?;
    print_plan(after)?;
    let header = [
        "node",
        "partitions",
        "owned by",
        "lag",
        "oldest",
        "events/s",
        "events",
        "emitted",
        "duplicates",
        "dead",
        "late",
    ];
    let mut nodes = Table::new(header);
    for (place, node) in after.nodes.iter().enumerate() {
        let owners: Vec<String> = match &node.fused_with {
            Some(other) => vec![format!("(fused with {other})")],
            None => owners(node).into_iter().map(|(id, n)| format!("{n} {id}")).collect(),
        };
        let counts = &node.counts;
        nodes.add([
            Cell::from(&node.name),
            Cell::from(node.owners.len().to_string()),
            Cell::lines(&owners),
            Cell::from(node.lag.entries.to_string()),
            Cell::from(format!("{:.1} s", lag_seconds(after, node))),
            Cell::from(format!("{:.0}", rate(before, after, place))),
            Cell::from(counts.events.to_string()),
            Cell::from(counts.emitted.to_string()),
            Cell::from(counts.duplicates.to_string()),
            Cell::from(counts.dead.to_string()),
            Cell::lines(&late_lines(node)),
        ]);
    }
    outln!("{nodes}")?;
    outln!(
        "dead letters stored: {} of at most {}, or {}",
        after.dead_letters,
        settings.dead_letters,
        bytes(settings.dead_letters_bytes)
    )?;
    if after.dead_letters >= settings.dead_letters {
        outln!(
            "DEAD LETTERS FULL: each new one costs the oldest\n  mend what rejects events, then: tallyd dead replay, or drop"
        )?;
    }
    for node in &after.nodes {
        if let Some((entry, by_ms)) = node.ahead {
            outln!(
                "ENTRY ID AHEAD {}: entry {entry} is {} s ahead of the server's clock\n  its events count as arrived when they were read; see: tallyd doctor",
                node.name,
                by_ms / 1000
            )?;
        }
        let (name, lost) = (safe(&node.name), node.counts.lost);
        if lost > 0 {
            outln!(
                "LOST {name}: {lost} entries were deleted from its stream before it read them\n  let only tallyd trim what it reads; send again what is missing: a dedup bolt drops what was counted"
            )?;
        }
        if node.restarts > 0 {
            let times = node.restarts;
            outln!(
                "BEGAN AGAIN {name}: its stream was deleted, or its ids were set back, {times} times; what it held unread then is gone"
            )?;
        }
    }
    for (place, reason) in &after.halted {
        let (place, reason) = (safe(place), safe(reason));
        outln!("HALTED {place}: {reason}\n  mend the cause, then: tallyd resume")?;
    }
    Ok(())
}

/// Whether a worker's plan is the one in force. Another one takes no part.
fn runs_plan(status: &Status, worker: &Announcement) -> bool {
    status.plan.as_ref().is_some_and(|plan| plan.fingerprint() == worker.plan)
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
