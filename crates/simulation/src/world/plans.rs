//! The plan in force, and what a switch of plans asks and does.

use super::{Watch, World, watch::Watched};
use crate::Mutation;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tallyd_event::{EntryId, Event, Schema, decode::Fields, frame};
use tallyd_runtime::{
    FRAME_FIELD, arrival, edit_of, is_probe,
    plan::Plan,
    store::{Cursor, Entry},
};
use tallyd_store::plan::{SetCursor, Waiting};

/// The plan and its generation, as they are stored.
#[derive(Debug, Default)]
pub(super) struct Plans {
    generation: Option<SmolStr>,
    plan: Option<Plan>,
}

impl World {
    /// The generation of plans.
    #[must_use]
    pub fn generation(&self) -> Option<SmolStr> {
        self.plans.generation.clone()
    }

    /// The plan in force.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        self.plans.plan.as_ref()
    }

    /// Whether a node is in the plan in force.
    #[must_use]
    pub fn is_in_force(&self, place: usize) -> bool {
        let node = self.topology.nodes.get(place);
        let inputs = self.plan().map(|plan| &plan.inputs);
        node.zip(inputs).is_some_and(|(node, inputs)| inputs.contains_key(&node.name))
    }

    /// Watches the generation and the plan, whatever was watched before.
    pub fn watch_plan(&self, watch: &mut Watch) -> (Option<SmolStr>, Option<Plan>) {
        *watch = Watch::default();
        self.watch_too(watch, Watched::Generation);
        (self.generation(), self.plan().cloned())
    }

    /// Watches the cursors of these nodes too, and returns them.
    pub fn watch_cursors(
        &self,
        watch: &mut Watch,
        nodes: &[SmolStr],
    ) -> Vec<BTreeMap<u16, Cursor>> {
        let of_node = |name: &SmolStr| {
            let (place, node) = self.topology.node(name)?;
            self.watch_too(watch, Watched::Cursors(place));
            Some((0..node.partitions).map(|p| (p, self.cursor((place, p)))).collect())
        };
        nodes.iter().map(of_node).map(Option::unwrap_or_default).collect()
    }

    /// When the oldest event arrived that waits in these streams.
    #[must_use]
    pub fn oldest(&self, waiting: &[Waiting]) -> Option<i64> {
        let of_stream = |Waiting { stream, after, frames }: &Waiting| {
            let entries = self.streams.get(stream)?.entries.range(after.next()..);
            let arrival = |(id, fields): (&EntryId, &Fields)| match frames {
                true => of_frame(fields),
                false => {
                    let entry =
                        Entry { id: *id, fields: fields.iter().map(|(n, v)| (n, v)).collect() };
                    (!is_probe(&entry) && edit_of(true, &entry).is_none())
                        .then(|| arrival(&entry, self.now).arrived)
                }
            };
            entries.filter_map(arrival).min()
        };
        waiting.iter().filter_map(of_stream).min()
    }

    /// Stores a plan with its token, if nothing that is watched has changed.
    pub fn put_plan(
        &mut self,
        watch: &mut Watch,
        (token, plan): (SmolStr, Plan),
        cursors: &[SetCursor],
    ) -> bool {
        if !self.unmoved(watch) {
            return false;
        }
        self.note_written(Watched::Generation);
        let forgets = self.mutation == Some(Mutation::GapsForgotten);
        let gaps = if forgets { BTreeMap::new() } else { plan.gaps.clone() };
        self.plans = Plans { generation: Some(token), plan: Some(Plan { gaps, ..plan }) };
        for (node, partition, cursor) in cursors {
            if let Some((place, _)) = self.topology.node(node) {
                self.set_cursor((place, *partition), *cursor);
            }
        }
        true
    }
}

fn of_frame(fields: &Fields) -> Option<i64> {
    let (_, bytes) = fields.iter().find(|(name, _)| name == FRAME_FIELD.as_bytes())?;
    let events = frame::decode(&Schema::default(), bytes).ok()?;
    events.iter().map(Event::arrival).min()
}
