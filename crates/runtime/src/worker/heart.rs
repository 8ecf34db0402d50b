//! A worker's heart: its heartbeats, on a connection of their own, and what it hears with them.
//!
//! Nothing that the worker does for its partitions or its streams stands in the way of a beat, and
//! a reply that is lost costs one beat: a beat waits for a fraction of the session timeout.
//! Between two beats it asks a few times a second which workers are still subscribed, and a nudge
//! by another makes it look at once.

use super::liveness::{Gone, Liveness, TWO_LOOKS};
use crate::{
    backoff::Backoff,
    load::Loads,
    store::{Announcement, Beat, ErrorKind, Listener, Store, StoreError, View},
    telemetry,
};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until, timeout_at},
};

/// The longest time between two beats.
const BEAT: Duration = Duration::from_secs(1);
/// How often subscriptions are looked at: a killed process is noticed within this and
/// [`TWO_LOOKS`].
const LOOK: Duration = Duration::from_millis(250);
/// How close together two views may be, however many nudges come.
const SETTLE: Duration = Duration::from_millis(20);
/// The first and longest wait after an error.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// The same for a subscription. The first is short: until it is back, others see it missing.
const SUBSCRIBE_BACKOFF: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(5));

/// What a worker heard last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// The workers and fences.
    pub view: View,
    /// Who of them is gone.
    pub gone: BTreeMap<SmolStr, Gone>,
}

/// What the heart shares with the rest of its worker.
#[derive(Clone, Default)]
pub struct Signals {
    /// Partitions were released: others should take them.
    pub released: Arc<Notify>,
    /// Something changed of the membership, or of the own subscription.
    changed: Arc<Notify>,
    /// The own subscription is not what it seems.
    resubscribe: Arc<Notify>,
}

/// A worker's heart.
pub struct Heart<S> {
    store: S,
    me: SmolStr,
    timeout: Duration,
    clock: Instant,
    announced: watch::Receiver<Announcement>,
    loads: Loads,
    signals: Signals,
    heard: watch::Sender<Heard>,
    liveness: Liveness,
    /// Where this worker's own subscription was seen last.
    subscribed: Option<SmolStr>,
    /// Others should look at once.
    nudge: bool,
}

impl<S: Store> Heart<S> {
    /// A heart that has not beaten yet. `timeout` is the session timeout.
    pub fn new(
        store: S,
        timeout: Duration,
        clock: Instant,
        announced: watch::Receiver<Announcement>,
        loads: Loads,
        signals: Signals,
        heard: watch::Sender<Heard>,
    ) -> Self {
        let me = announced.borrow().id.clone();
        let liveness = Liveness::new(me.clone(), timeout);
        let (subscribed, nudge) = (None, true);
        Self {
            store,
            me,
            timeout,
            clock,
            announced,
            loads,
            signals,
            heard,
            liveness,
            subscribed,
            nudge,
        }
    }

    /// Beats until there is nothing to announce any more, or the worker has no business any more,
    /// which is the error that is returned.
    pub async fn run(mut self) -> Option<StoreError> {
        let mut backoff = Backoff::new(BACKOFF, &self.me);
        // An error: who announces is gone.
        while self.announced.has_changed().is_ok() {
            match self.beat().await {
                Ok(()) => {
                    telemetry::upkeep_worked("heartbeat");
                    backoff.reset();
                    let next = self.next_beat();
                    self.rest(next).await;
                }
                Err(error) if error.kind == ErrorKind::Mismatch => return Some(error),
                Err(error) => {
                    telemetry::upkeep_failed("heartbeat", &error);
                    sleep(backoff.next().min(self.interval())).await;
                }
            }
        }
        None
    }

    fn interval(&self) -> Duration {
        (self.timeout / 5).min(BEAT)
    }

    /// One round trip, and what is to be said at once because of it.
    async fn beat(&mut self) -> Result<(), StoreError> {
        let view = self.exchange().await?;
        let before = self.subscribed.clone();
        let sure = view.subscribed.get(&self.me).copied();
        self.subscribed = (sure == Some(true)).then(|| view.server.clone());
        self.subscribed = self.subscribed.take().filter(|server| !server.is_empty());
        if sure == Some(false) && before.is_some() {
            // The server has lost it, whatever the connection seems to be.
            self.signals.resubscribe.notify_one();
        }
        let now = self.clock.elapsed();
        let gone = self.liveness.heard(now, &view);
        self.heard.send_replace(Heard { view, gone });
        if before != self.subscribed {
            // Whether others may judge by the subscription is told before they look again.
            let view = self.exchange().await?;
            let gone = self.liveness.heard(self.clock.elapsed(), &view);
            self.heard.send_replace(Heard { view, gone });
        }
        if std::mem::take(&mut self.nudge) {
            self.tell().await;
        }
        Ok(())
    }

