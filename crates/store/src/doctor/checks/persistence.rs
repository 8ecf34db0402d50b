//! Whether the server keeps its data.

use crate::doctor::{
    facts::Facts,
    finding::{Check, Finding, note},
};

const AOF: Check = Check::new("persistence", "append-only-file");
const FSYNC: Check = Check::new("persistence", "appendfsync");
const AOF_WRITE: Check = Check::new("persistence", "append-only-file-writes");
const AOF_REWRITE: Check = Check::new("persistence", "append-only-file-rewrites");
const SNAPSHOT: Check = Check::new("persistence", "snapshots");

/// Whether there is an append-only file, how soon it is on disk, and whether it can be written.
pub fn append_only_file(facts: &Facts) -> Vec<Finding> {
    match facts.text("aof_enabled") {
        Some("0") => vec![without_file(facts)],
        Some(_) => {
            let mut findings = vec![AOF.fine("the append-only file is on")];
            findings.extend(fsync(facts));
            findings.extend(writes(facts));
            findings.extend(rewrites(facts));
            findings
        }
        None => Vec::new(),
    }
}

fn without_file(facts: &Facts) -> Finding {
    let what = match facts.setting("save") {
        Some("") => "nothing is kept: the append-only file is off, and there are no snapshots",
        Some(_) => "only snapshots are kept: the append-only file is off",
        None => "the append-only file is off",
    };
    let lost = match facts.setting("save") {
        Some("") => "everything",
        _ => "all since the last snapshot",
    };
    let why = format!(
        "a restart or crash of the server loses {lost}. Results and acknowledgements go together, \
         so nothing is counted twice, but events that were accepted are gone"
    );
    AOF.broken(what, why, facts.set("appendonly", "yes"))
}

fn fsync(facts: &Facts) -> Option<Finding> {
    let rewriting = facts.setting("no-appendfsync-on-rewrite") == Some("yes");
    Some(match facts.setting("appendfsync")? {
        "no" => FSYNC.warning(
            "appendfsync is no: the kernel decides when the file reaches the disk",
            "a power failure may lose half a minute of accepted events with their results. A crash \
             of the server alone loses nothing",
            facts.set("appendfsync", "everysec"),
        ),
        _ if rewriting => FSYNC.warning(
            "no-appendfsync-on-rewrite is yes: while the file is rewritten nothing is forced to \
             disk",
            "a power failure at that time may lose half a minute of accepted events with their \
             results",
            facts.set("no-appendfsync-on-rewrite", "no"),
        ),
        "always" => FSYNC.fine("appendfsync is always: what was accepted is on disk"),
        setting => FSYNC.fine(format!(
            "appendfsync is {setting}: a power failure may lose the last two seconds, a crash of \
             the server nothing (always: nothing either way, at the price of a disk write a \
             commit)"
        )),
    })
}

fn writes(facts: &Facts) -> Option<Finding> {
    (facts.text("aof_last_write_status")? != "ok").then(|| {
        AOF_WRITE.broken(
            "the last write to the append-only file failed",
            "until one succeeds the server refuses every write (MISCONF): workers wait, and \
             producers' events are not accepted",
            vec![note(
                "free the disk, or fix its rights; see the server's log. It goes on by itself",
            )],
        )
    })
}

fn rewrites(facts: &Facts) -> Option<Finding> {
    if facts.text("aof_last_bgrewrite_status").is_some_and(|status| status != "ok") {
        return Some(AOF_REWRITE.warning(
            "the last rewrite of the append-only file failed",
            "the file grows until the disk is full, and then no write is accepted",
            vec![
                note("see the server's log: memory for a fork, or disk"),
                facts.cli("BGREWRITEAOF"),
            ],
        ));
    }
    (facts.setting_number("auto-aof-rewrite-percentage") == Some(0)).then(|| {
        AOF_REWRITE.warning(
            "the append-only file is never rewritten (auto-aof-rewrite-percentage 0)",
            "it grows until the disk is full, and then no write is accepted",
            facts.set("auto-aof-rewrite-percentage", "100"),
        )
    })
}

/// Whether snapshots fail.
pub fn snapshots(facts: &Facts) -> Vec<Finding> {
    if facts.text("rdb_last_bgsave_status").is_none_or(|status| status == "ok") {
        return Vec::new();
    }
    let what = "the last snapshot failed";
    let mut fix = vec![note("see the server's log: disk, rights, or memory for a fork; then")];
    fix.push(facts.cli("BGSAVE"));
    // Where it is not known, what the server does unless it is told otherwise is assumed.
    let saves = facts.setting("save").is_none_or(|save| !save.is_empty());
    let stops = facts.setting("stop-writes-on-bgsave-error").is_none_or(|stops| stops == "yes");
    if saves && stops {
        let why = "until one succeeds the server refuses every write (MISCONF): workers wait, and \
                   producers' events are not accepted";
        return vec![SNAPSHOT.broken(what, why, fix)];
    }
    vec![SNAPSHOT.warning(what, "backups and new replicas are made of snapshots", fix)]
}
