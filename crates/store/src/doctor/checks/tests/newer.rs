//! Full memory, clients, replicas that are syncing, known faults, and what is said once.

use super::*;
use crate::doctor::facts::TimeZones;

/// Good facts but for some fields, each as `field value`, of INFO or of the settings.
fn but(changes: &[&str]) -> Facts {
    let mut facts = good();
    for change in changes {
        let (name, value) = change.split_once(' ').unwrap();
        let of_settings = name.contains('-');
        let place = if of_settings { &mut facts.settings } else { &mut facts.info };
        place.insert(name.to_owned(), value.to_owned());
    }
    facts
}

/// Changes of what is good, and what is found then.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, Level)]);

#[test]
fn a_state_that_is_bad_is_found_and_one_that_only_looks_like_it_is_not() {
    use Level::{BrokenPromise as Broken, Warning};
    let cases: &[Case<'_>] = &[
        (&["used_memory 8000000001"], &[("limit", Broken)]),
        (&["used_memory 8100000000", "mem_not_counted_for_evict 200000000"], &[("limit", Warning)]),
        (&["maxmemory-clients 2097152"], &[("client-memory", Broken)]),
        (&["maxmemory-clients 1%"], &[("client-memory", Warning)]),
        (&["maxmemory-clients 5%"], &[]),
        (&["maxmemory-clients 1%", "maxmemory 0"], &[("limit", Warning)]),
        (&["slave0 ip=10.0.0.2,port=6380,state=send_bulk,offset=0,lag=0"], &[("syncing", Warning)]),
        (&["slave0 ip=10.0.0.2,port=6380,state=online,offset=0,lag=0"], &[]),
        (&["slave_repl_offset state=send_bulk"], &[]),
        (&["redis_version 6.2.14", "repl-diskless-load swapdb"], &[("swapdb", Broken)]),
        (&["redis_version 7.0.15", "repl-diskless-load swapdb"], &[]),
        (&["redis_version 6.2.14", "repl-diskless-load on-empty-db"], &[]),
        (&["hash-max-listpack-entries 64"], &[("compact-hashes", Warning)]),
        (&["hash-max-ziplist-entries 64"], &[("compact-hashes", Warning)]),
        (&["hash-max-listpack-entries 512"], &[]),
    ];
    for (changes, found) in cases {
        assert_eq!(of_server(&but(changes)), *found, "{changes:?}");
    }
}

#[test]
fn a_server_that_refuses_writes_is_full_whatever_it_says_of_its_memory() {
    let error = "OOM command not allowed when used memory > 'maxmemory'.".to_owned();
    let full = Facts { refuses_writes: Some(error), ..but(&["used_memory 7900000000"]) };
    assert_eq!(of_server(&full), [("limit", Level::BrokenPromise)]);
    let other = Facts { refuses_writes: Some("NOREPLICAS x".into()), ..good() };
    assert_eq!(of_server(&other), []);
}

#[test]
fn each_known_fault_is_said_of_its_versions_alone() {
    let truncated = "half one";
    let cases: &[(&[&str], &[&str])] = &[
        (&["redis_version 7.0.15"], &[]),
        (&["redis_version 7.0.15", "aof-load-truncated yes"], &[truncated]),
        (&["redis_version 8.6.2", "aof-load-truncated yes"], &[truncated]),
        (&["redis_version 7.0.15", "aof-load-truncated yes", "aof_enabled 0"], &[]),
        (&["redis_version 7.2.4", "valkey_version 8.1.9", "aof-load-truncated yes"], &[truncated]),
        (&["redis_version 7.2.4", "valkey_version 8.1.10", "aof-load-truncated yes"], &[]),
        (&["redis_version 7.2.4", "valkey_version 9.0.5", "aof-load-truncated yes"], &[truncated]),
        (&["redis_version 7.2.4", "valkey_version 9.1.2", "aof-load-truncated yes"], &[]),
        (&["redis_version 7.0.4"], &["XAUTOCLAIM", "forced to disk"]),
        (&["redis_version 7.0.10"], &["forced to disk"]),
        (&["redis_version 8.0.2"], &["end a replica"]),
        (&["redis_version 8.0.2", "connected_slaves 0"], &[]),
        (&["redis_version 8.6.2", "maxmemory-clients 5%"], &["XREAD BLOCK"]),
        (&["redis_version 8.10.1", "maxmemory-clients 5%"], &[]),
        (&["redis_version 7.2.4", "valkey_version 9.1.3", "maxmemory-clients 5%"], &["evicted it"]),
        (&["redis_version 7.2.4", "valkey_version 9.1.4", "maxmemory-clients 5%"], &[]),
        (&["redis_version 7.0.4", "dragonfly_version df-v1.2", "aof-load-truncated yes"], &[]),
    ];
    for (changes, parts) in cases {
        let found = faults::known(&but(changes));
        let bad: Vec<&Finding> = found.iter().filter(|f| f.level > Level::Fine).collect();
        assert_eq!(bad.len(), parts.len(), "{changes:?}: {bad:?}");
        for (finding, part) in bad.iter().zip(*parts) {
            assert!(finding.what.contains(part), "{changes:?}: {finding:?}");
            assert!(finding.fix.last().unwrap().starts_with("# source: "), "{finding:?}");
        }
    }
}

