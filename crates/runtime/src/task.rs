//! A task: the loop of one node, and of those fused with it, over the partitions that this worker
//! owns, on a connection of its own.
//!
//! A cycle takes a batch off the queue, fetches the state that the caches lack, runs the bolts, and
//! sends one commit that also reads what comes next. New partitions are recovered first: what is
//! pending is claimed in order of id before anything new is read. After an error the connection is
//! dropped and every partition is taken over from oneself, because what the last command did is
//! not known.

mod bolts;
mod edit;
mod idle;
mod measures;
mod ownership;
pub(crate) mod pace;
mod reading;

use crate::{
    backoff::Backoff,
    cache::Cache,
    context::{Context, Stage},
    load::Meter,
    sizing::{MAX_FRAME_ENTRY, MAX_SOURCE_ENTRY, Sizing},
    store::{
        Commit, Cursors, ErrorKind, Next, Outcome, Owned, Read, Session, Span, Store, StoreError,
    },
    tasks::{Wanted, Why},
    telemetry::{NodeMetrics, TaskMetrics},
    work::{self, Queue},
    worker::Shared,
};
use edit::Edited;
use measures::Measures;
use pace::Pace;
use reading::Reading;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tallyd_event::EntryId;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

/// How long a paused task waits before it looks again.
const PAUSE_WAIT: Duration = Duration::from_millis(20);
/// The first and longest wait after an error; a session of that length makes it short again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// From how many failures in a row to read a single entry that entry is to blame, and not a server
/// that was restarted.
const SINGLE_FAILED: u32 = 3;

/// What a worker gives its task.
pub struct TaskOptions {
    /// The worker's id, as in fences.
    pub worker: SmolStr,
    /// What tells it from every other task: how long it waits after errors goes by it.
    pub name: SmolStr,
    /// What the task should own.
    pub wanted: watch::Receiver<Wanted>,
    /// What it does own.
    pub owned: watch::Sender<BTreeSet<u16>>,
    /// Clock, backpressure and frame sizes.
    pub shared: Arc<Shared>,
    /// What it counts of itself for the worker to tell.
    pub meter: Arc<Meter>,
    /// Told when it has released something, or could not take what seemed free: all look again.
    pub released: Arc<Notify>,
    /// How many bytes of state it caches for each bolt, with the other tasks that share the node.
    pub cache_bytes: u64,
    /// As in [`crate::WorkerOptions`].
    pub rests_from: f64,
    /// The monotonic clock that the shared one goes by.
    pub clock: Instant,
}

/// The task of one node and those fused with it.
pub struct Task<S> {
    store: S,
    context: Context,
    options: TaskOptions,
    metrics: TaskMetrics,
    sizing: Sizing,
    /// By stage of the context.
    nodes: Vec<OfNode>,
    /// What it owns, or owned when the connection broke.
    owned: Owned,
    cursors: Cursors,
    /// Entries that were read and are not committed.
    queue: Queue,
    /// The server's clock at the last read that told it, in ms since the epoch.
    read_at: i64,
    /// What must hold no entry, before anything of the queue may be committed.
    unchecked: Vec<Span>,
    /// Partitions whose pending entries are not all claimed, and where to go on.
    recovering: BTreeMap<u16, EntryId>,
    /// Partitions to halt as soon as they are this task's again, and why: halting may fail too.
    halting: BTreeMap<u16, String>,
    reading: Reading,
    pace: Pace,
    /// Whether it is just about to begin with its partitions.
    beginning: bool,
    /// How often in a row the connection broke where a single entry was asked for.
    single_failed: u32,
    /// The last reads of new entries found none, on all partitions.
    idle: bool,
    /// Whether a wait can be cut short from outside: a right is missing otherwise.
    wakes: bool,
    paused: bool,
}

/// What a task has for each of its nodes.
struct OfNode {
    cache: Cache,
    metrics: NodeMetrics,
}

impl<S: Store> Task<S> {
    /// A task that owns nothing yet.
    pub fn new(store: S, context: Context, options: TaskOptions) -> Self {
        let settings = &context.topology.settings;
        let refresh = Duration::from_millis(settings.shared_refresh_ms);
        let name =
            |place: usize| context.topology.nodes.get(place).map_or("", |node| node.name.as_str());
        let of_node = |stage: &Stage| OfNode {
            cache: Cache::new(options.cache_bytes, refresh, Instant::now()),
            metrics: NodeMetrics::new(name(stage.place)),
        };
        Self {
            metrics: TaskMetrics::new(name(context.place)),
            pace: Pace::new(options.rests_from),
            sizing: Sizing::new(settings.max_batch, largest_entry(&context)),
            nodes: context.stages.iter().map(of_node).collect(),
            store,
            context,
            options,
            owned: Owned::new(),
            cursors: Cursors::new(),
            queue: Queue::new(),
            read_at: 0,
            unchecked: Vec::new(),
            recovering: BTreeMap::new(),
            halting: BTreeMap::new(),
            reading: Reading::default(),
            beginning: false,
            single_failed: 0,
            idle: false,
            wakes: true,
            paused: false,
        }
    }

