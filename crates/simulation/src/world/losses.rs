//! What others delete of the source, and which of it was never processed.

use super::World;
use std::collections::BTreeMap;
use tallyd_event::EntryId;
use tallyd_runtime::store::StreamFacts;
use tallyd_topology::NodeKind;

/// What became of the source.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Entries that were deleted before they were processed, and whether they can be counted: not,
    /// where the whole stream was deleted.
    unprocessed: BTreeMap<EntryId, bool>,
    /// How far the clock is behind that gives the source its ids, in ms.
    behind: u64,
}

impl World {
    /// Deletes entries of the source that are not processed yet.
    pub fn delete_entries(&mut self, count: usize) {
        let Some((place, source)) = self.source() else { return };
        let done = self.cursor((place, 0)).last;
        let Some(stream) = self.streams.get_mut(&source) else { return };
        let waiting = stream.entries.range(done.next()..).map(|(id, _)| *id);
        let gone: Vec<EntryId> = waiting.step_by(1 + count % 2).take(count).collect();
        for id in gone {
            stream.entries.remove(&id);
            self.losses.unprocessed.insert(id, true);
        }
    }

    /// Deletes the source's stream, with its groups and its ids.
    pub fn delete_source(&mut self, behind: u64) {
        let Some((place, source)) = self.source() else { return };
        let done = self.cursor((place, 0)).last;
        let stream = self.streams.remove(&source).unwrap_or_default();
        let waiting = stream.entries.range(done.next()..).map(|(id, _)| (*id, false));
        self.losses.unprocessed.extend(waiting);
        self.losses.behind = behind;
    }

    /// How many entries were deleted before they were processed, of those that can be counted.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.losses.unprocessed.values().filter(|counted| **counted).count() as u64
    }

    /// Whether this entry of the source was deleted before it was processed.
    #[must_use]
    pub fn is_lost(&self, id: EntryId) -> bool {
        self.losses.unprocessed.contains_key(&id)
    }

    /// A worker had read these entries before they were deleted, and brings them in.
    pub(super) fn note_processed(&mut self, place: usize, ids: &[EntryId]) {
        if self.source().is_some_and(|(source, _)| source == place) {
            self.losses.unprocessed.retain(|id, _| !ids.contains(id));
        }
    }

    /// The id of the next entry of a stream.
    pub(super) fn new_id(&mut self, stream: &str) -> EntryId {
        let now = u64::try_from(self.now).unwrap_or_default();
        let behind =
            self.source().filter(|(_, source)| source == stream).map(|_| self.losses.behind);
        if let Some(behind) = behind.filter(|behind| *behind > 0) {
            let last = self.streams.get(stream).map(|stream| stream.last).unwrap_or_default();
            return EntryId { ms: now.saturating_sub(behind), seq: 0 }.max(last.next());
        }
        self.last_id = EntryId { ms: now, seq: 0 }.max(self.last_id.next());
        self.last_id
    }

    fn source(&self) -> Option<(usize, String)> {
        let mut nodes = self.topology.nodes.iter();
        let place = nodes.position(|node| matches!(node.kind, NodeKind::Source(_)))?;
        Some((place, self.input((place, 0))?))
    }
}

/// What says neither that anything is gone nor that a stream began again.
pub(super) fn nothing_known() -> StreamFacts {
    let last = EntryId { ms: u64::MAX, seq: u64::MAX };
    let ends = Some((EntryId::ZERO, last));
    StreamFacts { length: 1, generated: last, ends, added: Some(0) }
}
