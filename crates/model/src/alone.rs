//! Progress: what a task gets done that is left alone.

use crate::{
    protocol::{Action, Protocol, World},
    redis::Redis,
    task::Step,
};

/// More steps than any lone worker needs, so that a loop without progress is seen.
const ALONE_LIMIT: usize = 300;

impl Protocol {
    /// Whether each task that lives finishes all its partitions when nobody else does anything
    /// more, no fault strikes, and nothing that is in flight arrives.
    #[must_use]
    pub fn each_finishes_alone(&self, world: &World) -> bool {
        (0..world.tasks.len())
            .all(|at| world.tasks[at].step == Step::Down || self.finishes_alone(world.clone(), at))
    }

    fn finishes_alone(&self, mut world: World, at: usize) -> bool {
        for _ in 0..ALONE_LIMIT {
            let Some(action) = self.alone(&world, at) else {
                return self.bounds.tasks[at].iter().all(|&place| finished(&world.redis, place));
            };
            self.act(&mut world, &action);
        }
        false
    }

    /// What a task does that is alone: to it, every other owner is dead.
    fn alone(&self, world: &World, at: usize) -> Option<Action> {
        let task = &world.tasks[at];
        if matches!(task.step, Step::Free | Step::Ready) {
            let serves = self.bounds.tasks[at].iter().copied();
            let wanted: Vec<usize> = serves.filter(|p| !task.owned.contains_key(p)).collect();
            if !wanted.is_empty() {
                return Some(Action::Want(at, wanted));
            }
        }
        let mut actions = Vec::new();
        self.cycles(world, at, &mut actions);
        actions.pop().map(|cycle| Action::Run(at, cycle))
    }
}

/// Whether all entries of a partition have their effects in.
fn finished(redis: &Redis, place: usize) -> bool {
    redis.partitions[place].added.len() == usize::from(redis.stream_of(place).last)
}
