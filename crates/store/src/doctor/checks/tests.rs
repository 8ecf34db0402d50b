//! Findings that appear with a bad fact and go with a good one.

mod newer;

use super::*;
use crate::{
    doctor::{
        Level,
        facts::{Clock, Group, Logs, MissingRight, Role, Stream},
    },
    inspect::{NodeStatus, Status},
    keys::Keys,
};
use tallyd_event::EntryId;
use tallyd_runtime::store::{Announcement, Owner};
use tallyd_topology::{Topology, parse};

const INFO: &[(&str, &str)] = &[
    ("aof_enabled", "1"),
    ("aof_last_bgrewrite_status", "ok"),
    ("aof_last_write_status", "ok"),
    ("cluster_enabled", "0"),
    ("config_file", "/etc/redis/redis.conf"),
    ("connected_clients", "10"),
    ("connected_slaves", "1"),
    ("evicted_keys", "0"),
    ("latest_fork_usec", "900"),
    ("maxmemory", "8000000000"),
    ("maxmemory_policy", "noeviction"),
    ("min_slaves_good_slaves", "1"),
    ("rdb_last_bgsave_status", "ok"),
    ("redis_version", "7.0.15"),
    ("role", "master"),
    ("total_system_memory", "16000000000"),
    ("used_memory", "1000000"),
];
const SETTINGS: &[(&str, &str)] = &[
    ("aof-load-truncated", "no"),
    ("appendfsync", "everysec"),
    ("auto-aof-rewrite-percentage", "100"),
    (
        "client-output-buffer-limit",
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
    ),
    ("disable-thp", "yes"),
    ("latency-monitor-threshold", "0"),
    ("maxclients", "10000"),
    ("min-replicas-to-write", "1"),
    ("no-appendfsync-on-rewrite", "no"),
    ("proto-max-bulk-len", "536870912"),
    ("save", "3600 1"),
    ("stop-writes-on-bgsave-error", "yes"),
    ("timeout", "0"),
];

