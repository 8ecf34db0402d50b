//! What of the checks matters to a worker: on what it refuses to start, and what it says while it
//! runs.

use super::{
    address::Address,
    checks::{access, memory, persistence, replication, server},
    facts::Facts,
    finding::{Finding, Level},
    gather,
};
use crate::{connection::Connection, memory::Memory};
use std::collections::BTreeSet;
use tallyd_runtime::{StoreError, store::ErrorKind};
use tallyd_topology::RedisAddress;

/// What a worker refuses unless it is told to accept it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Danger {
    /// The server is a Redis Cluster.
    Cluster,
    /// The server deletes keys when memory is full.
    Eviction,
    /// The server is a replica.
    Replica,
}

impl Danger {
    /// All of them.
    pub const ALL: [Danger; 3] = [Danger::Cluster, Danger::Eviction, Danger::Replica];

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Danger::Cluster => "cluster",
            Danger::Eviction => "eviction",
            Danger::Replica => "replica",
        }
    }

    fn check(self) -> fn(&Facts) -> Vec<Finding> {
        match self {
            Danger::Cluster => server::cluster,
            Danger::Eviction => memory::eviction,
            Danger::Replica => replication::role,
        }
    }
}

/// Refuses a server on which a worker may not start.
///
/// # Errors
/// Where the server is too old or has one of the dangers that are not allowed, INFO is refused,
/// or the connection fails.
pub async fn check(
    c: &mut Connection,
    address: &RedisAddress,
    allowed: &BTreeSet<Danger>,
) -> Result<(), StoreError> {
    let facts = gather::essentials(c, Address::of(&address.url)).await?;
    match facts.refused.get("INFO") {
        Some(error) => {
            let message = format!("INFO: {error} (a worker has to know what server it is)");
            Err(StoreError::new(ErrorKind::Auth, message))
        }
        None => refuse(&facts, allowed),
    }
}

fn refuse(facts: &Facts, allowed: &BTreeSet<Danger>) -> Result<(), StoreError> {
    refuse_broken(&server::version(facts), None)?;
    for danger in Danger::ALL.into_iter().filter(|danger| !allowed.contains(danger)) {
        refuse_broken(&(danger.check())(facts), Some(danger))?;
    }
    Ok(())
}

/// The names of the checks that [`risks`] makes.
pub const RISKS: &[&str] = &[
    "append-only-file",
    "append-only-file-rewrites",
    "append-only-file-writes",
    "appendfsync",
    "cluster",
    "evicted-keys",
    "eviction",
    "role",
    "snapshots",
    "unchecked",
    "version",
];

/// What puts the data on a server at risk, for a worker that runs to say, and its memory, where the
/// user may use INFO.
///
/// # Errors
/// Where the server can't be reached or does not answer.
pub async fn risks(address: &RedisAddress) -> Result<(Vec<Finding>, Option<Memory>), StoreError> {
    let mut connection = Connection::open_at(address).await?;
    let facts = gather::essentials(&mut connection, Address::of(&address.url)).await?;
    let memory = facts.number("used_memory").map(|_| Memory::of_info(&facts.info));
    Ok((judge(&facts), memory))
}

fn judge(facts: &Facts) -> Vec<Finding> {
    let checks = [
        server::version,
        server::cluster,
        replication::role,
        memory::eviction,
        memory::evicted,
        persistence::append_only_file,
        persistence::snapshots,
        access::unchecked,
    ];
    let found = checks.iter().flat_map(|check| check(facts));
    let found = found.inspect(|finding| debug_assert!(RISKS.contains(&finding.check)));
    found.filter(|finding| finding.level > Level::Fine).collect()
}

fn refuse_broken(found: &[Finding], danger: Option<Danger>) -> Result<(), StoreError> {
    let Some(broken) = found.iter().find(|finding| finding.level == Level::BrokenPromise) else {
        return Ok(());
    };
    let mut message = format!("{}\n  why:  {}", broken.what, broken.why);
    for (place, line) in broken.fix.iter().enumerate() {
        message += if place == 0 { "\n  fix: " } else { "\n       " };
        message += line;
    }
    if let Some(danger) = danger {
        message += &format!("\n  to start all the same: --allow {}", danger.name());
    }
    Err(StoreError::new(ErrorKind::Mismatch, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::facts::parse_info;

    const GOOD: &str = "redis_version:7.0.15\ncluster_enabled:0\nrole:master\naof_enabled:1\n\
                        maxmemory:0\nmaxmemory_policy:noeviction\nrdb_last_bgsave_status:ok\n";

    fn facts(from: &str, to: &str) -> Facts {
        Facts { info: parse_info(&GOOD.replace(from, to)), ..Facts::default() }
    }

    #[test]
    fn a_danger_is_refused_unless_it_is_allowed_and_said_all_the_same() {
        refuse(&facts("", ""), &BTreeSet::new()).unwrap();
        assert_eq!(judge(&facts("", "")), vec![]);
        let eviction = "maxmemory:9\nmaxmemory_policy:allkeys-lru";
        let cases = [
            (Danger::Cluster, facts("cluster_enabled:0", "cluster_enabled:1")),
            (Danger::Eviction, facts("maxmemory:0\nmaxmemory_policy:noeviction", eviction)),
            (Danger::Replica, facts("role:master", "role:slave")),
        ];
        for (danger, facts) in cases {
            let error = refuse(&facts, &BTreeSet::new()).unwrap_err();
            assert!(error.message.contains(&format!("--allow {}", danger.name())), "{error}");
            let others = Danger::ALL.into_iter().filter(|other| *other != danger).collect();
            refuse(&facts, &others).unwrap_err();
            refuse(&facts, &[danger].into()).unwrap();
            assert_eq!(judge(&facts).len(), 1);
        }
    }

    #[test]
    fn an_old_server_is_refused_whatever_is_allowed() {
        let all = Danger::ALL.into_iter().collect();
        let error = refuse(&facts("7.0.15", "6.0.16"), &all).unwrap_err();
        assert!(error.message.contains("Redis 6.0.16"), "{error}");
    }

    #[test]
    fn risks_are_said_and_not_refused() {
        let checks = |facts: &Facts| {
            refuse(facts, &BTreeSet::new()).unwrap();
            judge(facts).iter().map(|finding| finding.check).collect::<Vec<_>>()
        };
        assert_eq!(checks(&facts("aof_enabled:1", "aof_enabled:0")), ["append-only-file"]);
        let mut forbidden = facts("", "");
        forbidden.refused.insert("CONFIG GET", "NOPERM".into());
        assert_eq!(checks(&forbidden), ["unchecked"]);
    }
}
