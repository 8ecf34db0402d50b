//! What a topology has to be asked about.

use crate::QueryError;
use tallyd_topology::{BoltOptions, NodeKind, Topology};

/// All bolts of a topology that `pick` takes, with their names, in the topology's order.
pub fn bolts<'a, T>(
    topology: &'a Topology,
    pick: impl Fn(&'a dyn BoltOptions) -> Option<T>,
) -> Vec<(&'a str, T)> {
    let bolt = |node: &'a tallyd_topology::Node| match &node.kind {
        NodeKind::Bolt(bolt) => Some((node.name.as_str(), pick(&*bolt.options)?)),
        NodeKind::Source(_) => None,
    };
    topology.nodes.iter().filter_map(bolt).collect()
}

/// The options of the leaderboard of this name.
///
/// # Errors
/// Where there is none.
pub fn leaderboard<'a>(
    topology: &'a Topology,
    name: &str,
) -> Result<&'a tallyd_leaderboard::Options, QueryError> {
    named("leaderboard", name, bolts(topology, as_leaderboard))
}

/// The options of the aggregate of this name.
///
/// # Errors
/// Where there is none.
pub fn aggregate<'a>(
    topology: &'a Topology,
    name: &str,
) -> Result<&'a tallyd_aggregate::Options, QueryError> {
    named("aggregate", name, bolts(topology, as_aggregate))
}

/// The options of a leaderboard; `None` for another bolt.
#[must_use]
pub fn as_leaderboard(options: &dyn BoltOptions) -> Option<&tallyd_leaderboard::Options> {
    options.of()
}

/// The options of an aggregate; `None` for another bolt.
#[must_use]
pub fn as_aggregate(options: &dyn BoltOptions) -> Option<&tallyd_aggregate::Options> {
    options.of()
}

/// The one of this name.
pub(crate) fn named<T>(
    kind: &'static str,
    name: &str,
    all: Vec<(&str, T)>,
) -> Result<T, QueryError> {
    let known = all.iter().map(|(name, _)| (*name).to_owned()).collect();
    let found = all.into_iter().find(|(known, _)| *known == name);
    found.map(|(_, found)| found).ok_or_else(|| QueryError::Unknown {
        kind,
        name: name.to_owned(),
        known,
    })
}
