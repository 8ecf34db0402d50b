//! How a topology runs, as it is answered.

use super::{is_live, lag_seconds, load, owners, rate, runs_plan, slowest_probe};
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tallyd_runtime::{
    plan::{Gap, Plan},
    store::{Announcement, LateEvent, ProbeSeen},
};
use tallyd_store::inspect::{NodeStatus, Status};
use tallyd_topology::Settings;
use utoipa::ToSchema;

/// How a topology runs. Times are in ms since the epoch.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct StatusNow {
    /// The file in force; null where no worker has run yet.
    pub plan: Option<PlanNow>,
    /// The workers that have announced themselves.
    pub workers: Vec<WorkerNow>,
    /// The sources and bolts, sources first.
    pub nodes: Vec<NodeNow>,
    /// The node whose last probe took longest: what an event takes until every bolt shows it.
    pub slowest_probe: Option<SlowestProbe>,
    /// How many dead letters are stored.
    pub dead_letters_stored: u64,
    /// How many are kept at most.
    pub dead_letters_limit: u64,
    /// Whether each new one costs the oldest.
    pub dead_letters_full: bool,
    /// Why partitions are halted, by `node:partition`.
    pub halted: BTreeMap<String, String>,
}

/// The file in force.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PlanNow {
    /// Names its content.
    #[schema(value_type = String)]
    pub fingerprint: SmolStr,
    /// How many files there have been, this one included.
    pub generation: u64,
    /// Since when it is in force.
    pub since: i64,
    /// The worker that switched to it.
    #[schema(value_type = String)]
    pub by: SmolStr,
    /// What parts of it missed.
    pub gaps: Vec<GapOf>,
}

/// Events that a part of the topology did not take, by their arrival.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct GapOf {
    /// A source, bolt or sink, or a part of one, such as `concepts.measures.right`.
    #[schema(value_type = String)]
    pub part: SmolStr,
    /// The first of them arrived at this time or later; null: all since the topology began.
    pub from: Option<i64>,
    /// The last of them arrived at this time or earlier; null: it goes on.
    pub to: Option<i64>,
}

/// A worker.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct WorkerNow {
    /// Its id, unique to this run of it.
    #[schema(value_type = String)]
    pub id: SmolStr,
    /// The host that it runs on.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// Where its metrics are, if anywhere.
    pub metrics: Option<String>,
    /// The version of tallyd that it runs.
    #[schema(value_type = String)]
    pub version: SmolStr,
    /// The fingerprint of its file.
    #[schema(value_type = String)]
    pub plan: SmolStr,
    /// When it started, by its own clock.
    pub since: i64,
    /// Whether its file is the one in force: else it takes no part.
    pub runs_plan: bool,
    /// How long ago it was last heard of, in ms.
    pub heartbeat_ms_ago: i64,
    /// Whether that is within the session timeout.
    pub live: bool,
}

/// A source or bolt, over all of its partitions.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct NodeNow {
    /// Its name.
    pub name: String,
    /// The bolt that it is fused with, if any: that one's task does its work.
    pub fused_with: Option<String>,
    /// How many partitions it has.
    pub partitions: usize,
    /// How many of them each worker has; `nobody`, or `HALTED`.
    pub owners: BTreeMap<String, usize>,
    /// How many entries wait.
    pub lag_entries: u64,
    /// For how long the oldest of them has waited.
    pub lag_seconds: f64,
    /// Whether what waits can't be read.
    pub unreadable: bool,
    /// Events a second between the last two readings.
    pub events_per_second: f64,
    /// In how much of the time, 0..1, the busiest of its tasks had a batch in hand; null of a fused
    /// bolt, and where no worker says it.
    pub busy: Option<f64>,
    /// In how much of the time, 0..1, a task was in this bolt's own code.
    pub bolt_busy: Option<f64>,
    /// The last probe that came through it; null where none did.
    pub probe: Option<ProbeNow>,
    /// Events read.
    pub events: u64,
    /// Events passed on.
    pub emitted: u64,
    /// Events dropped as already seen.
    pub duplicates: u64,
    /// Events rejected.
    pub dead_letters: u64,
    /// The same by the kind of the reason.
    pub dead_letters_by_reason: BTreeMap<String, u64>,
    /// Times that an event came too late for a window or period.
    pub late: u64,
    /// Of a source whose ids are ahead of the server's clock: how far.
    pub ahead: Option<AheadOf>,
    /// Entries that were deleted before they were read.
    pub lost_entries: u64,
    /// How often its streams were deleted and made again, or their ids were set back.
    pub stream_restarts: u64,
    /// Late events by window or period.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub late_by_window: BTreeMap<SmolStr, u64>,
    /// The last of them.
    pub late_examples: Vec<LateOf>,
}

/// A probe that came through a node: an entry that takes the way of an event, and counts nowhere.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ProbeNow {
    /// How long it took from its arrival in the source to the commit that passed it on.
    pub seconds: f64,
    /// How long ago it was sent.
    pub ago_seconds: f64,
}

