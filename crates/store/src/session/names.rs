//! The keys of a task that every cycle names, spelled once: a commit over many partitions has
//! dozens of them.

use crate::keys::Keys;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tallyd_runtime::{StoreError, store::Frame};
use tallyd_topology::{Node, Sink, Topology};

/// The keys of one task.
pub(crate) struct Names {
    /// The name of the node that reads.
    pub(super) name: SmolStr,
    /// The generation of plans.
    pub(super) generation: String,
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
    sinks: Vec<Sink>,
    /// By edge, then by partition: the stream that is written.
    edges: Vec<Vec<String>>,
}

impl Names {
    /// The keys of the task of this node, which stands at this place of the topology.
    pub(crate) fn new(keys: &Keys, topology: &Topology, place: usize) -> Result<Self, StoreError> {
        let node_at = |place: usize| {
            let (name, count) = (&topology.name, topology.nodes.len());
            let unknown =
                || StoreError::bug(format!("node {place} of \"{name}\", which has {count}"));
            topology.nodes.get(place).ok_or_else(unknown)
        };
        let node = node_at(place)?;
        let input = |partition| {
            let unknown = || {
                let name = &node.name;
                StoreError::bug(format!("partition {partition} of {name} reads no stream"))
            };
            keys.input(topology, node, partition).ok_or_else(unknown)
        };
        let of_node = |place| Ok((place, NodeNames::new(keys, topology, node_at(place)?)));
        Ok(Self {
            name: node.name.clone(),
            generation: keys.generation(),
            group: keys.group(topology, node),
            inputs: (0..node.partitions).map(input).collect::<Result<_, StoreError>>()?,
            fences: (0..node.partitions).map(|p| keys.fence(&node.name, p)).collect(),
            nodes: topology
                .fused(place)
                .into_iter()
                .map(of_node)
                .collect::<Result<_, StoreError>>()?,
        })
    }

    /// The stream that a partition reads.
    pub(super) fn input(&self, partition: u16) -> Result<&str, StoreError> {
        self.of_partition(&self.inputs, partition)
    }

    /// The streams that these partitions read.
    pub(super) fn inputs(
        &self,
        partitions: impl IntoIterator<Item = u16>,
    ) -> Result<Vec<&str>, StoreError> {
        partitions.into_iter().map(|partition| self.input(partition)).collect()
    }

    /// The partition that reads this stream, among these.
    pub(super) fn reads(&self, stream: &str, among: &[u16]) -> Result<u16, StoreError> {
        let reads = |p: &u16| self.inputs.get(usize::from(*p)).is_some_and(|input| input == stream);
        let unknown = || {
            let asked = self.inputs(among.iter().copied()).unwrap_or_default().join(", ");
            StoreError::bug(format!("entries of {stream} in a reply to a read of {asked}"))
        };
        among.iter().copied().find(reads).ok_or_else(unknown)
    }

    /// The fence of a partition.
    pub(super) fn fence(&self, partition: u16) -> Result<&str, StoreError> {
        self.of_partition(&self.fences, partition)
    }

    /// The keys of one of its nodes.
    pub(super) fn node(&self, place: usize) -> Result<&NodeNames, StoreError> {
        let unknown = || {
            let places: Vec<&usize> = self.nodes.keys().collect();
            StoreError::bug(format!("node {place} for a task of the nodes {places:?}"))
        };
        self.nodes.get(&place).ok_or_else(unknown)
    }

    fn of_partition<'a>(&self, keys: &'a [String], partition: u16) -> Result<&'a str, StoreError> {
        let unknown = || {
            let (name, count) = (&self.name, keys.len());
            StoreError::bug(format!("partition {partition} of {name}, which has {count}"))
        };
        keys.get(usize::from(partition)).map(String::as_str).ok_or_else(unknown)
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
    pub(super) fn output(&self, frame: &Frame) -> Result<&str, StoreError> {
        let stream = self.edges.get(frame.edge).and_then(|of| of.get(usize::from(frame.partition)));
        let unknown = || {
            let (name, edges) = (&self.name, self.edges.len());
            let Frame { edge, partition, .. } = frame;
            let what = format!("a frame for partition {partition} of edge {edge} of {name}");
            StoreError::bug(format!("{what}, which has {edges} edges"))
        };
        stream.map(String::as_str).ok_or_else(unknown)
    }

    /// The sink at this place.
    pub(super) fn sink(&self, sink: usize) -> Result<&Sink, StoreError> {
        let (name, count) = (&self.name, self.sinks.len());
        let unknown =
            || StoreError::bug(format!("an entry for sink {sink} of {name}, which has {count}"));
        self.sinks.get(sink).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallyd_runtime::store::ErrorKind;

    const FILE: &str = r#"
name = "t"
partitions = 2
[source.s]
id = "id"
key = "user"
[source.s.fields]
id = "string"
user = "string"
[bolt.unique]
type = "dedup"
from = "s"
window = "1h"
"#;

    #[test]
    fn what_the_task_does_not_have_screams_and_is_never_left_out_of_a_commit() {
        let topology = tallyd_topology::parse("t.toml", FILE, &|_| None).unwrap();
        let keys = Keys::new(&topology.name, 0);
        let names = Names::new(&keys, &topology, 0).unwrap();
        let frame = |edge, partition| Frame { edge, partition, bytes: Vec::new() };
        let node = names.node(0).unwrap();
        assert!(names.fence(0).is_ok() && node.output(&frame(0, 1)).is_ok());
        let errors = [
            Names::new(&keys, &topology, 2).err(),
            names.fence(1).err(),
            names.input(1).err(),
            names.inputs([0, 1]).err(),
            names.node(1).err(),
            names.reads("another", &[0]).err(),
            node.output(&frame(1, 0)).err(),
            node.output(&frame(0, 2)).err(),
            node.sink(0).err(),
        ];
        for (number, error) in errors.into_iter().enumerate() {
            let error = error.unwrap_or_else(|| panic!("{number} passed"));
            assert_eq!(error.kind, ErrorKind::Bug, "{number}");
            assert!(error.message.contains("please report"), "{number}: {}", error.message);
        }
    }
}
