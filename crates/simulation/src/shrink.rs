//! Makes a plan that fails smaller while it fails.

use crate::{Plan, Report, run};

/// The smallest plan that still fails, and what comes of it. Faults are left out, one by one and
/// two at a time, and fewer events are sent, until none of it can be done.
#[must_use]
pub fn shrink(plan: &Plan) -> (Plan, Report) {
    let fails = |plan: &Plan| {
        let report = run(plan, false);
        (!report.differences.is_empty()).then_some(report)
    };
    let mut smallest = plan.clone();
    let mut report = run(plan, false);
    loop {
        let fewer_events = [2, 4, 8].map(|part| Plan {
            sendings: smallest.sendings - smallest.sendings / part,
            ..smallest.clone()
        });
        let fewer_workers = (smallest.workers > 1)
            .then(|| Plan { workers: smallest.workers - 1, ..smallest.clone() });
        let count = smallest.faults.len();
        let pairs =
            (0..count).flat_map(|first| (first + 1..count).map(move |second| (first, second)));
        let without = |(first, second): (usize, usize)| {
            let kept = |place: &usize| *place != first && *place != second;
            let faults = (0..count).filter(kept).filter_map(|place| smallest.faults.get(place));
            Plan { faults: faults.cloned().collect(), ..smallest.clone() }
        };
        // One fault often only makes up for another: without both it fails as before.
        let fewer_faults = (0..count).map(|one| (one, one)).map(without);
        let smaller =
            fewer_faults.chain(fewer_workers).chain(fewer_events).chain(pairs.map(without));
        let found = smaller
            .filter(|plan| *plan != smallest)
            .find_map(|plan| fails(&plan).map(|report| (plan, report)));
        match found {
            Some((plan, smaller)) => (smallest, report) = (plan, smaller),
            None => return (smallest, report),
        }
    }
}
