//! The one place where keys are spelled. `docs/keys.md` explains each to its readers.

use tallyd_bolt::Key;
use tallyd_topology::{BoltNode, Edge, Node, NodeKind, Topology};

/// The keys of one shard of a topology. All carry its hash tag, so that one MULTI/EXEC can span
/// them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    prefix: String,
    group: String,
}

impl Keys {
    /// The keys of a shard of the topology of this name.
    #[must_use]
    pub fn new(topology: &str, shard: u16) -> Self {
        Self {
            prefix: format!("tallyd:{{{topology}/{shard}}}:"),
            group: format!("tallyd:{topology}"),
        }
    }

    /// A bolt's state or result.
    #[must_use]
    pub fn bolt(&self, bolt: &str, key: &Key) -> String {
        format!("{}bolt:{bolt}:{}", self.prefix, key.as_str())
    }

    /// The stream of one partition of a node's edge.
    #[must_use]
    pub fn edge(&self, node: &str, edge: &Edge, partition: u16) -> String {
        format!("{}edge:{node}:{}:{partition}", self.prefix, Key::encode(&edge.label))
    }

    /// A pattern of SCAN for the streams of all edges, whoever has made them.
    #[must_use]
    pub fn edges(&self) -> String {
        format!("{}edge:*", self.prefix)
    }

    /// The stream that a node's partition reads, or where it is fused, that its events come from;
    /// `None` for a place outside the topology.
    #[must_use]
    pub fn input(&self, topology: &Topology, node: &Node, partition: u16) -> Option<String> {
        match &node.kind {
            NodeKind::Source(source) => Some(source.stream.clone()),
            NodeKind::Bolt(bolt) => {
                let from = topology.nodes.get(bolt.from)?;
                match bolt.edge {
                    Some(edge) => Some(self.edge(&from.name, from.edges.get(edge)?, partition)),
                    None => self.input(topology, from, partition),
                }
            }
        }
    }

    /// The consumer group that reads for a node: on a source's stream it names the topology,
    /// because others may read the same stream.
    #[must_use]
    pub fn group(&self, topology: &Topology, node: &Node) -> String {
        match &node.kind {
            NodeKind::Source(_) => self.group.clone(),
            NodeKind::Bolt(BoltNode { edge: None, from, .. }) => topology
                .nodes
                .get(*from)
                .map_or_else(String::new, |from| self.group(topology, from)),
            NodeKind::Bolt(_) => node.name.to_string(),
        }
    }

    /// The fence of a node's partition: a string, `worker#epoch#random`.
    #[must_use]
    pub fn fence(&self, node: &str, partition: u16) -> String {
        format!("{}fence:{node}:{partition}", self.prefix)
    }

    /// The cursors of a node: a hash by partition.
    #[must_use]
    pub fn cursors(&self, node: &str) -> String {
        format!("{}cursors:{node}", self.prefix)
    }

    /// How many events came too late for a node: a hash by window or period.
    #[must_use]
    pub fn late(&self, node: &str) -> String {
        format!("{}late:{node}", self.prefix)
    }

    /// The last events that came too late for a node: a stream.
    #[must_use]
    pub fn late_examples(&self, node: &str) -> String {
        format!("{}late:{node}:last", self.prefix)
    }

    /// Why partitions are halted: a hash by `node:partition`.
    #[must_use]
    pub fn halted(&self) -> String {
        format!("{}halted", self.prefix)
    }

    /// The heartbeats: a sorted set of worker ids by the server's ms.
    #[must_use]
    pub fn workers(&self) -> String {
        format!("{}workers", self.prefix)
    }

    /// What the workers say of themselves: a hash of JSON by worker id.
    #[must_use]
    pub fn announcements(&self) -> String {
        format!("{}announcements", self.prefix)
    }

    /// The channel of nudges: who listens looks at the membership and the fences at once.
    #[must_use]
    pub fn nudges(&self) -> String {
        format!("{}nudges", self.prefix)
    }

    /// The channel that a worker is subscribed to for as long as its process lives.
    #[must_use]
    pub fn alive(&self, worker: &str) -> String {
        format!("{}alive:{worker}", self.prefix)
    }

    /// What the stored data depends on: a hash.
    #[must_use]
    pub fn topology(&self) -> String {
        format!("{}topology", self.prefix)
    }

    /// The generation of plans, which every commit watches: a string,
    /// `fingerprint#generation#random`.
    #[must_use]
    pub fn generation(&self) -> String {
        format!("{}generation", self.prefix)
    }

    /// The plan in force, and what of it missed events: a string of JSON.
    #[must_use]
    pub fn plan(&self) -> String {
        format!("{}plan", self.prefix)
    }

    /// How many dead letters a node made, by the kind of the reason: a hash.
    #[must_use]
    pub fn dead_counts(&self, node: &str) -> String {
        format!("{}dead:{node}", self.prefix)
    }

    /// Edits that nobody has accepted yet: a stream, which clients may add to.
    #[must_use]
    pub fn edits(&self) -> String {
        format!("{}edits", self.prefix)
    }

    /// The edits that were accepted or refused: a sorted set of ids by the server's µs.
    #[must_use]
    pub fn edit_list(&self) -> String {
        format!("{}edits:list", self.prefix)
    }

    /// The edits for which streams are still to be swept: a sorted set of ids, as [`Keys::edit_list`].
    #[must_use]
    pub fn edit_sweeps(&self) -> String {
        format!("{}edits:sweeps", self.prefix)
    }

    /// The edits that may not be done yet: a hash, by id. Who accepts a rename takes out those that are.
    #[must_use]
    pub fn edits_open(&self) -> String {
        format!("{}edits:open", self.prefix)
    }

    /// The renames that may not be done yet: a hash, by id.
    #[must_use]
    pub fn edit_renames(&self) -> String {
        format!("{}edits:renames", self.prefix)
    }

    /// The forgets that take out counts and may not be done yet: a hash, by id.
    #[must_use]
    pub fn edits_subtracting(&self) -> String {
        format!("{}edits:subtracting", self.prefix)
    }

    /// Which identities were in entries of sources that were deleted, as dedup bolts remember them: a
    /// hash.
    #[must_use]
    pub fn edits_taken(&self) -> String {
        format!("{}edits:taken", self.prefix)
    }

    /// How many entries of each source were deleted, and when the last of them came that had events of
    /// others too: a hash.
    #[must_use]
    pub fn edits_swept(&self) -> String {
        format!("{}edits:swept", self.prefix)
    }

    /// What is known of an edit: a hash.
    #[must_use]
    pub fn edit(&self, id: &str) -> String {
        format!("{}edit:{}", self.prefix, Key::encode(id))
    }

    /// The dead letters: a stream.
    #[must_use]
    pub fn dead(&self) -> String {
        format!("{}dead", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_shard_has_its_hash_tag() {
        let keys = Keys::new("testprep", 0);
        let board = Key::new(&["board", "day", "2026-01-01", "everyone"]);
        assert_eq!(
            keys.bolt("points", &board),
            "tallyd:{testprep/0}:bolt:points:board:day:2026-01-01:everyone"
        );
        assert_eq!(keys.fence("points", 3), "tallyd:{testprep/0}:fence:points:3");
    }
}
