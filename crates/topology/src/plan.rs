//! What a topology file means: nodes, the edges between them, and everything that a worker needs
//! to run it. Made only by a parse that found no fault, so every index in it is valid.

use crate::{parts::Parts, redis_address::RedisAddress, serve::Serve, test_case::TestCase};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};
use tallyd_bolt::{Bolt, calendar::Calendar};
use tallyd_event::{Event, Schema, decode::TimeLimits, partition_of};
use tallyd_kind::{BoltOptions, Kinds};

/// A valid topology.
#[derive(Clone, Debug)]
pub struct Topology {
    /// Its name, which all of its keys in Redis carry.
    pub name: SmolStr,
    /// The IANA name of its time zone.
    pub time_zone: SmolStr,
    /// The calendar of that zone.
    pub calendar: Calendar,
    /// Into how many partitions each edge is split.
    pub partitions: u16,
    /// Where Redis is, and what opens it.
    pub redis: RedisAddress,
    /// How workers run it.
    pub settings: Settings,
    /// Who may see what over HTTP; `None` where the file does not say.
    pub serve: Option<Serve>,
    /// The types that its bolts may have.
    pub kinds: Kinds,
    /// Sources first, then bolts, each after the node that it reads from.
    pub nodes: Vec<Node>,
    /// The `[[test]]` blocks.
    pub tests: Vec<TestCase>,
    /// What it does, part by part: workers share the work where theirs are equal.
    pub parts: Parts,
}

/// How workers run a topology. Every one has a default.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// After how long without a heartbeat a worker counts as gone, in ms. Default 5,000.
    pub session_timeout_ms: u64,
    /// A task stops reading while a stream that it writes holds more events. Default 100,000.
    pub max_backlog: u64,
    /// The most events that one commit takes. Default 8,192.
    pub max_batch: usize,
    /// How old another task's part of a shared number may be, in ms. Default 5,000.
    pub shared_refresh_ms: u64,
    /// How many dead letters are kept. Default 1,000,000.
    pub dead_letters: u64,
    /// About how many bytes they take at most.
    pub dead_letters_bytes: u64,
    /// How many bytes may wait in a node's streams for partitions that are halted or have no
    /// worker, before it stops reading.
    pub max_stalled_bytes: u64,
    /// How many bytes of state a worker caches for each bolt. Default 256 MiB.
    pub cache_bytes: u64,
    /// Whether bolts are fused where they can be. Default true.
    pub fuse: bool,
}

/// A source or a bolt.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name, unique among sources, bolts and sinks.
    pub name: SmolStr,
    /// What it reads, and how it processes it.
    pub kind: NodeKind,
    /// What the events that it emits look like. Empty for one that emits nothing.
    pub schema: Arc<Schema>,
    /// Where its events go: one edge for each distinct key that its consumers want.
    pub edges: Vec<Edge>,
    /// Plain streams that its events are written to.
    pub sinks: Vec<Sink>,
    /// Into how many partitions its work is split: 1 for a source.
    pub partitions: u16,
    /// What its stored state depends on, such as `("window", "24h")`. A file that says otherwise
    /// than what is stored is refused.
    pub shape: BTreeMap<String, String>,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// Reads the entries of a producers' stream and decodes them.
    Source(Source),
    /// Reads the frames of an edge.
    Bolt(BoltNode),
}

/// A stream that producers write.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The stream's key.
    pub stream: String,
    /// How long its entries stay.
    pub retain: Retain,
    /// How far an event's time may lie from its arrival. Default: 10 minutes after it, and as far
    /// before it as it likes.
    pub limits: TimeLimits,
}

/// How long the entries of a source stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retain {
    /// Until every group has acknowledged them.
    Acked,
    /// So many ms, and until every group has acknowledged them.
    For(u64),
    /// tallyd never trims the stream.
    Forever,
}

/// A bolt at its place.
#[derive(Clone)]
pub struct BoltNode {
    /// The type and its options, for those who read its results.
    pub options: Arc<dyn BoltOptions>,
    /// The place in [`Topology::nodes`] of the node whose events it takes.
    pub from: usize,
    /// The place of its edge in that node's [`Node::edges`]; `None` where it is fused: it takes
    /// the events within the commit that emits them.
    pub edge: Option<usize>,
}

