//! The protocol as a model for the checker: which steps are possible in a state, what each does,
//! and what must hold. Each step is one thing that Redis does at once, so that everything that
//! others do fits between any two.

use crate::{
    bounds::{Bounds, Faults},
    harm::{Harm, harm},
    redis::{Redis, Transaction},
    safeguard::Safeguard,
    task::{Cycle, Step, Task},
};
use stateright::{Model, Property};
use std::collections::BTreeMap;

/// The protocol within bounds, whole or without some of its safeguards.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// What there is.
    pub bounds: Bounds,
    /// What is left out.
    pub without: Vec<Safeguard>,
    /// What is checked in each state.
    pub checks: Checks,
}

/// What is checked in each state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// That there is no harm, and that each task which is left alone finishes.
    All,
    /// No harm.
    Harm,
    /// That each task which is left alone finishes.
    Progress,
}

/// The world at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// What Redis holds.
    pub redis: Redis,
    /// The tasks.
    pub tasks: Vec<Task>,
    /// What was sent on connections that their senders gave up, and may still happen.
    pub late: Vec<Late>,
    /// The faults that may still strike.
    pub left: Faults,
}

/// A transaction in flight on a connection that its sender gave up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Late {
    /// The worker that sent it.
    pub worker: u8,
    /// What that connection watches.
    pub watch: BTreeMap<usize, u8>,
    /// What it does.
    pub transaction: Transaction,
}

/// One step of the world. Tasks and streams are named by their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Redis does what the task's next step is, and the task gets the reply.
    Run(usize, Option<Cycle>),
    /// A task looks at fences that it wants, under WATCH.
    Want(usize, Vec<usize>),
    /// A task looks at the fence of a partition that it is about to give back, under WATCH.
    GiveBack(usize, usize),
    /// The connection breaks. What was sent is in flight.
    Cut(usize, Option<Cycle>),
    /// The worker dies. What was sent is in flight.
    Crash(usize, Option<Cycle>),
    /// The worker starts again.
    Restart(usize),
    /// A transaction that was in flight reaches Redis.
    Arrive(usize),
    /// Somebody destroys the group of a partition.
    Destroy(usize),
    /// Somebody moves the group of a partition back to the beginning.
    Rewind(usize),
    /// Somebody moves the group of a partition on to the end.
    Skip(usize),
    /// A producer adds an entry to a stream.
    Add(usize),
    /// A stream is trimmed.
    Trim(usize),
}

impl World {
    /// The partitions of a task that have an entry after the cursor which the task knows.
    #[must_use]
    pub fn woken(&self, task: &Task) -> Vec<usize> {
        let cursor = |place: &usize| task.cursors.get(place).copied().unwrap_or(0);
        task.owned
            .keys()
            .copied()
            .filter(|place| self.redis.has_after(*place, cursor(place)))
            .collect()
    }
}

/// How many workers' names differ by one start.
pub const NAMES: u8 = 8;

impl Protocol {
    /// Whether a safeguard is in place.
    #[must_use]
    pub fn has(&self, safeguard: Safeguard) -> bool {
        !self.without.contains(&safeguard)
    }

    /// What is wrong with a state, if anything.
    #[must_use]
    pub fn harm(&self, world: &World) -> Option<Harm> {
        harm(&world.redis)
    }

    /// The next steps of a task, which differ only in how much a cycle takes: the largest last.
    pub(crate) fn cycles(&self, world: &World, at: usize, cycles: &mut Vec<Option<Cycle>>) {
        let task = &world.tasks[at];
        match task.step {
            Step::Down | Step::Free => {}
            Step::Ready => {
                let uncached = |(place, _): &(usize, u8)| !task.cache.contains_key(place);
                if task.queue.iter().any(uncached) || !task.unchecked.is_empty() {
                    cycles.push(None);
                    return;
                }
                if task.queue.is_empty() && !self.worth_reading(world, task) {
                    return;
                }
                let whole = task.queue.len();
                for batch in if whole > 1 { vec![1, whole] } else { vec![whole] } {
                    cycles.push(Some(Cycle { batch, count: self.bounds.count }));
                }
            }
            _ => cycles.push(None),
        }
    }

