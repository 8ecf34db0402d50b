//! Who should work on which partition: computed alike by every worker from the same facts.
//!
//! It only decides who should work. What is correct rests on the fences alone, so two workers that
//! disagree for a moment do no harm.

use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// A node, as far as assignment goes.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeShare {
    /// The live workers that serve it.
    pub workers: BTreeSet<SmolStr>,
    /// The present owner of each partition, if it has one.
    pub owners: Vec<Option<SmolStr>>,
}

/// The owner that each partition of each node should have: `None` where no worker serves it.
///
/// Balanced: for each node the workers that serve it get numbers of partitions that differ by at
/// most one, and the workers with fewer partitions in all get the larger numbers. It moves as
/// little as it can: a worker keeps what it has up to its number, and where two could get the
/// larger number, the one that has more keeps it.
#[must_use]
pub fn assign(nodes: &BTreeMap<SmolStr, NodeShare>) -> BTreeMap<SmolStr, Vec<Option<SmolStr>>> {
    let mut totals: BTreeMap<SmolStr, usize> = BTreeMap::new();
    let mut assigned = BTreeMap::new();
    for (name, node) in nodes {
        let quotas = quotas(node, &totals);
        for (worker, quota) in &quotas {
            *totals.entry(worker.clone()).or_default() += quota;
        }
        assigned.insert(name.clone(), fill(node, quotas));
    }
    assigned
}

/// How many partitions of a node each worker should have.
fn quotas(node: &NodeShare, totals: &BTreeMap<SmolStr, usize>) -> BTreeMap<SmolStr, usize> {
    let workers = node.workers.len();
    if workers == 0 {
        return BTreeMap::new();
    }
    let (base, extra) = (node.owners.len() / workers, node.owners.len() % workers);
    let held = |worker: &SmolStr| node.owners.iter().flatten().filter(|o| *o == worker).count();
    let mut order: Vec<&SmolStr> = node.workers.iter().collect();
    order.sort_by_key(|worker| {
        let total = totals.get(*worker).copied().unwrap_or(0);
        (total, std::cmp::Reverse(held(worker).min(base + 1)), (*worker).clone())
    });
    let quota = |place| base + usize::from(place < extra);
    order.into_iter().enumerate().map(|(place, worker)| (worker.clone(), quota(place))).collect()
}

/// Leaves partitions where they are up to each worker's number, and gives out the rest in order.
fn fill(node: &NodeShare, mut quotas: BTreeMap<SmolStr, usize>) -> Vec<Option<SmolStr>> {
    let mut take = |worker: &SmolStr| match quotas.get_mut(worker) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    };
    let kept: Vec<Option<SmolStr>> =
        node.owners.iter().map(|owner| owner.clone().filter(|o| take(o))).collect();
    let mut free: Vec<SmolStr> = Vec::new();
    for (worker, left) in quotas {
        free.extend(std::iter::repeat_n(worker, left));
    }
    let mut free = free.into_iter();
    kept.into_iter().map(|owner| owner.or_else(|| free.next())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn worker(number: usize) -> SmolStr {
        format!("w{number}").into()
    }

    fn share(workers: &[usize], owners: &[Option<usize>]) -> NodeShare {
        NodeShare {
            workers: workers.iter().map(|&w| worker(w)).collect(),
            owners: owners.iter().map(|o| o.map(worker)).collect(),
        }
    }

    fn moves(node: &NodeShare, after: &[Option<SmolStr>]) -> usize {
        node.owners.iter().zip(after).filter(|(before, after)| before != after).count()
    }

    #[test]
    fn a_new_worker_takes_only_its_share() {
        let node = share(&[1, 2, 3], &[Some(1), Some(1), Some(1), Some(2), Some(2), Some(2)]);
        let after = assign(&[("n".into(), node.clone())].into())["n"].clone();
        assert_eq!(moves(&node, &after), 2);
        assert_eq!(after.iter().filter(|o| **o == Some(worker(3))).count(), 2);
    }

    #[test]
    fn a_node_that_nobody_serves_is_nobodys() {
        let after = assign(&[("n".into(), share(&[], &[Some(1)]))].into());
        assert_eq!(after["n"], [None]);
    }

    fn nodes() -> impl Strategy<Value = BTreeMap<SmolStr, NodeShare>> {
        let node = (
            prop::collection::btree_set(0usize..6, 0..6),
            prop::collection::vec(prop::option::of(0usize..8), 1..33),
        );
        prop::collection::vec(node, 1..6).prop_map(|nodes| {
            let share = |(i, (workers, owners)): (usize, (BTreeSet<usize>, Vec<Option<usize>>))| {
                let workers: Vec<usize> = workers.into_iter().collect();
                (SmolStr::from(format!("n{i}")), share(&workers, &owners))
            };
            nodes.into_iter().enumerate().map(share).collect()
        })
    }

    proptest! {
        #[test]
        fn balanced_and_settled(nodes in nodes()) {
            let after = assign(&nodes);
            let mut settled = nodes.clone();
            for (name, node) in &nodes {
                let owners = &after[name];
                prop_assert_eq!(owners.len(), node.owners.len());
                let counts: Vec<usize> = node.workers.iter().map(|w| owners.iter().flatten().filter(|o| *o == w).count()).collect();
                if let (Some(most), Some(least)) = (counts.iter().max(), counts.iter().min()) {
                    prop_assert!(most - least <= 1, "{:?}", counts);
                    prop_assert_eq!(counts.iter().sum::<usize>(), owners.len());
                }
                settled.get_mut(name).unwrap().owners.clone_from(owners);
            }
            prop_assert_eq!(assign(&settled), after);
        }

        #[test]
        fn workers_that_serve_all_are_balanced_in_all(workers in 1usize..7, sizes in prop::collection::vec(1usize..33, 1..8)) {
            let all: Vec<usize> = (0..workers).collect();
            let node = |(i, size): (usize, &usize)| (SmolStr::from(format!("n{i}")), share(&all, &vec![None; *size]));
            let after = assign(&sizes.iter().enumerate().map(node).collect());
            let count = |w: usize| after.values().flatten().filter(|o| **o == Some(worker(w))).count();
            let totals: Vec<usize> = all.iter().map(|&w| count(w)).collect();
            prop_assert!(totals.iter().max().unwrap() - totals.iter().min().unwrap() <= 1, "{:?}", totals);
        }

        #[test]
        fn one_that_leaves_moves_only_its_own(workers in 2usize..6, size in 1usize..33) {
            let all: Vec<usize> = (0..workers).collect();
            let before = assign(&[("n".into(), share(&all, &vec![None; size]))].into())["n"].clone();
            let rest = NodeShare { workers: all[1..].iter().map(|&w| worker(w)).collect(), owners: before.clone() };
            let gone = before.iter().flatten().filter(|o| **o == worker(0)).count();
            let after = assign(&[("n".into(), rest.clone())].into())["n"].clone();
            prop_assert_eq!(moves(&rest, &after), gone);
        }
    }
}
