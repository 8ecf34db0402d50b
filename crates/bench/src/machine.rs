//! Where a benchmark ran, and with what.

use crate::{BenchError, server::Private};
use serde::Serialize;
use std::collections::BTreeMap;

/// The versions that this build is made of.
const LOCK: &str = include_str!("../../../Cargo.lock");
/// Those of them that matter.
const LIBRARIES: [&str; 3] = ["redis", "sea-streamer-redis", "tokio"];

/// A machine and what runs on it.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// How many cores the benchmark may use.
    pub cores: usize,
    /// Memory, in GiB.
    pub memory_gib: f64,
    /// The kernel.
    pub kernel: String,
    /// The server.
    pub redis: String,
    /// tallyd.
    pub tallyd: &'static str,
    /// Libraries by name.
    pub libraries: BTreeMap<&'static str, String>,
}

impl Machine {
    /// This machine, and the server that it starts.
    ///
    /// # Errors
    /// Where no server can be started.
    pub async fn look() -> Result<Self, BenchError> {
        let mut server = Private::start(false).await?;
        let text: String = server.ask(&["INFO", "server"]).await?;
        let redis = text.lines().find_map(|line| line.strip_prefix("redis_version:"));
        let uname = rustix::system::uname();
        let kibibytes = first_of("/proc/meminfo", "MemTotal:");
        let kibibytes = kibibytes.split(' ').next().and_then(|n| n.parse::<f64>().ok());
        Ok(Self {
            processor: first_of("/proc/cpuinfo", "model name\t:"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: kibibytes.unwrap_or(0.0) / 1024.0 / 1024.0,
            kernel: uname.release().to_string_lossy().into_owned(),
            redis: redis.unwrap_or("unknown").trim().to_owned(),
            tallyd: env!("CARGO_PKG_VERSION"),
            libraries: LIBRARIES.iter().map(|name| (*name, version(name))).collect(),
        })
    }
}

/// What follows a name in a file of the system; empty where it does not say.
fn first_of(file: &str, name: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let found = text.lines().find_map(|line| line.strip_prefix(name));
    found.unwrap_or_default().trim().to_owned()
}

fn version(library: &str) -> String {
    let mut lines = LOCK.lines();
    let named = format!("name = \"{library}\"");
    let found = lines.find(|line| *line == named).and_then(|_| lines.next());
    found.and_then(|line| line.split('"').nth(1)).unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_lock() {
        for library in LIBRARIES {
            assert!(version(library).starts_with(|c: char| c.is_ascii_digit()), "{library}");
        }
        assert_eq!(version("no such library"), "unknown");
    }
}