fn map(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn good() -> Facts {
    Facts {
        address: crate::doctor::address::Address::of("redis://127.0.0.1"),
        info: map(INFO),
        settings: map(SETTINGS),
        missing: Some(Vec::new()),
        pings: vec![120; 100],
        clock: Some(Clock { ahead_ms: 3, round_trip_ms: 1 }),
        ..Facts::default()
    }
}

/// The checks that have something to say, with how bad it is.
fn said(findings: Vec<Finding>) -> Vec<(&'static str, Level)> {
    for finding in findings.iter().filter(|finding| finding.level > Level::Fine) {
        assert!(!finding.why.is_empty() && !finding.fix.is_empty(), "{finding:?}");
        assert!(!finding.what.contains('\n'), "{finding:?}");
    }
    let bad = findings.into_iter().filter(|finding| finding.level > Level::Fine);
    bad.map(|finding| (finding.check, finding.level)).collect()
}

fn of_server(facts: &Facts) -> Vec<(&'static str, Level)> {
    said(OF_SERVER.iter().flat_map(|check| check(facts)).collect())
}

#[test]
fn a_good_server_is_fine_throughout() {
    assert_eq!(of_server(&good()), []);
}

#[test]
fn each_bad_fact_is_found_and_nothing_else() {
    use Level::{BrokenPromise as Broken, Warning};
    // Each as `field value`, of INFO or of the settings.
    let cases: &[(&[&str], &str, Level)] = &[
        (&["redis_version 6.0.16"], "version", Broken),
        (&["redis_version unknown"], "version", Broken),
        (&["dragonfly_version df-v1.2"], "version", Warning),
        (&["cluster_enabled 1"], "cluster", Broken),
        (&["aof_enabled 0"], "append-only-file", Broken),
        (&["aof_enabled 0", "save "], "append-only-file", Broken),
        (&["appendfsync no"], "appendfsync", Warning),
        (&["no-appendfsync-on-rewrite yes"], "appendfsync", Warning),
        (&["aof_last_write_status err"], "append-only-file-writes", Broken),
        (&["aof_last_bgrewrite_status err"], "append-only-file-rewrites", Warning),
        (&["auto-aof-rewrite-percentage 0"], "append-only-file-rewrites", Warning),
        (&["rdb_last_bgsave_status err"], "snapshots", Broken),
        (&["rdb_last_bgsave_status err", "save "], "snapshots", Warning),
        (&["rdb_last_bgsave_status err", "stop-writes-on-bgsave-error no"], "snapshots", Warning),
        (&["role slave", "master_host db"], "role", Broken),
        (&["connected_slaves 0", "min-replicas-to-write 0"], "replicas", Warning),
        (&["min-replicas-to-write 0"], "replicas", Warning),
        (&["min-replicas-to-write 2"], "replicas", Broken),
        (&["maxmemory_policy allkeys-lru"], "eviction", Broken),
        (&["maxmemory_policy volatile-ttl"], "eviction", Broken),
        (&["evicted_keys 7"], "evicted-keys", Warning),
        (&["used_memory 7900000000"], "limit", Warning),
        (&["maxmemory 0"], "limit", Warning),
        (&["latest_fork_usec 900000"], "pauses", Warning),
        (&["disable-thp no"], "pauses", Warning),
        (&["timeout 10"], "idle-timeout", Warning),
        (&["client-output-buffer-limit normal 1048576 0 0"], "output-buffers", Warning),
        (&["client-output-buffer-limit normal 0 1048576 10"], "output-buffers", Warning),
        (&["client-output-buffer-limit slave 1048576 0 0"], "output-buffers", Warning),
        (&["proto-max-bulk-len 1048576"], "longest-value", Broken),
        (&["connected_clients 9000"], "most-clients", Warning),
    ];
    for (changes, check, level) in cases {
        let mut facts = good();
        for change in *changes {
            let (name, value) = change.split_once(' ').unwrap();
            let of_settings = facts.settings.contains_key(name);
            let place = if of_settings { &mut facts.settings } else { &mut facts.info };
            place.insert(name.to_owned(), value.to_owned());
        }
        assert_eq!(of_server(&facts), [(*check, *level)], "{changes:?}");
    }
}

#[test]
fn an_evicting_policy_without_a_limit_is_a_warning() {
    let mut facts = good();
    facts.info.insert("maxmemory_policy".into(), "allkeys-lru".into());
    facts.info.insert("maxmemory".into(), "0".into());
    assert_eq!(of_server(&facts), [("eviction", Level::Warning), ("limit", Level::Warning)]);
}

#[test]
fn slow_answers_wrong_clocks_and_other_databases_are_found() {
    let slow = Facts { pings: [vec![100; 90], vec![90_000; 10]].concat(), ..good() };
    assert_eq!(of_server(&slow), [("latency", Level::Warning)]);
    let early = Facts { clock: Some(Clock { ahead_ms: -90_000, round_trip_ms: 2 }), ..good() };
    assert_eq!(of_server(&early), [("clock", Level::Warning)]);
    // A difference that is within what the round trip leaves open is none.
    let far = Facts { clock: Some(Clock { ahead_ms: 1_400, round_trip_ms: 1_000 }), ..good() };
    assert_eq!(of_server(&far), []);
    let mut other = good();
    other.address.database = 3;
    assert_eq!(of_server(&other), [("database", Level::Warning)]);
}

#[test]
fn what_is_refused_is_unchecked_and_fails_nothing() {
    let refused = [("CONFIG GET", "NOPERM no".to_owned()), ("INFO", "NOPERM no".to_owned())];
    let facts = Facts { missing: Some(Vec::new()), refused: refused.into(), ..Facts::default() };
    let unchecked = ("unchecked", Level::Warning);
    assert_eq!(of_server(&facts), [unchecked, unchecked]);
}

#[test]
fn missing_rights_make_one_command_that_grants_them() {
    let right = |command: &str, key: &str, error: &str| MissingRight {
        command: command.into(),
        key: key.into(),
        error: error.into(),
    };
    let facts = Facts {
        user: Some("worker".into()),
        missing: Some(vec![
            right("xadd", "", "NOPERM no 'xadd' command"),
            right("get", "tallyd:{t/0}:topology", "NOPERM key"),
            right("xlen", "my answers", "NOPERM key"),
            right("xtrim", "", "ERR unknown command 'XTRIM'"),
        ]),
        ..good()
    };
    let findings = access::rights(&facts);
    assert_eq!(findings[0].what, "the server does not know xtrim");
    assert_eq!(
        findings[1].fix[0],
        "redis-cli ACL SETUSER worker +xadd '~my answers' '~tallyd:{t/0}:*'"
    );
}

const FILE: &str = r#"
name = "t"
partitions = 2
[run]
dead_letters = 10
[source.s]
id = "id"
[source.s.fields]
id = "string"
[bolt.unique]
type = "dedup"
from = "s"
window = "8h"
[bolt.count]
type = "aggregate"
from = "unique"
windows = ["all"]
measures = { n = "count" }
[sink.out]
from = "unique"
max_len = 100
"#;
const NOW: i64 = 10 * 3_600_000;

fn healthy(topology: &Topology) -> Stored {
    let worker = Announcement {
        id: "w".into(),
        nodes: topology.nodes.iter().map(|node| (node.name.clone(), node.partitions)).collect(),
        host: "h".into(),
        pid: 1,
        ..Announcement::default()
    };
    let node = |node: &tallyd_topology::Node| NodeStatus {
        name: node.name.to_string(),
        owners: vec![Owner::Worker("w".into()); usize::from(node.partitions)],
        ..NodeStatus::default()
    };
    let at = |ms| EntryId { ms, seq: 0 };
    let group = |name: &str| Group {
        name: name.into(),
        delivered: at(NOW.unsigned_abs()),
        consumers: vec![("w".into(), 3), ("gone".into(), 0)],
        ..Group::default()
    };
    let stream = |key: &str, node, role, groups| Stream {
        key: key.into(),
        node,
        role,
        groups,
        first: Some(at(0)),
        ..Stream::default()
    };
    Stored {
        status: Status {
            now: NOW,
            workers: vec![(worker, NOW - 100)],
            nodes: topology.nodes.iter().map(node).collect(),
            ..Status::default()
        },
        streams: vec![
            stream("s", 0, Role::Source, vec![group("tallyd:t"), group("other")]),
            stream("edge", 0, Role::Edge { edge: 0, partition: 1 }, vec![group("unique")]),
            stream("out", 1, Role::Sink { sink: 0 }, vec![]),
        ],
        logs: vec![Logs { bolt: "unique".into(), bucket_ms: 1, ..Logs::default() }],
        ..Stored::default()
    }
}

/// What is said of a topology whose file and stored state were healthy until they were changed.
fn of_topology(file: &str, change: impl FnOnce(&mut Stored)) -> Vec<(&'static str, Level)> {
    let topology = parse("t.toml", file, &|_| None).unwrap();
    let keys = Keys::new(&topology.name, 0);
    let mut stored = healthy(&topology);
    change(&mut stored);
    let facts = good();
    let subject = Subject { topology: &topology, keys: &keys, file: "t.toml", elsewhere: false };
    let of = Of { facts: &facts, subject, stored: &stored };
    said(OF_TOPOLOGY.iter().flat_map(|check| check(&of)).collect())
}

#[test]
fn what_is_stored_is_fine_or_found() {
    use Level::{BrokenPromise as Broken, Warning};
    type Change = fn(&mut Stored);
    let cases: &[(&str, Level, Change)] = &[
        ("halted", Broken, |s| drop(s.status.halted.insert("count:1".into(), "WRONGTYPE".into()))),
        ("workers", Warning, |s| s.status.workers[0].1 = NOW - 5_001),
        ("owners", Warning, |s| s.status.nodes[1].owners[0] = Owner::Nobody),
        ("owners", Warning, |s| s.status.nodes[2].owners[1] = Owner::Worker("gone".into())),
        ("consumers", Warning, |s| s.streams[1].groups[0].consumers[1].1 = 4),
        ("groups", Warning, |s| s.streams[1].groups[0].name = "taken-out".into()),
        ("entry-ids", Warning, |s| {
            s.status.nodes[0].ahead = Some((EntryId { ms: 9, seq: 0 }, 9_000))
        }),
        ("other-readers", Warning, |s| s.streams[0].groups[1].delivered = EntryId::ZERO),
        ("other-readers", Warning, |s| {
            s.streams[0].groups[1].lowest_pending = Some(EntryId { ms: 1, seq: 0 })
        }),
        ("left-over", Warning, |s| s.strays.push(("tallyd:{t/0}:edge:old:id:0".into(), 5))),
        ("left-over", Warning, |s| s.looked_at = Some(1_000_000)),
        ("dead-letters", Warning, |s| s.status.dead_letters = 9),
        ("headroom", Warning, |s| (s.logs[0].kept, s.logs[0].buckets) = (10, vec![1 << 30])),
    ];
    assert_eq!(of_topology(FILE, |_| ()), []);
    for (check, level, change) in cases {
        assert_eq!(of_topology(FILE, change), [(*check, *level)]);
    }
}

#[test]
fn a_fix_trims_only_what_every_group_has() {
    let topology = parse(
        "t.toml",
        &FILE.replace("id = \"id\"\n", "retain = \"forever\"\nid = \"id\"\n"),
        &|_| None,
    )
    .unwrap();
    let keys = Keys::new(&topology.name, 0);
    let mut stored = healthy(&topology);
    stored.streams[0].groups[0].lowest_pending = Some(EntryId { ms: 7, seq: 1 });
    let facts = good();
    let subject = Subject { topology: &topology, keys: &keys, file: "t.toml", elsewhere: false };
    let findings = streams::sources(&Of { facts: &facts, subject, stored: &stored });
    assert_eq!(findings[0].fix.last().unwrap(), "redis-cli XTRIM s MINID 7-1");
}

#[test]
fn what_a_file_lets_grow_is_found() {
    let forever = FILE.replace("id = \"id\"\n", "id = \"id\"\nretain = \"forever\"\n");
    assert_eq!(of_topology(&forever, |_| ()), [("sources", Level::Warning)]);
    let unbounded = FILE.replace("max_len = 100\n", "");
    assert_eq!(of_topology(&unbounded, |_| ()), [("sinks", Level::Warning)]);
}
