//! Faults that versions of servers are known to have, as far as a worker meets them: streams,
//! transactions, the append-only file, replication. Each with where it is written down.

use crate::doctor::{
    facts::Facts,
    finding::{Check, Finding, note},
};

const FAULTS: Check = Check::new("server", "known-faults");
const SWAPDB: Check = Check::new("replication", "swapdb");

/// Major, minor, patch.
type Version = (u32, u32, u32);

/// Whose versions they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Make {
    Redis,
    Valkey,
}

/// A fault of some versions.
struct Fault {
    make: Make,
    /// From which on, and the one that no longer has it; `None` where none is known.
    versions: &'static [(Version, Option<Version>)],
    /// Whether it matters, as the server is set up.
    matters: fn(&Facts) -> bool,
    what: &'static str,
    why: &'static str,
    /// A setting that keeps clear of it.
    instead: Option<(&'static str, &'static str)>,
    source: &'static str,
}

const TRUNCATED: &str = "after a crash that cuts the append-only file inside a transaction, the \
                         server leaves the half one in the file";
const TRUNCATED_WHY: &str = "each commit of a worker is a transaction. What comes after is joined \
                             to the half one when the server starts the next time, so that commit \
                             is counted twice. Needs a crash of the machine, or a full disk, and a \
                             second restart before the file is rewritten";
const INSTEAD_OF_TRUNCATING: Option<(&str, &str)> = Some(("aof-load-truncated", "no"));

const KNOWN: &[Fault] = &[
    Fault {
        make: Make::Redis,
        versions: &[((0, 0, 0), None)],
        matters: truncates,
        what: TRUNCATED,
        why: TRUNCATED_WHY,
        instead: INSTEAD_OF_TRUNCATING,
        source: "findings/aof-half-transaction.sh; seen on Redis 6.2.14 to 8.6.2; the same as valkey-io/valkey#4342",
    },
    Fault {
        make: Make::Valkey,
        versions: &[
            ((0, 0, 0), Some((8, 0, 11))),
            ((8, 1, 0), Some((8, 1, 10))),
            ((9, 0, 0), Some((9, 0, 6))),
            ((9, 1, 0), Some((9, 1, 2))),
        ],
        matters: truncates,
        what: TRUNCATED,
        why: TRUNCATED_WHY,
        instead: INSTEAD_OF_TRUNCATING,
        source: "release notes of Valkey 8.0.11, 8.1.10 and 9.0.6 (#4342); not seen on 9.1.2",
    },
    Fault {
        make: Make::Redis,
        versions: &[((7, 0, 0), Some((7, 0, 5)))],
        matters: |_| true,
        what: "XAUTOCLAIM may write beyond its memory",
        why: "every take-over of a worker sends it",
        instead: None,
        source: "release notes of Redis 7.0.4 and 7.0.5 (CVE-2022-31144, CVE-2022-35951)",
    },
    Fault {
        make: Make::Redis,
        versions: &[((7, 0, 0), Some((7, 0, 11)))],
        matters: has_aof,
        what: "the append-only file is in some cases not forced to disk",
        why: "a power failure may lose more than appendfsync says",
        instead: None,
        source: "release notes of Redis 7.0.3, 7.0.5 and 7.0.11 (#10737, #11004, #11973)",
    },
    Fault {
        make: Make::Redis,
        versions: &[((8, 0, 0), Some((8, 0, 3)))],
        matters: replicates,
        what: "a short read from the master may end a replica",
        why: "the copy of the data is gone when it is needed",
        instead: None,
        source: "release notes of Redis 8.0.3 (#14085)",
    },
    Fault {
        make: Make::Redis,
        versions: &[
            ((7, 2, 0), Some((7, 2, 16))),
            ((7, 4, 0), Some((7, 4, 11))),
            ((8, 0, 0), Some((8, 2, 9))),
            ((8, 4, 0), Some((8, 4, 6))),
            ((8, 6, 0), Some((8, 6, 6))),
            ((8, 8, 0), Some((8, 8, 2))),
            ((8, 10, 0), Some((8, 10, 1))),
        ],
        matters: evicts_clients,
        what: "the server may use a client that waits in XREAD BLOCK after it has evicted it",
        why: "idle workers wait in XREAD BLOCK, and maxmemory-clients evicts clients: the server \
              may crash",
        instead: Some(("maxmemory-clients", "0")),
        source: "CVE-2026-23479, and release notes of Redis 8.10.1 (#15594)",
    },
    Fault {
        make: Make::Valkey,
        versions: &[((9, 1, 0), Some((9, 1, 4)))],
        matters: evicts_clients,
        what: "the server may use a client after it has evicted it",
        why: "maxmemory-clients evicts clients: the server may crash",
        instead: Some(("maxmemory-clients", "0")),
        source: "release notes of Valkey 9.1.4 (CVE-2026-130822)",
    },
];

