//! How well the server can be talked to: how fast it answers, and what its limits cut off.

use crate::doctor::{
    facts::Facts,
    finding::{Check, Finding, bytes, note},
};
use tallyd_event::decode::MAX_BATCH_BYTES;
use tallyd_runtime::StoreError;

const CUT_OFF: Check = Check::new("connections", "cut-off");
const LATENCY: Check = Check::new("connections", "latency");
const PAUSES: Check = Check::new("connections", "pauses");
const CLOCK: Check = Check::new("connections", "clock");
const IDLE: Check = Check::new("connections", "idle-timeout");
const BUFFERS: Check = Check::new("connections", "output-buffers");
const LONGEST: Check = Check::new("connections", "longest-value");
const CLIENT_MEMORY: Check = Check::new("connections", "client-memory");
const CLIENTS: Check = Check::new("connections", "most-clients");

/// Answers slower than these, in µs, make users wait.
const SLOW_MEDIAN: u64 = 5_000;
const SLOW_TAIL: u64 = 50_000;
/// A fork that takes longer, in µs, is felt.
const SLOW_FORK: u64 = 500_000;
/// Clocks that differ by more, in ms, are worth a word.
const CLOCK_SLACK: i64 = 1_000;
/// Idle connections are kept at least so long, in s: workers ask more often than this.
const SHORTEST_IDLE: u64 = 60;
/// One reply to a worker may be a few entries of the longest kind, or the logs of a dedup bolt.
const LARGEST_REPLY: u64 = 256 << 20;
/// What a replica's buffer has to take while a snapshot is sent to it.
const REPLICA_BUFFER: u64 = 256 << 20;
/// From which part of the most clients on there are many, in percent.
const MANY_CLIENTS: u64 = 80;
/// The server's own default for the longest value that it takes.
const LONGEST_VALUE: u64 = 512 << 20;

/// How long a PING takes.
pub fn latency(facts: &Facts) -> Vec<Finding> {
    let mut pings = facts.pings.clone();
    pings.sort_unstable();
    let at = |percent: usize| pings.get(pings.len().saturating_sub(1) * percent / 100).copied();
    let (Some(median), Some(tail)) = (at(50), at(99)) else { return Vec::new() };
    let ms = |micros: u64| micros as f64 / 1000.0;
    let what = format!("PING takes {:.2} ms (median), {:.2} ms (99 of 100)", ms(median), ms(tail));
    if median <= SLOW_MEDIAN && tail <= SLOW_TAIL {
        return vec![LATENCY.fine(what)];
    }
    let mut fix = vec![facts.cli("SLOWLOG GET 10")];
    if facts.setting("latency-monitor-threshold") == Some("0") {
        fix.push(facts.cli("CONFIG SET latency-monitor-threshold 20"));
    }
    fix.push(facts.cli("LATENCY DOCTOR"));
    fix.push(note(
        "fast there and slow here: it is the network, or this host's load; run workers nearer",
    ));
    vec![LATENCY.warning(
        what,
        "each commit waits that long once or twice, so users see figures later, and a node does \
         fewer commits a second",
        fix,
    )]
}

/// Whether forks or huge pages stop the server for long.
pub fn pauses(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(fork) = facts.number("latest_fork_usec").filter(|fork| *fork > SLOW_FORK) {
        findings.push(PAUSES.warning(
            format!("the last fork stopped the server for {} ms", fork / 1000),
            "each snapshot and each rewrite of the append-only file does that again; beyond \
             session_timeout, workers are taken for dead",
            vec![note(
                "smaller servers fork faster: split topologies over several; on a virtual machine, \
                 one with nested paging",
            )],
        ));
    }
    if facts.setting("disable-thp") == Some("no") {
        findings.push(PAUSES.warning(
            "disable-thp is no: huge pages may be in use",
            "after a fork every write then copies 2 MiB, which costs memory and stops the server",
            vec![note(
                "start the server with --disable-thp yes; it can't be changed while it runs",
            )],
        ));
    }
    findings
}

/// Whether the server's clock and this host's agree.
pub fn clock(facts: &Facts) -> Vec<Finding> {
    let Some(clock) = facts.clock else { return Vec::new() };
    let known_to = clock.round_trip_ms / 2 + 1;
    let (ahead, differs) = (clock.ahead_ms, clock.ahead_ms.abs());
    if differs - known_to <= CLOCK_SLACK {
        return vec![
            CLOCK.fine(format!("the clocks differ by {differs} ms (known to {known_to} ms)")),
        ];
    }
    let way = if ahead > 0 { "ahead of" } else { "behind" };
    vec![CLOCK.warning(
        format!("the server's clock is {differs} ms {way} this host's (known to {known_to} ms)"),
        "arrival goes by the server's clock. Events that carry the time of a host whose clock \
         differs fall into other windows, and beyond max_ahead become dead letters",
        vec![note("let both hosts follow NTP, then look at:"), "chronyc tracking".to_owned()],
    )]
}

/// Whether idle connections are closed.
pub fn idle_timeout(facts: &Facts) -> Vec<Finding> {
    match facts.setting_number("timeout") {
        Some(seconds) if (1..SHORTEST_IDLE).contains(&seconds) => vec![IDLE.warning(
            format!(
                "timeout is {seconds}: the server closes connections that are idle so many seconds"
            ),
            "a worker whose connection is closed takes its partitions over again; nothing is lost \
             but time. Applications that read results have to reconnect",
            facts.set("timeout", "0"),
        )],
        Some(_) => vec![IDLE.fine("idle connections are kept")],
        None => Vec::new(),
    }
}

