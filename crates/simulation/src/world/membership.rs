//! The workers of the simulated server: heartbeats, subscriptions and nudges.

use super::World;
use smol_str::{SmolStr, format_smolstr};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tallyd_runtime::store::{Announcement, Beat, View};
use tokio::sync::Notify;

/// The workers that a server knows of.
#[derive(Default)]
pub struct Members {
    /// Each with the time of its last heartbeat.
    workers: BTreeMap<SmolStr, (Announcement, i64)>,
    /// By a number of their own: connections that are subscribed, in whose name.
    subscriptions: BTreeMap<u64, (SmolStr, Arc<Notify>)>,
    subscribed: u64,
    /// The connections that tasks have opened.
    connections: u64,
    /// Those of them whose wait was ended.
    woken: BTreeSet<u64>,
    /// Told when a wait may end.
    stirred: Arc<Notify>,
    /// How often the server was started again.
    runs: u64,
}

impl Members {
    /// Nothing of what the server stores is left.
    pub(super) fn lose_workers(&mut self) {
        self.workers.clear();
    }
}

impl World {
    /// Notes a worker's heartbeat, and returns what is known of all.
    pub fn heartbeat(&mut self, beat: &Beat) -> View {
        let about = (beat.announcement.clone(), self.now);
        let members = &mut self.members;
        members.workers.insert(beat.announcement.id.clone(), about);
        members.workers.retain(|id, _| !beat.forget.contains(id));
        let nodes: BTreeMap<SmolStr, u16> =
            members.workers.values().flat_map(|(worker, _)| worker.nodes.clone()).collect();
        let fences_of = |(name, partitions): (SmolStr, u16)| {
            let place = self.topology.node(&name).map_or(usize::MAX, |(place, _)| place);
            (name, (0..partitions).map(|p| self.fence((place, p))).collect())
        };
        View {
            now: self.now,
            server: format_smolstr!("run {}", self.members.runs),
            workers: self.members.workers.values().cloned().collect(),
            subscribed: self.look(&beat.peers),
            fences: nodes.into_iter().map(fences_of).collect(),
            generation: self.generation(),
        }
    }

    /// Which of these workers are subscribed.
    #[must_use]
    pub fn look(&self, workers: &[SmolStr]) -> BTreeMap<SmolStr, bool> {
        let here: BTreeSet<&SmolStr> =
            self.members.subscriptions.values().map(|(worker, _)| worker).collect();
        workers.iter().map(|id| (id.clone(), here.contains(id))).collect()
    }

    /// Tells all who are subscribed.
    pub fn nudge(&self) {
        self.members.subscriptions.values().for_each(|(_, told)| told.notify_one());
    }

    /// Subscribes in the name of a worker. Returns the number of the subscription.
    pub fn subscribe(&mut self, worker: &SmolStr, told: Arc<Notify>) -> u64 {
        self.members.subscribed += 1;
        self.members.subscriptions.insert(self.members.subscribed, (worker.clone(), told));
        self.members.subscribed
    }

    /// Whether a subscription still stands.
    #[must_use]
    pub fn is_subscribed(&self, number: u64) -> bool {
        self.members.subscriptions.contains_key(&number)
    }

    /// Ends a subscription.
    pub fn unsubscribe(&mut self, number: u64) {
        self.members.subscriptions.remove(&number);
    }

    /// Breaks the subscriptions of a worker, or of all: who listens is told.
    pub fn break_subscriptions(&mut self, of: Option<&SmolStr>) {
        self.members.subscriptions.retain(|_, (worker, told)| {
            let broken = of.is_none_or(|of| of == worker);
            if broken {
                told.notify_one();
            }
            !broken
        });
    }

    /// The server is started again: subscriptions are not among what it keeps.
    pub fn restart(&mut self) {
        self.members.runs += 1;
        self.break_subscriptions(None);
    }

    /// The number of a new connection.
    pub fn connect(&mut self) -> u64 {
        self.members.connections += 1;
        self.members.connections
    }

    /// Ends the wait of a connection.
    pub fn wake(&mut self, connection: u64) {
        self.members.woken.insert(connection);
        self.stir();
    }

    /// A wait may end now.
    pub fn stir(&self) {
        self.members.stirred.notify_waiters();
    }

    /// What tells when a wait may end.
    #[must_use]
    pub fn stirred(&self) -> Arc<Notify> {
        Arc::clone(&self.members.stirred)
    }

    /// Whether the wait of a connection was ended since it was last asked.
    pub fn is_woken(&mut self, connection: u64) -> bool {
        self.members.woken.remove(&connection)
    }

    /// Takes a worker out of the membership.
    pub fn leave(&mut self, worker: &SmolStr) {
        self.members.workers.remove(worker);
    }
}
