//! What the checks go by, as plain data: what the server says of itself, and what is stored of a
//! topology. Nothing here asks a server.

use super::address::Address;
use crate::inspect::Status;
use std::collections::BTreeMap;
use tallyd_event::EntryId;

/// What is known of a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// How it is reached.
    pub address: Address,
    /// The fields of INFO.
    pub info: BTreeMap<String, String>,
    /// The settings that matter, as CONFIG GET gives them. A server may not have all.
    pub settings: BTreeMap<String, String>,
    /// The commands that the server refused, with its errors.
    pub refused: BTreeMap<&'static str, String>,
    /// The user that asked, where the server says.
    pub user: Option<String>,
    /// What a worker needs and this user may not do; `None` where it could not be tried.
    pub missing: Option<Vec<MissingRight>>,
    /// The server queues whatever it is given, so that no right can be tried by queueing.
    pub queues_anything: bool,
    /// Why the server refuses writes at this moment, where it does.
    pub refuses_writes: Option<String>,
    /// The time zone data of this program and of its host.
    pub time_zones: Option<TimeZones>,
    /// How long each PING took, in µs.
    pub pings: Vec<u64>,
    /// The server's clock against this host's.
    pub clock: Option<Clock>,
}

/// A command of [`crate::rights`] that the server does not let the user queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingRight {
    /// The command, as access lists have it.
    pub command: String,
    /// The key that it was tried on; empty for none.
    pub key: String,
    /// What the server said.
    pub error: String,
}

/// The versions of time zone data, such as `2026a`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZones {
    /// That which is built into this program, and which alone counts.
    pub own: String,
    /// The host's, where it has any.
    pub host: Option<String>,
}

/// A comparison of two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The server's less this host's, in ms.
    pub ahead_ms: i64,
    /// How long the question took, in ms: the difference is known to half of that.
    pub round_trip_ms: i64,
}

/// What is stored of a topology.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stored {
    /// Owners, lag, halts, dead letters.
    pub status: Status,
    /// The streams that the nodes read, and the sinks.
    pub streams: Vec<Stream>,
    /// Streams of edges that the topology does not have, with how many entries each holds.
    pub strays: Vec<(String, u64)>,
    /// How many keys were looked at for them, where those were not all.
    pub looked_at: Option<u64>,
    /// The logs of the dedup bolts.
    pub logs: Vec<Logs>,
    /// The bytes of the stream of dead letters.
    pub dead_bytes: Option<u64>,
}

/// A stream that the topology names or makes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stream {
    /// Its key.
    pub key: String,
    /// The place of the node that reads it (a source), writes it (a sink), or wrote it (an edge).
    pub node: usize,
    /// What it is for.
    pub role: Role,
    /// How many entries it holds.
    pub length: u64,
    /// How many bytes it takes, where the server says.
    pub bytes: Option<u64>,
    /// Its oldest entry.
    pub first: Option<EntryId>,
    /// Its consumer groups.
    pub groups: Vec<Group>,
}

/// What a stream is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Producers write it.
    #[default]
    Source,
    /// Nodes read it, by this partition of this edge of the node that writes it.
    Edge {
        /// The place in the node's edges.
        edge: usize,
        /// The partition.
        partition: u16,
    },
    /// Applications follow it.
    Sink {
        /// The place in the node's sinks.
        sink: usize,
    },
}

/// A consumer group of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// The last entry that it has delivered.
    pub delivered: EntryId,
    /// The lowest entry that was delivered and not acknowledged.
    pub lowest_pending: Option<EntryId>,
    /// Its consumers, and how many entries each has pending.
    pub consumers: Vec<(String, u64)>,
}

/// The logs of a dedup bolt: how many bytes each bucket of arrival time has, over all partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logs {
    /// The bolt.
    pub bolt: String,
    /// How long a bucket is, in ms.
    pub bucket_ms: i64,
    /// For how many buckets each is kept.
    pub kept: u64,
    /// The bytes of each, oldest first; the last is the one that is being written.
    pub buckets: Vec<u64>,
}

impl Facts {
    /// A field of INFO.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.info.get(name).map(String::as_str)
    }

    /// A field of INFO that is a whole number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// A setting.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    /// A setting that is a whole number.
    #[must_use]
    pub fn setting_number(&self, name: &str) -> Option<u64> {
        self.setting(name)?.parse().ok()
    }

    /// A command for a shell that reaches the server.
    #[must_use]
    pub fn cli(&self, command: &str) -> String {
        format!("{} {command}", self.address.cli)
    }

    /// The commands that change a setting, also in the server's file where it has one.
    #[must_use]
    pub fn set(&self, name: &str, value: &str) -> Vec<String> {
        if self.refused.contains_key("CONFIG GET") {
            let note = format!("# set {name} to {value} where the server is configured");
            return vec![format!("{note}: this user may not use CONFIG")];
        }
        let mut lines = vec![self.cli(&format!("CONFIG SET {name} {value}"))];
        if self.text("config_file").is_some_and(|file| !file.is_empty()) {
            lines.push(self.cli("CONFIG REWRITE"));
        } else {
            lines.push(format!(
                "# the server has no configuration file: start it with --{name} {value} as well"
            ));
        }
        lines
    }
}

/// The fields of the text that INFO gives.
#[must_use]
pub fn parse_info(text: &str) -> BTreeMap<String, String> {
    let fields = text.lines().filter_map(|line| line.trim_end().split_once(':'));
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
