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
    /// When entries arrived that were processed.
    arrivals: BTreeMap<EntryId, i64>,
    /// How far the clock is behind that gives the source its ids, in ms.
    behind: u64,
    /// How far the next id of the source is ahead, in ms.
    ahead: u64,
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

    /// When an entry of the source arrived: by its id, but no later than it was read.
    #[must_use]
    pub fn arrival(&self, id: EntryId) -> i64 {
        self.losses.arrivals.get(&id).copied().unwrap_or_else(|| id.time())
    }

    /// The next entry of the source has an id that is so far ahead, in ms.
    pub fn next_id_ahead(&mut self, ms: u64) {
        self.losses.ahead = ms;
    }

    /// A worker brings these entries in. It read them at this time at the latest, and before they
    /// were deleted, if they were.
    pub(super) fn note_processed(&mut self, place: usize, ids: &[EntryId], read_at: i64) {
        if self.source().is_some_and(|(source, _)| source == place) {
            self.losses.unprocessed.retain(|id, _| !ids.contains(id));
            for id in ids {
                self.losses.arrivals.entry(*id).or_insert_with(|| id.time().min(read_at));
            }
        }
    }

    /// The id of the next entry of a stream.
    pub(super) fn new_id(&mut self, stream: &str) -> EntryId {
        let mut ms = u64::try_from(self.now).unwrap_or_default();
        if self.source().is_some_and(|(_, source)| source == stream) {
            ms = ms.saturating_sub(self.losses.behind) + std::mem::take(&mut self.losses.ahead);
        }
        let last = self.streams.get(stream).map(|stream| stream.last).unwrap_or_default();
        EntryId { ms, seq: 0 }.max(last.next())
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
    StreamFacts { length: 1, generated: last, ends, added: Some(0), ..StreamFacts::default() }
}
