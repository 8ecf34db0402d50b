//! The topology under test: testprep, with a session timeout so short that faults may be dense, and
//! a dedup window that is shorter than the time in which no worker runs.

use crate::ChaosError;
use std::time::Duration;
use tallyd_topology::{Topology, parse};

/// After how long without a heartbeat a worker counts as gone.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(1);
/// For how long an identity is remembered. A learner's answer is sent again within some 15 s, and
/// later by as much as a server is away.
pub const DEDUP_WINDOW: Duration = Duration::from_secs(45);

/// The text of its file.
#[must_use]
pub fn text() -> String {
    let testprep = include_str!("../../../topologies/testprep.toml");
    let window = format!("window = \"{}s\"", DEDUP_WINDOW.as_secs());
    testprep.replace("window = \"24h\"", &window) + "\n[run]\nsession_timeout = \"1s\"\n"
}

/// The topology.
///
/// # Errors
/// Where the file has faults.
pub fn topology() -> Result<Topology, ChaosError> {
    parse("testprep.toml", &text(), &|_| None)
        .map_err(|faults| ChaosError::Topology(faults.render(false)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallyd_topology::{NodeKind, bolts::dedup::Options};

    #[test]
    fn the_dedup_window_is_the_short_one() {
        let topology = topology().unwrap();
        let (_, node) = topology.node("unique").unwrap();
        let NodeKind::Bolt(bolt) = &node.kind else { panic!("unique is no bolt") };
        let Some(dedup) = bolt.options.of::<Options>() else { panic!("unique is no dedup bolt") };
        assert_eq!(dedup.window_ms, 45_000);
    }
}