#[test]
fn what_queues_anything_proves_nothing() {
    let facts = Facts { queues_anything: true, missing: None, ..good() };
    assert_eq!(of_server(&facts), [("trial", Level::Warning)]);
}

#[test]
fn a_database_that_the_user_may_not_use_is_no_missing_key() {
    let right = |command: &str| MissingRight {
        command: command.into(),
        key: String::new(),
        error: "NOPERM No permissions to access database".into(),
    };
    let missing = Some(vec![right("xadd"), right("hget")]);
    let mut facts = Facts { user: Some("worker".into()), missing, ..good() };
    facts.address.database = 3;
    let findings = access::rights(&facts);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].what, "user worker may not use database 3");
    assert_eq!(findings[0].fix[0], "redis-cli ACL SETUSER worker db=3");
}

#[test]
fn a_replica_says_how_far_it_is() {
    for (change, part) in [
        ("master_sync_in_progress 1", "still syncing"),
        ("master_link_status down", "no link"),
        ("master_link_status up", "of db:6379"),
    ] {
        let facts = but(&["role slave", "master_host db", "master_port 6379", change]);
        let findings = replication::role(&facts);
        assert!(findings[0].what.contains(part), "{findings:?}");
    }
}

#[test]
fn older_time_zones_than_the_hosts_are_found() {
    let topology = parse("t.toml", FILE, &|_| None).unwrap();
    let (keys, stored) = (Keys::new(&topology.name, 0), healthy(&topology));
    let subject = Subject { topology: &topology, keys: &keys, file: "t.toml", elsewhere: false };
    let levels =
        [(Some("2026e"), Level::Fine), (Some("2027a"), Level::Warning), (None, Level::Fine)];
    for (host, level) in levels {
        let zones = TimeZones { own: "2026f".into(), host: host.map(str::to_owned) };
        let facts = Facts { time_zones: Some(zones), ..good() };
        let found = server::time_zones(&Of { facts: &facts, subject, stored: &stored });
        assert_eq!(found[0].level, level, "{host:?}");
        assert!(found[0].what.contains("2026f"), "{found:?}");
    }
}

#[test]
fn a_bolt_that_was_taken_out_is_said_once() {
    let topology = parse("t.toml", FILE, &|_| None).unwrap();
    let keys = Keys::new(&topology.name, 0);
    let mut stored = healthy(&topology);
    let edge = stored.streams[1].clone();
    stored.streams.push(Stream { key: "edge:0".into(), ..edge });
    for stream in stored.streams.iter_mut().filter(|s| matches!(s.role, Role::Edge { .. })) {
        stream.groups[0].name = "taken-out".into();
    }
    stored.strays =
        vec![("e:old:id:0".into(), 5), ("e:old:id:1".into(), 6), ("e:o:id:0".into(), 1)];
    let facts = good();
    let subject = Subject { topology: &topology, keys: &keys, file: "t.toml", elsewhere: false };
    let of = Of { facts: &facts, subject, stored: &stored };
    let groups = work::groups(&of);
    assert_eq!(groups.len(), 1, "{groups:?}");
    assert_eq!(
        groups[0].fix,
        ["redis-cli XGROUP DESTROY edge taken-out", "redis-cli XGROUP DESTROY edge:0 taken-out"]
    );
    let strays = streams::strays(&of);
    let what: Vec<&str> = strays.iter().map(|finding| finding.what.as_str()).collect();
    assert_eq!(
        what,
        [
            "e:o:id:0 belongs to no node of the topology: 1 entries",
            "2 streams of e:old:id belong to no node of the topology: 11 entries",
        ]
    );
    assert_eq!(strays[1].fix.len(), 3);
}
