//! Everything that a worker tells an operator: one event is one structured log line and one
//! counter, named here and nowhere else. `docs/metrics.md` lists them.

mod delay;
mod list;
mod streams;
mod upkeep;

pub use delay::render as render_delays;
pub use list::{begin, begin_process, describe};
pub use upkeep::{plan_switched, plan_waits_for, upkeep_failed, upkeep_worked};

use crate::{
    repeated::{Failed, Repeated},
    store::{Counts, ErrorKind, Fence, Lag, Owner, Part, Rejected, StoreError},
    tasks::Why,
};
use delay::Delays;
use metrics::{counter, gauge, histogram};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

/// The metrics of what one node does, looked up once. It may be fused with others.
pub struct NodeMetrics {
    node: String,
    batch: metrics::Histogram,
    /// By reason.
    dead: [metrics::Counter; Rejected::ALL.len()],
    duplicates: metrics::Counter,
    emitted: metrics::Counter,
    events: metrics::Counter,
    hits: metrics::Counter,
    misses: metrics::Counter,
    lost: metrics::Counter,
    probe: metrics::Histogram,
    process: metrics::Histogram,
    visible: Arc<Delays>,
}

impl NodeMetrics {
    /// The metrics of the node of this name.
    #[must_use]
    pub fn new(node: &str) -> Self {
        let node = node.to_owned();
        Self {
            batch: histogram!("tallyd_batch_events", "node" => node.clone()),
            dead: list::dead_letters(&node),
            duplicates: counter!("tallyd_events_deduplicated_total", "node" => node.clone()),
            emitted: counter!("tallyd_events_out_total", "node" => node.clone()),
            events: counter!("tallyd_events_in_total", "node" => node.clone()),
            hits: counter!("tallyd_cache_hits_total", "node" => node.clone()),
            misses: counter!("tallyd_cache_misses_total", "node" => node.clone()),
            lost: counter!("tallyd_lost_entries_total", "node" => node.clone()),
            probe: histogram!("tallyd_probe_seconds", "node" => node.clone()),
            process: histogram!("tallyd_process_seconds", "node" => node.clone()),
            visible: delay::of(&node),
            node,
        }
    }

    /// A batch went through the bolt.
    pub fn processed(&self, took: Duration) {
        self.process.record(took);
    }

    /// A probe has come through, and took so many ms.
    pub fn probed(&self, took: u64) {
        self.probe.record(took as f64 / 1000.0);
    }

    /// Entries are gone that were never read.
    pub fn lost(&self, entries: u64) {
        if entries > 0 {
            error!(
                node = self.node,
                entries,
                "ENTRIES LOST: they were added to its stream and deleted before it read them, by MAXLEN of a producer, XTRIM, XDEL or DEL; let only tallyd trim what it reads"
            );
            self.lost.increment(entries);
        }
    }

    /// The bolt looked at its state so often, and so many cells had to be fetched for it.
    pub fn looked_up(&self, asked: u64, fetched: u64) {
        self.hits.increment(asked.saturating_sub(fetched));
        self.misses.increment(fetched);
    }