    /// Whether a task with an empty queue reads: otherwise it waits. It waits with an XREAD after
    /// its cursor, and so wakes for an entry that another was given, and finds itself fenced.
    fn worth_reading(&self, world: &World, task: &Task) -> bool {
        let new = |place: &usize| world.redis.unread(*place).next().is_some();
        let woken = world.woken(task);
        !task.recovering.is_empty() || !woken.is_empty() || task.owned.keys().any(new)
    }

    /// The sets of partitions that a task may take, and whether an owner of them is alive.
    fn wants(&self, world: &World, at: usize) -> Vec<(Vec<usize>, bool)> {
        let task = &world.tasks[at];
        if !matches!(task.step, Step::Free | Step::Ready) {
            return Vec::new();
        }
        let serves = self.bounds.tasks[at].iter().copied();
        let others: Vec<usize> = serves.filter(|p| !task.owned.contains_key(p)).collect();
        let mut sets: Vec<Vec<usize>> = others.iter().map(|&place| vec![place]).collect();
        if others.len() > 1 {
            sets.push(others);
        }
        let alive = |&place: &usize| {
            let owner = world.redis.partitions[place].fence.owner;
            owner.is_some_and(|owner| {
                owner != task.worker
                    && world.tasks.iter().any(|t| t.worker == owner && t.step != Step::Down)
            })
        };
        sets.into_iter().map(|set| (set.clone(), set.iter().any(alive))).collect()
    }

    fn task_actions(&self, world: &World, at: usize, actions: &mut Vec<Action>) {
        let task = &world.tasks[at];
        let mut cycles = Vec::new();
        self.cycles(world, at, &mut cycles);
        actions.extend(cycles.iter().map(|&cycle| Action::Run(at, cycle)));
        for (set, alive) in self.wants(world, at) {
            if !alive || world.left.take_overs > 0 {
                actions.push(Action::Want(at, set));
            }
        }
        if task.step == Step::Ready && world.left.releases > 0 {
            actions.extend(task.owned.keys().map(|&place| Action::GiveBack(at, place)));
        }
        if task.step == Step::Down {
            actions.push(Action::Restart(at));
            return;
        }
        // Where nothing can be in flight, a broken connection only makes the task forget.
        let sent = if cycles.is_empty() { vec![None] } else { cycles };
        if world.left.cuts > 0 && !matches!(task.step, Step::Free | Step::Cut) {
            actions.extend(sent.iter().map(|&cycle| Action::Cut(at, cycle)));
        }
        if world.left.crashes > 0 {
            actions.extend(sent.iter().map(|&cycle| Action::Crash(at, cycle)));
        }
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let tasks = 0..self.bounds.tasks.len();
        vec![World {
            redis: Redis::new(&self.bounds.inputs),
            tasks: tasks.map(|at| Task::new(u8::try_from(at).unwrap_or(u8::MAX))).collect(),
            late: Vec::new(),
            left: self.bounds.faults,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for at in 0..world.tasks.len() {
            self.task_actions(world, at, actions);
        }
        actions.extend((0..world.late.len()).map(Action::Arrive));
        let left = &world.left;
        for (place, partition) in world.redis.partitions.iter().enumerate() {
            let Some(group) = &partition.group else { continue };
            if left.destroys > 0 {
                actions.push(Action::Destroy(place));
            }
            if left.rewinds > 0 && group.delivered > 0 {
                actions.push(Action::Rewind(place));
            }
            if left.skips > 0 && group.delivered < world.redis.stream_of(place).last {
                actions.push(Action::Skip(place));
            }
        }
        for (stream, held) in world.redis.streams.iter().enumerate() {
            if held.last < self.bounds.entries {
                actions.push(Action::Add(stream));
            }
            let by_all = self.has(Safeguard::TrimByAllGroups);
            if left.trims > 0 && world.redis.trimmable(stream, by_all) >= held.first {
                actions.push(Action::Trim(stream));
            }
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        self.act(&mut next, &action);
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let harm: fn(&Self, &World) -> bool = |model, world| model.harm(world).is_none();
        let harm = Property::always("exactly once, in order", harm);
        let alone =
            Property::always("a worker that is left alone finishes", Self::each_finishes_alone);
        match self.checks {
            Checks::All => vec![harm, alone],
            Checks::Harm => vec![harm],
            Checks::Progress => vec![alone],
        }
    }
}
