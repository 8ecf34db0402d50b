//! What is to be told of the streams that a task reads.

use super::TaskMetrics;
use crate::{
    store::{Begun, Cursor, Cursors, StoreError, last},
    work::Ahead,
};
use metrics::counter;
use std::time::Duration;
use tallyd_event::EntryId;
use tokio::time::Instant;
use tracing::error;

/// How often the log tells of entries that are ahead: once there is one, all are.
const TELL_AHEAD: Duration = Duration::from_secs(60);

impl TaskMetrics {
    /// Entries of a source came with ids that are ahead of the server's clock: the first since none
    /// was, from which on the stream's ids are.
    pub fn ahead(&mut self, ahead: &Ahead, first: EntryId, now: Instant) {
        counter!("tallyd_entries_ahead_total", "node" => self.node.clone())
            .increment(ahead.entries);
        let told = |at: Instant| now.duration_since(at) < TELL_AHEAD;
        if self.told_ahead.is_some_and(told) {
            return;
        }
        self.told_ahead = Some(now);
        error!(
            node = self.node,
            entry = %first,
            ahead_ms = ahead.by_ms,
            entries = ahead.entries,
            "ENTRY ID AHEAD of the server's clock: its events count as arrived when they were read, and so do all that follow, because the stream goes on from that id; let producers send XADD with *, see: tallyd doctor"
        );
    }

    /// Streams began again: somebody deleted them, or set their ids back.
    pub fn restarted(&self, begun: &Begun) {
        for (partition, before) in &begun.restarted {
            self.restarts.increment(1);
            let now = begun.cursors.get(partition).and_then(|of_nodes| of_nodes.first());
            let lost = now.map_or(0, |now| now.counts.since(&before.counts).lost);
            let cursor = before.last.to_string();
            counter!("tallyd_lost_entries_total", "node" => self.node.clone()).increment(lost);
            error!(
                node = self.node,
                partition,
                cursor,
                lost,
                "STREAM BEGAN AGAIN: its ids are below what was read, or another entry stands at the last of them; somebody deleted it or set its ids back, and what it held unread then is gone; reading it from its beginning"
            );
        }
    }

    /// A stream counts fewer entries than were read of it.
    pub fn counted_again(&self, partition: u16, before: &Cursor, now: &Cursor) {
        if now.restarts > before.restarts {
            self.restarts.increment(1);
            error!(
                node = self.node,
                partition,
                "STREAM MADE AGAIN: the server counts fewer entries in it than were read; somebody deleted it (or it comes from a server before Redis 7.0, which does not count); what it held unread then is gone"
            );
        }
    }

    /// A connection broke with each read, down to reads of a single entry.
    pub fn cant_read<'a>(
        &self,
        owned: impl Iterator<Item = &'a u16>,
        cursors: &Cursors,
        error: &StoreError,
    ) {
        let after = |partition: &u16| match cursors.contains_key(partition) {
            true => format!("{partition}: {}", last(cursors, *partition)),
            // The first and the last entry come with what a server says of a stream.
            false => format!("{partition}: not known, already the look at its stream breaks"),
        };
        let after: Vec<String> = owned.map(after).collect();
        error!(
            node = self.node,
            ?after,
            %error,
            "CAN'T READ ONE ENTRY: the connection breaks even where a single one is asked for, the first after the cursor (by partition: after); most often the server cuts off clients of such replies: raise maxmemory-clients and the normal class of client-output-buffer-limit above the size of an entry; see: tallyd doctor"
        );
    }

    /// A cursor was missing, so that its partition was halted.
    pub fn lost_cursors(&self, lost: &[(u16, String)]) {
        for (partition, why) in lost {
            self.count_halt();
            error!(
                node = self.node,
                partition,
                why,
                "HALTED: its cursor is missing; nothing was committed without it, and nobody goes on before: tallyd resume"
            );
        }
    }
}
