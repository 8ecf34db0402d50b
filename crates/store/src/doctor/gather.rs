//! The one place that asks a server for the facts. It changes nothing: samples of commands that
//! write are queued and discarded. What the server refuses is noted, and fails nothing.

use super::{
    address::Address,
    facts::{Clock, Facts, TimeZones, parse_info},
    trial::{self, Trial},
};
use crate::{
    connection::{Connection, checked},
    keys::Keys,
    reply,
    store::server_ms,
};
use redis::{Pipeline, Value};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tallyd_runtime::{StoreError, store::ErrorKind};
use tallyd_topology::{RedisAddress, Topology};

/// The settings that the checks look at. A server may not know all of them.
const SETTINGS: &[&str] = &[
    "aof-load-truncated",
    "appendfsync",
    "auto-aof-rewrite-percentage",
    "client-output-buffer-limit",
    "disable-thp",
    "hash-max-listpack-entries",
    "hash-max-ziplist-entries",
    "latency-monitor-threshold",
    "maxclients",
    "maxmemory",
    "maxmemory-clients",
    "maxmemory-policy",
    "min-replicas-to-write",
    "no-appendfsync-on-rewrite",
    "proto-max-bulk-len",
    "repl-diskless-load",
    "save",
    "stop-writes-on-bgsave-error",
    "timeout",
];
/// Where most systems have the text of their time zone data.
const HOST_ZONES: &str = "/usr/share/zoneinfo/tzdata.zi";
/// How often the server is pinged.
const PINGS: usize = 100;
/// How often its clock is asked for; the quickest answer counts.
const CLOCK_READINGS: usize = 5;

/// What decides whether a worker may start: INFO and settings, in one round trip.
///
/// # Errors
/// Where the connection fails.
pub async fn essentials(c: &mut Connection, address: Address) -> Result<Facts, StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("INFO");
    for name in SETTINGS {
        ask.cmd("CONFIG").arg("GET").arg(*name);
    }
    let mut facts = Facts { address, ..Facts::default() };
    let mut replies = c.send(&ask).await?.into_iter();
    match checked(replies.next().unwrap_or(Value::Nil)).and_then(info_text) {
        Ok(text) => facts.info = parse_info(&text),
        Err(error) => refuse(&mut facts, "INFO", &error),
    }
    for answer in replies {
        match checked(answer).and_then(reply::facts) {
            Ok(pairs) => {
                for (name, value) in pairs {
                    facts.settings.insert(name, reply::text(value)?.unwrap_or_default());
                }
            }
            Err(error) => refuse(&mut facts, "CONFIG GET", &error),
        }
    }
    Ok(facts)
}

/// All that a server says of itself. `scope` says whose rights are tried.
///
/// # Errors
/// Where the connection fails.
pub async fn server(
    c: &mut Connection,
    address: &RedisAddress,
    scope: Option<(&Topology, &Keys)>,
) -> Result<Facts, StoreError> {
    let mut facts = essentials(c, Address::of(&address.url)).await?;
    let mut ask = Pipeline::new();
    ask.cmd("ACL").arg("WHOAMI");
    match checked(c.send(&ask).await?.pop().unwrap_or(Value::Nil)).and_then(reply::text) {
        Ok(user) => facts.user = user,
        Err(error) => refuse(&mut facts, "ACL WHOAMI", &error),
    }
    facts.time_zones = Some(TimeZones {
        own: tallyd_bolt::time_zone_data().to_owned(),
        host: std::fs::read_to_string(HOST_ZONES).ok().and_then(|text| zones_of(&text)),
    });
    facts.pings = pings(c).await?;
    match clock(c).await {
        Ok(clock) => facts.clock = Some(clock),
        Err(error) if is_refusal(&error) => refuse(&mut facts, "TIME", &error),
        Err(error) => return Err(error),
    }
    // On a connection of its own: a transaction that can't be discarded ends with it.
    let mut spare = Connection::open_at(address).await?;
    match trial::run(&mut spare, scope).await {
        Ok(Trial::Told { missing, refuses_writes }) => {
            facts.missing = Some(missing);
            facts.refuses_writes = refuses_writes;
        }
        Ok(Trial::QueuesAnything) => facts.queues_anything = true,
        Err(error) => refuse(&mut facts, "MULTI", &error),
    }
    Ok(facts)
}

/// The version of time zone data: its first line is `# version 2026a`.
fn zones_of(text: &str) -> Option<String> {
    text.lines().next()?.strip_prefix("# version ").map(|version| version.trim().to_owned())
}

/// Whether the server answered, but not with what was asked for.
pub(super) fn is_refusal(error: &StoreError) -> bool {
    !matches!(error.kind, ErrorKind::Connection | ErrorKind::Timeout)
}

pub(super) fn refuse(facts: &mut Facts, command: &'static str, error: &StoreError) {
    facts.refused.entry(command).or_insert_with(|| error.message.trim_end().to_owned());
}

fn info_text(answer: Value) -> Result<String, StoreError> {
    match answer {
        Value::VerbatimString { text, .. } => Ok(text),
        other => Ok(reply::text(other)?.unwrap_or_default()),
    }
}

/// How long PINGs take, one after the other, in µs.
async fn pings(c: &mut Connection) -> Result<Vec<u64>, StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("PING");
    let mut took = Vec::with_capacity(PINGS);
    for _ in 0..PINGS {
        let sent = Instant::now();
        // An answer that refuses the command takes as long as one that does not.
        c.send(&ask).await?;
        took.push(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok(took)
}

async fn clock(c: &mut Connection) -> Result<Clock, StoreError> {
    let mut best: Option<Clock> = None;
    for _ in 0..CLOCK_READINGS {
        let sent = wall_ms();
        let theirs = server_ms(c).await?;
        let round_trip_ms = wall_ms() - sent;
        let reading = Clock { ahead_ms: theirs - (sent + round_trip_ms / 2), round_trip_ms };
        if best.is_none_or(|best| reading.round_trip_ms < best.round_trip_ms) {
            best = Some(reading);
        }
    }
    best.ok_or_else(|| StoreError::new(ErrorKind::Reply, "the server's clock gave no reading"))
}

/// This machine's clock, in ms since the epoch: what the user of it goes by.
fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
