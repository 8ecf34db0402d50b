//! Everything that a worker tells an operator: one event is one structured log line and one
//! counter, named here and nowhere else. `docs/metrics.md` lists them.

use crate::store::{Counts, ErrorKind, Lag, StoreError};
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use std::time::Duration;
use tracing::{debug, error, info, warn};

/// The name, kind and meaning of every metric.
pub const METRICS: &[(&str, Kind, &str)] = &[
    ("tallyd_batch_events", Kind::Histogram, "Events in one commit"),
    ("tallyd_commit_seconds", Kind::Histogram, "Time of one commit, its round trip included"),
    ("tallyd_commits_total", Kind::Counter, "Commits that happened"),
    ("tallyd_cycle_seconds", Kind::Histogram, "Time from a batch's entries to its commit"),
    ("tallyd_dead_letters", Kind::Gauge, "Dead letters that are stored"),
    (
        "tallyd_dead_letters_dropped_total",
        Kind::Counter,
        "Dead letters that are lost, because more came than may be kept",
    ),
    ("tallyd_events_dead_lettered_total", Kind::Counter, "Events put among the dead letters"),
    ("tallyd_events_deduplicated_total", Kind::Counter, "Events dropped as already seen"),
    ("tallyd_events_in_total", Kind::Counter, "Events read"),
    ("tallyd_events_late_total", Kind::Counter, "Windows that an event came too late for"),
    ("tallyd_events_out_total", Kind::Counter, "Events emitted"),
    (
        "tallyd_fenced_commits_total",
        Kind::Counter,
        "Commits that did not happen: a fence had moved",
    ),
    ("tallyd_groups_restored_total", Kind::Counter, "Times a lost consumer group was made again"),
    ("tallyd_halts_total", Kind::Counter, "Times a node was halted for an operator to look at"),
    ("tallyd_lag_entries", Kind::Gauge, "Entries that wait, in the partitions of this worker"),
    ("tallyd_lag_seconds", Kind::Gauge, "Age of the oldest entry that waits"),
    ("tallyd_partitions_owned", Kind::Gauge, "Partitions that this worker owns"),
    ("tallyd_paused", Kind::Gauge, "1 while a full stream stops the node from reading"),
    ("tallyd_process_seconds", Kind::Histogram, "Time in the bolt, for one batch"),
    ("tallyd_redis_errors_total", Kind::Counter, "Errors of the storage, by kind"),
    ("tallyd_takeovers_total", Kind::Counter, "Partitions taken"),
    (
        "tallyd_visible_seconds",
        Kind::Histogram,
        "Time from an event's arrival to the commit of its effects; the oldest of a batch",
    ),
];

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
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

/// The metrics of what one node does, looked up once. It may be fused with others.
pub struct NodeMetrics {
    node: String,
    batch: metrics::Histogram,
    dead: metrics::Counter,
    duplicates: metrics::Counter,
    emitted: metrics::Counter,
    events: metrics::Counter,
    late: metrics::Counter,
    process: metrics::Histogram,
    visible: metrics::Histogram,
}

impl NodeMetrics {
    /// The metrics of the node of this name.
    #[must_use]
    pub fn new(node: &str) -> Self {
        let node = node.to_owned();
        Self {
            batch: histogram!("tallyd_batch_events", "node" => node.clone()),
            dead: counter!("tallyd_events_dead_lettered_total", "node" => node.clone()),
            duplicates: counter!("tallyd_events_deduplicated_total", "node" => node.clone()),
            emitted: counter!("tallyd_events_out_total", "node" => node.clone()),
            events: counter!("tallyd_events_in_total", "node" => node.clone()),
            late: counter!("tallyd_events_late_total", "node" => node.clone()),
            process: histogram!("tallyd_process_seconds", "node" => node.clone()),
            visible: histogram!("tallyd_visible_seconds", "node" => node.clone()),
            node,
        }
    }

    /// A batch went through the bolt.
    pub fn processed(&self, took: Duration) {
        self.process.record(took);
    }

    /// What the node did is committed. `visible_ms`: the age of the batch's oldest event.
    pub fn committed(&self, counts: &Counts, visible_ms: Option<i64>) {
        self.batch.record(counts.events as f64);
        self.events.increment(counts.events);
        self.emitted.increment(counts.emitted);
        self.duplicates.increment(counts.duplicates);
        self.dead.increment(counts.dead);
        self.late.increment(counts.late);
        if let Some(ms) = visible_ms {
            self.visible.record(ms.max(0) as f64 / 1000.0);
        }
        if counts.dead > 0 {
            warn!(
                node = self.node,
                events = counts.dead,
                "events were put among the dead letters; see: tallyd dead list"
            );
        }
        debug!(node = self.node, events = counts.events, "batch committed");
    }
}