    /// Runs until its worker wants it to stop.
    pub async fn run(mut self) {
        let mut backoff = Backoff::new(BACKOFF, &self.options.name);
        loop {
            let began = Instant::now();
            let Err(error) = self.session().await else { return };
            self.read_failed(&error);
            if began.elapsed() > BACKOFF.1 {
                backoff.reset();
            }
            if self.options.wanted.borrow().stop {
                // What it still owns is taken over by others, as from a worker that is gone.
                return;
            }
            if error.kind == ErrorKind::Bug {
                // To go on would be to go on wrongly. They are halted once they are taken again.
                let owned = self.owned.keys().copied().collect::<Vec<_>>();
                self.metrics.halted(&owned, &error);
                self.halting.extend(owned.into_iter().map(|p| (p, error.message.clone())));
            }
            let wait = backoff.next();
            self.metrics.storage_failed(&error, wait);
            tokio::time::sleep(wait).await;
        }
    }

    /// A connection that broke may have broken by what it was asked for: then less is asked for.
    fn read_failed(&mut self, error: &StoreError) {
        if !matches!(error.kind, ErrorKind::Connection | ErrorKind::Timeout) {
            return;
        }
        // To begin, the server is asked for a stream, and answers with its first and last entry.
        let single = match self.reading.asked() {
            0 => self.beginning,
            asked => self.sizing.failed(asked),
        };
        self.single_failed = if single { self.single_failed + 1 } else { 0 };
        if self.single_failed >= SINGLE_FAILED {
            self.metrics.cant_read(self.owned.keys(), &self.cursors, error);
        }
        // Where no connection can be made, that says nothing more of the same read.
        self.reading.forget();
        self.beginning = false;
    }

    /// Works on one connection until it breaks, or until there is nothing more to do.
    async fn session(&mut self) -> Result<(), StoreError> {
        let mut session = self.store.open(self.context.place, &self.options.worker).await?;
        self.forget_all();
        let mine = self.owned.clone();
        if !mine.is_empty() {
            let taken = session.take(&mine).await?;
            self.owned.clear();
            let why = taken.keys().map(|partition| (*partition, Why::Own)).collect();
            self.gained(&mut session, taken, &why).await?;
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
        if let Some(until) = self.pace.take() {
            tokio::time::sleep_until(until).await;
            if self.may_fill() {
                return self.fill(session).await;
            }
        }
        self.weigh(session).await?;
        let began = Instant::now();
        if self.fills() {
            return self.fill(session).await;
        }
        let limit = self.sizing.events();
        let mut work =
            work::take(&self.context, &mut self.queue, &self.cursors, limit, self.read_at);
        let next = self.next(work.events(), began);
        if work.is_empty() && next == Next::Nothing {
            tokio::time::sleep(PAUSE_WAIT).await;
            return Ok(());
        }
        let skipped = match work.edit.clone() {
            None => self.process(session, &mut work).await?,
            Some(edit) => match self.edit(session, &mut work, edit).await? {
                Edited::Ready(skipped) => skipped,
                Edited::Interrupted => return Ok(()),
            },
        };
        if !skipped.is_empty() {
            return self.go_back(session, &skipped).await;
        }
        if self.reckon(session, &mut work).await? {
            return self.begin_again(session).await;
        }
        let wait = self.wait(&work, &next, session.connection());
        let batch = Measures {
            entries: work.entries,
            events: work.events(),
            arrivals: work.arrivals(),
            ahead: work.ahead,
            probe: work.probe,
        };
        let inputs = work.inputs(self.options.shared.now(self.options.clock));
        let mut commit = work.commit(&self.context, &self.cursors, next)?;
        commit.wait = wait;
        let sent = Instant::now();
        match self.send(session, &commit).await {
            Ok(Outcome::Done(read)) => {
                self.metrics.storage_worked();
                self.note(&commit, &batch, began, sent);
                let limit = self.context.topology.settings.dead_letters;
                self.metrics.dead_letters_dropped(read.dead_dropped, limit);
                self.after_commit(session, &commit, read).await
            }
            Ok(Outcome::Fenced { kept }) => {
                self.metrics.fenced(self.owned.len(), kept.len());
                self.keep(session, kept, true).await
            }
            Err(error) if error.kind == ErrorKind::Halt => {
                let writers = self.writers(&inputs, &error.failed);
                self.halt(session, &commit, writers, &error).await
            }
            Err(error) => Err(error),
        }
    }

    /// Reads on, and commits nothing.
    async fn fill(&mut self, session: &mut S::Session) -> Result<(), StoreError> {
        let commit = Commit::read(self.next_new());
        match session.commit(&self.owned, &commit).await? {
            Outcome::Done(read) => self.after_commit(session, &commit, read).await,
            Outcome::Fenced { kept } => {
                self.metrics.fenced(self.owned.len(), kept.len());
                self.keep(session, kept, true).await
            }
        }
    }

    async fn after_commit(
        &mut self,
        session: &mut S::Session,
        commit: &Commit,
        mut read: Read,
    ) -> Result<(), StoreError> {
        self.read_at = read.now.unwrap_or(self.read_at);
        if read.group_missing {
            self.metrics.group_restored(&self.owned.keys().copied().collect::<Vec<_>>());
            return self.begin(session).await;
        }
        let mut skipped: Vec<u16> = read.woken.iter().map(|(partition, _)| *partition).collect();
        skipped.retain(|p| !read.entries.iter().any(|(partition, _)| partition == p));
        self.arrived(&commit.next, &mut read);
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

/// How large an entry of the node's streams can be, in bytes.
fn largest_entry(context: &Context) -> usize {
    if context.reads_source() { MAX_SOURCE_ENTRY } else { MAX_FRAME_ENTRY }
}

#[cfg(test)]
mod tests;