/// The node to which the last probe took longest, and that probe.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SlowestProbe {
    /// The node.
    pub node: String,
    /// How long it took from its arrival in the source to the commit that passed it on.
    pub seconds: f64,
    /// How long ago it was sent.
    pub ago_seconds: f64,
}

/// An entry whose id is ahead of the server's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AheadOf {
    /// The first one whose id was.
    pub entry: String,
    /// By how much the last one is, in ms.
    pub ahead_ms: i64,
}

/// An event that came too late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LateOf {
    /// Its id.
    #[schema(value_type = String)]
    pub id: SmolStr,
    /// When it happened.
    pub time: i64,
    /// When it arrived.
    pub arrival: i64,
    /// The kind of window or period that it missed.
    #[schema(value_type = String)]
    pub window: SmolStr,
    /// Which one.
    #[schema(value_type = String)]
    pub label: SmolStr,
}

/// A topology's state, with the rates between two readings of it.
#[must_use]
pub fn status_now(before: &Status, after: &Status, settings: &Settings) -> StatusNow {
    let nodes = after.nodes.iter().enumerate();
    let node = |(place, node)| node_now((before, after), settings, place, node);
    let slowest_probe = slowest_probe(after, settings).map(|(node, probe)| {
        let ProbeNow { seconds, ago_seconds } = probe_now(after, probe);
        SlowestProbe { node: node.name.clone(), seconds, ago_seconds }
    });
    StatusNow {
        plan: after.plan.as_ref().map(plan_now),
        workers: after.workers.iter().map(|worker| worker_now(after, settings, worker)).collect(),
        nodes: nodes.map(node).collect(),
        slowest_probe,
        dead_letters_stored: after.dead_letters,
        dead_letters_limit: settings.dead_letters,
        dead_letters_full: after.dead_letters >= settings.dead_letters,
        halted: after.halted.clone(),
    }
}

fn plan_now(plan: &Plan) -> PlanNow {
    let missed = plan.gaps.iter().flat_map(|(part, gaps)| gaps.iter().map(move |gap| (part, gap)));
    PlanNow {
        fingerprint: plan.fingerprint(),
        generation: plan.generation,
        since: plan.since,
        by: plan.by.clone(),
        gaps: gaps(missed),
    }
}

/// What parts of a topology missed while no plan in force had them.
#[must_use]
pub fn gaps<'a>(gaps: impl Iterator<Item = (&'a SmolStr, &'a Gap)>) -> Vec<GapOf> {
    gaps.map(|(part, gap)| GapOf { part: part.clone(), from: gap.from, to: gap.to }).collect()
}

fn worker_now(status: &Status, settings: &Settings, worker: &(Announcement, i64)) -> WorkerNow {
    let (worker, beat) = worker;
    WorkerNow {
        id: worker.id.clone(),
        host: worker.host.clone(),
        pid: worker.pid,
        metrics: worker.metrics.clone(),
        version: worker.version.clone(),
        plan: worker.plan.clone(),
        since: worker.since,
        runs_plan: runs_plan(status, worker),
        heartbeat_ms_ago: status.now - beat,
        live: is_live(status, *beat, settings),
    }
}

fn node_now(
    (before, after): (&Status, &Status),
    settings: &Settings,
    place: usize,
    node: &NodeStatus,
) -> NodeNow {
    let load = load(after, node, settings);
    let share = |percent: u8| f64::from(percent) / 100.0;
    let ahead = node.ahead;
    NodeNow {
        name: node.name.clone(),
        fused_with: node.fused_with.clone(),
        partitions: node.owners.len(),
        owners: owners(node),
        lag_entries: node.lag.entries,
        lag_seconds: lag_seconds(after, node),
        unreadable: node.lag.unreadable,
        events_per_second: rate(before, after, place),
        busy: load.filter(|_| node.fused_with.is_none()).map(|load| share(load.busy)),
        bolt_busy: load.map(|load| share(load.bolt)),
        probe: load.and_then(|load| load.probe).map(|probe| probe_now(after, probe)),
        events: node.counts.events,
        emitted: node.counts.emitted,
        duplicates: node.counts.duplicates,
        dead_letters: node.counts.dead,
        dead_letters_by_reason: node.dead.clone(),
        late: node.counts.late,
        ahead: ahead.map(|(entry, ahead_ms)| AheadOf { entry: entry.to_string(), ahead_ms }),
        lost_entries: node.counts.lost,
        stream_restarts: node.restarts,
        late_by_window: node.late.counts.clone(),
        late_examples: node.late.examples.iter().map(late).collect(),
    }
}

fn probe_now(status: &Status, probe: ProbeSeen) -> ProbeNow {
    ProbeNow {
        seconds: probe.took as f64 / 1000.0,
        ago_seconds: (status.now - probe.sent).max(0) as f64 / 1000.0,
    }
}

fn late(event: &LateEvent) -> LateOf {
    LateOf {
        id: event.id.clone(),
        time: event.time,
        arrival: event.arrival,
        window: event.window.clone(),
        label: event.label.clone(),
    }
}
