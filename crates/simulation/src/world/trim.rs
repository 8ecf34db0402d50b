//! The upkeep of streams: what is done is dropped.

use super::{Slot, World};
use crate::Mutation;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tallyd_event::EntryId;
use tallyd_runtime::{
    reckon::began_again,
    store::{Cursor, Owner},
};
use tallyd_topology::Topology;

impl World {
    /// Trims the streams that a node's partitions write, and a source's own, by the file of the
    /// worker that asks. Returns the longest edge.
    pub fn trim(
        &mut self,
        topology: &Topology,
        generation: &Option<SmolStr>,
        place: usize,
        partitions: &[u16],
        done: &BTreeMap<Slot, Cursor>,
    ) -> u64 {
        let Some(node) = topology.nodes.get(place) else { return 0 };
        let source = matches!(node.kind, tallyd_topology::NodeKind::Source(_));
        let done_by = |slot: Slot| done.get(&slot).map(|c| c.last).unwrap_or_default();
        if source && let Some(input) = self.input((place, 0)) {
            let cursor = done.get(&(place, 0)).copied().unwrap_or_default();
            // Of a stream that began again, nobody has read what is below the cursor.
            let facts = self.facts((place, 0), cursor.last);
            if !facts.ungrouped && !began_again(&cursor, &facts) {
                self.trim_stream(&input, cursor.last);
            }
        }
        // By then others may have put another plan in force, which knows more of those who read.
        let looks = self.mutation != Some(Mutation::TrimUnwatched);
        if looks && *generation != self.generation() {
            return 0;
        }
        let mut longest = 0;
        for partition in (0..topology.partitions).filter(|p| source || partitions.contains(p)) {
            for edge in &node.edges {
                let slots = edge.consumers.iter().map(|&consumer| (consumer, partition));
                let consumers = slots.clone().map(done_by);
                let slowest = consumers.clone().min().unwrap_or_default();
                let lowest = match self.mutation {
                    Some(Mutation::TrimByOne) => consumers.max().unwrap_or_default(),
                    _ => slowest,
                };
                let stream = self.keys.edge(&node.name, edge, partition);
                // One that began again may hold lower ids, which nobody has read.
                let last = self.streams.get(&stream).map(|stream| stream.last);
                let groups = self.streams.get(&stream).map(|stream| &stream.groups);
                let has = |(place, _): &Slot| {
                    let name = topology.nodes.get(*place).map(|node| node.name.as_str());
                    groups.zip(name).is_some_and(|(groups, name)| groups.contains_key(name))
                };
                let goes_on = last.is_some_and(|last| last >= lowest);
                if goes_on && slots.clone().all(|slot| has(&slot)) {
                    self.trim_stream(&stream, lowest);
                }
                // What waits for nobody who works stops nobody.
                let stalled = slots
                    .clone()
                    .filter(|slot| done_by(*slot) == slowest)
                    .all(|slot| matches!(self.fence(slot).owner, Owner::Halted | Owner::Nobody));
                let length = self.streams.get(&stream).map_or(0, |s| s.entries.len() as u64);
                longest = longest.max(if stalled { 0 } else { length });
            }
        }
        longest
    }

    fn trim_stream(&mut self, stream: &str, done: EntryId) {
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.entries = stream.entries.split_off(&done.next());
        }
    }
}
