//! The plan in force, as it is stored: read, and switched.
//!
//! The switch is written over the typed operations of a [`PlanServer`]: it runs on Redis, and on
//! the simulated server.

mod on_redis;

pub use on_redis::{RedisPlans, read};

use crate::keys::Keys;
use smol_str::{SmolStr, format_smolstr};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
};
use tallyd_event::EntryId;
use tallyd_runtime::{
    StoreError,
    plan::{Input, Moment, Plan, token},
    store::{Cursor, StreamFacts},
};
use tallyd_topology::{BoltNode, NodeKind, Topology};

/// A cursor that a switch sets: of a node, in a partition.
pub type SetCursor = (SmolStr, u16, Cursor);

/// What waits in a stream for the plan before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The stream.
    pub stream: String,
    /// What comes after this entry.
    pub after: EntryId,
    /// It holds frames, and is no source. In both, events may have arrived in another order than
    /// they stand there: a source has replays of what arrived long before.
    pub frames: bool,
}

/// What a switch of plans asks of a server, as typed operations: each is one round trip, except
/// [`PlanServer::oldest`], which reads page by page.
pub trait PlanServer: Send {
    /// A random number, for a token. No round trip.
    ///
    /// # Errors
    /// Where the system gives none.
    fn random(&mut self) -> Result<u64, StoreError>;

    /// Watches the generation and the plan, whatever was watched before, and returns them.
    fn in_force(
        &mut self,
    ) -> impl Future<Output = Result<(Option<SmolStr>, Option<Plan>), StoreError>> + Send;

    /// Watches the cursors of these nodes too, and returns them in this order, by partition.
    fn cursors(
        &mut self,
        nodes: &[SmolStr],
    ) -> impl Future<Output = Result<Vec<BTreeMap<u16, Cursor>>, StoreError>> + Send;

    /// When the oldest event arrived that waits in these streams.
    fn oldest(
        &mut self,
        waiting: &[Waiting],
    ) -> impl Future<Output = Result<Option<i64>, StoreError>> + Send;

    /// What the server says of these streams, in this order.
    fn streams(
        &mut self,
        streams: &[String],
    ) -> impl Future<Output = Result<Vec<StreamFacts>, StoreError>> + Send;

    /// The server's clock, in ms since the epoch.
    fn now(&mut self) -> impl Future<Output = Result<i64, StoreError>> + Send;

