//! What a node emits, as frames for its edges and entries for its sinks.

use crate::store::Frame;
use std::collections::BTreeMap;
use tallyd_event::{Event, decode, frame};
use tallyd_topology::Node;

/// The most events of one frame.
const MAX_FRAME_EVENTS: usize = 1024;

pub(super) fn frames(
    node: &Node,
    partitions: u16,
    emits: &[Event],
) -> Result<Vec<Frame>, frame::EncodeError> {
    let mut frames = Vec::new();
    for (place, edge) in node.edges.iter().enumerate() {
        let mut parts: BTreeMap<u16, Vec<&Event>> = BTreeMap::new();
        for event in emits {
            let partition = edge.key.partition(&node.schema, event, partitions);
            parts.entry(partition).or_default().push(event);
        }
        for (partition, events) in parts {
            for chunk in events.chunks(MAX_FRAME_EVENTS) {
                let bytes = frame::encode(&node.schema, chunk.iter().copied())?;
                frames.push(Frame { edge: place, partition, bytes });
            }
        }
    }
    Ok(frames)
}

type Published = Vec<(usize, decode::Fields)>;

pub(super) fn publish(node: &Node, emits: &[Event]) -> Published {
    let entries =
        |sink| emits.iter().map(move |event| (sink, decode::to_fields(&node.schema, event)));
    (0..node.sinks.len()).flat_map(entries).collect()
}
