//! The name, kind and meaning of every metric of the runtime, and the series that are there from
//! the start: a counter that appears with its first increase hides that increase from `rate`.

use super::{NodeMetrics, TaskMetrics, halted, owned};
use crate::store::{ErrorKind, Lag, Rejected};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use tallyd_topology::{NodeKind, Topology};

/// The name, kind and meaning of every metric but the delays, which describe themselves.
const METRICS: &[(&str, Kind, &str)] = &[
    ("tallyd_batch_events", Kind::Histogram, "Events in one commit"),
    ("tallyd_cache_hits_total", Kind::Counter, "Reads of state that the worker had in memory"),
    ("tallyd_cache_misses_total", Kind::Counter, "Reads of state that Redis was asked for"),
    ("tallyd_commit_seconds", Kind::Histogram, "Time of one commit, its round trip included"),
    ("tallyd_commits_total", Kind::Counter, "Commits that happened"),
    ("tallyd_cycle_seconds", Kind::Histogram, "Time from a batch's entries to its commit"),
    ("tallyd_dead_letters", Kind::Gauge, "Dead letters that are stored"),
    (
        "tallyd_dead_letters_dropped_total",
        Kind::Counter,
        "Dead letters that are lost, because more came than may be kept",
    ),
    (
        "tallyd_dead_letters_limit",
        Kind::Gauge,
        "Dead letters that are kept at most: dead_letters of [run]",
    ),
    (
        "tallyd_entries_ahead_total",
        Kind::Counter,
        "Entries of a source whose ids are ahead of the server's clock",
    ),
    (
        "tallyd_events_dead_lettered_total",
        Kind::Counter,
        "Events put among the dead letters, by reason",
    ),
    ("tallyd_events_deduplicated_total", Kind::Counter, "Events dropped as already seen"),
    ("tallyd_events_in_total", Kind::Counter, "Events read"),
    ("tallyd_events_late_total", Kind::Counter, "Events that came too late for a window or period"),
    ("tallyd_events_out_total", Kind::Counter, "Events emitted"),
    (
        "tallyd_fenced_commits_total",
        Kind::Counter,
        "Commits that did not happen: a fence had moved",
    ),
    ("tallyd_groups_restored_total", Kind::Counter, "Times a lost consumer group was made again"),
    ("tallyd_halted", Kind::Gauge, "Partitions that wait for an operator, as this worker sees it"),
    ("tallyd_halts_total", Kind::Counter, "Times a node was halted for an operator to look at"),
    ("tallyd_lag_entries", Kind::Gauge, "Entries that wait, in the partitions of this worker"),
    ("tallyd_lag_seconds", Kind::Gauge, "Age of the oldest entry that waits"),
    (
        "tallyd_log_lines_lost_total",
        Kind::Counter,
        "Log lines that could not be written to standard error",
    ),
    (
        "tallyd_lost_entries_total",
        Kind::Counter,
        "Entries that were added to a stream and deleted before they were read",
    ),
    ("tallyd_partitions", Kind::Gauge, "Partitions that a node has, whoever owns them"),
    ("tallyd_partitions_owned", Kind::Gauge, "Partitions that this worker owns"),
    ("tallyd_paused", Kind::Gauge, "1 while a full stream stops the node from reading"),
    (
        "tallyd_plan_waiting",
        Kind::Gauge,
        "1 while the worker waits, because other workers run another file",
    ),
    (
        "tallyd_probe_seconds",
        Kind::Histogram,
        "Time from a probe's arrival in its source to the commit with which this node passed it on",
    ),
    ("tallyd_process_seconds", Kind::Histogram, "Time in the bolt, for one batch"),
    ("tallyd_redis_errors_total", Kind::Counter, "Errors of the storage, by kind"),
    (
        "tallyd_stalled_bytes",
        Kind::Gauge,
        "About how many bytes wait for partitions that are halted or that nobody owns",
    ),
    (
        "tallyd_streams_restarted_total",
        Kind::Counter,
        "Times a stream was deleted and made again, or its ids were set back",
    ),
    ("tallyd_takeovers_total", Kind::Counter, "Partitions taken"),
];

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Tells the recorder what each metric means.
pub fn describe() {
    for &(name, kind, help) in METRICS {
        let unit = if name.ends_with("_seconds") { Unit::Seconds } else { Unit::Count };
        match kind {
            Kind::Counter => describe_counter!(name, unit, help),
            Kind::Gauge => describe_gauge!(name, unit, help),
            Kind::Histogram => describe_histogram!(name, unit, help),
        }
    }
}

/// Begins the series of every process, a worker or not.
pub fn begin_process() {
    counter!("tallyd_log_lines_lost_total").increment(0);
}

/// Begins every series of a worker that serves these nodes, or all, each with those that are fused
/// with it.
pub fn begin(topology: &Topology, served: Option<&BTreeSet<SmolStr>>) {
    for kind in ErrorKind::ALL {
        counter!("tallyd_redis_errors_total", "kind" => kind.label()).increment(0);
    }
    gauge!("tallyd_dead_letters").set(0.0);
    gauge!("tallyd_dead_letters_limit").set(topology.settings.dead_letters as f64);
    gauge!("tallyd_plan_waiting").set(0.0);
    for (place, node) in topology.nodes.iter().enumerate() {
        let head = topology.nodes.get(topology.head(place)).unwrap_or(node);
        if topology.head(place) == place {
            // Of nodes that it does not serve too: perhaps no worker serves them.
            gauge!("tallyd_partitions", "node" => node.name.to_string())
                .set(f64::from(node.partitions));
        }
        if served.is_some_and(|served| !served.contains(&head.name)) {
            continue;
        }
        let name = node.name.as_str();
        let _ = NodeMetrics::new(name);
        if let NodeKind::Bolt(bolt) = &node.kind {
            bolt.options.windows().iter().for_each(|window| late(name, window).increment(0));
        }
        if topology.head(place) != place {
            continue;
        }
        let _ = TaskMetrics::new(name);
        TaskMetrics::lag(name, Lag::default(), 0);
        for counter in [
            "tallyd_fenced_commits_total",
            "tallyd_groups_restored_total",
            "tallyd_halts_total",
            "tallyd_takeovers_total",
        ] {
            counter!(counter, "node" => name.to_owned()).increment(0);
        }
        if matches!(node.kind, NodeKind::Source(_)) {
            counter!("tallyd_entries_ahead_total", "node" => name.to_owned()).increment(0);
        }
        gauge!("tallyd_paused", "node" => name.to_owned()).set(0.0);
        TaskMetrics::stalled(name, 0);
        halted(name, [].into_iter());
        owned(name, 0);
    }
}

/// The counters of a node's dead letters, by reason.
pub(super) fn dead_letters(node: &str) -> [metrics::Counter; Rejected::ALL.len()] {
    Rejected::ALL.map(|reason| {
        let labels = [("node", node.to_owned()), ("reason", reason.label().to_owned())];
        counter!("tallyd_events_dead_lettered_total", &labels)
    })
}

/// The counter of the events that came too late for a window or period of a node.
pub(super) fn late(node: &str, window: &str) -> metrics::Counter {
    let labels = [("node", node.to_owned()), ("window", window.to_owned())];
    counter!("tallyd_events_late_total", &labels)
}
