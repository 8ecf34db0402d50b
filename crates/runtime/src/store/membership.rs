//! Who works on a topology: what a worker says of itself, and what it learns of the others.

use super::{Fence, StoreError};
use crate::plan::of_token;
use smol_str::SmolStr;
use std::{collections::BTreeMap, future::Future};

/// What a worker says of itself with each heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Announcement {
    /// The worker's id, unique to this run of it.
    pub id: SmolStr,
    /// The nodes that it serves, by name, with their numbers of partitions.
    pub nodes: BTreeMap<SmolStr, u16>,
    /// Where its metrics are, if anywhere.
    pub metrics: Option<String>,
    /// The host that it runs on.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// The fingerprint of its plan.
    #[serde(default)]
    pub plan: SmolStr,
    /// The version of tallyd that it runs.
    #[serde(default)]
    pub version: SmolStr,
    /// When it started, by its own clock, in ms since the epoch.
    #[serde(default)]
    pub since: i64,
    /// It is stopping: it gets no partitions, and gives back what it has.
    #[serde(default)]
    pub leaving: bool,
    /// The run of the server ([`View::server`]) on which it is subscribed to its channel. Only
    /// while this is said, and of this very run, does a missing subscription mean that the process
    /// is gone: a server that restarted has lost all subscriptions.
    #[serde(default)]
    pub subscribed: Option<SmolStr>,
    /// How busy it is, by node, of those that it serves and those fused with them.
    #[serde(default)]
    pub load: BTreeMap<SmolStr, NodeLoad>,
}

/// How busy a worker is with one node, over the time since its last heartbeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NodeLoad {
    /// In how much of the time, in percent, the busiest of its tasks had a batch in hand: from
    /// its entries to its commit, round trips to the server included. Of a fused node 0: its head
    /// has the task.
    pub busy: u8,
    /// In how much of it, in percent, that task which ran it most was in the bolt's own code.
    pub bolt: u8,
    /// The last probe that came through.
    pub probe: Option<ProbeSeen>,
}

/// A probe that came through a node. The one that was sent last is the greatest.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct ProbeSeen {
    /// When it came into its source, in ms since the epoch.
    pub sent: i64,
    /// How long it took from there to the commit that passed it on, in ms.
    pub took: u64,
}

/// What a worker says and asks with one heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// What it says of itself.
    pub announcement: Announcement,
    /// The workers, itself among them, of which it asks whether they are subscribed.
    pub peers: Vec<SmolStr>,
    /// Workers that died long ago, and are listed no longer.
    pub forget: Vec<SmolStr>,
}

/// The workers and fences of a topology at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// The server's clock, in ms since the epoch.
    pub now: i64,
    /// Which run of which server said all this; empty where it does not tell.
    pub server: SmolStr,
    /// The workers, and when each was last heard of, in ms of the server's clock.
    pub workers: Vec<(Announcement, i64)>,
    /// Of the workers that were asked for: whether a process is subscribed in its name. Empty
    /// where the server does not tell.
    pub subscribed: BTreeMap<SmolStr, bool>,
    /// The fences of all nodes that any worker announces, by name.
    pub fences: BTreeMap<SmolStr, Vec<Fence>>,
    /// The generation of the plan in force; `None` where no worker has run yet.
    pub generation: Option<SmolStr>,
}

impl View {
    /// The generation of plans, where the plan of this fingerprint is in force.
    #[must_use]
    pub fn in_force(&self, fingerprint: &str) -> Option<SmolStr> {
        self.generation.clone().filter(|token| of_token(token) == fingerprint)
    }
}

/// A worker's subscription: it shows that the process lives, and brings nudges of the others. The
/// server sees at once when the process ends.
pub trait Listener: Send {
    /// Waits for a nudge: somebody joined, leaves, or released partitions.
    ///
    /// # Errors
    /// Where the subscription broke.
    fn nudged(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;
}
