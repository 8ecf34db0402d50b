//! Whether the server is the master, and who stands in for it.

use crate::doctor::{
    address::quoted,
    facts::Facts,
    finding::{Check, Finding, note},
};

const ROLE: Check = Check::new("replication", "role");
const SYNCING: Check = Check::new("replication", "syncing");
const REPLICAS: Check = Check::new("replication", "replicas");

/// Whether the server takes writes.
pub fn role(facts: &Facts) -> Vec<Finding> {
    match facts.text("role") {
        Some("master") => vec![ROLE.fine("the server is a master")],
        Some(role) => {
            let master = match (facts.text("master_host"), facts.text("master_port")) {
                (Some(host), Some(port)) => format!("{host}:{port}"),
                _ => "its master".to_owned(),
            };
            let state =
                match (facts.text("master_link_status"), facts.text("master_sync_in_progress")) {
                    (_, Some("1")) => ", and still syncing: what it has is old, or nothing",
                    (Some("down"), _) => ", and has no link to it: what it has is old",
                    _ => "",
                };
            vec![ROLE.broken(
                format!("the server is a replica (role {role}) of {master}{state}"),
                "it refuses writes, or loses them when it next follows its master: results and \
                 acknowledgements must be written to the master",
                vec![
                    format!("tallyd run FILE --redis {}", quoted(&format!("redis://{master}"))),
                    note("or, where this one is to be the master:"),
                    facts.cli("REPLICAOF NO ONE"),
                ],
            )]
        }
        None => Vec::new(),
    }
}

/// Whether a copy of the data exists when the machine is lost, and how fresh it is.
pub fn replicas(facts: &Facts) -> Vec<Finding> {
    let (Some("master"), Some(count)) = (facts.text("role"), facts.number("connected_slaves"))
    else {
        return Vec::new();
    };
    let wanted = facts.setting_number("min-replicas-to-write");
    if let Some(wanted) = wanted.filter(|wanted| *wanted > 0) {
        let good = facts.number("min_slaves_good_slaves").unwrap_or(count);
        if good < wanted {
            let mut fix = vec![note("bring the replicas back, or do with fewer:")];
            fix.extend(facts.set("min-replicas-to-write", &good.to_string()));
            return vec![REPLICAS.broken(
                format!("{good} replicas follow closely, and min-replicas-to-write is {wanted}"),
                "the server refuses every write (NOREPLICAS): workers wait, and producers' events \
                 are not accepted",
                fix,
            )];
        }
    }
    if count == 0 {
        return vec![REPLICAS.warning(
            "no replica follows this server",
            "the results and the accepted events are on one machine: if its disk is lost, so are \
             they",
            vec![
                note("on another machine:"),
                "redis-server --replicaof HOST PORT --appendonly yes".to_owned(),
            ],
        )];
    }
    match wanted {
        Some(0) => vec![REPLICAS.warning(
            format!("{count} replicas follow, but min-replicas-to-write is 0"),
            "a master that is cut off from its replicas goes on accepting; what it accepted is \
             gone when a replica takes its place. Nothing is counted twice, but those events are \
             lost",
            facts.set("min-replicas-to-write", "1"),
        )],
        Some(wanted) => {
            vec![REPLICAS.fine(format!(
                "{count} replicas follow; with fewer than {wanted} writes are refused"
            ))]
        }
        None => vec![REPLICAS.fine(format!("{count} replicas follow"))],
    }
}

/// Whether replicas have all of the data, or are still being sent it.
pub fn syncing(facts: &Facts) -> Vec<Finding> {
    // `slave0:ip=127.0.0.1,port=6380,state=online,offset=14,lag=1`
    let of_replica = |(name, value): (&String, &String)| {
        let number = name.strip_prefix("slave")?;
        let is_one = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let field = |name: &str| value.split(',').find_map(|field| field.strip_prefix(name));
        let state = field("state=").filter(|state| is_one && *state != "online")?;
        Some((format!("{}:{}", field("ip=")?, field("port=")?), state.to_owned()))
    };
    let found = facts.info.iter().filter_map(of_replica).map(|(replica, state)| {
        SYNCING.warning(
            format!("replica {replica} is still syncing (state {state})"),
            "it has no whole copy yet: if this server is lost now, what the replica lacks is lost",
            vec![
                note("wait until its state is online; if it begins again and again, see its log:"),
                facts.cli("INFO replication"),
            ],
        )
    });
    found.collect()
}
