//! How the tasks of one node share the partitions that its worker should own. Pure, but for telling
//! the tasks.

use crate::{store::Fence, worker::Gone};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use tokio::sync::watch;

/// How many tasks a node has with which others are fused. One waits while the server runs its
/// commit: with the work of several bolts in it, that is long, and the others compute meanwhile.
const TASKS: usize = 3;

/// What a task should own, as its worker last saw it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// The partitions that it should own. What it owns beyond them, it gives back.
    pub own: BTreeSet<u16>,
    /// Those of them that are free to take, with the fences that say so.
    pub free: BTreeMap<u16, Free>,
    /// Partitions that should be another's and whose fences name this worker. Where the task does
    /// not know that it owns one (the reply to its take was lost), it gives it back all the same:
    /// else nobody would work on it.
    pub stray: BTreeMap<u16, Fence>,
    /// How many tasks share what the worker owns of the node: each may hold its part of the cache.
    pub tasks: usize,
    /// It should end once everything is given back.
    pub stop: bool,
}

/// A partition that is free to take.
#[derive(Clone, Debug, PartialEq)]
pub struct Free {
    /// The fence that says so.
    pub fence: Fence,
    /// Why it is free.
    pub why: Why,
}

/// Why a partition may be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It never had an owner.
    New,
    /// Its owner gave it back.
    Released,
    /// Its owner is this very worker, whose connection broke.
    Own,
    /// Its owner is gone.
    Gone(SmolStr, Gone),
    /// Its owner is no longer among the workers.
    Left(SmolStr),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::New => write!(f, "nobody had taken them yet"),
            Why::Released => write!(f, "released"),
            Why::Own => write!(f, "this worker's own connection broke"),
            Why::Gone(worker, Gone::Process) => write!(f, "worker {worker}: its process is gone"),
            Why::Gone(worker, Gone::Silent(time)) => {
                write!(f, "worker {worker}: heartbeat missed for {:.1} s", time.as_secs_f64())
            }
            Why::Left(worker) => write!(f, "worker {worker}: it has left"),
        }
    }
}

impl Wanted {
    /// Whether a task that owns these partitions has to take or to release some.
    fn leaves_to_do(&self, owned: &BTreeSet<u16>) -> bool {
        self.stop
            || owned.iter().any(|p| !self.own.contains(p))
            || self.free.keys().any(|p| !owned.contains(p))
            || !self.stray.is_empty()
    }
}

fn only<T: Clone>(all: &BTreeMap<u16, T>, its: impl Fn(&u16) -> bool) -> BTreeMap<u16, T> {
    let its = all.iter().filter(|(partition, _)| its(partition));
    its.map(|(partition, what)| (*partition, what.clone())).collect()
}

/// A worker's end of what it and a task tell each other.
pub struct TaskHandle {
    /// What the task should own.
    pub wanted: watch::Sender<Wanted>,
    /// What it does own.
    pub owned: watch::Receiver<BTreeSet<u16>>,
}

/// The tasks of one node.
pub struct Tasks {
    handles: Vec<TaskHandle>,
    /// By partition: the place of the task that has it, or should have it.
    shares: BTreeMap<u16, usize>,
    /// How many of the tasks share them.
    sharing: usize,
}

/// How many tasks share so many partitions of so many nodes that are fused.
pub fn tasks_of(partitions: u16, fused: usize) -> usize {
    if fused > 1 { usize::from(partitions).min(TASKS) } else { 1 }
}

impl Tasks {
    /// Tasks that own nothing yet.
    pub fn new(handles: Vec<TaskHandle>) -> Self {
        Self { handles, shares: BTreeMap::new(), sharing: 1 }
    }

    /// The partitions that the tasks own.
    pub fn owned(&self) -> Vec<u16> {
        self.handles.iter().flat_map(|task| task.owned.borrow().clone()).collect()
    }

    /// The partitions that each task owns, as they change.
    pub fn owned_by_tasks(&self) -> Vec<watch::Receiver<BTreeSet<u16>>> {
        self.handles.iter().map(|task| task.owned.clone()).collect()
    }

    /// Tells each task what it should own of what the node should, where the first `sharing` of
    /// them share it. Returns whether before it were others.
    pub fn direct(&mut self, wanted: &Wanted, sharing: usize) -> bool {
        let before = self.sharing;
        self.divide(wanted, sharing);
        let owned: Vec<BTreeSet<u16>> =
            self.handles.iter().map(|task| task.owned.borrow().clone()).collect();
        for (number, task) in self.handles.iter().enumerate() {
            let is_its = |partition: &u16| self.shares.get(partition) == Some(&number);
            // What another task of the worker has is not free, though its fence names the worker:
            // it is given back first, else that one would be fenced off in the middle of a batch.
            let of_others = |partition: &u16| {
                let mut others = owned.iter().enumerate().filter(|(other, _)| *other != number);
                others.any(|(_, owned)| owned.contains(partition))
            };
            let wanted = Wanted {
                own: wanted.own.iter().copied().filter(is_its).collect(),
                free: only(&wanted.free, |partition| is_its(partition) && !of_others(partition)),
                stray: only(&wanted.stray, is_its),
                tasks: self.sharing,
                stop: wanted.stop,
            };
            // Told again where something is left to do, even unchanged: what could not be taken or
            // released is tried again. A task that waits for events is not woken for nothing.
            let owned = task.owned.borrow().clone();
            if wanted.leaves_to_do(&owned) || *task.wanted.borrow() != wanted {
                task.wanted.send_replace(wanted);
            }
        }
        self.sharing != before
    }

