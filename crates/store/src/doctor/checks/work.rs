//! Whether the topology's work is done: halts, owners, consumers and groups.

use crate::doctor::{
    address::quoted,
    checks::Of,
    facts::{Role, Stream},
    finding::{Check, Finding, note},
};
use std::collections::{BTreeMap, BTreeSet};
use tallyd_runtime::store::Owner;
use tallyd_topology::Node;

const HALTED: Check = Check::new("work", "halted");
const WORKERS: Check = Check::new("work", "workers");
const OWNERS: Check = Check::new("work", "owners");
const PLANS: Check = Check::new("work", "plans");
const CONSUMERS: Check = Check::new("work", "consumers");
const GROUPS: Check = Check::new("work", "groups");

/// Whether partitions wait for an operator.
pub fn halted(of: &Of<'_>) -> Vec<Finding> {
    let halted = &of.stored.status.halted;
    if halted.is_empty() {
        return vec![HALTED.fine("no partition is halted")];
    }
    let finding = |(place, reason): (&String, &String)| {
        HALTED.broken(
            format!("{place} is halted: {reason}"),
            "its events wait until somebody has looked. Where a command failed inside a commit, the \
             other commands of that commit have happened, and the failed one is not done again",
            vec![
                note("fix the cause that is named (a key of the wrong type, a missing key), then:"),
                of.tallyd("resume"),
            ],
        )
    };
    halted.iter().map(finding).collect()
}

/// The workers that were heard of within the session timeout.
fn live<'a>(of: &'a Of<'_>) -> BTreeSet<&'a str> {
    let status = &of.stored.status;
    let timeout =
        i64::try_from(of.subject.topology.settings.session_timeout_ms).unwrap_or(i64::MAX);
    let alive = |beat: i64| status.now.saturating_sub(beat) <= timeout;
    let live = status.workers.iter().filter(|(_, beat)| alive(*beat));
    live.map(|(worker, _)| worker.id.as_str()).collect()
}

/// Whether all workers run one file.
pub fn plans(of: &Of<'_>) -> Vec<Finding> {
    let Some(plan) = &of.stored.status.plan else { return Vec::new() };
    let (in_force, live) = (plan.fingerprint(), live(of));
    let workers = of.stored.status.workers.iter().map(|(worker, _)| worker);
    let runs: Vec<_> = workers.filter(|worker| live.contains(worker.id.as_str())).collect();
    let named = |in_it: bool| {
        let some = runs.iter().filter(|worker| (worker.plan == in_force) == in_it);
        some.map(|worker| worker.id.as_str()).collect::<Vec<_>>().join(", ")
    };
    let mut findings = Vec::new();
    let waiting = named(false);
    if !waiting.is_empty() {
        findings.push(PLANS.warning(
            format!("{waiting} wait: their file is another than that of {}", named(true)),
            "events would be lost if both files were at work at once. Those that wait take part once no worker \
             runs the other file",
            vec![note("finish the rolling restart: stop the workers with the file to be replaced")],
        ));
    } else if !runs.is_empty() {
        findings.push(PLANS.fine("all workers run one file"));
    }
    if of.subject.topology.fingerprint() != in_force && !runs.is_empty() {
        findings.push(PLANS.warning(
            format!("{} is not the file that the workers run", of.subject.file),
            "what is said here of its bolts may be out of date",
            vec![note("give the file that they run, or restart them with this one")],
        ));
    }
    findings
}

/// Whether every partition has a worker.
pub fn owners(of: &Of<'_>) -> Vec<Finding> {
    let live = live(of);
    if live.is_empty() {
        return vec![WORKERS.warning(
            "no worker is running",
            "events wait in the source until one is",
            vec![of.tallyd_run()],
        )];
    }
    let mut findings = Vec::new();
    let nodes = of.stored.status.nodes.iter();
    for node in nodes.filter(|node| node.fused_with.is_none()) {
        let idle = |owner: &&Owner| match owner {
            Owner::Nobody => true,
            Owner::Halted => false,
            Owner::Worker(id) => !live.contains(id.as_str()),
        };
        let idle = node.owners.iter().filter(idle).count();
        if idle == 0 {
            continue;
        }
        let served = of.stored.status.workers.iter().any(|(worker, _)| {
            live.contains(worker.id.as_str()) && worker.nodes.contains_key(node.name.as_str())
        });
        let fix = if served {
            vec![note(
                "look again in some seconds: partitions change hands. If it stays, see the \
                 workers' logs",
            )]
        } else {
            vec![
                note("no worker serves it: start one without --bolts, or with"),
                format!("{} --bolts {}", of.tallyd_run(), node.name),
            ]
        };
        findings.push(OWNERS.warning(
            format!(
                "{idle} of {} partitions of {} have no worker that lives",
                node.owners.len(),
                node.name
            ),
            "their events wait",
            fix,
        ));
    }
    if findings.is_empty() {
        findings.push(
            OWNERS.fine(format!("every partition has an owner; workers that live: {}", live.len())),
        );
    }
    findings
}

