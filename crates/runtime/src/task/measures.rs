//! What a commit leaves behind in its task: caches and cursors that follow it, and measures of it.

use super::Task;
use crate::{
    store::{Commit, Counts, ProbeSeen, Store},
    work::Ahead,
};
use std::sync::atomic::Ordering;
use tokio::time::Instant;

/// What a batch looked like.
pub(super) struct Measures {
    pub(super) entries: usize,
    pub(super) events: usize,
    /// By stage, when its events arrived, and how many at each time.
    pub(super) arrivals: Vec<Vec<(i64, u64)>>,
    /// What of it came with ids ahead of the server's clock.
    pub(super) ahead: Option<Ahead>,
    /// When the oldest probe of it was sent.
    pub(super) probe: Option<i64>,
}

impl<S: Store> Task<S> {
    /// A commit happened: the caches and cursors follow, and what it took is measured.
    pub(super) fn note(
        &mut self,
        commit: &Commit,
        batch: &Measures,
        began: Instant,
        sent: Instant,
    ) {
        let now = self.options.shared.now(self.options.clock);
        let mut emitted = 0;
        for (stage, (part, node)) in commit.parts.iter().zip(&mut self.nodes).enumerate() {
            match part.edit {
                None => node.cache.committed(&part.writes, Instant::now()),
                Some(_) => node.cache.edited(&part.writes, Instant::now()),
            }
            let mut done = Counts::default();
            for (partition, cursor) in &part.cursors {
                let of_nodes = self.cursors.entry(*partition).or_default();
                of_nodes.resize_with(of_nodes.len().max(stage + 1), Default::default);
                if let Some(before) = of_nodes.get_mut(stage) {
                    done.add(&cursor.counts.since(&before.counts));
                    self.metrics.counted_again(*partition, before, cursor);
                    *before = *cursor;
                }
            }
            emitted += done.emitted;
            node.metrics.lost(done.lost);
            if !commit.acks.is_empty() {
                let arrivals = batch.arrivals.get(stage).map_or(&[][..], Vec::as_slice);
                node.metrics.committed(&done, part, arrivals, now);
            }
            if let Some(sent) = batch.probe {
                let took = u64::try_from(now.saturating_sub(sent)).unwrap_or(0);
                node.metrics.probed(took);
                self.options.meter.probe(stage, ProbeSeen { sent, took });
            }
        }
        if !commit.acks.is_empty() {
            self.sizing.learn(batch.entries, batch.events, &commit.parts, emitted);
            self.options.shared.frame_events.store(self.sizing.frame_events(), Ordering::Relaxed);
            // A probe alone is nothing that upkeep has to look after.
            if batch.entries > 0 || batch.probe.is_none() {
                self.options.shared.commits.fetch_add(1, Ordering::Relaxed);
            }
            self.options.meter.batch(began.elapsed());
            self.metrics.committed(began.elapsed(), sent.elapsed());
            if let Some(ahead) = &batch.ahead {
                let mut cursors = self.cursors.values().filter_map(|of_nodes| of_nodes.first());
                let first = cursors.next().map_or(ahead.first, |cursor| cursor.ahead);
                self.metrics.ahead(ahead, first, Instant::now());
            }
        }
    }
}
