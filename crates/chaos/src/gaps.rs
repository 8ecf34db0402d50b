//! The longest times without a new result, and which fault each began with.

use crate::{client::Client, fault::Kind};
use redis::{Pipeline, Value, from_redis_value};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How often it looks.
const LOOK: Duration = Duration::from_millis(25);

#[derive(Default)]
struct Seen {
    /// When each partition's cursor last moved.
    moved: BTreeMap<String, Instant>,
    cursors: HashMap<String, String>,
    /// The faults of the last while, oldest first.
    faults: Vec<(Instant, Kind)>,
    longest: BTreeMap<Kind, Duration>,
}

/// Watches the cursors of a bolt, the last in the way of an event. A gap is a time in which one of
/// its partitions shows nothing new. It is booked to the first fault inside it, else to the last
/// one before.
#[derive(Default)]
pub struct Gaps(Mutex<Seen>);

impl Gaps {
    /// Notes that a fault began.
    pub fn fault(&self, kind: Kind) {
        self.open().faults.push((Instant::now(), kind));
    }

    /// Whether there are cursors at all: workers have run.
    pub fn has_begun(&self) -> bool {
        !self.open().moved.is_empty()
    }

    /// How long ago any partition moved.
    pub fn still(&self) -> Duration {
        self.open().moved.values().max().map_or(Duration::ZERO, Instant::elapsed)
    }

    /// The longest gap of each kind of fault.
    pub fn longest(&self) -> BTreeMap<Kind, Duration> {
        self.open().longest.clone()
    }

    /// Looks until told to stop.
    pub async fn watch(
        self: Arc<Self>,
        mut client: Client,
        cursors: String,
        stop: Arc<AtomicBool>,
    ) {
        let mut ask = Pipeline::new();
        ask.cmd("HGETALL").arg(cursors);
        while !stop.load(Ordering::Relaxed) {
            if let Ok(replies) = client.all(&ask).await
                && let Ok(found) =
                    from_redis_value(replies.into_iter().next().unwrap_or(Value::Nil))
            {
                self.open().note(found, Instant::now());
            }
            sleep(LOOK).await;
        }
    }

    fn open(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn note(&mut self, found: HashMap<String, String>, now: Instant) {
        for (partition, cursor) in &found {
            if self.cursors.get(partition) == Some(cursor) {
                continue;
            }
            if let Some(since) = self.moved.insert(partition.clone(), now)
                && let Some(kind) = self.cause(since)
            {
                let longest = self.longest.entry(kind).or_default();
                *longest = (*longest).max(now - since);
            }
        }
        self.cursors = found;
        // A fault that every partition has left behind is needed no more, but for the last of them.
        if let Some(oldest) = self.moved.values().min() {
            let behind = self.faults.iter().take_while(|(at, _)| at < oldest).count();
            self.faults.drain(..behind.saturating_sub(1));
        }
    }

    fn cause(&self, since: Instant) -> Option<Kind> {
        let inside = self.faults.iter().find(|(at, _)| *at + LOOK >= since);
        inside.or(self.faults.last()).map(|(_, kind)| *kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_belongs_to_the_fault_that_began_it() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let cursor = |text: &str| HashMap::from([("0".to_owned(), text.to_owned())]);
        let mut seen = Seen::default();
        seen.note(cursor("a"), at(0));
        seen.faults = vec![(at(500), Kind::WorkerKilled), (at(900), Kind::GroupDestroyed)];
        seen.note(cursor("a"), at(1_000));
        seen.note(cursor("b"), at(1_500));
        seen.note(cursor("c"), at(1_600));
        seen.note(cursor("d"), at(1_800));
        let expected = [(Kind::WorkerKilled, 1_500), (Kind::GroupDestroyed, 200)];
        let expected = expected.map(|(kind, ms)| (kind, Duration::from_millis(ms)));
        assert_eq!(seen.longest, expected.into());
    }
}
