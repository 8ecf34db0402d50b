//! How far a server and those that follow it are.

use crate::{connection::Connection, memory::info};
use std::collections::BTreeMap;
use tallyd_runtime::{StoreError, store::ErrorKind};
use tallyd_topology::RedisAddress;

/// What a server says of its part in replication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replication {
    /// Others follow it, or nobody does.
    Primary {
        /// Names what it has written since it became the primary.
        history: String,
        /// How many bytes of that it has written.
        offset: u64,
        /// The host and port of each replica that is online.
        replicas: Vec<(String, u16)>,
    },
    /// It follows another.
    Replica {
        /// Names what it follows.
        history: String,
        /// How many bytes of that it has applied.
        offset: u64,
        /// Whether it is connected to what it follows, and has all of its data to begin with.
        is_following: bool,
    },
}

/// Asks for it.
///
/// # Errors
/// Where the connection fails, the user may not use INFO, or the server does not tell.
pub async fn replication(c: &mut Connection) -> Result<Replication, StoreError> {
    let info = info(c, &["replication"]).await?;
    of_info(&info).ok_or_else(|| {
        StoreError::new(ErrorKind::Reply, "INFO replication does not tell how far the server is")
    })
}

fn of_info(info: &BTreeMap<String, String>) -> Option<Replication> {
    let history = info.get("master_replid")?.clone();
    let is = |name: &str, value: &str| info.get(name).is_some_and(|found| found == value);
    if is("role", "master") {
        let offset = info.get("master_repl_offset")?.parse().ok()?;
        let replicas = info.iter().filter(|(name, _)| is_numbered(name));
        let replicas = replicas.filter_map(|(_, about)| online(about)).collect();
        return Some(Replication::Primary { history, offset, replicas });
    }
    let offset = info.get("slave_repl_offset")?.parse().ok()?;
    let is_following = is("master_link_status", "up") && is("master_sync_in_progress", "0");
    Some(Replication::Replica { history, offset, is_following })
}

/// Whether it is the name of a replica's line: `slave0`.
fn is_numbered(name: &str) -> bool {
    name.strip_prefix("slave").is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Where a replica is that is online, of `ip=10.0.0.2,port=6379,state=online,offset=42,lag=0`.
fn online(about: &str) -> Option<(String, u16)> {
    let facts: BTreeMap<&str, &str> =
        about.split(',').filter_map(|fact| fact.split_once('=')).collect();
    let port = facts.get("port")?.parse().ok()?;
    (*facts.get("state")? == "online").then_some(((*facts.get("ip")?).to_owned(), port))
}

/// The address of another server that is reached as this one is; `None` where this one is reached
/// by a unix socket.
#[must_use]
pub fn elsewhere(address: &RedisAddress, host: &str, port: u16) -> Option<RedisAddress> {
    let (scheme, rest) = address.url.split_once("://")?;
    if scheme.contains("unix") {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let login = authority.rfind('@').map_or("", |at| authority.get(..=at).unwrap_or_default());
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let url = format!("{scheme}://{login}{host}:{port}{path}");
    Some(RedisAddress { url, ..address.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::facts::parse_info;

    #[test]
    fn a_primary_names_those_of_its_replicas_that_are_online() {
        let said = of_info(&parse_info(
            "role:master\r\nconnected_slaves:2\r\n\
             slave0:ip=10.0.0.2,port=6380,state=online,offset=42,lag=0\r\n\
             slave1:ip=10.0.0.3,port=6381,state=wait_bgsave,offset=0,lag=0\r\n\
             slave_expires_tracked_keys:7\r\nmaster_replid:abc\r\nmaster_repl_offset:42\r\n",
        ));
        let replicas = vec![("10.0.0.2".to_owned(), 6380)];
        assert_eq!(
            said,
            Some(Replication::Primary { history: "abc".to_owned(), offset: 42, replicas })
        );
    }

    #[test]
    fn a_replica_follows_once_it_is_linked_and_has_the_data() {
        let of = |link: &str, syncs: &str| {
            let text = format!(
                "role:slave\r\nmaster_link_status:{link}\r\nmaster_sync_in_progress:{syncs}\r\n\
                 slave_repl_offset:41\r\nmaster_replid:abc\r\n"
            );
            of_info(&parse_info(&text)).unwrap()
        };
        let replica = |is_following| Replication::Replica {
            history: "abc".to_owned(),
            offset: 41,
            is_following,
        };
        assert_eq!(of("up", "0"), replica(true));
        assert_eq!(of("down", "0"), replica(false));
        assert_eq!(of("up", "1"), replica(false));
        assert_eq!(of_info(&parse_info("role:sentinel\r\n")), None);
    }

    #[test]
    fn a_replica_is_reached_as_its_primary_is() {
        let at = |url: &str, host: &str| elsewhere(&url.into(), host, 7000).map(|at| at.url);
        let user = "rediss://user:p%40ss@db.example:6379/3?x=1";
        assert_eq!(at(user, "10.0.0.2").unwrap(), "rediss://user:p%40ss@10.0.0.2:7000/3?x=1");
        assert_eq!(at("redis://localhost", "::1").unwrap(), "redis://[::1]:7000");
        assert_eq!(at("redis+unix:///tmp/redis.sock", "10.0.0.2"), None);
    }
}