    async fn exchange(&mut self) -> Result<View, StoreError> {
        let announcement = Announcement {
            subscribed: self.subscribed.clone(),
            load: self.loads.tell(Instant::now()).clone(),
            ..self.announced.borrow_and_update().clone()
        };
        let (peers, forget) = {
            let Heard { view, gone } = &*self.heard.borrow();
            let mut peers: Vec<SmolStr> = view.workers.iter().map(|(w, _)| w.id.clone()).collect();
            if !peers.contains(&self.me) {
                peers.push(self.me.clone());
            }
            (peers, self.liveness.forgotten(view, gone))
        };
        let limit = self.timeout / 3;
        let beat = Beat { announcement, peers, forget };
        let answer = timeout_at(Instant::now() + limit, self.store.heartbeat(&beat)).await;
        answer.unwrap_or_else(|_| {
            let message = format!("no answer to a heartbeat within {} ms", limit.as_millis());
            Err(StoreError::new(ErrorKind::Timeout, message))
        })
    }

    async fn tell(&mut self) {
        // Whoever does not hear it beats by itself, a little later.
        drop(timeout_at(Instant::now() + self.timeout / 3, self.store.nudge()).await);
    }

    /// When the next beat is due.
    fn next_beat(&self) -> Instant {
        let Heard { gone, .. } = &*self.heard.borrow();
        let wait = if self.liveness.suspects(gone) {
            TWO_LOOKS
        } else if self.subscribed.is_none() {
            // It hears no nudges.
            self.interval().min(LOOK)
        } else {
            self.interval()
        };
        Instant::now() + wait
    }

    /// Waits until the next beat is due, or something makes it due.
    async fn rest(&mut self, mut due: Instant) {
        let began = Instant::now();
        loop {
            let look = due.min(Instant::now() + LOOK);
            tokio::select! {
                biased;
                _ = self.announced.changed() => {
                    self.nudge = true;
                    return;
                }
                () = self.signals.released.notified() => self.tell().await,
                () = self.signals.changed.notified() => due = due.min(began + SETTLE),
                () = sleep_until(look) => {
                    if Instant::now() >= due {
                        return;
                    }
                    if self.look().await {
                        due = due.min(Instant::now() + TWO_LOOKS);
                        self.tell().await;
                    }
                }
            }
        }
    }

    /// Looks at the subscriptions. Returns whether one is missing that was not before.
    async fn look(&mut self) -> bool {
        let workers: Vec<SmolStr> =
            self.heard.borrow().view.workers.iter().map(|(w, _)| w.id.clone()).collect();
        let limit = Instant::now() + self.timeout / 3;
        // An error is left to the next beat.
        let Ok(Ok(subscribed)) = timeout_at(limit, self.store.look(&workers)).await else {
            return false;
        };
        if self.subscribed.is_some() && subscribed.get(&self.me) == Some(&false) {
            self.signals.changed.notify_one();
        }
        self.liveness.looked(self.clock.elapsed(), &subscribed)
    }
}

/// Keeps a worker subscribed, and passes on what it hears.
pub async fn listen<S: Store>(store: S, worker: SmolStr, signals: Signals) {
    let mut backoff = Backoff::new(SUBSCRIBE_BACKOFF, &worker);
    let mut told = false;
    loop {
        match store.listen(&worker).await {
            Ok(mut listener) => {
                let began = Instant::now();
                signals.changed.notify_one();
                loop {
                    tokio::select! {
                        biased;
                        nudged = listener.nudged() => match nudged {
                            Ok(()) => signals.changed.notify_one(),
                            Err(_) => break,
                        },
                        () = signals.resubscribe.notified() => break,
                    }
                }
                if began.elapsed() > SUBSCRIBE_BACKOFF.1 {
                    backoff.reset();
                }
                drop(listener);
                signals.changed.notify_one();
            }
            Err(error) => {
                // A worker works without it, but others notice later if it is killed.
                if error.kind == ErrorKind::Auth && !std::mem::replace(&mut told, true) {
                    telemetry::can_not_subscribe(&error);
                }
            }
        }
        sleep(backoff.next()).await;
    }
}
