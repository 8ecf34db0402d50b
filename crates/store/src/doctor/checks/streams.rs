//! Whether streams only grow.

use crate::doctor::{
    address::quoted,
    checks::Of,
    facts::{Group, Role, Stream},
    finding::{Check, Finding, bytes, note},
};
use std::collections::BTreeMap;
use tallyd_event::EntryId;
use tallyd_topology::{NodeKind, Retain, Source};

const SOURCES: Check = Check::new("streams", "sources");
const IDS: Check = Check::new("streams", "entry-ids");
const READERS: Check = Check::new("streams", "other-readers");
const SINKS: Check = Check::new("streams", "sinks");
const STRAYS: Check = Check::new("streams", "left-over");
const DEAD: Check = Check::new("streams", "dead-letters");

/// How far another reader of a source may be behind, in ms, before a word is said of it.
const BEHIND: u64 = 60 * 60 * 1000;
/// From which part of its bound on dead letters count as many, in percent.
const MANY_DEAD: u64 = 80;

/// Whether sources are trimmed.
pub fn sources(of: &Of<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (stream, source) in sources_of(of) {
        if source.retain == Retain::Forever {
            let node = of.subject.topology.nodes.get(stream.node);
            let name = node.map_or("", |node| node.name.as_str());
            let mut fix = vec![note(format!("in [source.{name}] of the file: retain = \"7d\""))];
            if let Some(done) = stream.groups.iter().map(position).min() {
                fix.push(note("or, to drop now what every group has processed:"));
                fix.push(of.facts.cli(&format!("XTRIM {} MINID {done}", quoted(&stream.key))));
            }
            findings.push(SOURCES.warning(
                format!("{} is kept forever: {}", stream.key, size(stream)),
                "it grows until memory is full, and then no write is accepted",
                fix,
            ));
        } else {
            findings.push(SOURCES.fine(format!("{} is trimmed: {}", stream.key, size(stream))));
        }
    }
    findings
}

/// Whether the ids of a source's entries are ahead of the server's clock.
pub fn entry_ids(of: &Of<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (stream, _) in sources_of(of) {
        let Some(node) = of.subject.topology.nodes.get(stream.node) else { continue };
        let status = of.stored.status.nodes.iter().find(|status| status.name == node.name);
        let Some((entry, by_ms)) = status.and_then(|status| status.ahead) else {
            findings.push(IDS.fine(format!("the ids of {} go by the server's clock", stream.key)));
            continue;
        };
        let key = quoted(&stream.key);
        findings.push(IDS.warning(
            format!(
                "since entry {entry}, the ids of {} are ahead of the server's clock, the last one by \
                 {} s",
                stream.key,
                by_ms / 1000
            ),
            "somebody gave that entry its id, and every later one has an id of that time too. Their \
             events count as arrived when they are read: they are late, and forgotten as duplicates, by that; their age in the lag is \
             not known, and retain does not trim them",
            vec![
                note("let producers leave the id to the server (XADD with *). Then, while none of"),
                note("them sends and all is processed, begin the stream's ids again:"),
                of.tallyd("wait"),
                of.facts.cli(&format!("DEL {key}")),
            ],
        ));
    }
    findings
}

/// Whether groups of others hold the trimming of a source back.
pub fn other_readers(of: &Of<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (stream, source) in sources_of(of) {
        let Some(node) = of.subject.topology.nodes.get(stream.node) else { continue };
        let ours = of.subject.keys.group(of.subject.topology, node);
        let Some(our_position) =
            stream.groups.iter().find(|group| group.name == ours).map(position)
        else {
            continue;
        };
        let kept = match source.retain {
            Retain::Forever => continue,
            Retain::Acked => 0,
            Retain::For(ms) => ms,
        };
        for group in stream.groups.iter().filter(|group| group.name != ours) {
            let behind = our_position.ms.saturating_sub(needed(stream, group).ms);
            if behind <= kept.saturating_add(BEHIND) {
                continue;
            }
            findings.push(READERS.warning(
                format!(
                    "group {} reads {} too, and is {} minutes behind",
                    group.name,
                    stream.key,
                    behind / 60_000
                ),
                "what it has not acknowledged is kept: the stream grows until memory is full",
                vec![
                    note("start its readers; or, if nobody reads with it any more:"),
                    of.facts.cli(&format!(
                        "XGROUP DESTROY {} {}",
                        quoted(&stream.key),
                        quoted(&group.name)
                    )),
                ],
            ));
        }
    }
    findings
}

