//! A task: the loop of one node over the partitions of it that this worker owns, on a connection
//! of its own.
//!
//! A cycle takes a batch off the queue, fetches the state that the cache lacks, runs the bolt, and
//! sends one commit that also reads what comes next. New partitions are recovered first: what is
//! pending is claimed in order of id before anything new is read. After an error the connection is
//! dropped and every partition is taken over from oneself, because what the last command did is
//! not known.

mod ownership;

use crate::{
    cache::Cache,
    guard,
    sizing::Sizing,
    store::{
        Commit, Cursor, ErrorKind, Next, Outcome, Owned, Read, Session, Span, Store, StoreError,
        Wait,
    },
    telemetry::TaskMetrics,
    work::{self, Context, Queue, Work},
    worker::{Shared, Wanted},
};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tallyd_bolt::{Address, Batch, Effects, Reads};
use tallyd_event::EntryId;
use tokio::{sync::watch, time::Instant};

/// How long an idle task waits for an entry before it looks whether it is wanted elsewhere.
const IDLE_WAIT: Duration = Duration::from_millis(100);
/// How long a paused task waits before it looks again.
const PAUSE_WAIT: Duration = Duration::from_millis(20);
/// The first and longest wait after an error; a session of that length makes it short again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// What a worker gives its task.
pub struct TaskOptions {
    /// The worker's id, as in fences.
    pub worker: SmolStr,
    /// What the task should own.
    pub wanted: watch::Receiver<Wanted>,
    /// What it does own.
    pub owned: watch::Sender<BTreeSet<u16>>,
    /// Clock, backpressure and frame sizes.
    pub shared: Arc<Shared>,
    /// The monotonic clock that the shared one goes by.
    pub clock: Instant,
}

/// The task of one node.
pub struct Task<S> {
    store: S,
    context: Context,
    options: TaskOptions,
    metrics: TaskMetrics,
    sizing: Sizing,
    cache: Cache,
    /// What it owns, or owned when the connection broke.
    owned: Owned,
    cursors: BTreeMap<u16, Cursor>,
    /// Entries that were read and are not committed.
    queue: Queue,
    /// What must hold no entry, before anything of the queue may be committed.
    unchecked: Vec<Span>,
    /// Partitions whose pending entries are not all claimed, and where to go on.
    recovering: BTreeMap<u16, EntryId>,
    /// Partitions to halt as soon as they are this task's again, and why: halting may fail too.
    halting: BTreeMap<u16, String>,
    /// The last read of new entries found none.
    idle: bool,
    paused: bool,
}

impl<S: Store> Task<S> {
    /// A task that owns nothing yet.
    pub fn new(store: S, context: Context, options: TaskOptions) -> Self {
        let settings = &context.topology.settings;
        let refresh = Duration::from_millis(settings.shared_refresh_ms);
        let name = context.node().map(|node| node.name.clone()).unwrap_or_default();
        Self {
            metrics: TaskMetrics::new(&name),
            sizing: Sizing::new(settings.max_batch),
            cache: Cache::new(settings.cache_bytes, refresh, Instant::now()),
            store,
            context,
            options,
            owned: Owned::new(),
            cursors: BTreeMap::new(),
            queue: Queue::new(),
            unchecked: Vec::new(),
            recovering: BTreeMap::new(),
            halting: BTreeMap::new(),
            idle: false,
            paused: false,
        }
    }

    /// Runs until its worker wants it to stop.
    pub async fn run(mut self) {
        let mut wait = BACKOFF.0;
        loop {
            let began = Instant::now();
            let Err(error) = self.session().await else { return };
            if began.elapsed() > BACKOFF.1 {
                wait = BACKOFF.0;
            }
            if self.options.wanted.borrow().stop {
                // What it still owns is taken over by others once its heartbeat is missed.
                return;
            }
            self.metrics.storage_failed(&error, wait);
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(BACKOFF.1);
        }
    }

    /// Works on one connection until it breaks, or until there is nothing more to do.
    async fn session(&mut self) -> Result<(), StoreError> {
        let mut session = self.store.open(self.context.place, &self.options.worker).await?;
        self.forget_all();
        let mine = self.owned.clone();
        if !mine.is_empty() {
            let taken = session.take(&mine).await?;
            self.owned.clear();
            self.gained(&mut session, taken).await?;
        }
        self.options.wanted.mark_changed();
        loop {
            // What could not be done is tried again with the next poll, which repeats it if it is
            // still wanted: what is known of fences is no newer before.
            if self.options.wanted.has_changed().unwrap_or(true) {
                self.reassign(&mut session).await?;
            }
            if self.owned.is_empty() {
                if self.options.wanted.borrow().stop {
                    return Ok(());
                }
                // An error means that the worker itself has ended.
                if self.options.wanted.changed().await.is_err() {
                    return Ok(());
                }
                self.options.wanted.mark_changed();
            } else {
                self.cycle(&mut session).await?;
            }
        }
    }

