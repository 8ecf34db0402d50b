//! A commit as commands, and what their replies say that it read.

use super::{RedisSession, begun};
use crate::{
    commands::{TRIM_DEAD_LETTERS, add_dead_letters, add_writes},
    connection::checked,
    reply,
    tend::command_is,
};
use redis::{Pipeline, Value};
use tallyd_event::EntryId;
use tallyd_runtime::{
    StoreError,
    store::{Commit, ErrorKind, Next, Read},
};

impl RedisSession {
    /// The commands of a commit, begun and not yet ended.
    pub(super) fn transaction(&self, commit: &Commit) -> Pipeline {
        let mut body = begun();
        let name = &self.node.name;
        add_writes(&mut body, &self.keys, name, &commit.writes);
        self.expiries.add(&mut body, &self.keys, name, &commit.expiries, self.now());
        for frame in &commit.frames {
            if let Some(edge) = self.node.edges.get(frame.edge) {
                let stream = self.keys.edge(name, edge, frame.partition);
                let field = tallyd_runtime::FRAME_FIELD;
                body.cmd("XADD").arg(stream).arg("*").arg(field).arg(frame.bytes.as_slice());
            }
        }
        for (sink, fields) in &commit.published {
            let Some(sink) = self.node.sinks.get(*sink) else { continue };
            let command = body.cmd("XADD").arg(&sink.stream);
            if let Some(max_len) = sink.max_len {
                command.arg("MAXLEN").arg("~").arg(max_len);
            }
            command.arg("*");
            for (name, value) in fields {
                command.arg(name.as_slice()).arg(value.as_slice());
            }
        }
        let limit = self.topology.settings.dead_letters;
        add_dead_letters(&mut body, &self.keys, name, &commit.dead, limit);
        let group = self.keys.group(&self.node);
        for (partition, ids) in &commit.acks {
            for (_, stream) in self.inputs([*partition]) {
                let command = body.cmd("XACK").arg(stream).arg(&group);
                for id in ids {
                    command.arg(id.to_string());
                }
            }
        }
        if !commit.cursors.is_empty() {
            let command = body.cmd("HSET").arg(self.keys.cursors(name));
            for (partition, cursor) in &commit.cursors {
                command.arg(*partition).arg(reply::cursor_text(cursor));
            }
        }
        self.add_next(&mut body, &group, &commit.next);
        body
    }

    fn add_next(&self, body: &mut Pipeline, group: &str, next: &Next) {
        match next {
            Next::Nothing => {}
            Next::New { partitions, count } => {
                let inputs = self.inputs(partitions.iter().copied());
                let command =
                    body.cmd("XREADGROUP").arg("GROUP").arg(group).arg(self.worker.as_str());
                command.arg("COUNT").arg(*count).arg("STREAMS");
                for (_, stream) in &inputs {
                    command.arg(stream);
                }
                for _ in &inputs {
                    command.arg(">");
                }
            }
            Next::Pending { partition, from, count } => {
                for (_, stream) in self.inputs([*partition]) {
                    let command = body.cmd("XAUTOCLAIM").arg(stream).arg(group);
                    command.arg(self.worker.as_str()).arg(0).arg(from.to_string());
                    command.arg("COUNT").arg(*count);
                }
            }
        }
    }

    /// What the last command of a transaction read. Every other reply is looked at too: one that
    /// failed halts the partition, because the rest happened.
    pub(super) fn read(
        &self,
        commit: &Commit,
        transaction: &Pipeline,
        mut results: Vec<Value>,
    ) -> Result<Read, StoreError> {
        let last = if commit.next == Next::Nothing { None } else { results.pop() };
        let mut read = Read::default();
        for (command, result) in transaction.cmd_iter().skip(begun().len()).zip(results) {
            let result = checked(result).map_err(|error| halt(named(command, error)))?;
            if command_is(command, TRIM_DEAD_LETTERS) {
                read.dead_dropped = u64::try_from(reply::integer(&result)?).unwrap_or(0);
            }
        }
        match (&commit.next, last) {
            (_, Some(Value::ServerError(error))) if error.code() == "NOGROUP" => {
                read.group_missing = true;
            }
            (Next::New { partitions, .. }, Some(last)) => {
                let inputs = self.inputs(partitions.iter().copied());
                for (stream, entries) in reply::streams(checked(last).map_err(halt)?)? {
                    if let Some((partition, _)) = inputs.iter().find(|(_, input)| *input == stream)
                    {
                        read.entries.extend(entries.into_iter().map(|entry| (*partition, entry)));
                    }
                }
            }
            (Next::Pending { partition, .. }, Some(last)) => {
                let mut parts = reply::array(checked(last).map_err(halt)?)?.into_iter();
                let from = reply::entry_id(parts.next().unwrap_or(Value::Nil))?;
                let entries = reply::entries(parts.next().unwrap_or(Value::Nil))?;
                read.entries.extend(entries.into_iter().map(|entry| (*partition, entry)));
                read.pending_from = (from != EntryId::ZERO).then_some(from);
            }
            _ => {}
        }
        Ok(read)
    }

    fn now(&self) -> i64 {
        crate::store::local_ms().saturating_add(self.clock_offset)
    }
}

/// The error, with the command and key that it came of.
fn named(command: &redis::Cmd, error: StoreError) -> StoreError {
    let words = command.args_iter().take(2).filter_map(|word| match word {
        redis::Arg::Simple(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    });
    let command = words.collect::<Vec<_>>().join(" ");
    StoreError { message: format!("{command}: {}", error.message), ..error }
}

fn halt(error: StoreError) -> StoreError {
    StoreError::new(ErrorKind::Halt, format!("a command failed inside EXEC: {}", error.message))
}
