//! What connections watch, and whether it has been written since.

use super::{Slot, World};
use crate::Mutation;
use std::collections::BTreeMap;
use tallyd_runtime::store::Fence;

/// What can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    /// The cursors of a node.
    Cursors(usize),
    /// A fence.
    Fence(Slot),
    /// The generation of plans, and the plan.
    Generation,
}

/// What a connection watches, and how often each had been written then.
#[derive(Clone, Debug, Default)]
pub struct Watch(BTreeMap<Watched, u64>);

impl World {
    pub(super) fn note_written(&mut self, what: Watched) {
        *self.written.entry(what).or_default() += 1;
    }

    /// How often fences were written.
    #[must_use]
    pub fn fence_writes(&self) -> u64 {
        let fences = self.written.iter().filter(|(what, _)| matches!(what, Watched::Fence(_)));
        fences.map(|(_, times)| times).sum()
    }

    /// Watches the generation of plans and these fences, whatever was watched before, and returns
    /// the fences.
    pub fn watch(&self, watch: &mut Watch, slots: &[Slot]) -> Vec<Fence> {
        watch.0.clear();
        if self.mutation != Some(Mutation::PlanUnwatched) {
            self.watch_too(watch, Watched::Generation);
        }
        slots.iter().for_each(|slot| self.watch_too(watch, Watched::Fence(*slot)));
        slots.iter().map(|slot| self.fence(*slot)).collect()
    }

    /// Watches something more.
    pub fn watch_too(&self, watch: &mut Watch, what: Watched) {
        watch.0.entry(what).or_insert_with(|| self.times_written(what));
    }

    /// Whether EXEC happens. Afterwards nothing is watched.
    pub fn unmoved(&self, watch: &mut Watch) -> bool {
        let unmoved = watch.0.iter().all(|(what, at)| self.times_written(*what) == *at);
        watch.0.clear();
        unmoved || self.mutation == Some(Mutation::NoFence)
    }

    fn times_written(&self, what: Watched) -> u64 {
        self.written.get(&what).copied().unwrap_or_default()
    }
}