    /// One cycle: a batch, its commit, and the read of what comes next.
    async fn cycle(&mut self, session: &mut S::Session) -> Result<(), StoreError> {
        let began = Instant::now();
        let mut work =
            work::take(&self.context, &mut self.queue, &self.cursors, self.sizing.events());
        self.sizing.weigh(work.entries, work.bytes);
        let next = self.next();
        if work.is_empty() && next == Next::Nothing {
            tokio::time::sleep(PAUSE_WAIT).await;
            return Ok(());
        }
        let wait = self.wait(&work, &next);
        let effects = match self.process(session, &mut work).await? {
            Processed::Effects(effects) => effects,
            Processed::Skipped(partitions) => return self.go_back(session, &partitions).await,
        };
        let oldest = work.events.iter().map(tallyd_event::Event::arrival).min();
        let (entries, events) = (work.entries, work.events.len());
        let mut commit = work
            .commit(&self.context, effects, &self.cursors, next)
            .map_err(|e| StoreError::new(ErrorKind::Other, format!("can't encode a frame: {e}")))?;
        commit.wait = wait;
        let sent = Instant::now();
        match session.commit(&self.owned, &commit).await {
            Ok(Outcome::Done(read)) => {
                self.cache.committed(&commit.writes, Instant::now());
                self.note(&commit, entries, events, oldest, began, sent);
                let limit = self.context.topology.settings.dead_letters;
                self.metrics.dead_letters_dropped(read.dead_dropped, limit);
                self.after_commit(session, &commit, read).await
            }
            Ok(Outcome::Fenced { kept }) => {
                self.metrics.fenced(self.owned.len(), kept.len());
                self.keep(session, kept, true).await
            }
            Err(error) if error.kind == ErrorKind::Halt => {
                self.halt(session, &commit, &error).await
            }
            Err(error) => Err(error),
        }
    }

    /// What the commit reads: the rest of the queue first, then what is pending, then what is new.
    fn next(&mut self) -> Next {
        if !self.queue.is_empty() {
            return Next::Nothing;
        }
        if let Some((&partition, &from)) = self.recovering.iter().next() {
            return Next::Pending { partition, from, count: self.sizing.entries(1) };
        }
        let paused = self.options.shared.paused.load(Ordering::Relaxed);
        if paused != self.paused {
            self.paused = paused;
            self.metrics.paused(paused);
        }
        if paused {
            return Next::Nothing;
        }
        let partitions: Vec<u16> = self.owned.keys().copied().collect();
        Next::New { count: self.sizing.entries(partitions.len()), partitions }
    }

    /// Where the last read found nothing, the next one waits until there is something.
    fn wait(&self, work: &Work, next: &Next) -> Option<Wait> {
        let waits = self.idle && work.is_empty() && matches!(next, Next::New { .. });
        let after = || self.cursors.iter().map(|(p, cursor)| (*p, cursor.last)).collect();
        waits.then(|| Wait { after: after(), at_most: IDLE_WAIT })
    }

    /// Runs the bolt. An event that makes it panic goes to the dead letters, and the others run
    /// again without it.
    async fn process(
        &mut self,
        session: &mut S::Session,
        work: &mut Work,
    ) -> Result<Processed, StoreError> {
        let Some(bolt) = self.context.bolt.clone() else {
            return Ok(Processed::of(self.fetch(session, Vec::new()).await?));
        };
        let input = Arc::clone(&self.context.input);
        let now = self.options.shared.now(self.options.clock);
        // Every turn but the last takes an event out.
        while !work.events.is_empty() {
            let batch = Batch { schema: &input, events: &work.events, now };
            let asked = guard::reads(&*bolt, &batch, &self.cache.known(Instant::now()));
            let outcome = match asked.map(Reads::into_addresses) {
                Err(poison) => Err(poison),
                Ok(asked) => {
                    let missing = self.cache.missing(asked);
                    let skipped = self.fetch(session, missing).await?;
                    if !skipped.is_empty() {
                        return Ok(Processed::Skipped(skipped));
                    }
                    let began = Instant::now();
                    let outcome = guard::process(&*bolt, &batch, self.cache.state());
                    self.metrics.processed(began.elapsed());
                    outcome
                }
            };
            match outcome {
                Ok(effects) => return Ok(Processed::Effects(effects)),
                Err(poison) => work.reject(&self.context, poison.event, poison.reason),
            }
        }
        Ok(Processed::of(self.fetch(session, Vec::new()).await?))
    }