/// Whether the server cuts off who reads much at once.
pub fn output_buffers(facts: &Facts) -> Vec<Finding> {
    let Some(limits) = facts.setting("client-output-buffer-limit") else { return Vec::new() };
    let words: Vec<&str> = limits.split_whitespace().collect();
    let mut findings = Vec::new();
    for class in words.as_chunks::<4>().0 {
        let [class, hard, soft, _] = class;
        let lowest = [hard, soft].into_iter().filter_map(|limit| limit.parse::<u64>().ok());
        let lowest = lowest.filter(|limit| *limit > 0).min();
        let hard = hard.parse::<u64>().unwrap_or(0);
        match (*class, lowest) {
            ("normal", Some(limit)) if limit < LARGEST_REPLY => findings.push(BUFFERS.warning(
                format!("client-output-buffer-limit of normal clients is {}", bytes(limit)),
                "a worker whose reply is longer is cut off, takes its partitions over again and \
                 asks the same: it never gets on",
                facts.set("client-output-buffer-limit", "'normal 0 0 0'"),
            )),
            ("slave" | "replica", Some(_))
                if hard > 0 && hard < REPLICA_BUFFER && replicated(facts) =>
            {
                findings.push(BUFFERS.warning(
                    format!("client-output-buffer-limit of replicas is {}", bytes(hard)),
                    "under load a replica is cut off while it is sent a snapshot, and begins \
                     again, without end",
                    facts.set("client-output-buffer-limit", "'replica 256mb 64mb 60'"),
                ));
            }
            _ => {}
        }
    }
    if findings.is_empty() {
        findings.push(BUFFERS.fine("no output buffer limit is in the way"));
    }
    findings
}

fn replicated(facts: &Facts) -> bool {
    facts.number("connected_slaves").is_some_and(|count| count > 0)
}

/// Whether the server takes the longest value that is sent.
pub fn longest_value(facts: &Facts) -> Vec<Finding> {
    let Some(limit) = facts.setting_number("proto-max-bulk-len") else { return Vec::new() };
    let set = facts.set("proto-max-bulk-len", &LONGEST_VALUE.to_string());
    // A frame or a dead letter of a whole batch is a little longer than the batch.
    if limit < 2 * MAX_BATCH_BYTES as u64 {
        return vec![LONGEST.broken(
            format!("proto-max-bulk-len is {}", bytes(limit)),
            format!(
                "a batch of events may have {} and a frame more: the server closes the connection \
                 of who sends one, each time",
                bytes(MAX_BATCH_BYTES as u64)
            ),
            set,
        )];
    }
    vec![LONGEST.fine(format!("values of up to {} are taken", bytes(limit)))]
}

/// Whether the server evicts clients that are asked much at once.
pub fn client_memory(facts: &Facts) -> Vec<Finding> {
    let Some(setting) = facts.setting("maxmemory-clients").filter(|limit| *limit != "0") else {
        return Vec::new();
    };
    let most = facts.number("maxmemory").or_else(|| facts.setting_number("maxmemory"));
    let limit = match setting.strip_suffix('%') {
        Some(percent) => {
            percent.parse::<u64>().ok().zip(most).map(|(part, most)| most / 100 * part)
        }
        None => setting.parse::<u64>().ok(),
    };
    // A percentage of no limit is none.
    let Some(limit) = limit.filter(|limit| *limit > 0) else { return Vec::new() };
    let what = format!("maxmemory-clients is {}, for all clients together", bytes(limit));
    let set = facts.set("maxmemory-clients", "0");
    if limit < 2 * MAX_BATCH_BYTES as u64 {
        return vec![CLIENT_MEMORY.broken(
            what,
            format!(
                "a batch of events may have {}: the server evicts the client that sends one, and \
                 the worker that reads it, each time",
                bytes(MAX_BATCH_BYTES as u64)
            ),
            set,
        )];
    }
    if limit < LARGEST_REPLY {
        return vec![CLIENT_MEMORY.warning(
            what,
            "under load the server evicts the clients with the largest buffers, which are workers \
             and producers: each takes its partitions over again, and asks again",
            set,
        )];
    }
    vec![CLIENT_MEMORY.fine(what)]
}

/// Whether there is room for more clients.
pub fn most_clients(facts: &Facts) -> Vec<Finding> {
    let most = facts.number("maxclients").or_else(|| facts.setting_number("maxclients"));
    let (Some(most), Some(now)) = (most, facts.number("connected_clients")) else {
        return Vec::new();
    };
    if now.saturating_mul(100) <= most.saturating_mul(MANY_CLIENTS) {
        return vec![CLIENTS.fine(format!("{now} of {most} clients are connected"))];
    }
    vec![CLIENTS.warning(
        format!("{now} of {most} clients are connected"),
        "a worker has a connection for each node and one more; one that gets none waits",
        facts.set("maxclients", &most.saturating_mul(2).to_string()),
    )]
}

/// The server closed the connection when it was asked for what is stored: a reply was too large for
/// it. Workers are cut off in the same way.
pub fn cut_off(error: &StoreError) -> Finding {
    CUT_OFF.broken(
        format!("the server cut off this doctor when it asked for entries of the streams ({error})"),
        "an entry is larger than the server lets a client receive: workers that read it are cut off \
         too, and nothing behind it is processed",
        vec![
            note("let clients receive the largest entry (4 MiB for a batch) and more, then look again:"),
            note("maxmemory-clients and client-output-buffer-limit are what limits it"),
        ],
    )
}
