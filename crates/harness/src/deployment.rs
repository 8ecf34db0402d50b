//! A running topology, as somebody sees it who looks at its Redis.

use tallyd_runtime::StoreError;
use tallyd_store::{Connection, keys::Keys};
use tallyd_topology::Topology;

/// A topology, its keys, and a connection to its Redis.
pub struct Deployment {
    /// The topology.
    pub topology: Topology,
    /// Its keys.
    pub keys: Keys,
    /// A connection of its own.
    pub connection: Connection,
}

impl Deployment {
    /// Connects to the Redis of this URL.
    ///
    /// # Errors
    /// Where the server can't be reached.
    pub async fn open(topology: Topology, url: &str) -> Result<Self, StoreError> {
        let keys = Keys::new(&topology.name, 0);
        Ok(Self { topology, keys, connection: Connection::open(url).await? })
    }
}