/// Whether entries are in the hands of one who will not finish them.
pub fn consumers(of: &Of<'_>) -> Vec<Finding> {
    let live = live(of);
    let mut findings = Vec::new();
    for (stream, node, partition) in readers(of) {
        let group = of.subject.keys.group(of.subject.topology, node);
        let owners = of.stored.status.nodes.iter().find(|status| status.name == node.name);
        let owner = owners.and_then(|status| status.owners.get(usize::from(partition)));
        // Without a live owner the next one takes over whatever is pending.
        let owned = matches!(owner, Some(Owner::Worker(id)) if live.contains(id.as_str()));
        let consumers = stream.groups.iter().filter(|stored| stored.name == group);
        for (name, pending) in consumers.flat_map(|stored| &stored.consumers) {
            if *pending == 0 || live.contains(name.as_str()) || !owned {
                continue;
            }
            let command = format!(
                "XGROUP DELCONSUMER {} {} {}",
                quoted(&stream.key),
                quoted(&group),
                quoted(name)
            );
            findings.push(CONSUMERS.warning(
                format!(
                    "consumer {name} of group {group} on {} holds {pending} entries and is no \
                     worker that lives",
                    stream.key
                ),
                "nobody processes them before the partition changes hands, and if others were \
                 processed meanwhile they are skipped. Somebody read with tallyd's group",
                vec![
                    note(
                        "look again in some seconds: partitions change hands. If it stays, end who \
                         reads there, and",
                    ),
                    of.facts.cli(&command),
                    note("the worker then reads again what comes after its cursor"),
                ],
            ));
        }
    }
    findings
}

/// The streams that nodes read, each with its reader and the reader's partition.
fn readers<'a>(of: &'a Of<'_>) -> Vec<(&'a Stream, &'a Node, u16)> {
    let mut readers = Vec::new();
    for stream in &of.stored.streams {
        let Some(node) = of.subject.topology.nodes.get(stream.node) else { continue };
        match stream.role {
            Role::Source => readers.push((stream, node, 0)),
            Role::Edge { edge, partition } => {
                let consumers = node.edges.get(edge).map(|edge| edge.consumers.as_slice());
                for place in consumers.unwrap_or_default() {
                    readers.extend(
                        of.subject.topology.nodes.get(*place).map(|node| (stream, node, partition)),
                    );
                }
            }
            Role::Sink { .. } => {}
        }
    }
    readers
}

/// Whether groups stand on tallyd's own streams that no bolt has.
pub fn groups(of: &Of<'_>) -> Vec<Finding> {
    let readers = readers(of);
    // A bolt that was taken out has one on each partition: that is said once.
    let mut left: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let edges = of.stored.streams.iter().filter(|stream| matches!(stream.role, Role::Edge { .. }));
    for stream in edges {
        let known = |name: &str| {
            readers.iter().any(|(read, node, _)| {
                read.key == stream.key && of.subject.keys.group(of.subject.topology, node) == name
            })
        };
        for group in stream.groups.iter().filter(|group| !known(&group.name)) {
            left.entry(&group.name).or_default().push(&stream.key);
        }
    }
    let finding = |(group, streams): (&str, Vec<&str>)| {
        let on = match streams.as_slice() {
            [stream] => (*stream).to_owned(),
            [first, ..] => format!("{} streams, {first} among them,", streams.len()),
            [] => String::new(),
        };
        let command =
            |stream: &&str| format!("XGROUP DESTROY {} {}", quoted(stream), quoted(group));
        GROUPS.warning(
            format!("group {group} on {on} belongs to no bolt of the topology"),
            "it is of a bolt that was taken out, or of somebody who reads tallyd's own streams: \
             those are trimmed without regard to it",
            streams.iter().map(|stream| of.facts.cli(&command(stream))).collect(),
        )
    };
    left.into_iter().map(finding).collect()
}
