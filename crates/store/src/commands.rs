//! The one place where effects become commands: variadic ones, one for each key of a commit.

mod scores;

use crate::keys::Keys;
use hashbrown::HashMap;
use redis::{Cmd, Pipeline, cmd};
use scores::Scores;
use tallyd_bolt::{Key, Write};
use tallyd_runtime::store::{DeadLetter, EditPart, LATE_EXAMPLES, Late, Rejected};

/// The most fingerprints of one element of a log. Measured: a log takes 16.6 bytes for each at
/// 16, 17.1 at 32, and 17.0 where elements hold one to five.
const LOG_ELEMENT: usize = 16;

/// Puts the writes of one bolt behind the commands of a transaction.
pub fn add_writes(pipeline: &mut Pipeline, keys: &Keys, bolt: &str, writes: &[Write]) {
    let mut commands = Variadic::default();
    let mut scores = Scores::default();
    for write in writes {
        match write {
            Write::Add { key, names, deltas } => {
                let key = keys.bolt(bolt, key);
                for (name, delta) in names.iter().zip(deltas).filter(|(_, delta)| **delta != 0) {
                    pipeline.cmd("HINCRBY").arg(&key).arg(*name).arg(*delta);
                }
            }
            Write::Append { key, fingerprints } => {
                let command = pipeline.cmd("RPUSH").arg(keys.bolt(bolt, key));
                for some in fingerprints.chunks(LOG_ELEMENT) {
                    let bytes: Vec<u8> = some.iter().flat_map(|f| f.to_be_bytes()).collect();
                    command.arg(bytes);
                }
            }
            Write::Drop { key } | Write::DropLog { key } => {
                // Not DEL: a log of millions of identities would hold the server while it is freed.
                pipeline.cmd("UNLINK").arg(keys.bolt(bolt, key));
            }
            Write::Distinct { key, items } => {
                let command = pipeline.cmd("PFADD").arg(keys.bolt(bolt, key));
                for item in items {
                    command.arg(item.as_str());
                }
            }
            Write::Member { key, members } => {
                let command = pipeline.cmd("SADD").arg(keys.bolt(bolt, key));
                for member in members {
                    command.arg(member.as_str());
                }
            }
            Write::RemoveField { key, name } => {
                commands.of("HDEL", key, || keys.bolt(bolt, key)).arg(name.as_str());
            }
            Write::RemoveMember { key, members } => {
                let command = pipeline.cmd("SREM").arg(keys.bolt(bolt, key));
                for member in members {
                    command.arg(member.as_str());
                }
            }
            Write::RemoveScore { key, member } => {
                commands.of("ZREM", key, || keys.bolt(bolt, key)).arg(member.as_str());
            }
            Write::Field { key, name, value } => {
                let command = commands.of("HSET", key, || keys.bolt(bolt, key));
                command.arg(name.as_str()).arg(value.as_slice());
            }
            Write::Score { key, member, score } => {
                scores.put(key, *score, member);
            }
        }
    }
    scores.add_to(pipeline, keys, bolt);
    for command in commands.all {
        pipeline.add_command(command);
    }
}

/// Commands that take many fields or members of one key. The writes of a key come from many groups
/// of a batch, but often one behind the other.
#[derive(Default)]
struct Variadic<'a> {
    all: Vec<Cmd>,
    places: HashMap<(&'static str, &'a Key), usize>,
    last: Option<(&'static str, &'a Key, usize)>,
}

impl<'a> Variadic<'a> {
    fn of(&mut self, name: &'static str, key: &'a Key, full: impl FnOnce() -> String) -> &mut Cmd {
        let place = match self.last {
            Some((of, last, place)) if of == name && last == key => place,
            _ => *self.places.entry((name, key)).or_insert_with(|| {
                let mut command = cmd(name);
                command.arg(full());
                self.all.push(command);
                self.all.len() - 1
            }),
        };
        self.last = Some((name, key, place));
        #[expect(clippy::indexing_slicing, reason = "places holds only places of commands")]
        &mut self.all[place]
    }
}

/// Which keys were told when to go, so that not every commit tells them again.
#[derive(Default)]
pub struct Expiries {
    told: HashMap<Key, i64>,
}

/// How long after nobody writes to it any more a key is collected, in ms: bolts go by the time of
/// their batch, which lags behind the server's clock by a little, and a server's clock may be set
/// back. A key that a write made again, in the time between, would hold a part of its figure.
const COLLECTED_AFTER_MS: i64 = 60_000;
/// How many keys are remembered before it starts over.
const MAX_TOLD: usize = 200_000;
/// A key that goes within this time is told again with every write: it may have gone already,
/// and a write that makes it again must not make it stay.
const SOON_MS: i64 = 60_000;

