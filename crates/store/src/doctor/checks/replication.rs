//! Whether the server is the master, and who stands in for it.

use crate::doctor::{
    address::quoted,
    facts::Facts,
    finding::{Check, Finding, note},
};

const ROLE: Check = Check::new("replication", "role");
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
            vec![ROLE.broken(
                format!("the server is a replica (role {role}) of {master}"),
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
            let mut mend = vec![note("bring the replicas back, or do with fewer:")];
            mend.extend(facts.set("min-replicas-to-write", &good.to_string()));
            return vec![REPLICAS.broken(
                format!("{good} replicas follow closely, and min-replicas-to-write is {wanted}"),
                "the server refuses every write (NOREPLICAS): workers wait, and producers' events \
                 are not accepted",
                mend,
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
