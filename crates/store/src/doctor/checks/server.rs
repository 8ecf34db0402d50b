//! Which server it is.

use crate::doctor::{
    facts::Facts,
    finding::{Check, Finding, note},
};

const VERSION: Check = Check::new("server", "version");
const CLUSTER: Check = Check::new("server", "cluster");
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

/// Whether the server has every command that is needed.
pub fn version(facts: &Facts) -> Vec<Finding> {
    if facts.info.is_empty() {
        return Vec::new();
    }
    let name = name(facts);
    if OTHERS.iter().any(|(field, _)| facts.info.contains_key(*field)) {
        let why = "exactly-once rests on how WATCH, MULTI and consumer groups work in Redis: on \
                   this server that was never tested";
        let mend = vec![note(format!("use one that is tested: {TESTED}"))];
        return vec![VERSION.warning(format!("the server is {name}"), why, mend)];
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
