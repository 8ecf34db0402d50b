//! A worker's upkeep: trims the streams that it writes, and looks how much waits. It has a pace of
//! its own, and takes nothing from heartbeats.

use super::{Running, Shared};
use crate::{
    store::{Lag, Store, Survey},
    telemetry::{self, TaskMetrics},
};
use smol_str::SmolStr;
use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tallyd_topology::Topology;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

/// The pace while something is done, or waits.
const FULL: Duration = Duration::from_millis(500);
/// The pace while nothing is.
const SLOW: Duration = Duration::from_secs(30);
/// How many times it still looks at full pace after the last commit: others take what that wrote.
const AFTERWARDS: u32 = 3;

/// The upkeep of one worker.
pub struct Upkeep<S> {
    store: S,
    topology: Arc<Topology>,
    clock: Instant,
    nodes: Vec<OfNode>,
}

/// What it knows of a node and those fused with it.
struct OfNode {
    place: usize,
    name: SmolStr,
    /// The places of the node and of those fused with it.
    nodes: Vec<usize>,
    shared: Arc<Shared>,
    owned: Vec<watch::Receiver<BTreeSet<u16>>>,
}

impl<S: Store> Upkeep<S> {
    /// The upkeep of what a worker runs.
    pub fn new(store: S, topology: Arc<Topology>, clock: Instant, running: &[Running]) -> Self {
        let of_node = |running: &Running| OfNode {
            place: running.place,
            name: running.name.clone(),
            nodes: running.nodes.clone(),
            shared: Arc::clone(&running.shared),
            owned: running.tasks.owned_by_tasks(),
        };
        Self { store, topology, clock, nodes: running.iter().map(of_node).collect() }
    }

    /// Goes on for as long as the worker does.
    pub async fn run(self) {
        let mut pace = Pace::default();
        loop {
            sleep(FULL).await;
            let commits = self.nodes.iter().map(|node| node.shared.commits.load(Ordering::Relaxed));
            if !pace.is_due(commits.sum()) {
                continue;
            }
            match self.store.tend(&self.owned()).await {
                Ok(survey) => {
                    telemetry::upkeep_worked("trimming");
                    pace.waits = self.note(&survey);
                }
                Err(error) => telemetry::upkeep_failed("trimming", &error),
            }
        }
    }

    fn owned(&self) -> Vec<(usize, Vec<u16>)> {
        let of_node = |node: &OfNode| {
            let owned = node.owned.iter().flat_map(|task| task.borrow().clone());
            let owned: Vec<u16> = owned.collect();
            node.nodes.iter().map(|place| (*place, owned.clone())).collect::<Vec<_>>()
        };
        self.nodes.iter().flat_map(of_node).collect()
    }

    /// Takes in how long the streams are. Returns whether something waits in them, or is
    /// to be swept.
    fn note(&self, survey: &Survey) -> bool {
        for task in &self.nodes {
            let mut sum = Lag::default();
            for (_, _, lag) in survey.lags.iter().filter(|(place, _, _)| *place == task.place) {
                sum.entries += lag.entries;
                sum.oldest = [sum.oldest, lag.oldest].into_iter().flatten().min();
            }
            TaskMetrics::lag(&task.name, sum, task.shared.now(self.clock));
            let written = survey.backlogs.iter().filter(|(place, _)| task.nodes.contains(place));
            let entries = written.map(|(_, entries)| *entries).max().unwrap_or(0);
            let frame_events = task.shared.frame_events.load(Ordering::Relaxed);
            let backlog = entries.saturating_mul(frame_events) / 1000;
            let paused = backlog > self.topology.settings.max_backlog;
            task.shared.paused.store(paused, Ordering::Relaxed);
            let stalled = survey.stalled.iter().filter(|(place, _)| task.nodes.contains(place));
            TaskMetrics::stalled(&task.name, stalled.map(|(_, bytes)| bytes).sum());
        }
        telemetry::dead_letters(survey.dead_letters);
        if let Some(node) = self.topology.nodes.first() {
            let bound = self.topology.settings.dead_letters_bytes;
            telemetry::dead_letters_dropped(&node.name, survey.dead_dropped, bound);
        }
        survey.lags.iter().any(|(_, _, lag)| lag.entries > 0)
            || survey.backlogs.iter().any(|(_, entries)| *entries > 0)
            || survey.sweeps
    }
}

/// When upkeep is due: an idle worker asks for little.
#[derive(Default)]
struct Pace {
    commits: u64,
    /// Full turns since the last commit.
    still: u32,
    /// Something waits in the streams of this worker.
    waits: bool,
    /// Turns since the last upkeep.
    rested: u32,
}

impl Pace {
    /// Whether it is due in this turn, after so many commits of this worker in all.
    fn is_due(&mut self, commits: u64) -> bool {
        if commits == self.commits && !self.waits {
            self.still = self.still.saturating_add(1);
        } else {
            (self.commits, self.still) = (commits, 0);
        }
        self.rested = self.rested.saturating_add(1);
        let due = self.still <= AFTERWARDS || FULL * self.rested >= SLOW;
        if due {
            self.rested = 0;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_slows_down_after_the_last_commit_and_wakes_with_the_next() {
        let mut pace = Pace::default();
        let busy = (1..=10).filter(|commits| pace.is_due(*commits)).count();
        assert_eq!(busy, 10);
        let idle = (0..120).filter(|_| pace.is_due(10)).count();
        assert_eq!(idle, 3 + 1, "a minute after the last commit");
        assert!(pace.is_due(11));
        pace.waits = true;
        assert_eq!((0..20).filter(|_| pace.is_due(11)).count(), 20, "while something waits");
    }
}
