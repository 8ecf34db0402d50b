//! Whether there is memory for what will be stored, and what happens when there is not.

use crate::doctor::{
    estimate::Estimate,
    facts::Facts,
    finding::{Check, Finding, bytes, note},
};

const EVICTION: Check = Check::new("memory", "eviction");
const EVICTED: Check = Check::new("memory", "evicted-keys");
const LIMIT: Check = Check::new("memory", "limit");
const HASHES: Check = Check::new("memory", "compact-hashes");
const HEADROOM: Check = Check::new("memory", "headroom");

/// How many fields a hash should have before it leaves the compact form: the server's default.
const COMPACT_FIELDS: u64 = 128;
/// Above which part of the limit memory counts as nearly full, in percent.
const NEARLY_FULL: u64 = 90;

/// Whether the server deletes keys to make room.
pub fn eviction(facts: &Facts) -> Vec<Finding> {
    let policy = facts.text("maxmemory_policy").or_else(|| facts.setting("maxmemory-policy"));
    let Some(policy) = policy else { return Vec::new() };
    if policy == "noeviction" {
        return vec![EVICTION.fine("maxmemory-policy is noeviction")];
    }
    let fix = facts.set("maxmemory-policy", "noeviction");
    if maxmemory(facts) == Some(0) {
        return vec![EVICTION.warning(
            format!("maxmemory-policy is {policy}, harmless only while maxmemory is 0"),
            "once maxmemory is set, the server deletes counts, ids that were seen and events that \
             wait, and says nothing",
            fix,
        )];
    }
    vec![EVICTION.broken(
        format!("maxmemory-policy is {policy}: when memory is full the server deletes keys"),
        "it deletes counts, ids that were seen and events that wait, and says nothing: results are \
         then wrong, and retries count twice. With noeviction workers wait, and nothing is lost",
        fix,
    )]
}

/// Whether keys were deleted already.
pub fn evicted(facts: &Facts) -> Vec<Finding> {
    let Some(evicted) = facts.number("evicted_keys").filter(|evicted| *evicted > 0) else {
        return Vec::new();
    };
    vec![EVICTED.warning(
        format!("{evicted} keys were evicted since the server was started"),
        "if any of them was tallyd's, results are too low, or events counted twice",
        vec![
            note("to be sure, give the topology another name and send its events again; the count"),
            note("starts again with the server, or with:"),
            facts.cli("CONFIG RESETSTAT"),
        ],
    )]
}

/// Whether memory has a limit, and how near it is.
pub fn limit(facts: &Facts) -> Vec<Finding> {
    let (Some(used), Some(limit)) = (facts.number("used_memory"), maxmemory(facts)) else {
        return Vec::new();
    };
    let system = facts.number("total_system_memory").unwrap_or(0);
    // The rest is for forks and buffers.
    let advised = system / 4 * 3;
    if limit == 0 {
        let of =
            if system > 0 { format!(", the machine has {}", bytes(system)) } else { String::new() };
        return vec![LIMIT.warning(
            format!("maxmemory is not set: {} are used{of}", bytes(used)),
            "when the machine is full, the kernel kills the server. With a limit the server \
             refuses writes instead, and workers wait",
            facts.set(
                "maxmemory",
                &if system > 0 { advised.to_string() } else { "BYTES".to_owned() },
            ),
        )];
    }
    let full = facts.refuses_writes.as_deref().is_some_and(|error| error.starts_with("OOM"))
        || counted(facts).is_some_and(|counted| counted >= limit) && !evicts(facts);
    if used <= limit / 100 * NEARLY_FULL && !full {
        return vec![LIMIT.fine(format!("{} of {} are used", bytes(used), bytes(limit)))];
    }
    let fix = if advised > limit {
        facts.set("maxmemory", &advised.to_string())
    } else {
        vec![note("give the machine more memory, or retain less")]
    };
    if full {
        return vec![LIMIT.broken(
            format!("memory is full: {} of {}", bytes(used), bytes(limit)),
            "the server refuses every write (OOM): workers wait, and producers' events are not \
             accepted. Nothing that was accepted is lost",
            fix,
        )];
    }
    vec![LIMIT.warning(
        format!("memory is nearly full: {} of {}", bytes(used), bytes(limit)),
        "when it is full the server refuses writes: workers wait, and producers' events are not \
         accepted",
        fix,
    )]
}

/// Whether what the topology may come to store has room.
pub fn headroom(facts: &Facts, estimate: &Estimate) -> Vec<Finding> {
    let Some(used) = facts.number("used_memory") else { return Vec::new() };
    let limit = maxmemory(facts).filter(|limit| *limit > 0);
    let Some(limit) = limit.or_else(|| facts.number("total_system_memory")) else {
        return Vec::new();
    };
    let growth = estimate.growth();
    let parts: Vec<String> = estimate
        .parts
        .iter()
        .filter(|part| part.growth > 0)
        .map(|part| format!("{} {}", part.name, bytes(part.growth)))
        .collect();
    let what = format!(
        "{} are used, and {} may come on top at most ({}); the limit is {}",
        bytes(used),
        bytes(growth),
        parts.join(", "),
        bytes(limit)
    );
    if used.saturating_add(growth) <= limit / 100 * NEARLY_FULL {
        return vec![HEADROOM.fine(what)];
    }
    vec![HEADROOM.warning(
        what,
        "if all of it comes, the server refuses writes: workers wait, and producers' events are \
         not accepted. Boards, windows and learners are not in the estimate",
        vec![note(
            "raise maxmemory, or lower what makes the largest part: dead_letters or max_backlog of \
             [run], the window of a dedup bolt, retain of a source, max_len of a sink",
        )],
    )]
}

/// Whether hashes of a usual size stay in their compact form.
pub fn compact_hashes(facts: &Facts) -> Vec<Finding> {
    let names = ["hash-max-listpack-entries", "hash-max-ziplist-entries"];
    let set = names.iter().find_map(|name| Some((*name, facts.setting_number(name)?)));
    let Some((name, most)) = set else { return Vec::new() };
    if most >= COMPACT_FIELDS {
        return vec![HASHES.fine(format!("hashes of up to {most} fields are compact ({name})"))];
    }
    vec![HASHES.warning(
        format!("{name} is {most}: hashes of more fields leave their compact form"),
        "an aggregate has a field or two for each measure of a group: beyond that many they take \
         several times the memory",
        facts.set(name, &COMPACT_FIELDS.to_string()),
    )]
}

/// What counts towards the limit: buffers of replicas and of the append-only file do not.
fn counted(facts: &Facts) -> Option<u64> {
    let uncounted = facts.number("mem_not_counted_for_evict").unwrap_or(0);
    Some(facts.number("used_memory")?.saturating_sub(uncounted))
}

fn evicts(facts: &Facts) -> bool {
    let policy = facts.text("maxmemory_policy").or_else(|| facts.setting("maxmemory-policy"));
    policy.is_some_and(|policy| policy != "noeviction")
}

fn maxmemory(facts: &Facts) -> Option<u64> {
    facts.number("maxmemory").or_else(|| facts.setting_number("maxmemory"))
}
