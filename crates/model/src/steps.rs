//! What each action of the protocol does to the world. It decides nothing: which actions are
//! possible is told by `protocol`.

use crate::{
    protocol::{Action, Late, NAMES, Protocol, World},
    redis::{Fence, Next, Redis, Transaction},
    safeguard::Safeguard,
    task::{Cycle, Given, Step, Task},
};
use std::collections::{BTreeMap, BTreeSet};

impl Protocol {
    /// Does an action that is possible.
    pub fn act(&self, world: &mut World, action: &Action) {
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
            Action::Skip(place) => {
                world.left.skips -= 1;
                let end = world.redis.stream_of(place).last;
                if let Some(group) = &mut world.redis.partitions[place].group {
                    group.delivered = end;
                }
            }
            Action::Add(stream) => world.redis.streams[stream].last += 1,
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
        let pending_first = self.has(Safeguard::PendingFirst);
        match world.tasks[at].transaction(cycle, pending_first) {
            Some(transaction) => self.execute(world, at, transaction),
            None => self.ask(world, at),
        }
    }

    /// An EXEC, and its reply.
    fn execute(&self, world: &mut World, at: usize, transaction: Transaction) {
        let task = &world.tasks[at];
        let done = self.passes(&world.redis, &task.watch);
        let worker = task.worker;
        let idle = task.queue.is_empty() && self.has(Safeguard::GroupMovedBack);
        let woken = if idle { world.woken(task) } else { Vec::new() };
        let read = done.then(|| world.redis.execute(&transaction, worker, |s| self.has(s)));
        let task = &mut world.tasks[at];
        task.watch.clear();
        match (task.step.clone(), transaction) {
            (Step::Take { fences, again }, _) => task.took(&fences, again, done),
            (Step::BeginGroups, _) => task.step = Step::BeginAgain,
            (Step::Release(place, _), _) => self.without_partition(task, place),
            (_, Transaction::Commit(commit)) => {
                let outcome = read.map(|read| (commit, read));
                task.step = Step::Committed { outcome, woken };
            }
            _ => task.begin(),
        }
    }

    /// A round trip that is no transaction, and its reply.
    fn ask(&self, world: &mut World, at: usize) {
        match world.tasks[at].step.clone() {
            Step::Cut => self.reconnect(world, at),
            Step::BeginWatch => {
                let kept = self.watch(world, at);
                world.tasks[at].step = Step::BeginCursors;
                world.tasks[at].retain(&kept, self.has(Safeguard::CachesDropped));
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
                world.tasks[at].retain(&kept, self.has(Safeguard::CachesDropped));
            }
            Step::Ready => {
                let World { redis, tasks, .. } = world;
                let task = &mut tasks[at];
                for (place, _) in &task.queue {
                    let stored = || redis.partitions[*place].written.clone();
                    task.cache.entry(*place).or_insert_with(stored);
                }
                let held = |&(place, after, before): &(usize, u8, u8)| {
                    redis.stream_of(place).first.max(after + 1) < before
                };
                let gaps = std::mem::take(&mut task.unchecked).into_iter().filter(held);
                let skipped: Vec<usize> = gaps.map(|(place, ..)| place).collect();
                if !skipped.is_empty() {
                    task.go_back(&skipped);
                }
            }
            Step::Committed { outcome, woken } => {
                let kept = self.watch(world, at);
                let task = &mut world.tasks[at];
                let drop_caches = self.has(Safeguard::CachesDropped);
                let Some((commit, read)) = outcome else {
                    return task.keep(&kept, true, drop_caches);
                };
                task.note(&commit);
                if self.has(Safeguard::ReadInsideCommit) || commit.next == Next::Nothing {
                    let given = Given { next: commit.next, read, woken, kept };
                    self.given(task, &given);
                } else if kept.len() < task.owned.len() {
                    task.keep(&kept, false, drop_caches);
                } else {
                    task.step = Step::PlainRead(commit.next);
                }
            }
            Step::PlainRead(next) => {
                let World { redis, tasks, .. } = world;
                let task = &mut tasks[at];
                let read = redis.read(&next, task.worker);
                let kept = task.owned.keys().copied().collect();
                self.given(task, &Given { next, read, woken: Vec::new(), kept });
            }
            Step::MoveLook(places) => {
                let kept = self.watch(world, at);
                let task = &mut world.tasks[at];
                let kept = places.iter().filter(|place| kept.contains(place));
                let cursors: Vec<(usize, u8)> =
                    kept.map(|place| (*place, task.cursors[place])).collect();
                if cursors.is_empty() { task.begin() } else { task.step = Step::Move(cursors) }
            }
            Step::ForgetLook(place) => self.look_for_consumers(world, at, place),
            _ => {}
        }
    }

    /// Goes on with what a commit gave. Gaps in it are looked for before it is processed.
    fn given(&self, task: &mut Task, given: &Given) {
        if self.has(Safeguard::GapsLookedFor) {
            task.unchecked = task.gaps(&given.next, &given.read);
        }
        task.after_read(given, &given.withheld(), self.has(Safeguard::CachesDropped));
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