    /// Stores a plan with its token, and sets these cursors, if nothing that is watched has
    /// changed. Returns whether it did. Afterwards nothing is watched.
    fn put(
        &mut self,
        token: &SmolStr,
        plan: &Plan,
        cursors: &[SetCursor],
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Watches nothing any more.
    fn unwatch(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Puts a topology's plan in force, if the generation still is the one that was seen. Every commit
/// of a task watches the generation: what a worker of the plan before still has in flight does not
/// happen any more. Returns whether this worker did it.
///
/// # Errors
/// Where the server can't be asked, or the stored plan can't be read.
pub async fn switch<S: PlanServer>(
    server: &mut S,
    topology: &Topology,
    seen: Option<&str>,
    by: &str,
) -> Result<bool, StoreError> {
    let (generation, before) = server.in_force().await?;
    if generation.as_deref() != seen {
        server.unwatch().await?;
        return Ok(false);
    }
    let inputs = inputs(topology);
    let of_before = before.as_ref().map_or(&inputs, |before| &before.inputs);
    // They are watched from here on: a commit of a worker that everybody takes for dead would move
    // them.
    let nodes: BTreeSet<&SmolStr> = of_before.keys().chain(inputs.keys()).collect();
    let nodes: Vec<SmolStr> = nodes.into_iter().cloned().collect();
    let cursors = server.cursors(&nodes).await?;
    let cursors: BTreeMap<SmolStr, BTreeMap<u16, Cursor>> =
        nodes.into_iter().zip(cursors).collect();
    let leaves_out = before.as_ref().is_some_and(|before| before.has_more_than(topology));
    let waiting = waiting(topology, before.as_ref(), of_before, &cursors);
    let begun = waiting.iter().any(|waiting| waiting.after > EntryId::ZERO);
    let waiting_since = if leaves_out { server.oldest(&waiting).await? } else { None };
    let moment = Moment { now: server.now().await?, waiting_since, begun };
    let new = match &before {
        Some(before) => beginnings(server, topology, before, &inputs, &cursors).await?,
        None => Vec::new(),
    };
    let plan = Plan::after(before.as_ref(), topology, inputs, by, moment);
    let token = token(&plan.fingerprint(), plan.generation, server.random()?);
    server.put(&token, &plan, &new).await
}

/// What each node reads.
fn inputs(topology: &Topology) -> BTreeMap<SmolStr, Input> {
    let keys = Keys::new(&topology.name, 0);
    let nodes = topology.nodes.iter();
    let of_node = nodes.map(|node| {
        let streams = (0..node.partitions).filter_map(|p| keys.input(topology, node, p)).collect();
        (node.name.clone(), Input { streams })
    });
    of_node.collect()
}

/// How far the plan before has come in each stream that it reads.
fn waiting(
    topology: &Topology,
    before: Option<&Plan>,
    inputs: &BTreeMap<SmolStr, Input>,
    cursors: &BTreeMap<SmolStr, BTreeMap<u16, Cursor>>,
) -> Vec<Waiting> {
    let is_source = |node: &SmolStr| {
        let parts = before.map_or(&topology.parts, |before| &before.parts);
        parts.contains_key(&format_smolstr!("source.{node}"))
    };
    let of_node = |(node, input): (&SmolStr, &Input)| {
        let (of_node, frames) = (cursors.get(node), !is_source(node));
        let waiting = (0..).zip(&input.streams).map(|(partition, stream)| {
            let cursor = of_node.and_then(|of_node| of_node.get(&partition));
            let after = cursor.map_or(EntryId::ZERO, |cursor| cursor.last);
            Waiting { stream: stream.clone(), after, frames }
        });
        waiting.collect::<Vec<_>>()
    };
    inputs.iter().flat_map(of_node).collect()
}

/// Where the bolts begin that the plan before did not have: at the ends of their edges. What an
/// edge held before is not theirs, and was trimmed without them: it is in their gap, and not lost.
async fn beginnings<S: PlanServer>(
    server: &mut S,
    topology: &Topology,
    before: &Plan,
    inputs: &BTreeMap<SmolStr, Input>,
    cursors: &BTreeMap<SmolStr, BTreeMap<u16, Cursor>>,
) -> Result<Vec<SetCursor>, StoreError> {
    let mut new = Vec::new();
    let mut edges = Vec::new();
    for node in topology.nodes.iter().filter(|node| !before.inputs.contains_key(&node.name)) {
        // One that is fused goes on where its head is; a source begins with its stream.
        if !matches!(node.kind, NodeKind::Bolt(BoltNode { edge: Some(_), .. })) {
            continue;
        }
        let input = inputs.get(&node.name).map_or(&[][..], |input| &input.streams);
        for (partition, stream) in (0..).zip(input) {
            // They were made when the node was registered: one that is missing was lost, and the
            // partition is halted for it.
            let stored = cursors.get(&node.name).and_then(|of_node| of_node.get(&partition));
            if let Some(cursor) = stored {
                new.push((node.name.clone(), partition, *cursor));
                edges.push(stream.clone());
            }
        }
    }
    if edges.is_empty() {
        return Ok(new);
    }
    for ((_, _, cursor), facts) in new.iter_mut().zip(server.streams(&edges).await?) {
        (cursor.last, cursor.mark) = (facts.generated, 0);
        cursor.accounted = facts.added.unwrap_or_default();
    }
    Ok(new)
}