/// The metrics of one task, looked up once: by the node that reads.
pub struct TaskMetrics {
    node: String,
    commit: metrics::Histogram,
    commits: metrics::Counter,
    cycle: metrics::Histogram,
    dead_dropped: metrics::Counter,
}

impl TaskMetrics {
    /// The metrics of the task of the node of this name.
    #[must_use]
    pub fn new(node: &str) -> Self {
        let node = node.to_owned();
        Self {
            commit: histogram!("tallyd_commit_seconds", "node" => node.clone()),
            commits: counter!("tallyd_commits_total", "node" => node.clone()),
            cycle: histogram!("tallyd_cycle_seconds", "node" => node.clone()),
            dead_dropped: counter!("tallyd_dead_letters_dropped_total", "node" => node.clone()),
            node,
        }
    }

    /// A commit happened.
    pub fn committed(&self, cycle: Duration, commit: Duration) {
        self.commits.increment(1);
        self.commit.record(commit);
        self.cycle.record(cycle);
    }

    /// Dead letters are full: with those of a commit, the oldest went.
    pub fn dead_letters_dropped(&self, dropped: u64, limit: u64) {
        if dropped > 0 {
            error!(
                node = self.node,
                dropped,
                limit,
                "DEAD LETTERS LOST: more than dead_letters of [run], and the oldest go; mend what rejects events, then: tallyd dead replay, or drop"
            );
            self.dead_dropped.increment(dropped);
        }
    }

    /// A commit did not happen, because a fence had moved.
    pub fn fenced(&self, owned: usize, kept: usize) {
        counter!("tallyd_fenced_commits_total", "node" => self.node.clone()).increment(1);
        warn!(
            node = self.node,
            owned,
            kept,
            "commit fenced: another worker took a partition; nothing was written, going on with the rest"
        );
    }

    /// Partitions were taken.
    pub fn took(&self, partitions: &[u16]) {
        counter!("tallyd_takeovers_total", "node" => self.node.clone())
            .increment(partitions.len() as u64);
        info!(node = self.node, ?partitions, "took partitions");
    }

    /// Partitions were given back.
    pub fn released(&self, partitions: &[u16]) {
        info!(node = self.node, ?partitions, "released partitions");
    }

    /// A consumer group was gone, or had skipped entries, and was made again from the cursor.
    pub fn group_restored(&self, partitions: &[u16]) {
        counter!("tallyd_groups_restored_total", "node" => self.node.clone()).increment(1);
        warn!(
            node = self.node,
            ?partitions,
            "consumer group was missing or had skipped entries; set to the cursor, nothing is lost"
        );
    }

    /// A full stream stops the node from reading, or does no more.
    pub fn paused(&self, paused: bool) {
        gauge!("tallyd_paused", "node" => self.node.clone()).set(f64::from(u8::from(paused)));
        if paused {
            warn!(
                node = self.node,
                "paused: a stream that it writes holds more than max_backlog events; start more workers if this stays"
            );
        } else {
            info!(node = self.node, "reading again");
        }
    }

    /// A command failed inside a commit: the partitions stay halted.
    pub fn halted(&self, partitions: &[u16], error: &StoreError) {
        counter!("tallyd_halts_total", "node" => self.node.clone()).increment(1);
        error!(node = self.node, ?partitions, %error, "HALTED: a command failed inside a commit whose other commands happened; look at the key that the error names, mend it, then: tallyd resume");
    }

    /// The storage failed: the task waits and takes its partitions over again.
    pub fn storage_failed(&self, error: &StoreError, wait: Duration) {
        redis_error(error.kind);
        warn!(node = self.node, kind = error.kind.label(), %error, wait_ms = wait.as_millis() as u64, "storage failed; nothing is lost, trying again");
    }

    /// What waits for the partitions of this worker, and since when.
    pub fn lag(node: &str, lag: Lag, now: i64) {
        let age = lag.oldest.map_or(0, |oldest| (now - oldest).max(0));
        gauge!("tallyd_lag_entries", "node" => node.to_owned()).set(lag.entries as f64);
        gauge!("tallyd_lag_seconds", "node" => node.to_owned()).set(age as f64 / 1000.0);
    }
}

/// How many of a node's partitions the worker owns now.
pub fn owned(node: &str, partitions: usize) {
    gauge!("tallyd_partitions_owned", "node" => node.to_owned()).set(partitions as f64);
}

/// The storage gave an error of this kind.
pub fn redis_error(kind: ErrorKind) {
    counter!("tallyd_redis_errors_total", "kind" => kind.label()).increment(1);
}

/// The worker's own upkeep (heartbeat, trimming) failed.
pub fn upkeep_failed(error: &StoreError) {
    redis_error(error.kind);
    warn!(kind = error.kind.label(), %error, "can't reach or use Redis for heartbeat and upkeep; trying again, see --redis and [redis] url");
}

/// How many dead letters are stored.
pub fn dead_letters(stored: u64) {
    gauge!("tallyd_dead_letters").set(stored as f64);
}
