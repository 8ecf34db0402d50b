//! The checks: pure functions from facts to findings. None asks a server or a clock.
//!
//! A check says nothing where its facts are missing; what could not be checked for want of a right
//! is said once, by [`access::unchecked`].

pub mod access;
pub mod connections;
pub mod faults;
pub mod losses;
pub mod memory;
pub mod persistence;
pub mod replication;
pub mod server;
pub mod streams;
pub mod work;

#[cfg(test)]
mod tests;

use super::{
    Subject,
    address::quoted,
    estimate::estimate,
    facts::{Facts, Stored},
    finding::Finding,
};

/// The checks of a server, whatever runs on it.
pub const OF_SERVER: &[fn(&Facts) -> Vec<Finding>] = &[
    server::version,
    server::cluster,
    server::database,
    faults::known,
    persistence::append_only_file,
    persistence::snapshots,
    replication::role,
    replication::replicas,
    replication::syncing,
    faults::swapdb,
    memory::eviction,
    memory::evicted,
    memory::limit,
    memory::compact_hashes,
    connections::latency,
    connections::pauses,
    connections::clock,
    connections::idle_timeout,
    connections::output_buffers,
    connections::longest_value,
    connections::client_memory,
    connections::most_clients,
    access::rights,
    access::trial,
    access::unchecked,
];

/// A server, and what a topology has stored there.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    /// The server.
    pub facts: &'a Facts,
    /// The topology.
    pub subject: Subject<'a>,
    /// What is stored.
    pub stored: &'a Stored,
}

/// The checks of a topology on its server.
pub const OF_TOPOLOGY: &[fn(&Of<'_>) -> Vec<Finding>] = &[
    work::halted,
    losses::entries,
    work::owners,
    work::plans,
    work::consumers,
    work::groups,
    streams::sources,
    streams::entry_ids,
    streams::other_readers,
    streams::sinks,
    streams::strays,
    streams::dead_letters,
    server::time_zones,
    |of| memory::headroom(of.facts, &estimate(of.subject.topology, of.stored)),
];

impl Of<'_> {
    /// A command of tallyd that takes the topology as an option.
    fn tallyd(&self, command: &str) -> String {
        format!("tallyd {command} --topology {}{}", quoted(self.subject.file), self.redis())
    }

    /// `tallyd run` of the topology.
    fn tallyd_run(&self) -> String {
        format!("tallyd run {}{}", quoted(self.subject.file), self.redis())
    }

    fn redis(&self) -> String {
        match self.subject.elsewhere {
            true => format!(" --redis {}", quoted(&self.facts.address.shown)),
            false => String::new(),
        }
    }
}
