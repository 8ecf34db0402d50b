//! What the user may do, and what could not be checked because it may not.

use crate::doctor::{
    address::quoted,
    facts::Facts,
    finding::{Check, Finding, note},
};
use std::collections::BTreeSet;

const RIGHTS: Check = Check::new("access", "rights");
const COMMANDS: Check = Check::new("access", "commands");
const TRIAL: Check = Check::new("access", "trial");
const UNCHECKED: Check = Check::new("access", "unchecked");

/// What is looked at through each command.
const SEEN_THROUGH: &[(&str, &str)] = &[
    (
        "CONFIG GET",
        "appendfsync, min-replicas-to-write, timeout, output buffer limits and the like",
    ),
    ("INFO", "version, persistence, role, memory"),
    (
        "MEMORY USAGE",
        "the bytes of streams and of what dedup bolts store: the estimate of memory goes by guesses",
    ),
    ("MULTI", "the rights of a worker"),
    ("SCAN", "streams of nodes that were taken out"),
    ("TIME", "the clock"),
    ("XINFO GROUPS", "the groups of streams and their consumers"),
    (TOPOLOGY, "the topology: owners, streams, groups, dead letters and memory"),
];
/// Stands among what was refused for a topology's state as a whole.
pub(in crate::doctor) const TOPOLOGY: &str = "what is stored of the topology";

/// Whether the user may send every command that a worker sends.
pub fn rights(facts: &Facts) -> Vec<Finding> {
    let Some(missing) = &facts.missing else { return Vec::new() };
    if missing.is_empty() {
        return vec![RIGHTS.fine(format!("user {} may do all that a worker does", user(facts)))];
    }
    // Valkey from 9.1 on has databases in its access lists.
    let (of_database, missing): (Vec<_>, Vec<_>) =
        missing.iter().partition(|right| right.error.contains("access database"));
    let (renamed, forbidden): (Vec<_>, Vec<_>) =
        missing.into_iter().partition(|right| !right.error.starts_with("NOPERM"));
    let mut findings = Vec::new();
    if !of_database.is_empty() {
        let database = facts.address.database;
        findings.push(RIGHTS.broken(
            format!("user {} may not use database {database}", user(facts)),
            "no command that names a key is let through: a worker does not start",
            vec![
                format!(
                    "{} ACL SETUSER {} db={database}",
                    facts.address.cli_as_anyone,
                    quoted(user(facts))
                ),
                note("as a user that may (--user NAME --askpass); db= takes the place of the list"),
            ],
        ));
    }
    if !renamed.is_empty() {
        let names: BTreeSet<&str> = renamed.iter().map(|right| right.command.as_str()).collect();
        findings.push(COMMANDS.broken(
            format!("the server does not know {}", list(&names)),
            "a worker needs that under its own name: it does not start, or stands still",
            vec![note(
                "take rename-command of them out of the server's configuration, and start it again",
            )],
        ));
    }
    if !forbidden.is_empty() {
        let commands: BTreeSet<&str> = forbidden
            .iter()
            .filter(|right| right.key.is_empty())
            .map(|right| right.command.as_str())
            .collect();
        let keys: BTreeSet<&str> = forbidden
            .iter()
            .map(|right| right.key.as_str())
            .filter(|key| !key.is_empty())
            .collect();
        let what: Vec<String> = [("commands", &commands), ("keys", &keys)]
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(kind, names)| format!("the {kind} {}", list(names)))
            .collect();
        let allow: Vec<String> = commands
            .iter()
            .map(|command| format!("+{command}"))
            .chain(keys.iter().map(|key| quoted(&format!("~{}", pattern(key)))))
            .collect();
        findings.push(RIGHTS.broken(
            format!("user {} may not use {}", user(facts), what.join(", nor ")),
            "a worker that may not do all of its work does not start, or stands still at the first \
             event that needs it",
            vec![
                format!(
                    "{} ACL SETUSER {} {}",
                    facts.address.cli_as_anyone,
                    quoted(user(facts)),
                    allow.join(" ")
                ),
                note(
                    "as a user that may (--user NAME --askpass); then ACL SAVE, or CONFIG REWRITE \
                     where users stand in redis.conf",
                ),
            ],
        ));
    }
    findings
}

/// Whether the rights could be tried at all.
pub fn trial(facts: &Facts) -> Vec<Finding> {
    if !facts.queues_anything {
        return Vec::new();
    }
    vec![TRIAL.warning(
        "the server queues any command in MULTI, one that does not exist too",
        "so it could not be tried whether this user may do all that a worker does, and a worker's \
         commit fails as a whole at its end instead of at the command. Some proxies do that",
        vec![note("let workers and doctor talk to the server itself, not to a proxy before it")],
    )]
}

/// A key pattern for an access list: all of a topology's own keys at once.
fn pattern(key: &str) -> String {
    match key.split_once("}:") {
        Some((prefix, _)) if key.starts_with("tallyd:{") => format!("{prefix}}}:*"),
        _ => key.to_owned(),
    }
}

fn list(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}

fn user(facts: &Facts) -> &str {
    facts.user.as_deref().or(facts.address.user.as_deref()).unwrap_or("default")
}

/// What could not be checked.
pub fn unchecked(facts: &Facts) -> Vec<Finding> {
    let seen = SEEN_THROUGH.iter().filter_map(|(command, what)| {
        let error = facts.refused.get(command)?;
        Some(UNCHECKED.warning(
            format!("could not be checked: {what}"),
            format!("the server refused {command}: {error}"),
            vec![note("run tallyd doctor as a user that may, or look in your provider's console")],
        ))
    });
    seen.collect()
}