    /// Makes the tasks look at what they should own, even where it is as before: one that waits on
    /// a dead connection finds that out.
    pub fn wake(&self) {
        self.handles.iter().for_each(|task| task.wanted.send_modify(|_| {}));
    }

    /// Ends the tasks, once they have given everything back.
    pub fn stop(&self) {
        for task in &self.handles {
            task.wanted.send_replace(Wanted { stop: true, ..Wanted::default() });
        }
    }

    /// Gives each new partition to the task that has the fewest. The others stay where they are, as
    /// long as as many tasks share: a partition that changes tasks is taken over like one that
    /// changes workers.
    fn divide(&mut self, wanted: &Wanted, sharing: usize) {
        let known = |p: &u16| wanted.own.contains(p) || wanted.stray.contains_key(p);
        self.shares.retain(|partition, _| known(partition));
        let sharing = sharing.clamp(1, self.handles.len().max(1));
        if sharing != self.sharing {
            let part = self.shares.len().div_ceil(sharing);
            let mut kept = vec![0; sharing];
            self.shares.retain(|_, task| {
                let Some(kept) = kept.get_mut(*task) else { return false };
                *kept += 1;
                *kept <= part
            });
            self.sharing = sharing;
        }
        for &partition in wanted.own.iter().chain(wanted.stray.keys()) {
            if !self.shares.contains_key(&partition) {
                let has = |task: &usize| self.shares.values().filter(|of| *of == task).count();
                let task = (0..self.sharing).min_by_key(has).unwrap_or_default();
                self.shares.insert(partition, task);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tasks, what each is told, and where each tells what it owns.
    type Told = (Vec<watch::Receiver<Wanted>>, Vec<watch::Sender<BTreeSet<u16>>>);

    fn tasks() -> (Tasks, Told) {
        let (mut handles, mut told, mut tell) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..3 {
            let (wanted, wanted_by_task) = watch::channel(Wanted::default());
            let (owned_by_task, owned) = watch::channel(BTreeSet::new());
            handles.push(TaskHandle { wanted, owned });
            told.push(wanted_by_task);
            tell.push(owned_by_task);
        }
        (Tasks::new(handles), (told, tell))
    }

    fn own(partitions: impl IntoIterator<Item = u16>) -> Wanted {
        Wanted { own: partitions.into_iter().collect(), ..Wanted::default() }
    }

    #[test]
    fn tasks_have_as_many_partitions_and_keep_them() {
        let (mut tasks, (told, _)) = tasks();
        let shares = |told: &[watch::Receiver<Wanted>]| -> Vec<Vec<u16>> {
            told.iter().map(|task| task.borrow().own.iter().copied().collect()).collect()
        };
        tasks.direct(&own([0, 3, 6, 9, 12]), 3);
        assert_eq!(shares(&told), [vec![0, 9], vec![3, 12], vec![6]]);
        tasks.direct(&own([0, 3, 9, 12, 15]), 3);
        assert_eq!(shares(&told), [vec![0, 9], vec![3, 12], vec![15]]);
        // One that is to be given back is still its task's.
        let stray = [(9, Fence::default())].into();
        tasks.direct(&Wanted { stray, ..own([0, 3, 12]) }, 3);
        assert_eq!(shares(&told), [vec![0], vec![3, 12], vec![]]);
        let strays = told.iter().map(|task| task.borrow().stray.len());
        assert_eq!(strays.collect::<Vec<_>>(), [1, 0, 0]);
    }

    #[test]
    fn partitions_move_where_more_tasks_share_and_only_once_they_are_given_back() {
        let (mut tasks, (told, tell)) = tasks();
        let free: BTreeMap<u16, Free> =
            (0..5).map(|p| (p, Free { fence: Fence::default(), why: Why::Own })).collect();
        let wanted = Wanted { free, ..own(0..5) };
        let shares = || -> Vec<Vec<u16>> {
            told.iter().map(|task| task.borrow().own.iter().copied().collect()).collect()
        };
        let free = || -> Vec<Vec<u16>> {
            told.iter().map(|task| task.borrow().free.keys().copied().collect()).collect()
        };
        tasks.direct(&wanted, 1);
        assert_eq!(shares(), [vec![0, 1, 2, 3, 4], vec![], vec![]]);
        tell[0].send_replace((0..5).collect());
        tasks.direct(&wanted, 3);
        assert_eq!(shares(), [vec![0, 1], vec![2, 4], vec![3]]);
        assert_eq!(free(), [vec![0, 1], vec![], vec![]], "the first one still has them");
        assert_eq!(told[0].borrow().tasks, 3);
        tell[0].send_replace([0, 1, 4].into());
        tasks.direct(&wanted, 3);
        assert_eq!(free(), [vec![0, 1], vec![2], vec![3]]);
        tell[0].send_replace([0, 1].into());
        tell[1].send_replace([2, 4].into());
        tell[2].send_replace([3].into());
        tasks.direct(&wanted, 1);
        assert_eq!(shares(), [vec![0, 1, 2, 3, 4], vec![], vec![]]);
        assert_eq!(free(), [vec![0, 1], vec![], vec![]]);
    }

    #[test]
    fn only_a_node_with_fused_ones_has_many_tasks() {
        assert_eq!((tasks_of(16, 1), tasks_of(16, 4), tasks_of(2, 4)), (1, 3, 2));
    }
}
