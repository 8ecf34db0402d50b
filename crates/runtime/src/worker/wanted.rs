//! What a worker should own, by a view of all. Pure.

use super::liveness::Gone;
use crate::{
    assign::{NodeShare, assign},
    store::{Announcement, Fence, Owner, View},
    tasks::{Free, Wanted, Why},
};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What the worker `me` should own of each node, and what of it is free to take.
pub fn wanted(
    view: &View,
    me: &SmolStr,
    gone: &BTreeMap<SmolStr, Gone>,
) -> BTreeMap<SmolStr, Wanted> {
    let workers = view.workers.iter().map(|(worker, _)| worker);
    let live: Vec<&Announcement> = workers.filter(|w| !gone.contains_key(&w.id)).collect();
    let share = |(name, fences): (&SmolStr, &Vec<Fence>)| {
        let serves = serving(view, name, gone).map(|worker| worker.id.clone());
        let owner = |fence: &Fence| match &fence.owner {
            Owner::Worker(id) => Some(id.clone()),
            Owner::Nobody | Owner::Halted => None,
        };
        (
            name.clone(),
            NodeShare { workers: serves.collect(), owners: fences.iter().map(owner).collect() },
        )
    };
    let why = |fence: &Fence| match &fence.owner {
        Owner::Nobody if fence.epoch == 0 => Some(Why::New),
        Owner::Nobody => Some(Why::Released),
        Owner::Worker(id) if id == me => Some(Why::Own),
        Owner::Worker(id) => match gone.get(id) {
            Some(gone) => Some(Why::Gone(id.clone(), *gone)),
            None if live.iter().any(|worker| worker.id == *id) => None,
            None => Some(Why::Left(id.clone())),
        },
        Owner::Halted => None,
    };
    let assigned = assign(&view.fences.iter().map(share).collect());
    let mut wanted = BTreeMap::new();
    for (name, owners) in assigned {
        let mut of_node = Wanted::default();
        let fences = view.fences.get(&name).map(Vec::as_slice).unwrap_or_default();
        for ((partition, owner), fence) in (0u16..).zip(owners).zip(fences) {
            if owner.as_ref() != Some(me) {
                if fence.owner == Owner::Worker(me.clone()) {
                    of_node.stray.insert(partition, fence.clone());
                }
                continue;
            }
            of_node.own.insert(partition);
            if let Some(why) = why(fence) {
                of_node.free.insert(partition, Free { fence: fence.clone(), why });
            }
        }
        wanted.insert(name, of_node);
    }
    wanted
}

/// The workers that serve a node and go on doing so.
pub fn serving<'a>(
    view: &'a View,
    node: &'a SmolStr,
    gone: &'a BTreeMap<SmolStr, Gone>,
) -> impl Iterator<Item = &'a Announcement> {
    let live = view.workers.iter().map(|(w, _)| w).filter(|w| !gone.contains_key(&w.id));
    live.filter(|w| w.nodes.contains_key(node) && !w.leaving)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, time::Duration};

    fn fence(owner: Owner, epoch: u64) -> Fence {
        Fence { owner, epoch, random: 0 }
    }

    fn by(id: &str) -> Owner {
        Owner::Worker(id.into())
    }

    fn view(workers: &[&str], fences: Vec<Fence>) -> View {
        let worker = |id: &&str| Announcement {
            id: (*id).into(),
            nodes: [("n".into(), fences.len() as u16)].into(),
            ..Announcement::default()
        };
        View {
            workers: workers.iter().map(|id| (worker(id), 0)).collect(),
            fences: [("n".into(), fences.clone())].into(),
            ..View::default()
        }
    }

    fn of(view: &View, me: &str, gone: &BTreeMap<SmolStr, Gone>) -> Wanted {
        wanted(view, &me.into(), gone)["n"].clone()
    }

    #[test]
    fn only_what_nobody_alive_owns_is_free() {
        let fences = vec![
            fence(by("a"), 1),
            fence(by("gone"), 7),
            fence(by("b"), 1),
            fence(Owner::Halted, 3),
        ];
        let view = view(&["a", "b", "gone"], fences);
        let gone = [("gone".into(), Gone::Process)].into();
        let (of_a, of_b) = (of(&view, "a", &gone), of(&view, "b", &gone));
        assert_eq!(of_a.own.len() + of_b.own.len(), 4);
        let free: Vec<u16> = of_a.free.keys().chain(of_b.free.keys()).copied().collect();
        assert_eq!(free.iter().collect::<BTreeSet<_>>(), BTreeSet::from([&0, &1, &2]));
        assert!(!of_a.free.contains_key(&2) && !of_b.free.contains_key(&0));
        assert!(of_a.stray.is_empty() && of_b.stray.is_empty());
    }

    #[test]
    fn why_something_is_free_is_said() {
        let fences = vec![
            fence(Owner::Nobody, 0),
            fence(Owner::Nobody, 2),
            fence(by("a"), 3),
            fence(by("dead"), 4),
            fence(by("silent"), 5),
            fence(by("left"), 6),
        ];
        let gone = BTreeMap::from([
            ("dead".into(), Gone::Process),
            ("silent".into(), Gone::Silent(Duration::from_millis(5_210))),
        ]);
        let free = of(&view(&["a", "dead", "silent"], fences), "a", &gone).free;
        let why: Vec<String> = free.values().map(|free| free.why.to_string()).collect();
        assert_eq!(
            why,
            [
                "nobody had taken them yet",
                "released",
                "this worker's own connection broke",
                "worker dead: its process is gone",
                "worker silent: heartbeat missed for 5.2 s",
                "worker left: it has left",
            ]
        );
    }

    #[test]
    fn a_fence_that_names_a_worker_is_given_back_where_another_is_assigned() {
        let mine = fence(by("a"), 4);
        let view = view(&["a", "b"], vec![mine.clone(), mine.clone()]);
        let (of_a, of_b) = (of(&view, "a", &BTreeMap::new()), of(&view, "b", &BTreeMap::new()));
        assert_eq!(of_a.own.len(), 1);
        assert_eq!(of_a.stray.keys().collect::<Vec<_>>(), of_b.own.iter().collect::<Vec<_>>());
        assert_eq!(of_a.stray.into_values().collect::<Vec<_>>(), [mine]);
        assert!(of_b.free.is_empty());
    }

    #[test]
    fn one_that_leaves_gets_nothing_and_is_not_robbed() {
        let mut view = view(&["a", "b"], vec![fence(by("b"), 1), fence(by("b"), 1)]);
        view.workers[1].0.leaving = true;
        let none = BTreeMap::new();
        assert_eq!((of(&view, "a", &none).own.len(), of(&view, "b", &none).own.len()), (2, 0));
        assert!(of(&view, "a", &none).free.is_empty());
        assert_eq!(of(&view, "b", &none).stray.len(), 2);
    }
}
