//! The one place that lists the commands that a worker sends, what on, and what for: an access
//! list for a worker is made of it, and `tallyd doctor` tries each.
//!
//! It knows no server. Each right has a sample of its command, which is only ever queued in a
//! transaction that is then discarded.

use crate::keys::Keys;
use std::collections::BTreeSet;
use tallyd_topology::{NodeKind, Topology};

/// What a command is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum On {
    /// No key.
    Nothing,
    /// tallyd's own keys, below the topology's prefix.
    Own,
    /// The streams that producers write.
    Source,
    /// The streams that applications follow.
    Sink,
    /// tallyd's own channels, below the topology's prefix.
    Channel,
}

/// A command that a worker has to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// The command with arguments, where `KEY` stands for a key.
    pub sample: &'static str,
    /// What it is sent to.
    pub on: &'static [On],
    /// What for.
    pub why: &'static str,
}

impl Right {
    /// The command as access lists have it, such as `xadd` or `xgroup|create`.
    #[must_use]
    pub fn command(&self) -> String {
        let mut words = self.sample.split(' ');
        let first = words.next().unwrap_or_default().to_lowercase();
        match (first.as_str(), words.next()) {
            (
                "acl" | "client" | "config" | "memory" | "pubsub" | "xgroup" | "xinfo",
                Some(second),
            ) => {
                format!("{first}|{}", second.to_lowercase())
            }
            _ => first,
        }
    }
}

const fn right(sample: &'static str, on: &'static [On], why: &'static str) -> Right {
    Right { sample, on, why }
}

const NONE: &[On] = &[On::Nothing];
const OWN: &[On] = &[On::Own];
const INPUTS: &[On] = &[On::Own, On::Source];
const ALL_STREAMS: &[On] = &[On::Own, On::Source, On::Sink];
const CHANNEL: &[On] = &[On::Channel];

/// What a worker needs. Without one of them it does not start, or stands still sooner or later.
pub const WORKER: &[Right] = &[
    right("INFO", NONE, "the server's version and state, at the start"),
    right("TIME", NONE, "the server's clock, by which heartbeats go"),
    right("WATCH KEY", OWN, "fences: a commit happens only while they stand"),
    right("UNWATCH", NONE, "fences"),
    right("MULTI", NONE, "commits: all of one happens, or nothing"),
    right("EXEC", NONE, "commits"),
    right(
        "LRANGE KEY 0 1",
        OWN,
        "state: what a dedup bolt has seen, the values of distinct measures",
    ),
    right("SET KEY v", OWN, "fences: to take and release partitions"),
    right("MGET KEY", OWN, "fences: to see that they stand"),
    right("RPUSH KEY v", OWN, "state: what a dedup bolt has seen, the values of distinct measures"),
    right("UNLINK KEY", OWN, "state: logs that are needed no longer"),
    right("HGET KEY f", OWN, "the stored topology"),
    right("HGETALL KEY", OWN, "the stored topology, cursors, workers"),
    right("HMGET KEY f", OWN, "state of bolts, cursors"),
    right("HSET KEY f v", OWN, "state of bolts, cursors, workers"),
    right("HSETNX KEY f v", OWN, "the stored topology"),
    right("HINCRBY KEY f 1", OWN, "numbers that partitions share"),
    right("HDEL KEY f", OWN, "to forget workers that left, edits"),
    right("PFADD KEY v", OWN, "distinct measures"),
    right("SADD KEY v", OWN, "the groups of a window or period"),
    right("SREM KEY v", OWN, "the periods of a leaderboard that are gone"),
    right("SSCAN KEY 0", OWN, "the boards that an edit goes through"),
    right("ZSCAN KEY 0", OWN, "the members that an edit goes through"),
    right("ZADD KEY 1 v", OWN, "leaderboards, heartbeats"),
    right("ZMSCORE KEY v", OWN, "leaderboards"),
    right("ZRANGE KEY 0 -1", OWN, "the workers, edits"),
    right("ZREM KEY v", OWN, "to leave, to forget workers that died, to unpack a board, edits"),
    right("CLIENT ID", NONE, "to wake a task that waits for entries"),
    right("CLIENT UNBLOCK 1", NONE, "to wake a task that waits for entries"),
    right("SUBSCRIBE KEY", CHANNEL, "that others see at once if the process is killed"),
    right("PUBSUB NUMSUB", NONE, "to see at once whether another worker's process was killed"),
    right("PUBLISH KEY v", CHANNEL, "that others take at once what is released"),
    right("PEXPIREAT KEY 9999999999999", OWN, "windows and logs go by themselves"),
    right(
        "MEMORY USAGE KEY",
        INPUTS,
        "how much memory dead letters take, and what waits to be read",
    ),
    right(
        "XADD KEY * f v",
        ALL_STREAMS,
        "frames, dead letters, sinks, and probes and edits into sources",
    ),
    right("XDEL KEY 1-1", INPUTS, "edits that are accepted, entries of members who are forgotten"),
    right("XACK KEY g 1-1", INPUTS, "to be done with an entry"),
    right("XAUTOCLAIM KEY g c 0 0-0", INPUTS, "what a worker that died had pending"),
    right("XGROUP CREATE KEY g 0", INPUTS, "to make a missing group"),
    right("XGROUP SETID KEY g 0", INPUTS, "to put a group back to its cursor"),
    right("XGROUP DELCONSUMER KEY g c", INPUTS, "to forget workers that left"),
    right("XINFO CONSUMERS KEY g", INPUTS, "to forget workers that left"),
    right("XINFO GROUPS KEY", INPUTS, "lag, and how far a stream may be trimmed"),
    right("XINFO STREAM KEY", INPUTS, "whether entries are lost, and streams began again"),
    right("XLEN KEY", INPUTS, "lag and backpressure"),
    right("XPENDING KEY g", INPUTS, "how far a source may be trimmed, lag"),
    right("XRANGE KEY - + COUNT 1", INPUTS, "lag, edits"),
    right("XREAD COUNT 1 STREAMS KEY 0-0", INPUTS, "to wait for entries"),
    right("XREADGROUP GROUP g c COUNT 1 STREAMS KEY >", INPUTS, "to read entries"),
    right("XTRIM KEY MINID 0", ALL_STREAMS, "to drop what every bolt has; whether it is a stream"),
];