impl Expiries {
    /// Puts the expiries that have to be told behind the commands of a transaction.
    pub fn add(
        &self,
        pipeline: &mut Pipeline,
        keys: &Keys,
        bolt: &str,
        expiries: &[(Key, i64)],
        now: i64,
    ) {
        for (key, at) in expiries {
            if *at - now < SOON_MS || self.told.get(key) != Some(at) {
                let collected = at.saturating_add(COLLECTED_AFTER_MS);
                pipeline.cmd("PEXPIREAT").arg(keys.bolt(bolt, key)).arg(collected);
            }
        }
    }

    /// The transaction happened. A key that something was taken out of may be gone with it, and what
    /// it was told too.
    pub fn remember(&mut self, expiries: &[(Key, i64)], writes: &[Write]) {
        if self.told.len() > MAX_TOLD {
            self.told.clear();
        }
        self.told.extend(expiries.iter().cloned());
        for write in writes {
            if let Write::Drop { key }
            | Write::RemoveField { key, .. }
            | Write::RemoveMember { key, .. }
            | Write::RemoveScore { key, .. } = write
            {
                self.told.remove(key);
            }
        }
    }

    /// Another may have deleted or changed the keys.
    pub fn clear(&mut self) {
        self.told.clear();
    }
}

/// Puts what a commit does of an edit behind the commands of a transaction.
pub fn add_edit(pipeline: &mut Pipeline, keys: &Keys, node: &str, edit: &EditPart) {
    let key = keys.edit(&edit.id);
    if edit.changed > 0 {
        pipeline.cmd("HINCRBY").arg(&key).arg(changed_field(node)).arg(edit.changed);
    }
    if !edit.handed.is_empty() {
        pipeline.cmd("HINCRBY").arg(&key).arg(handed_field(node)).arg(edit.handed.len());
    }
    if let Some(place) = edit.place {
        pipeline.cmd("HSET").arg(&key).arg(place_field(node)).arg(place.to_string());
    }
    if edit.done {
        pipeline.cmd("HINCRBY").arg(&key).arg(done_field(node)).arg(1);
    }
}

/// The field of an edit that counts what it changed in a node.
pub(crate) fn changed_field(node: &str) -> String {
    format!("changed:{node}")
}

/// The field of an edit that counts what partitions of a node handed over to others, each of which is
/// done once more.
pub(crate) fn handed_field(node: &str) -> String {
    format!("handed:{node}")
}

/// The field of an edit that says where it stands in the stream of a source.
pub(crate) fn place_field(node: &str) -> String {
    format!("place:{node}")
}

/// The field of an edit that counts the partitions of a node that are done with it.
pub(crate) fn done_field(node: &str) -> String {
    format!("done:{node}")
}

/// The command that keeps the dead letters within their bound. Its reply is how many are lost.
pub const TRIM_DEAD_LETTERS: &str = "XTRIM";

/// Puts what came too late behind the commands of a transaction: counts, and the last examples.
pub fn add_late(pipeline: &mut Pipeline, keys: &Keys, node: &str, late: &Late) {
    for (window, events) in &late.counts {
        pipeline.cmd("HINCRBY").arg(keys.late(node)).arg(window.as_str()).arg(*events);
    }
    for example in &late.examples {
        let command = pipeline.cmd("XADD").arg(keys.late_examples(node));
        command.arg("MAXLEN").arg("=").arg(LATE_EXAMPLES).arg("*");
        command.arg("id").arg(example.id.as_str()).arg("time").arg(example.time);
        command.arg("arrival").arg(example.arrival).arg("window").arg(example.window.as_str());
        command.arg("label").arg(example.label.as_str());
    }
}

/// Puts dead letters behind the commands of a transaction, counts them by the kind of the reason,
/// and trims to the last `limit` of them: exactly, and by a command of its own, so that it is known
/// how many are lost.
pub fn add_dead_letters(
    pipeline: &mut Pipeline,
    keys: &Keys,
    node: &str,
    letters: &[DeadLetter],
    limit: u64,
) {
    for letter in letters {
        let command = pipeline.cmd("XADD").arg(keys.dead()).arg("*");
        command.arg("node").arg(node).arg("reason").arg(&letter.reason);
        command.arg("entry").arg(letter.entry.to_string()).arg("arrived").arg(letter.arrived);
        if let Some(bytes) = letter.cut {
            command.arg("cut").arg(bytes);
        }
        for (name, value) in &letter.fields {
            command.arg([b"field:".as_slice(), name].concat()).arg(value.as_slice());
        }
    }
    for kind in Rejected::ALL {
        let of_kind = letters.iter().filter(|letter| letter.kind == kind).count();
        if of_kind > 0 {
            pipeline.cmd("HINCRBY").arg(keys.dead_counts(node)).arg(kind.label()).arg(of_kind);
        }
    }
    if !letters.is_empty() {
        pipeline.cmd(TRIM_DEAD_LETTERS).arg(keys.dead()).arg("MAXLEN").arg("=").arg(limit);
    }
}