fn has_aof(facts: &Facts) -> bool {
    facts.text("aof_enabled") == Some("1")
}

fn truncates(facts: &Facts) -> bool {
    has_aof(facts) && facts.setting("aof-load-truncated") != Some("no")
}

fn replicates(facts: &Facts) -> bool {
    facts.text("role") != Some("master") || facts.number("connected_slaves") != Some(0)
}

fn evicts_clients(facts: &Facts) -> bool {
    facts.setting("maxmemory-clients").is_some_and(|limit| limit != "0")
}

/// Whose the server is, and which version; `None` for one that only speaks like these.
fn version(facts: &Facts) -> Option<(Make, Version)> {
    if super::server::is_other(facts) {
        return None;
    }
    let valkey = facts.text("valkey_version").map(|version| (Make::Valkey, version));
    let redis = facts.text("redis_version").map(|version| (Make::Redis, version));
    let (make, text) = valkey.or(redis)?;
    let mut numbers = text.split('.').map(|number| number.parse().ok());
    let mut next = || numbers.next().flatten();
    Some((make, (next()?, next()?, next().unwrap_or(0))))
}

/// The faults that this version has, and that matter as the server is set up.
pub fn known(facts: &Facts) -> Vec<Finding> {
    let Some((make, version)) = version(facts) else { return Vec::new() };
    let mut findings = Vec::new();
    for fault in KNOWN.iter().filter(|fault| fault.make == make && (fault.matters)(facts)) {
        let has = |(from, fixed): &&(Version, Option<Version>)| {
            version >= *from && fixed.is_none_or(|fixed| version < fixed)
        };
        let Some((_, fixed)) = fault.versions.iter().find(has) else { continue };
        let mut fix = Vec::new();
        if let Some((major, minor, patch)) = fixed {
            fix.push(note(format!("update the server to {major}.{minor}.{patch} or later")));
        }
        if let Some((name, value)) = fault.instead {
            fix.push(note(if fix.is_empty() { "keep clear of it:" } else { "or:" }));
            fix.extend(facts.set(name, value));
        }
        if fault.instead == INSTEAD_OF_TRUNCATING {
            fix.push(note("it then does not start with such a file: redis-check-aof --fix it"));
        }
        fix.push(note(format!("source: {}", fault.source)));
        findings.push(FAULTS.warning(
            format!("{} has a known fault: {}", super::server::name(facts), fault.what),
            fault.why,
            fix,
        ));
    }
    if findings.is_empty() {
        findings.push(FAULTS.fine("no fault of this version is known that matters here"));
    }
    findings
}

/// Whether a full copy from the master passes by what workers watch.
pub fn swapdb(facts: &Facts) -> Vec<Finding> {
    let old = matches!(version(facts), Some((Make::Redis, (6, ..))));
    if !old || facts.setting("repl-diskless-load") != Some("swapdb") {
        return Vec::new();
    }
    vec![SWAPDB.broken(
        "repl-diskless-load is swapdb, on a Redis before 7.0",
        "where this server becomes a replica and a master again, a transaction that was begun \
         before passes although the data was replaced: a worker then writes over what others did",
        facts.set("repl-diskless-load", "disabled"),
    )]
}
