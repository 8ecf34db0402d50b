//! How a topology runs: for the command line, and over HTTP.

mod answer;

pub use answer::{
    AheadOf, GapOf, LateOf, NodeNow, PlanNow, ProbeNow, SlowestProbe, StatusNow, WorkerNow, gaps,
    status_now,
};

use std::collections::BTreeMap;
use tallyd_runtime::store::{Announcement, NodeLoad, Owner, ProbeSeen};
use tallyd_store::inspect::{NodeStatus, Status};
use tallyd_topology::Settings;

/// Events a second of a node between two readings.
#[must_use]
pub fn rate(before: &Status, after: &Status, node: usize) -> f64 {
    let events = |status: &Status| status.nodes.get(node).map_or(0, |n| n.counts.events);
    let seconds = (after.now - before.now).max(1) as f64 / 1000.0;
    events(after).saturating_sub(events(before)) as f64 / seconds
}

fn is_live(status: &Status, beat: i64, settings: &Settings) -> bool {
    status.now - beat <= settings.session_timeout_ms as i64
}

/// How busy live workers are with a node: of each share the highest, and the newest probe. `None`
/// where no worker says it.
#[must_use]
pub fn load(status: &Status, node: &NodeStatus, settings: &Settings) -> Option<NodeLoad> {
    let live = status.workers.iter().filter(|(_, beat)| is_live(status, *beat, settings));
    let loads = live.filter_map(|(worker, _)| worker.load.get(node.name.as_str()));
    loads.copied().reduce(|one, other| NodeLoad {
        busy: one.busy.max(other.busy),
        bolt: one.bolt.max(other.bolt),
        probe: one.probe.max(other.probe),
    })
}

/// The node whose last probe took longest: what an event takes until all bolts show it.
#[must_use]
pub fn slowest_probe<'a>(
    status: &'a Status,
    settings: &Settings,
) -> Option<(&'a NodeStatus, ProbeSeen)> {
    let probe = |node: &'a NodeStatus| Some((node, load(status, node, settings)?.probe?));
    status.nodes.iter().filter_map(probe).max_by_key(|(_, probe)| probe.took)
}

/// How many partitions of a node each worker has; `nobody`, or `HALTED`.
#[must_use]
pub fn owners(node: &NodeStatus) -> BTreeMap<String, usize> {
    let mut owners = BTreeMap::new();
    for owner in &node.owners {
        let name = match owner {
            Owner::Nobody => "nobody".to_owned(),
            Owner::Halted => "HALTED".to_owned(),
            Owner::Worker(id) => id.to_string(),
        };
        *owners.entry(name).or_default() += 1;
    }
    owners
}

/// For how long the oldest entry has waited, in seconds.
#[must_use]
pub fn lag_seconds(status: &Status, node: &NodeStatus) -> f64 {
    node.lag.oldest.map_or(0.0, |oldest| (status.now - oldest).max(0) as f64 / 1000.0)
}

/// Whether a worker's plan is the one in force. Another one takes no part.
#[must_use]
pub fn runs_plan(status: &Status, worker: &Announcement) -> bool {
    status.plan.as_ref().is_some_and(|plan| plan.fingerprint() == worker.plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(id: &str, load: NodeLoad) -> Announcement {
        let load = BTreeMap::from([("points".into(), load)]);
        Announcement { id: id.into(), load, ..Announcement::default() }
    }

    #[test]
    fn a_node_has_the_highest_shares_and_the_newest_probe_of_those_that_live() {
        let seen = |sent, took| Some(ProbeSeen { sent, took });
        let topology = tallyd_topology::parse(
            "t.toml",
            "name = \"t\"\n[source.s]\nid = \"id\"\nkey = \"id\"\nfields = { id = \"string\" }",
            &|_| None,
        );
        let settings = topology.unwrap().settings;
        let patience = settings.session_timeout_ms as i64;
        let one = worker("one", NodeLoad { busy: 70, bolt: 5, probe: seen(9_000, 40) });
        let other = worker("other", NodeLoad { busy: 20, bolt: 9, probe: seen(9_500, 12) });
        let gone = worker("gone", NodeLoad { busy: 99, bolt: 99, probe: seen(9_900, 99) });
        let now = 10_000 + patience;
        let workers = vec![(one, now), (other, now - patience), (gone, now - patience - 1)];
        let points = NodeStatus { name: "points".into(), ..NodeStatus::default() };
        let silent = NodeStatus { name: "silent".into(), ..NodeStatus::default() };
        let status = Status { now, workers, nodes: vec![silent, points], ..Status::default() };
        let load = load(&status, &status.nodes[1], &settings).unwrap();
        assert_eq!(load, NodeLoad { busy: 70, bolt: 9, probe: seen(9_500, 12) });

        let status = status_now(&status, &status, &settings);
        let ago_seconds = (now - 9_500) as f64 / 1000.0;
        let [silent, points] = &status.nodes[..] else { panic!("{:?}", status.nodes) };
        assert_eq!(points.probe, Some(ProbeNow { seconds: 0.012, ago_seconds }));
        assert_eq!((points.busy, points.bolt_busy), (Some(0.7), Some(0.09)));
        assert_eq!((silent.busy, silent.bolt_busy, &silent.probe), (None, None, &None));
        assert_eq!(status.slowest_probe.unwrap().node, "points");
    }
}
