//! What a task is given: a node and the nodes fused with it, in the order in which their bolts run.

use std::sync::Arc;
use tallyd_bolt::Bolt;
use tallyd_event::Schema;
use tallyd_topology::{Node, NodeKind, Topology};

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
    pub from: Option<usize>,
}

impl Context {
    /// The context of a node, with the bolts that are made by `bolt`; `None` where the topology
    /// has no such node, or it is fused with another.
    #[must_use]
    pub fn new(
        topology: &Arc<Topology>,
        place: usize,
        bolt: impl Fn(&Node) -> Option<Arc<dyn Bolt>>,
    ) -> Option<Self> {
        let places = topology.fused(place);
        let stage = |&of: &usize| {
            let node = topology.nodes.get(of)?;
            let (input, from) = match &node.kind {
                NodeKind::Source(_) => (Arc::clone(&node.schema), None),
                NodeKind::Bolt(bolt) => {
                    let input = Arc::clone(&topology.nodes.get(bolt.from)?.schema);
                    (input, places.iter().position(|place| *place == bolt.from))
                }
            };
            Some(Stage { place: of, bolt: bolt(node), input, from })
        };
        let stages: Vec<Stage> = places.iter().filter_map(stage).collect();
        (!stages.is_empty()).then(|| Self { topology: Arc::clone(topology), place, stages })
    }

    /// The stages that take the events of one.
    pub fn takers(&self, stage: usize) -> impl Iterator<Item = usize> {
        let takes = move |(_, taker): &(usize, &Stage)| taker.from == Some(stage);
        self.stages.iter().enumerate().filter(takes).map(|(place, _)| place)
    }
}
