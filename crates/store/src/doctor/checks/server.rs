//! Which server it is.

use crate::doctor::{
    checks::Of,
    facts::Facts,
    finding::{Check, Finding, note},
};

const VERSION: Check = Check::new("server", "version");
const CLUSTER: Check = Check::new("server", "cluster");
const TIME_ZONES: Check = Check::new("server", "time-zones");
const DATABASE: Check = Check::new("server", "database");

/// The oldest Redis that has every command: XAUTOCLAIM, ZMSCORE, XTRIM MINID.
const OLDEST: (u32, u32) = (6, 2);
/// What the demo with its kill and audit was run on.
const TESTED: &str = "Redis 6.2.14, Redis 7.0.15, Valkey 9.1.2";
/// Fields of INFO by which servers that only speak like Redis tell what they are.
const OTHERS: [(&str, &str); 4] = [
    ("dragonfly_version", "Dragonfly"),
    ("garnet_version", "Garnet"),
    ("kvrocks_version", "Kvrocks"),
    ("pika_version", "Pika"),
];

/// The server's name and version, for people.
#[must_use]
pub fn name(facts: &Facts) -> String {
    let other = OTHERS.iter().find_map(|(field, name)| Some((*name, facts.text(field)?)));
    let valkey = facts.text("valkey_version").map(|version| ("Valkey", version));
    let redis = ("Redis", facts.text("redis_version").unwrap_or("unknown"));
    let (name, version) = other.or(valkey).unwrap_or(redis);
    format!("{name} {version}")
}

/// Whether it is a server that only speaks like Redis.
pub(super) fn is_other(facts: &Facts) -> bool {
    OTHERS.iter().any(|(field, _)| facts.info.contains_key(*field))
}

/// Whether the server has every command that is needed.
pub fn version(facts: &Facts) -> Vec<Finding> {
    if facts.info.is_empty() {
        return Vec::new();
    }
    let name = name(facts);
    if is_other(facts) {
        let why = "exactly-once rests on how WATCH, MULTI and consumer groups work in Redis: on \
                   this server that was never tested";
        let fix = vec![note(format!("use one that is tested: {TESTED}"))];
        return vec![VERSION.warning(format!("the server is {name}"), why, fix)];
    }
    // Valkey says here which Redis it is like, which is never an older one.
    let version = facts.text("redis_version").unwrap_or("unknown");
    let mut numbers = version.split('.').map(|n| n.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST => {
            vec![VERSION.fine(format!("{name} (6.2 or later; tested: {TESTED})"))]
        }
        _ => vec![VERSION.broken(
            format!("the server is {name} (expected 6.2 or later, or any Valkey)"),
            "it has no XAUTOCLAIM, ZMSCORE or XTRIM MINID: no worker starts on it",
            vec![note(format!("install one that is tested: {TESTED}"))],
        )],
    }
}

/// Whether it is a cluster.
pub fn cluster(facts: &Facts) -> Vec<Finding> {
    match facts.text("cluster_enabled") {
        Some("1") => vec![CLUSTER.broken(
            "the server is a Redis Cluster, which is not supported yet",
            "one commit spans the source streams and tallyd's own keys, and those lie in different \
             slots: the server refuses it (CROSSSLOT)",
            vec![note("use a server with cluster-enabled no")],
        )],
        Some(_) => vec![CLUSTER.fine("the server is no cluster")],
        None => Vec::new(),
    }
}

/// Whether it is database 0.
pub fn database(facts: &Facts) -> Vec<Finding> {
    let number = facts.address.database;
    if number == 0 {
        return vec![DATABASE.fine("database 0")];
    }
    vec![DATABASE.warning(
        format!("the URL names database {number}"),
        "databases share memory, maxmemory and FLUSHALL, so this parts nothing from others; and a \
         producer whose URL lacks the number writes where no worker reads",
        vec![note("use a server of its own, and database 0")],
    )]
}

/// Whether this program knows the time zones as well as the host that it runs on.
pub fn time_zones(of: &Of<'_>) -> Vec<Finding> {
    let Some(zones) = &of.facts.time_zones else { return Vec::new() };
    let what = format!("the time zone data of this program is {}", zones.own);
    match &zones.host {
        // A year and a letter each.
        Some(host) if *host > zones.own => vec![TIME_ZONES.warning(
            format!("{what}, and the host has {host}"),
            "days and windows begin by the data of this program. Where a rule of the topology's \
             time_zone was changed since, they begin an hour off",
            vec![note("build tallyd again with the newer data, and update all workers together")],
        )],
        Some(host) => vec![TIME_ZONES.fine(format!("{what}, the host's {host}"))],
        None => vec![TIME_ZONES.fine(what)],
    }
}