    /// Brings cells into the cache. Returns the partitions whose group skipped an entry.
    async fn fetch(
        &mut self,
        session: &mut S::Session,
        missing: Vec<Address>,
    ) -> Result<Vec<u16>, StoreError> {
        let spans = std::mem::take(&mut self.unchecked);
        if missing.is_empty() && spans.is_empty() {
            return Ok(Vec::new());
        }
        let fetched = session.fetch(missing, &spans).await?;
        for (address, cell) in fetched.cells {
            self.cache.insert(address, cell, Instant::now());
        }
        Ok(fetched.skipped)
    }

    fn note(
        &mut self,
        commit: &Commit,
        entries: usize,
        events: usize,
        oldest: Option<i64>,
        began: Instant,
        sent: Instant,
    ) {
        let mut done = crate::store::Counts::default();
        for (partition, cursor) in &commit.cursors {
            let before = self.cursors.insert(*partition, *cursor).unwrap_or_default();
            done.add(&cursor.counts.since(&before.counts));
        }
        if commit.acks.is_empty() {
            return;
        }
        self.sizing.learn(entries, events, &commit.writes, done.emitted, commit.frames.len());
        self.options.shared.frame_events.store(self.sizing.frame_events(), Ordering::Relaxed);
        let visible = oldest.map(|oldest| self.options.shared.now(self.options.clock) - oldest);
        self.metrics.committed(&done, began.elapsed(), sent.elapsed(), visible);
    }

    async fn after_commit(
        &mut self,
        session: &mut S::Session,
        commit: &Commit,
        read: Read,
    ) -> Result<(), StoreError> {
        if read.group_missing {
            self.metrics.group_restored(&self.owned.keys().copied().collect::<Vec<_>>());
            return self.begin(session).await;
        }
        self.unchecked = spans(&commit.next, &read, &self.cursors);
        let mut skipped: Vec<u16> = read.woken.iter().map(|(partition, _)| *partition).collect();
        skipped.retain(|p| !read.entries.iter().any(|(partition, _)| partition == p));
        if let Next::New { .. } = commit.next {
            self.idle = read.entries.is_empty();
        }
        self.queue.extend(read.entries);
        if self.owned.keys().any(|p| !read.kept.contains(p)) {
            return self.keep(session, read.kept, false).await;
        }
        if !skipped.is_empty() {
            return self.rewind(session, &skipped).await;
        }
        if let Next::Pending { partition, .. } = commit.next {
            match read.pending_from {
                Some(from) => {
                    self.recovering.insert(partition, from);
                }
                None => {
                    self.recovering.remove(&partition);
                    session.forget_consumers(&self.owned, partition).await?;
                    return self.begin(session).await;
                }
            }
        }
        Ok(())
    }
}

/// What came of a batch.
enum Processed {
    Effects(Effects),
    /// The groups of these partitions skipped entries: nothing of the batch may be committed.
    Skipped(Vec<u16>),
}

impl Processed {
    /// That of a batch without effects.
    fn of(skipped: Vec<u16>) -> Self {
        if skipped.is_empty() { Self::Effects(Effects::default()) } else { Self::Skipped(skipped) }
    }
}

/// What must hold no entry, if what was read is all that there is: from the cursor of a partition
/// to the first entry. What is pending may have gaps further on; new entries have none. Where the
/// wait saw that entry as the first, nothing can be before it.
fn spans(next: &Next, read: &Read, cursors: &BTreeMap<u16, Cursor>) -> Vec<Span> {
    let mut last: BTreeMap<u16, EntryId> = BTreeMap::new();
    let mut spans = Vec::new();
    for (partition, entry) in &read.entries {
        let cursor = cursors.get(partition).map(|cursor| cursor.last).unwrap_or_default();
        let first = !last.contains_key(partition);
        let after = last.insert(*partition, entry.id).unwrap_or(cursor).max(cursor);
        let looked = first || matches!(next, Next::Pending { .. });
        if looked && entry.id > after.next() && !read.woken.contains(&(*partition, entry.id)) {
            spans.push((*partition, after, entry.id));
        }
    }
    spans
}

#[cfg(test)]
mod tests;
