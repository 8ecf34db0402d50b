//! What happened between two readings of a topology's state.

use std::collections::{BTreeMap, BTreeSet};
use tallyd_runtime::{plan, store::Owner};
use tallyd_store::inspect::{NodeStatus, Status};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When it was seen, in ms since the epoch.
    pub at: i64,
    /// What, in a line.
    pub what: String,
    /// How many, of what goes on: of that, all is one line. `None` of what happens once.
    pub count: Option<u64>,
    /// When the first of them was seen.
    pub since: i64,
    /// Whether somebody should look.
    pub is_alarm: bool,
}

/// What happened between two readings. A worker that was not heard of for `patience` ms is gone.
pub fn between(before: &Status, now: &Status, patience: u64) -> Vec<Change> {
    let mut all = Vec::new();
    let at = now.now;
    let mut say = |is_alarm: bool, what: String| {
        all.push(Change { at, what, count: None, since: at, is_alarm });
    };
    let live = |status: &Status| -> BTreeSet<String> {
        let patience = i64::try_from(patience).unwrap_or(i64::MAX);
        let live = status.workers.iter().filter(|(_, beat)| status.now - beat <= patience);
        live.map(|(worker, _)| worker.id.to_string()).collect()
    };
    let (were, are) = (live(before), live(now));
    for worker in are.difference(&were) {
        say(false, format!("worker {worker} began"));
    }
    for worker in were.difference(&are) {
        let has_said_so = !now.workers.iter().any(|(of, _)| of.id == worker.as_str());
        match has_said_so {
            true => say(false, format!("worker {worker} left")),
            false => say(true, format!("worker {worker} is not heard of any more")),
        }
    }
    let plans = [before, now].map(|status| status.plan.as_ref().map(|plan| plan.generation));
    if plans[0] != plans[1]
        && let Some(in_force) = &now.plan
    {
        let file = in_force.fingerprint();
        say(false, format!("file {} is in force", plan::short(&file)));
    }
    for (was, is) in before.nodes.iter().zip(&now.nodes) {
        moved(was, is, &mut say);
    }
    for (place, reason) in &now.halted {
        if !before.halted.contains_key(place) {
            say(true, format!("{place} halted: {reason}"));
        }
    }
    for place in before.halted.keys().filter(|place| !now.halted.contains_key(*place)) {
        say(false, format!("{place} may be taken again"));
    }
    for (was, is) in before.nodes.iter().zip(&now.nodes) {
        counted(was, is, &mut |is_alarm, what, more| {
            all.push(Change { at, what, count: Some(more), since: at, is_alarm });
        });
    }
    all
}

/// Which partitions have another owner.
fn moved(was: &NodeStatus, is: &NodeStatus, say: &mut impl FnMut(bool, String)) {
    let name = &is.name;
    // Of fused bolts the one that they are fused with says it.
    if is.fused_with.is_none() {
        let mut moved: BTreeMap<(String, String), usize> = BTreeMap::new();
        for (from, to) in was.owners.iter().zip(&is.owners).filter(|(from, to)| from != to) {
            *moved.entry((named(from), named(to))).or_default() += 1;
        }
        for ((from, to), count) in moved {
            let partitions = if count == 1 { "partition" } else { "partitions" };
            say(to == NOBODY, format!("{name}: {count} {partitions} from {from} to {to}"));
        }
    }
}

/// What there is more of.
fn counted(was: &NodeStatus, is: &NodeStatus, say: &mut impl FnMut(bool, String, u64)) {
    let name = &is.name;
    let mut more = |is_alarm: bool, what: String, is: u64, was: u64| {
        if is > was {
            say(is_alarm, what, is - was);
        }
    };
    for (kind, count) in &is.dead {
        let before = was.dead.get(kind).copied().unwrap_or_default();
        more(true, format!("{name}: events rejected ({kind})"), *count, before);
    }
    let lost = format!("{name}: entries that went before they were read");
    more(true, lost, is.counts.lost, was.counts.lost);
    more(true, format!("{name}: its stream began again"), is.restarts, was.restarts);
    for (window, count) in &is.late.counts {
        let before = was.late.counts.get(window).copied().unwrap_or_default();
        more(false, format!("{name}: events too late for {window}"), *count, before);
    }
}

const NOBODY: &str = "nobody";

fn named(owner: &Owner) -> String {
    match owner {
        Owner::Nobody => NOBODY.to_owned(),
        Owner::Halted => "halted".to_owned(),
        Owner::Worker(id) => id.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallyd_runtime::store::Announcement;

    fn node(owners: &[&str]) -> NodeStatus {
        let owner = |name: &&str| match *name {
            "" => Owner::Nobody,
            name => Owner::Worker(name.into()),
        };
        NodeStatus {
            name: "points".into(),
            owners: owners.iter().map(owner).collect(),
            ..NodeStatus::default()
        }
    }

    fn status(now: i64, workers: &[(&str, i64)], node: NodeStatus) -> Status {
        let worker = |(id, beat): &(&str, i64)| {
            (Announcement { id: (*id).into(), ..Announcement::default() }, *beat)
        };
        let workers = workers.iter().map(worker).collect();
        Status { now, workers, nodes: vec![node], ..Status::default() }
    }

    #[test]
    fn what_happened_is_said_once() {
        let before = status(1000, &[("a", 1000), ("b", 900)], node(&["a", "b", "b"]));
        let mut after = node(&["a", "a", ""]);
        after.dead.insert("malformed".into(), 2);
        let mut now = status(7000, &[("a", 7000), ("b", 900), ("c", 7000)], after);
        now.halted.insert("points:2".into(), "WRONGTYPE".into());
        let said: Vec<(bool, String, Option<u64>)> = between(&before, &now, 5000)
            .into_iter()
            .map(|change| (change.is_alarm, change.what, change.count))
            .collect();
        let expected = [
            (false, "worker c began", None),
            (true, "worker b is not heard of any more", None),
            (false, "points: 1 partition from b to a", None),
            (true, "points: 1 partition from b to nobody", None),
            (true, "points:2 halted: WRONGTYPE", None),
            (true, "points: events rejected (malformed)", Some(2)),
        ];
        assert_eq!(said, expected.map(|(alarm, what, count)| (alarm, what.to_owned(), count)));
        assert!(between(&now, &now, 5000).is_empty());
    }

    #[test]
    fn a_worker_that_said_that_it_leaves_is_no_alarm() {
        let before = status(1000, &[("a", 1000)], node(&["a"]));
        let said = between(&before, &status(2000, &[], node(&["a"])), 5000);
        assert_eq!((said[0].what.as_str(), said[0].is_alarm), ("worker a left", false));
    }
}
