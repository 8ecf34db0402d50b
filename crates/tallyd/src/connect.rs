//! What the commands that look at a running topology have in common.

use crate::load;
use anyhow::Context;
use std::path::PathBuf;
use tallyd_store::{Connection, keys::Keys};
use tallyd_topology::{RedisAddress, Topology};

/// Which topology to look at, and where.
#[derive(clap::Args, Clone, Debug)]
pub struct Target {
    /// The topology file
    #[arg(short, long, env = "TALLYD_TOPOLOGY", default_value = "topologies/testprep.toml")]
    pub topology: PathBuf,
    /// The Redis to use instead of the file's
    #[arg(long, value_name = "URL")]
    pub redis: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Where a topology's Redis is. Another URL takes the place of the file's; the rest of its
/// `[redis]`, such as certificates, still holds.
pub fn address(topology: &Topology, url: Option<String>) -> RedisAddress {
    let mut address = topology.redis.clone();
    if let Some(url) = url {
        address.url = url;
    }
    address
}

/// A topology and a connection to its Redis.
pub struct Open {
    /// The topology.
    pub topology: Topology,
    /// Its keys.
    pub keys: Keys,
    /// A connection of its own.
    pub connection: Connection,
}

impl Target {
    /// Reads the topology and connects.
    ///
    /// # Errors
    /// Where the file does not hold or the server can't be reached.
    pub async fn open(&self) -> anyhow::Result<Open> {
        let topology = load::topology(&self.topology)?;
        let address = address(&topology, self.redis.clone());
        let connection = Connection::open_at(&address).await.context("can't connect to Redis")?;
        let keys = Keys::new(&topology.name, 0);
        Ok(Open { topology, keys, connection })
    }
}
