//! The topology under test: testprep, with a session timeout so short that faults may be dense.

use crate::ChaosError;
use std::time::Duration;
use tallyd_topology::{Topology, parse};

/// After how long without a heartbeat a worker counts as gone.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(1);

/// The text of its file.
pub const TEXT: &str = concat!(
    include_str!("../../../topologies/testprep.toml"),
    "\n[run]\nsession_timeout = \"1s\"\n"
);

/// The topology.
///
/// # Errors
/// Where the file does not hold.
pub fn topology() -> Result<Topology, ChaosError> {
    parse("testprep.toml", TEXT, &|_| None)
        .map_err(|faults| ChaosError::Topology(faults.render(false)))
}
