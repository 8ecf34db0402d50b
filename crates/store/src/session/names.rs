//! The keys of a task that every cycle names, spelled once: a commit over many partitions has
//! dozens of them.

use crate::keys::Keys;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tallyd_runtime::store::Frame;
use tallyd_topology::{Node, Sink, Topology};

/// The keys of one task.
pub(crate) struct Names {
    /// The consumer group.
    pub(super) group: String,
    /// By partition: the stream that it reads.
    inputs: Vec<String>,
    /// By partition.
    fences: Vec<String>,
    /// Its nodes by their places: the one that reads, and those fused with it.
    pub(super) nodes: BTreeMap<usize, NodeNames>,
}

/// The keys of one node of a task.
pub(crate) struct NodeNames {
    /// Its name.
    pub(super) name: SmolStr,
    /// The hash of cursors.
    pub(super) cursors: String,
    /// Its sinks.
    pub(super) sinks: Vec<Sink>,
    /// By edge, then by partition: the stream that is written.
    edges: Vec<Vec<String>>,
}

impl Names {
    /// The keys of the task of this node, which stands at this place of the topology.
    pub(crate) fn new(keys: &Keys, topology: &Topology, place: usize, node: &Node) -> Self {
        let partitions = 0..node.partitions;
        let of_node =
            |place| Some((place, NodeNames::new(keys, topology, topology.nodes.get(place)?)));
        Self {
            group: keys.group(topology, node),
            inputs: partitions.clone().filter_map(|p| keys.input(topology, node, p)).collect(),
            fences: partitions.map(|p| keys.fence(&node.name, p)).collect(),
            nodes: topology.fused(place).into_iter().filter_map(of_node).collect(),
        }
    }

    /// The stream that a partition reads; `None` for one that the node does not have.
    pub(super) fn input(&self, partition: u16) -> Option<&str> {
        self.inputs.get(usize::from(partition)).map(String::as_str)
    }

    /// The streams that these partitions read.
    pub(super) fn inputs(&self, partitions: impl IntoIterator<Item = u16>) -> Vec<(u16, &str)> {
        partitions.into_iter().filter_map(|p| Some((p, self.input(p)?))).collect()
    }

    /// The partition that reads this stream, among these.
    pub(super) fn reads(&self, stream: &str, among: &[u16]) -> Option<u16> {
        among.iter().copied().find(|p| self.input(*p) == Some(stream))
    }

    /// The fence of a partition.
    pub(super) fn fence(&self, partition: u16) -> Option<&str> {
        self.fences.get(usize::from(partition)).map(String::as_str)
    }
}

impl NodeNames {
    fn new(keys: &Keys, topology: &Topology, node: &Node) -> Self {
        let edge =
            |edge| (0..topology.partitions).map(|p| keys.edge(&node.name, edge, p)).collect();
        Self {
            name: node.name.clone(),
            cursors: keys.cursors(&node.name),
            sinks: node.sinks.clone(),
            edges: node.edges.iter().map(edge).collect(),
        }
    }

    /// The stream that a frame goes to.
    pub(super) fn output(&self, frame: &Frame) -> Option<&str> {
        Some(self.edges.get(frame.edge)?.get(usize::from(frame.partition))?)
    }
}
