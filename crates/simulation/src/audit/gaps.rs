//! What bolts that are not in every file counted: all but what is in their recorded gaps, and
//! nothing twice.

use super::Audit;
use crate::ledger::Ledger;
use std::collections::BTreeMap;
use tallyd_runtime::{
    plan::{Gap, Plan},
    store::Counts,
};

/// The bolts that one file has and the other has not.
const OPTIONAL: [&str; 3] = ["joined", "beside", "alone"];

impl Audit<'_> {
    pub(super) fn gaps(&mut self, ledger: &Ledger) {
        let Some(plan) = self.world.plan().cloned() else { return };
        for name in OPTIONAL {
            if let Some((place, _)) = self.world.topology.node(name) {
                self.gaps_of(name, place, &plan, ledger);
            }
        }
    }

    fn gaps_of(&mut self, name: &str, place: usize, plan: &Plan, ledger: &Ledger) {
        let found = self.counted_by_id(name);
        let was_there = plan.ever.contains_key(&*format!("bolt.{name}"));
        let gaps: Vec<Gap> = plan.gaps.get(name).cloned().unwrap_or_default();
        // What is in force now misses nothing from now on, and what is not does.
        let open = gaps.iter().filter(|gap| gap.to.is_none()).count();
        let misses = was_there && !self.world.is_in_force(place) && plan.ever.len() > 1;
        self.compare(&format!("{name}: gaps that go on"), &usize::from(misses), &open);
        let missed = |arrival: i64| {
            !was_there
                || gaps.iter().any(|gap| {
                    gap.from.is_none_or(|from| from <= arrival)
                        && gap.to.is_none_or(|to| arrival <= to)
                })
        };
        for (id, arrivals) in &ledger.arrivals {
            let all = arrivals.len() as u64;
            let least = arrivals.iter().filter(|arrival| !missed(**arrival)).count() as u64;
            let found = found.get(id).copied().unwrap_or_default();
            if !(least..=all).contains(&found) {
                let what = format!("{name} counted {id}, which arrived at {arrivals:?}");
                let gaps = format!("{found} times, gaps {gaps:?}");
                self.differences.push(format!("{what}, {gaps}"));
            }
        }
        let unknown: Vec<&String> =
            found.keys().filter(|id| !ledger.arrivals.contains_key(*id)).collect();
        self.compare(&format!("{name}: ids that nobody sent"), &Vec::new(), &unknown);
        let of_node = self.world.cursors.iter().filter(|((node, _), _)| *node == place);
        let mut counts = Counts::default();
        of_node.for_each(|(_, cursor)| counts.add(&cursor.counts));
        let expected = Counts { events: found.values().sum(), ..Counts::default() };
        self.compare(name, &expected, &counts);
    }

    /// How often a bolt counted each answer: it has a board for each id.
    fn counted_by_id(&self, name: &str) -> BTreeMap<String, u64> {
        let mut counted = BTreeMap::new();
        for (key, scores) in &self.memory(name).scores {
            let id = key.as_str().rsplit("id=").next().unwrap_or_default().to_owned();
            let sum: f64 = scores.values().sum();
            *counted.entry(id).or_default() += sum as u64;
        }
        counted
    }
}
