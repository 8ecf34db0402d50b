//! The protocol as a model for the checker: which steps are possible in a state, what each does,
//! and what must hold. Each step is one thing that Redis does at once, so that everything that
//! others do fits between any two.

use crate::{
    bounds::{Bounds, Faults},
    harm::{Harm, harm},
    redis::{Fence, Next, Redis, Transaction},
    safeguard::Safeguard,
    task::{Cycle, Step, Task},
};
use stateright::{Model, Property};
use std::collections::{BTreeMap, BTreeSet};

/// The protocol within bounds, whole or without one of its safeguards.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// What there is.
    pub bounds: Bounds,
    /// What is left out.
    pub without: Option<Safeguard>,
    /// Whether progress is checked in each state, too.
    pub progress: bool,
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
    /// A stream is trimmed.
    Trim(usize),
}

/// How many workers' names differ by one start.
pub const NAMES: u8 = 8;
/// More steps than any lone worker needs, so that a loop without progress is seen.
const ALONE_LIMIT: usize = 300;

impl Protocol {
    /// Whether a safeguard is in place.
    #[must_use]
    pub fn has(&self, safeguard: Safeguard) -> bool {
        self.without != Some(safeguard)
    }

    /// What is wrong with a state, if anything.
    #[must_use]
    pub fn harm(&self, world: &World) -> Option<Harm> {
        harm(&world.redis)
    }

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

    /// The next steps of a task, which differ only in how much a cycle takes: the largest last.
    fn cycles(&self, world: &World, at: usize, cycles: &mut Vec<Option<Cycle>>) {
        let task = &world.tasks[at];
        match task.step {
            Step::Down | Step::Free => {}
            Step::Ready => {
                let uncached = |(place, _): &(usize, u8)| !task.cache.contains_key(place);
                if task.queue.iter().any(uncached) {
                    cycles.push(None);
                    return;
                }
                if task.queue.is_empty() && !self.worth_reading(world, task) {
                    return;
                }
                let whole = task.queue.len();
                for batch in if whole > 1 { vec![1, whole] } else { vec![whole] } {
                    // A batch that is not the whole queue reads nothing.
                    let least = if batch < whole { self.bounds.count } else { 1 };
                    for count in least..=self.bounds.count {
                        cycles.push(Some(Cycle { batch, count }));
                    }
                }
            }
            _ => cycles.push(None),
        }
    }

