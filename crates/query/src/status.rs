//! How a topology runs, as JSON: for the command line, and over HTTP.

use serde_json::{Value, json};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tallyd_runtime::{
    plan::{Gap, Plan},
    store::{Announcement, LateEvent, Owner},
};
use tallyd_store::inspect::{NodeStatus, Status};
use tallyd_topology::Settings;

/// A topology's state, with the rates between two readings of it. Times are in ms since the epoch.
#[must_use]
pub fn status_json(before: &Status, after: &Status, settings: &Settings) -> Value {
    let nodes = after.nodes.iter().enumerate();
    let nodes: Vec<Value> =
        nodes.map(|(place, node)| node_json(before, after, place, node)).collect();
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
            "since": plan.since, "by": plan.by, "gaps": plan_gaps_json(plan),
        })
    });
    json!({
        "plan": plan,
        "workers": after.workers.iter().map(worker).collect::<Vec<_>>(),
        "nodes": nodes,
        "dead_letters_stored": after.dead_letters,
        "dead_letters_limit": settings.dead_letters,
        "dead_letters_full": after.dead_letters >= settings.dead_letters,
        "halted": after.halted,
    })
}

fn node_json(before: &Status, after: &Status, place: usize, node: &NodeStatus) -> Value {
    json!({
        "name": node.name,
        "fused_with": node.fused_with,
        "partitions": node.owners.len(),
        "owners": owners(node),
        "lag_entries": node.lag.entries,
        "lag_seconds": lag_seconds(after, node),
        "unreadable": node.lag.unreadable,
        "events_per_second": rate(before, after, place),
        "events": node.counts.events,
        "emitted": node.counts.emitted,
        "duplicates": node.counts.duplicates,
        "dead_letters": node.counts.dead,
        "dead_letters_by_reason": node.dead,
        "late": node.counts.late,
        "ahead": node.ahead.map(|(entry, by_ms)| {
            json!({ "entry": entry.to_string(), "ahead_ms": by_ms })
        }),
        "lost_entries": node.counts.lost,
        "stream_restarts": node.restarts,
        "late_by_window": node.late.counts,
        "late_examples": node.late.examples.iter().map(late_json).collect::<Vec<_>>(),
    })
}

/// Events a second of a node between two readings.
#[must_use]
pub fn rate(before: &Status, after: &Status, node: usize) -> f64 {
    let events = |status: &Status| status.nodes.get(node).map_or(0, |n| n.counts.events);
    let seconds = (after.now - before.now).max(1) as f64 / 1000.0;
    events(after).saturating_sub(events(before)) as f64 / seconds
}

/// How many partitions of a node each worker has; `nobody`, or `HALTED`.
#[must_use]
pub fn owners(node: &NodeStatus) -> BTreeMap<String, usize> {
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

/// For how long the oldest entry has waited, in seconds.
#[must_use]
pub fn lag_seconds(status: &Status, node: &NodeStatus) -> f64 {
    node.lag.oldest.map_or(0.0, |oldest| (status.now - oldest).max(0) as f64 / 1000.0)
}

/// Whether a worker's plan is the one in force. Another one takes no part.
#[must_use]
pub fn runs_plan(status: &Status, worker: &Announcement) -> bool {
    status.plan.as_ref().is_some_and(|plan| plan.fingerprint() == worker.plan)
}

fn late_json(event: &LateEvent) -> Value {
    json!({
        "id": event.id, "time": event.time, "arrival": event.arrival,
        "window": event.window, "label": event.label,
    })
}

/// What a bolt missed while no plan in force had it, as JSON: times in ms since the epoch.
#[must_use]
pub fn gaps_json<'a>(gaps: impl Iterator<Item = (&'a SmolStr, &'a Gap)>) -> Value {
    gaps.map(|(part, gap)| json!({ "part": part, "from": gap.from, "to": gap.to })).collect()
}

fn plan_gaps_json(plan: &Plan) -> Value {
    gaps_json(plan.gaps.iter().flat_map(|(part, gaps)| gaps.iter().map(move |gap| (part, gap))))
}
