//! Whether entries were lost before anybody read them.

use crate::doctor::{
    checks::Of,
    finding::{Check, Finding, note},
};

const LOST: Check = Check::new("work", "lost-entries");
const RESTARTED: Check = Check::new("work", "streams-restarted");

/// Whether entries were deleted before they were read, and whether streams began again.
pub fn entries(of: &Of<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for node in &of.stored.status.nodes {
        if node.counts.lost > 0 {
            findings.push(LOST.warning(
                format!(
                    "{} lost {} entries: they were deleted before they were read",
                    node.name, node.counts.lost
                ),
                "they count nowhere. MAXLEN of a producer, XTRIM, XDEL or DEL deleted them",
                vec![
                    note("take MAXLEN and MINID out of the producers: tallyd trims what it has"),
                    note("read; then send again what is missing: a dedup bolt drops what was"),
                    note("counted. This stays, so that it is seen"),
                ],
            ));
        }
        if node.restarts > 0 {
            findings.push(RESTARTED.warning(
                format!("the streams of {} began again {} times", node.name, node.restarts),
                "somebody deleted them or set their ids back. They are read from their beginning; \
                 what they held unread before is gone, and its number is not known",
                vec![note("send again what is missing: a dedup bolt drops what was counted")],
            ));
        }
    }
    if findings.is_empty() {
        // Workers look, and count what is gone: by what the server says was added, from 7.0 on.
        let counts = !of.facts.text("redis_version").is_some_and(|v| v.starts_with("6."));
        findings.push(LOST.fine(match counts {
            true => "no worker has seen an entry deleted before it was read",
            false => "can't be told: a server before 7.0 does not count what is added",
        }));
    }
    findings
}