/// The entry up to which a group is done.
fn position(group: &Group) -> EntryId {
    group.lowest_pending.unwrap_or(group.delivered).min(group.delivered)
}

/// The oldest stored entry that a group still needs: a new group stands before all of them.
fn needed(stream: &Stream, group: &Group) -> EntryId {
    position(group).max(stream.first.unwrap_or_default())
}

fn sources_of<'a>(of: &'a Of<'_>) -> Vec<(&'a Stream, &'a Source)> {
    let sources = of.stored.streams.iter().filter(|stream| stream.role == Role::Source);
    let source = |stream: &'a Stream| match &of.subject.topology.nodes.get(stream.node)?.kind {
        NodeKind::Source(source) => Some((stream, source)),
        NodeKind::Bolt(_) => None,
    };
    sources.filter_map(source).collect()
}

fn size(stream: &Stream) -> String {
    let of = stream.bytes.map(|of| format!(", {}", bytes(of))).unwrap_or_default();
    format!("{} entries{of}", stream.length)
}

/// Whether sinks have a bound.
pub fn sinks(of: &Of<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for stream in &of.stored.streams {
        let Role::Sink { sink } = stream.role else { continue };
        let node = of.subject.topology.nodes.get(stream.node);
        let Some(sink) = node.and_then(|node| node.sinks.get(sink)) else { continue };
        findings.push(match sink.max_len {
            Some(most) => SINKS.fine(format!("sink {} keeps about {most} entries", sink.name)),
            None => SINKS.warning(
                format!("sink {} has no max_len: {}", sink.name, size(stream)),
                "it grows until memory is full, and then no write is accepted",
                vec![note(format!("in [sink.{}] of the file: max_len = 100_000", sink.name))],
            ),
        });
    }
    findings
}

/// Whether streams of nodes that were taken out are still there.
pub fn strays(of: &Of<'_>) -> Vec<Finding> {
    // The partitions of one edge differ in the last part of their keys: they are said together.
    let mut edges: BTreeMap<&str, Vec<&(String, u64)>> = BTreeMap::new();
    for stray in &of.stored.strays {
        let edge = stray.0.rsplit_once(':').map_or(stray.0.as_str(), |(edge, _)| edge);
        edges.entry(edge).or_default().push(stray);
    }
    let finding = |(edge, streams): (&str, Vec<&(String, u64)>)| {
        let entries: u64 = streams.iter().map(|(_, length)| length).sum();
        let mut fix = vec![note("once no worker runs the older file:")];
        fix.extend(streams.iter().map(|(key, _)| of.facts.cli(&format!("UNLINK {}", quoted(key)))));
        STRAYS.warning(
            match streams.as_slice() {
                [(key, _)] => {
                    format!("{key} belongs to no node of the topology: {entries} entries")
                }
                _ => format!(
                    "{} streams of {edge} belong to no node of the topology: {entries} entries",
                    streams.len()
                ),
            },
            "nobody reads or trims it. A worker that still runs an older file may write it",
            fix,
        )
    };
    let mut findings: Vec<Finding> = edges.into_iter().map(finding).collect();
    if let Some(looked_at) = of.stored.looked_at {
        findings.push(STRAYS.warning(
            format!("streams of nodes that were taken out: only {looked_at} keys were looked at"),
            "the server has more keys",
            vec![
                note("to look at all:"),
                of.facts.cli(&format!("--scan --pattern {}", quoted(&of.subject.keys.edges()))),
            ],
        ));
    }
    findings
}

/// Whether dead letters are near their bound.
pub fn dead_letters(of: &Of<'_>) -> Vec<Finding> {
    let (stored, most) = (of.stored.status.dead_letters, of.subject.topology.settings.dead_letters);
    let what = format!("{stored} dead letters of at most {most}");
    if stored.saturating_mul(100) < most.saturating_mul(MANY_DEAD) {
        return vec![DEAD.fine(what)];
    }
    vec![DEAD.warning(
        what,
        "at the bound the oldest are lost",
        vec![
            of.tallyd("dead list"),
            note("fix the cause, then replay them, or drop those that are of no use:"),
            of.tallyd("dead replay --all"),
        ],
    )]
}