impl std::fmt::Debug for BoltNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BoltNode {{ from: {}, edge: {:?} }}", self.from, self.edge)
    }
}

/// The streams between a node and those of its consumers that want the same key.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// What events are partitioned by.
    pub key: EdgeKey,
    /// The key's name, as in stream keys: field names joined by `,`, `identity`, or `none`.
    pub label: SmolStr,
    /// The places in [`Topology::nodes`] of the bolts that read it.
    pub consumers: Vec<usize>,
}

/// What the events of an edge are partitioned by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EdgeKey {
    /// The values of these fields, by their places in the schema. None: all in one partition.
    Fields(Vec<usize>),
    /// The event's identity, where its schema has no key.
    Identity,
}

impl EdgeKey {
    /// The partition of an event.
    #[must_use]
    pub fn partition(&self, schema: &Schema, event: &Event, partitions: u16) -> u16 {
        match self {
            EdgeKey::Identity => partition_of([event.id(schema).as_str()], partitions),
            EdgeKey::Fields(places) => {
                let texts: Vec<SmolStr> =
                    places.iter().map(|&i| event.value(i).to_text()).collect();
                partition_of(texts.iter().map(SmolStr::as_str), partitions)
            }
        }
    }
}

/// A plain stream that a node's events are written to, for applications to follow.
#[derive(Clone, Debug, PartialEq)]
pub struct Sink {
    /// Its name.
    pub name: SmolStr,
    /// The stream's key.
    pub stream: String,
    /// About how many entries it keeps.
    pub max_len: Option<u64>,
    /// Whether it is for the events that came too late, and not for those that the node emits.
    pub late: bool,
}

impl Topology {
    /// The fingerprint of what it does: workers share the work where theirs are equal.
    #[must_use]
    pub fn fingerprint(&self) -> SmolStr {
        crate::fingerprint(&self.parts)
    }

    /// The node of this name, with its place.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<(usize, &Node)> {
        self.nodes.iter().enumerate().find(|(_, node)| node.name == name)
    }

    /// The place of the node that reads and commits for this one: its own, or where it is fused,
    /// that of the bolt which it is fused with.
    #[must_use]
    pub fn head(&self, place: usize) -> usize {
        head(&self.nodes, place)
    }

    /// The places of the nodes whose work is done in the commits of this one: itself and those
    /// fused with it, each after the one whose events it takes. None where it is fused itself.
    #[must_use]
    pub fn fused(&self, place: usize) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&other| self.head(other) == place).collect()
    }

    /// What the events that a bolt takes are partitioned by, in the schema of the node whose events
    /// it takes; `None` for a source.
    #[must_use]
    pub fn partitioned_by(&self, place: usize) -> Option<&EdgeKey> {
        partitioned_by(&self.nodes, place)
    }

    /// Makes the bolt of a node; `None` for a source. `seed` keys the fingerprints of dedup bolts
    /// and is stored with the topology.
    #[must_use]
    pub fn bolt(&self, node: &Node, seed: [u8; 16]) -> Option<Arc<dyn Bolt>> {
        let NodeKind::Bolt(bolt) = &node.kind else { return None };
        let input = Arc::clone(&self.nodes.get(bolt.from)?.schema);
        Some(bolt.options.build(&input, &self.calendar, self.partitions, seed))
    }
}

fn head(nodes: &[Node], place: usize) -> usize {
    let mut head = place;
    while let Some(NodeKind::Bolt(BoltNode { from, edge: None, .. })) =
        nodes.get(head).map(|node| &node.kind)
    {
        head = *from;
    }
    head
}

/// [`Topology::partitioned_by`], of nodes that are not yet a topology.
pub(crate) fn partitioned_by(nodes: &[Node], place: usize) -> Option<&EdgeKey> {
    // A bolt is only fused where the key and the schema are those of its head.
    let NodeKind::Bolt(head) = &nodes.get(head(nodes, place))?.kind else { return None };
    Some(&nodes.get(head.from)?.edges.get(head.edge?)?.key)
}
