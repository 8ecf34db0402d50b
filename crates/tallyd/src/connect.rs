//! What the commands that look at a running topology have in common.

use crate::load::{self, Named};
use anyhow::Context;
use std::path::Path;
use tallyd_store::{Connection, keys::Keys};
use tallyd_topology::{RedisAddress, Topology};

/// Which topology to look at, and where.
#[derive(clap::Args, Clone, Debug)]
pub struct Target {
    #[command(flatten)]
    pub topology: Named,
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
        self.open_file(None).await
    }

    /// As [`Target::open`]; the file may be named without `--topology` too.
    ///
    /// # Errors
    /// As [`Target::open`].
    pub async fn open_file(&self, file: Option<&Path>) -> anyhow::Result<Open> {
        let topology = load::topology(&self.topology.find(file)?)?;
        let address = address(&topology, self.redis.clone());
        let connection = Connection::open_at(&address).await.context("can't connect to Redis")?;
        let keys = Keys::new(&topology.name, 0);
        Ok(Open { topology, keys, connection })
    }
}
