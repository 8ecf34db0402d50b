//! What a task and its worker tell each other without waiting.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use tokio::time::Instant;

/// What a task and its worker tell each other without waiting.
#[derive(Debug, Default)]
pub struct Shared {
    /// The server's clock less this process's monotonic one, in ms.
    pub(super) clock_offset: AtomicI64,
    /// By task: events that an entry which it writes holds, times 1,000.
    pub frame_events: AtomicU64,
    /// A stream that the task writes is too long.
    pub paused: AtomicBool,
    /// By tasks: commits that processed something.
    pub commits: AtomicU64,
}

impl Shared {
    /// The server's clock, in ms since the epoch, as last heard.
    #[must_use]
    pub fn now(&self, clock: Instant) -> i64 {
        let elapsed = i64::try_from(clock.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.clock_offset.load(Ordering::Relaxed).saturating_add(elapsed)
    }
}
