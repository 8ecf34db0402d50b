//! What a task is given: a node and the nodes fused with it, in the order in which their bolts run.

use crate::store::StoreError;
use std::sync::Arc;
use tallyd_bolt::Bolt;
use tallyd_event::Schema;
use tallyd_topology::{Node, NodeKind, Topology};

/// A place among the stages of a task: never that of a node in the topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StageId(pub usize);

impl StageId {
    /// The stage that reads.
    pub const READS: StageId = StageId(0);
}

/// The nodes of a task.
#[derive(Clone)]
pub struct Context {
    /// The topology.
    pub topology: Arc<Topology>,
    /// The place in it of the node that reads.
    pub place: usize,
    /// That node, and those fused with it, each after the one whose events it takes.
    pub stages: Vec<Stage>,
}

/// A node as its task sees it.
#[derive(Clone)]
pub struct Stage {
    /// The node's place in the topology.
    pub place: usize,
    /// The node's bolt; `None` for a source, which passes events on as they are.
    pub bolt: Option<Arc<dyn Bolt>>,
    /// What the events that it takes look like.
    pub input: Arc<Schema>,
    /// The place among the stages of the one whose events it takes; `None` for the one that reads.
    pub from: Option<StageId>,
}

impl Context {
    /// The context of a node, with the bolts that are made by `bolt`; `None` where it is fused
    /// with another, whose task does its work.
    ///
    /// # Errors
    /// Where the topology names a node that it does not have.
    pub fn new(
        topology: &Arc<Topology>,
        place: usize,
        bolt: impl Fn(&Node) -> Option<Arc<dyn Bolt>>,
    ) -> Result<Option<Self>, StoreError> {
        let places = topology.fused(place);
        let node = |of: usize| {
            let count = topology.nodes.len();
            let unknown = || StoreError::bug(format!("node {of} of a topology that has {count}"));
            topology.nodes.get(of).ok_or_else(unknown)
        };
        node(place)?;
        let stage = |&of: &usize| {
            let of_node = node(of)?;
            let (input, from) = match &of_node.kind {
                NodeKind::Source(_) => (Arc::clone(&of_node.schema), None),
                NodeKind::Bolt(bolt) => {
                    let input = Arc::clone(&node(bolt.from)?.schema);
                    (input, places.iter().position(|place| *place == bolt.from).map(StageId))
                }
            };
            Ok(Stage { place: of, bolt: bolt(of_node), input, from })
        };
        let stages = places.iter().map(stage).collect::<Result<Vec<Stage>, StoreError>>()?;
        let context = || Self { topology: Arc::clone(topology), place, stages };
        Ok((!places.is_empty()).then(context))
    }

    /// Whether it is the task of a source: others than tallyd add to its stream.
    pub fn reads_source(&self) -> bool {
        let node = self.topology.nodes.get(self.place);
        node.is_some_and(|node| matches!(node.kind, NodeKind::Source(_)))
    }

    /// The stages that take the events of one.
    pub fn takers(&self, stage: StageId) -> impl Iterator<Item = StageId> {
        let takes = move |(_, taker): &(usize, &Stage)| taker.from == Some(stage);
        self.stages.iter().enumerate().filter(takes).map(|(place, _)| StageId(place))
    }

    /// A stage.
    ///
    /// # Errors
    /// Where the task has no such stage.
    pub fn stage(&self, stage: StageId) -> Result<&Stage, StoreError> {
        self.stages.get(stage.0).ok_or_else(|| no_stage(stage, self.stages.len()))
    }

    /// The stage of a node.
    ///
    /// # Errors
    /// Where it is not one of the task's.
    pub fn stage_of(&self, node: usize) -> Result<StageId, StoreError> {
        let found = self.stages.iter().position(|stage| stage.place == node).map(StageId);
        let unknown = || {
            let places: Vec<usize> = self.stages.iter().map(|stage| stage.place).collect();
            StoreError::bug(format!("state of node {node} for a task of the nodes {places:?}"))
        };
        found.ok_or_else(unknown)
    }

    /// The node of a stage.
    ///
    /// # Errors
    /// Where the topology has no such node.
    pub fn node(&self, stage: &Stage) -> Result<&Node, StoreError> {
        let (place, count) = (stage.place, self.topology.nodes.len());
        let unknown = || StoreError::bug(format!("a stage of node {place} of {count}"));
        self.topology.nodes.get(place).ok_or_else(unknown)
    }
}

/// A stage that a task of so many does not have.
pub(crate) fn no_stage(stage: StageId, count: usize) -> StoreError {
    StoreError::bug(format!("stage {} of a task that has {count}", stage.0))
}