    /// Whether a task with an empty queue has something to read: otherwise it waits.
    fn worth_reading(&self, world: &World, task: &Task) -> bool {
        let new = |&place: &usize| match &world.redis.partitions[place].group {
            Some(_) => world.redis.unread(place).next().is_some(),
            None => world.redis.partitions[place].cursor < world.redis.stream_of(place).last,
        };
        !task.recovering.is_empty() || task.owned.keys().any(new)
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

    /// Does an action that is possible.
    fn act(&self, world: &mut World, action: &Action) {
        match *action {
            Action::Run(at, cycle) => self.run(world, at, cycle),
            Action::Want(at, ref places) => {
                let World { redis, tasks, left, .. } = world;
                let owner = |&p: &usize| redis.partitions[p].fence.owner;
                let alive = |&owner: &u8| {
                    owner != tasks[at].worker
                        && tasks.iter().any(|t| t.worker == owner && t.step != Step::Down)
                };
                if places.iter().filter_map(owner).any(|owner| alive(&owner)) {
                    left.take_overs = left.take_overs.saturating_sub(1);
                }
                let worker = tasks[at].worker;
                let raised = |&place: &usize| {
                    let epoch = redis.partitions[place].fence.epoch + 1;
                    (place, Fence { owner: Some(worker), epoch })
                };
                let fences = places.iter().map(raised).collect();
                tasks[at].watch = redis.watch(places.iter().copied());
                tasks[at].step = Step::Take { fences, again: false };
            }
            Action::GiveBack(at, place) => {
                world.left.releases -= 1;
                self.give_back(world, at, place);
            }
            Action::Cut(at, cycle) => {
                world.left.cuts -= 1;
                self.leave_in_flight(world, at, cycle);
                world.tasks[at].cut(self.has(Safeguard::CachesDropped));
            }
            Action::Crash(at, cycle) => {
                world.left.crashes -= 1;
                self.leave_in_flight(world, at, cycle);
                let worker = world.tasks[at].worker;
                world.tasks[at] = Task { step: Step::Down, ..Task::new(worker) };
            }
            Action::Restart(at) => {
                world.tasks[at] = Task::new(world.tasks[at].worker + NAMES);
            }
            Action::Arrive(at) => {
                let late = world.late.remove(at);
                if self.passes(&world.redis, &late.watch) {
                    world.redis.execute(&late.transaction, late.worker, |s| self.has(s));
                }
            }
            Action::Destroy(place) => {
                world.left.destroys -= 1;
                world.redis.partitions[place].group = None;
            }
            Action::Rewind(place) => {
                world.left.rewinds -= 1;
                if let Some(group) = &mut world.redis.partitions[place].group {
                    group.delivered = 0;
                }
            }
            Action::Trim(stream) => {
                world.left.trims -= 1;
                let done = world.redis.trimmable(stream, self.has(Safeguard::TrimByAllGroups));
                world.redis.streams[stream].first = done + 1;
            }
        }
        if self.has(Safeguard::Fence) {
            // What can't happen any more need not be told apart.
            let World { redis, late, .. } = world;
            late.retain(|late| redis.unchanged(&late.watch));
        }
    }

    fn passes(&self, redis: &Redis, watch: &BTreeMap<usize, u8>) -> bool {
        !self.has(Safeguard::Fence) || redis.unchanged(watch)
    }

    fn leave_in_flight(&self, world: &mut World, at: usize, cycle: Option<Cycle>) {
        let task = &world.tasks[at];
        let transaction = task.transaction(cycle, self.has(Safeguard::PendingFirst));
        if let Some(transaction) = transaction {
            let watch = task.watch.clone();
            world.late.push(Late { worker: task.worker, watch, transaction });
        }
    }

    /// Watches the fences of what a task owns, and says which are still its own.
    fn watch(&self, world: &mut World, at: usize) -> Vec<usize> {
        let World { redis, tasks, .. } = world;
        let task = &mut tasks[at];
        task.watch = redis.watch(task.owned.keys().copied());
        let compared = self.has(Safeguard::Fence) && self.has(Safeguard::FenceCompared);
        let kept = task
            .owned
            .iter()
            .filter(|(place, fence)| !compared || redis.partitions[**place].fence == **fence);
        kept.map(|(&place, _)| place).collect()
    }

    fn give_back(&self, world: &mut World, at: usize, place: usize) {
        let fence = world.redis.partitions[place].fence;
        let watch = world.redis.watch([place]);
        let task = &mut world.tasks[at];
        if task.owned.get(&place) == Some(&fence) {
            task.watch = watch;
            task.step = Step::Release(place, fence);
        } else {
            self.without_partition(task, place);
        }
    }

    fn without_partition(&self, task: &mut Task, place: usize) {
        let kept: Vec<usize> = task.owned.keys().copied().filter(|&p| p != place).collect();
        task.keep(&kept, false, self.has(Safeguard::CachesDropped));
    }

    /// One step of a task.
    fn run(&self, world: &mut World, at: usize, cycle: Option<Cycle>) {
        let task = &world.tasks[at];
        if let Some(transaction) = task.transaction(cycle, self.has(Safeguard::PendingFirst)) {
            let done = self.passes(&world.redis, &task.watch);
            let worker = task.worker;
            let read = done.then(|| world.redis.execute(&transaction, worker, |s| self.has(s)));
            let task = &mut world.tasks[at];
            task.watch.clear();
            match (task.step.clone(), transaction) {
                (Step::Take { fences, again }, _) => task.took(&fences, again, done),
                (Step::BeginGroups, _) => task.step = Step::BeginAgain,
                (Step::Release(place, _), _) => self.without_partition(task, place),
                (_, Transaction::Commit(commit)) => {
                    task.step = Step::Committed { outcome: read.map(|read| (commit, read)) };
                }
                _ => task.begin(),
            }
            return;
        }
        match task.step.clone() {
            Step::Cut => self.reconnect(world, at),
            Step::BeginWatch => {
                let kept = self.watch(world, at);
                world.tasks[at].step = Step::BeginCursors;
                world.tasks[at].retain(&kept);
            }
            Step::BeginCursors => {
                let World { redis, tasks, .. } = world;
                let task = &mut tasks[at];
                let cursor = |&place: &usize| (place, redis.partitions[place].cursor);
                task.cursors = task.owned.keys().map(cursor).collect();
                task.step = Step::BeginGroups;
            }
            Step::BeginAgain => {
                let kept = self.watch(world, at);
                world.tasks[at].step = Step::Ready;
                world.tasks[at].retain(&kept);
            }
            Step::Ready => {
                let World { redis, tasks, .. } = world;
                let task = &mut tasks[at];
                for (place, _) in &task.queue {
                    let stored = || redis.partitions[*place].written.clone();
                    task.cache.entry(*place).or_insert_with(stored);
                }
            }
            Step::Committed { outcome } => {
                let kept = self.watch(world, at);
                let task = &mut world.tasks[at];
                let drop_caches = self.has(Safeguard::CachesDropped);
                let Some((commit, read)) = outcome else {
                    return task.keep(&kept, true, drop_caches);
                };
                task.note(&commit);
                task.queue.extend(&read.entries);
                if kept.len() < task.owned.len() {
                    task.keep(&kept, false, drop_caches);
                } else if self.has(Safeguard::ReadInsideCommit) || commit.next == Next::Nothing {
                    task.after_read(&commit.next, &read);
                } else {
                    task.step = Step::PlainRead(commit.next);
                }
            }
            Step::PlainRead(next) => {
                let World { redis, tasks, .. } = world;
                let task = &mut tasks[at];
                let read = redis.read(&next, task.worker);
                task.queue.extend(&read.entries);
                task.after_read(&next, &read);
            }
            Step::ForgetLook(place) => self.look_for_consumers(world, at, place),
            _ => {}
        }
    }

    /// A new connection: looks at the fences of what it owned, to take them over from itself.
    fn reconnect(&self, world: &mut World, at: usize) {
        let kept = self.watch(world, at);
        let task = &mut world.tasks[at];
        let raised = |place: &usize| {
            let fence = task.owned[place];
            (*place, Fence { epoch: fence.epoch + 1, ..fence })
        };
        let fences: Vec<(usize, Fence)> = kept.iter().map(raised).collect();
        if fences.is_empty() {
            task.took(&[], true, false);
        } else if self.has(Safeguard::EpochRaisedOnReconnect) {
            task.step = Step::Take { fences, again: true };
        } else {
            let same: Vec<_> = kept.iter().map(|&place| (place, task.owned[&place])).collect();
            task.took(&same, true, true);
        }
    }

    fn look_for_consumers(&self, world: &mut World, at: usize, place: usize) {
        let kept = self.watch(world, at);
        let World { redis, tasks, .. } = world;
        let task = &mut tasks[at];
        let group = redis.partitions[place].group.as_ref().filter(|_| kept.contains(&place));
        let busy = |name: &u8| group.is_some_and(|group| group.pending.values().any(|p| p == name));
        let names = group.map(|group| group.consumers.iter().copied()).into_iter().flatten();
        let idle: BTreeSet<u8> = names.filter(|n| *n != task.worker && !busy(n)).collect();
        if idle.is_empty() {
            task.begin();
        } else {
            task.step = Step::Forget(place, idle);
        }
    }
}

/// Whether all entries of a partition have their effects in and none is pending.
fn finished(redis: &Redis, place: usize) -> bool {
    let partition = &redis.partitions[place];
    let pending = partition.group.as_ref().is_some_and(|group| !group.pending.is_empty());
    !pending && partition.added.len() == usize::from(redis.stream_of(place).last)
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let tasks = 0..self.bounds.tasks.len();
        vec![World {
            redis: Redis::new(&self.bounds.inputs, self.bounds.entries),
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
        }
        for (stream, held) in world.redis.streams.iter().enumerate() {
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
        let safe = Property::always("exactly once, in order", |model: &Self, world: &World| {
            model.harm(world).is_none()
        });
        let progress =
            Property::always("a worker that is left alone finishes", Self::each_finishes_alone);
        if self.progress { vec![safe, progress] } else { vec![safe] }
    }
}