    /// What the node did is committed at `now`, with the part of it. `arrivals`: when its events arrived, and how many
    /// at each time.
    pub fn committed(&self, counts: &Counts, part: &Part, arrivals: &[(i64, u64)], now: i64) {
        // A commit may be of a probe alone.
        if counts.events > 0 {
            self.batch.record(counts.events as f64);
        }
        self.events.increment(counts.events);
        self.emitted.increment(counts.emitted);
        self.duplicates.increment(counts.duplicates);
        for letter in &part.dead {
            if let Some(counter) = self.dead.get(letter.kind as usize) {
                counter.increment(1);
            }
        }
        for (window, events) in &part.late.counts {
            list::late(&self.node, window).increment(*events);
        }
        for (arrival, events) in arrivals {
            self.visible.add(now.saturating_sub(*arrival), *events);
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
    trouble: Mutex<Repeated>,
    /// When the log told of entries that are ahead.
    told_ahead: Option<Instant>,
    restarts: metrics::Counter,
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
            trouble: Mutex::default(),
            told_ahead: None,
            restarts: counter!("tallyd_streams_restarted_total", "node" => node.clone()),
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
                "DEAD LETTERS LOST: more than dead_letters of [run], and the oldest go; fix what rejects events, then: tallyd dead replay, or drop"
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

    /// Partitions were taken, each with the reason for which it was free.
    pub fn took(&self, partitions: &[u16], why: &BTreeMap<u16, Why>) {
        counter!("tallyd_takeovers_total", "node" => self.node.clone())
            .increment(partitions.len() as u64);
        let mut by_reason: BTreeMap<String, Vec<u16>> = BTreeMap::new();
        for partition in partitions {
            let why = why.get(partition).map_or_else(String::new, Why::to_string);
            by_reason.entry(why).or_default().push(*partition);
        }
        for (why, partitions) in by_reason {
            info!(node = self.node, ?partitions, why, "took partitions");
        }
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
            "consumer group was missing or had skipped entries; set to the cursor"
        );
    }

    /// A full stream stops the node from reading, or does no more.
    pub fn paused(&self, paused: bool) {
        gauge!("tallyd_paused", "node" => self.node.clone()).set(f64::from(u8::from(paused)));
        if paused {
            warn!(
                node = self.node,
                "paused: a stream that it writes holds more than max_backlog events, or more than max_stalled waits for partitions that are halted or have no worker; start more workers if this stays, see: tallyd status"
            );
        } else {
            info!(node = self.node, "reading again");
        }
    }

    fn count_halt(&self) {
        counter!("tallyd_halts_total", "node" => self.node.clone()).increment(1);
    }

    /// A command failed inside a commit: the partitions stay halted.
    pub fn halted(&self, partitions: &[u16], error: &StoreError) {
        self.count_halt();
        if error.kind == ErrorKind::Bug {
            error!(node = self.node, ?partitions, %error, "HALTED: a fault of tallyd; the batch was not committed, and is processed again after: tallyd resume");
        } else {
            error!(node = self.node, ?partitions, %error, "HALTED: a command failed inside a commit whose other commands happened; look at the key that the error names, fix it, then: tallyd resume");
        }
    }

    /// The storage failed: the task waits and takes its partitions over again.
    pub fn storage_failed(&self, error: &StoreError, wait: Duration) {
        redis_error(error.kind);
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Failed { times, lasted }) = trouble.failed(error.kind, Instant::now()) {
            warn!(node = self.node, kind = error.kind.label(), %error, advice = error.kind.advice(), times, seconds = lasted.as_secs(), wait_ms = wait.as_millis() as u64, "storage failed; nothing is lost, trying again");
        }
    }

    /// A commit happened: whatever failed before is over.
    pub fn storage_worked(&self) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Failed { times, lasted }) = trouble.worked(Instant::now()) {
            info!(node = self.node, times, seconds = lasted.as_secs(), "storage is back");
        }
    }

    /// What waits for partitions that are halted or that nobody owns.
    pub fn stalled(node: &str, bytes: u64) {
        gauge!("tallyd_stalled_bytes", "node" => node.to_owned()).set(bytes as f64);
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

/// Another number of tasks share what the worker has of a node.
pub fn shared(node: &str, tasks: usize) {
    tracing::info!(node, tasks, "so many tasks share this worker's partitions now");
}

/// The fences of a node's partitions: some may be halted, whoever owned them.
pub fn halted<'a>(node: &str, fences: impl Iterator<Item = &'a Fence>) {
    let halted = fences.filter(|fence| fence.owner == Owner::Halted).count();
    gauge!("tallyd_halted", "node" => node.to_owned()).set(halted as f64);
    let mut told = HALTED.lock().unwrap_or_else(PoisonError::into_inner);
    let before = told.insert(node.to_owned(), halted).unwrap_or_default();
    if halted > before {
        error!(
            node,
            halted, "HALTED: nobody works on these partitions; why, and what to do: tallyd status"
        );
    }
}

/// By node: how many partitions were halted when the log said so last.
static HALTED: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

/// The storage gave an error of this kind.
pub fn redis_error(kind: ErrorKind) {
    counter!("tallyd_redis_errors_total", "kind" => kind.label()).increment(1);
}

/// A log line could not be written. Not logged here: whoever could not write it says so later.
pub fn log_line_lost() {
    counter!("tallyd_log_lines_lost_total").increment(1);
}

/// The server refuses the subscription by which others see that this worker lives.
pub fn can_not_subscribe(error: &StoreError) {
    redis_error(error.kind);
    warn!(%error, "can't subscribe: if this worker is killed, others notice it only after session_timeout; give its user +subscribe and the channels of docs/security.md");
}

/// How many dead letters are stored.
pub fn dead_letters(stored: u64) {
    gauge!("tallyd_dead_letters").set(stored as f64);
}

/// The dead letters took too much memory, and the oldest went. `node` is the first of the topology,
/// whose worker looks.
pub fn dead_letters_dropped(node: &str, dropped: u64, bound: u64) {
    if dropped > 0 {
        counter!("tallyd_dead_letters_dropped_total", "node" => node.to_owned()).increment(dropped);
        error!(
            dropped,
            bound,
            "DEAD LETTERS LOST: they took more memory than dead_letters_bytes of [run], and the oldest go; fix what rejects events, then: tallyd dead replay, or drop"
        );
    }
}