/// The keys on which a right is to be had: of each kind those that the topology has.
#[must_use]
pub fn places(right: &Right, topology: &Topology, keys: &Keys) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    for on in right.on {
        match on {
            On::Nothing => {
                places.insert(String::new());
            }
            On::Channel => {
                places.insert(keys.nudges());
            }
            // One stands for all: they have one prefix.
            On::Own => {
                places.insert(keys.topology());
            }
            On::Source => {
                places.extend(topology.nodes.iter().filter_map(|node| match &node.kind {
                    NodeKind::Source(source) => Some(source.stream.clone()),
                    NodeKind::Bolt(_) => None,
                }))
            }
            On::Sink => {
                let sinks = topology.nodes.iter().flat_map(|node| &node.sinks);
                places.extend(sinks.map(|sink| sink.stream.clone()));
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the commands out of the code that workers run.
    #[test]
    fn every_command_that_a_worker_sends_is_listed() {
        let code = [
            include_str!("backlog.rs"),
            include_str!("commands.rs"),
            include_str!("commands/scores.rs"),
            include_str!("connection.rs"),
            include_str!("edits.rs"),
            include_str!("edits/rename.rs"),
            include_str!("edits/sweep.rs"),
            include_str!("edits/sweep/free.rs"),
            include_str!("edits/sweep/guarded.rs"),
            include_str!("fetch.rs"),
            include_str!("lag.rs"),
            include_str!("membership.rs"),
            include_str!("named_streams.rs"),
            include_str!("plan/on_redis.rs"),
            include_str!("registration.rs"),
            include_str!("session/on_redis.rs"),
            include_str!("session/transaction.rs"),
            include_str!("store.rs"),
            include_str!("streams.rs"),
            include_str!("tend.rs"),
            include_str!("tend/edges.rs"),
            include_str!("tend/source.rs"),
            include_str!("waiting.rs"),
        ];
        let mut sent = 0;
        let pieces = ["cmd(\"", ".of(\""];
        let pieces =
            pieces.map(|begin| code.iter().flat_map(move |code| code.split(begin).skip(1)));
        for piece in pieces.into_iter().flatten() {
            let command = piece.split('"').next().unwrap();
            let rest = piece.split(".arg(\"").nth(1).and_then(|rest| rest.split('"').next());
            let whole = match command {
                "CLIENT" | "MEMORY" | "PUBSUB" | "XGROUP" | "XINFO" => {
                    format!("{command}|{}", rest.unwrap())
                }
                _ => command.to_owned(),
            };
            let known = WORKER.iter().any(|right| right.command() == whole.to_lowercase());
            assert!(known, "{whole} is not in rights.rs: say what a worker needs it for");
            sent += 1;
        }
        assert!(sent > 40, "only {sent} commands found: are they spelled another way now?");
    }

    #[test]
    fn the_documented_access_list_of_a_worker_is_this() {
        let page = include_str!("../../../docs/security.md");
        let list = page.split("SETUSER tallyd-worker").nth(1).unwrap().split("```").next().unwrap();
        let words = list.split_whitespace().map(|word| word.trim_matches('\''));
        let documented: BTreeSet<String> =
            words.filter_map(|word| Some(word.strip_prefix('+')?.to_owned())).collect();
        assert_eq!(documented, WORKER.iter().map(Right::command).collect());
    }
}
