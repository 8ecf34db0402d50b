//! A commit as commands, and what their replies say that it read.

use super::RedisServer;
use crate::{
    commands::{TRIM_DEAD_LETTERS, add_dead_letters, add_edit, add_late, add_writes},
    connection::checked,
    reply,
    tend::command_is,
};
use redis::{Pipeline, Value};
use std::collections::BTreeMap;
use tallyd_bolt::Key;
use tallyd_event::EntryId;
use tallyd_runtime::{
    StoreError,
    store::{Commit, ErrorKind, Next, Part, Read, Wait},
};

impl RedisServer {
    /// The commands of a commit, begun and not yet ended. What it waits for comes before.
    pub(super) fn transaction(&self, commit: &Commit) -> Result<Pipeline, StoreError> {
        let mut body = Pipeline::new();
        if let Some(wait) = &commit.wait {
            self.add_wait(&mut body, wait)?;
        }
        body.cmd("MULTI");
        for part in &commit.parts {
            self.add_part(&mut body, part)?;
        }
        for (partition, ids) in &commit.acks {
            let command = body.cmd("XACK").arg(self.names.input(*partition)?);
            command.arg(&self.names.group);
            for id in ids {
                command.arg(id.to_string());
            }
        }
        self.add_next(&mut body, &commit.next)?;
        Ok(body)
    }

    /// What a commit changes of one node.
    fn add_part(&self, body: &mut Pipeline, part: &Part) -> Result<(), StoreError> {
        let names = self.names.node(part.node)?;
        add_writes(body, &self.keys, &names.name, &part.writes);
        if let Some(expiries) = self.expiries.get(&part.node) {
            expiries.add(body, &self.keys, &names.name, &part.expiries, self.now());
        }
        for frame in &part.frames {
            let field = tallyd_runtime::FRAME_FIELD;
            let command = body.cmd("XADD").arg(names.output(frame)?).arg("*");
            command.arg(field).arg(frame.bytes.as_slice());
        }
        for (sink, fields) in &part.published {
            let sink = names.sink(*sink)?;
            let command = body.cmd("XADD").arg(&sink.stream);
            if let Some(max_len) = sink.max_len {
                command.arg("MAXLEN").arg("~").arg(max_len);
            }
            command.arg("*");
            for (name, value) in fields {
                command.arg(name.as_slice()).arg(value.as_slice());
            }
        }
        add_late(body, &self.keys, &names.name, &part.late);
        let limit = self.topology.settings.dead_letters;
        add_dead_letters(body, &self.keys, &names.name, &part.dead, limit);
        if let Some(edit) = &part.edit {
            add_edit(body, &self.keys, &names.name, edit);
            for (partition, bytes) in &edit.handed {
                let command = body.cmd("XADD").arg(self.names.input(*partition)?).arg("*");
                command.arg(tallyd_runtime::FRAME_FIELD).arg(bytes.as_slice());
            }
        }
        if !part.cursors.is_empty() {
            let command = body.cmd("HSET").arg(&names.cursors);
            for (partition, cursor) in &part.cursors {
                command.arg(*partition).arg(reply::cursor_text(cursor));
            }
        }
        Ok(())
    }

    fn add_wait(&self, body: &mut Pipeline, wait: &Wait) -> Result<(), StoreError> {
        let command = body.cmd("XREAD").arg("COUNT").arg(1);
        command.arg("BLOCK").arg(wait.at_most.as_millis() as u64).arg("STREAMS");
        for (partition, _) in &wait.after {
            command.arg(self.names.input(*partition)?);
        }
        for (_, id) in &wait.after {
            command.arg(id.to_string());
        }
        Ok(())
    }

    fn add_next(&self, body: &mut Pipeline, next: &Next) -> Result<(), StoreError> {
        let group = &self.names.group;
        match next {
            Next::Nothing => {}
            Next::New { partitions, count } => {
                let inputs = self.names.inputs(partitions.iter().copied())?;
                let command =
                    body.cmd("XREADGROUP").arg("GROUP").arg(group).arg(self.worker.as_str());
                command.arg("COUNT").arg(*count).arg("STREAMS");
                command.arg(&inputs).arg(vec![">"; inputs.len()]);
            }
            Next::Pending { partition, from, count } => {
                let command = body.cmd("XAUTOCLAIM").arg(self.names.input(*partition)?).arg(group);
                command.arg(self.worker.as_str()).arg(0).arg(from.to_string());
                command.arg("COUNT").arg(*count);
            }
        }
        Ok(())
    }

    /// The partitions for which a wait ended, with what it saw.
    pub(super) fn woken(
        &self,
        wait: &Wait,
        answer: Value,
    ) -> Result<Vec<(u16, EntryId)>, StoreError> {
        let waiting: Vec<u16> = wait.after.iter().map(|(partition, _)| *partition).collect();
        let mut woken = Vec::new();
        for (stream, entries) in reply::streams(checked(answer)?)? {
            let partition = self.names.reads(&stream, &waiting)?;
            woken.extend(entries.first().map(|entry| (partition, entry.id)));
        }
        Ok(woken)
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
        let before = begun().len() + usize::from(commit.wait.is_some());
        let mut failures: Vec<(Option<String>, StoreError)> = Vec::new();
        for (command, result) in transaction.cmd_iter().skip(before).zip(results) {
            match checked(result) {
                Err(error) => failures.push((key_of(command), named(command, error))),
                Ok(result) if command_is(command, TRIM_DEAD_LETTERS) => {
                    read.dead_dropped += reply::count(&result)?;
                }
                Ok(_) => {}
            }
        }
        if !failures.is_empty() {
            return Err(self.failed(commit, failures));
        }
        match (&commit.next, last) {
            (_, Some(Value::ServerError(error))) if error.code() == "NOGROUP" => {
                read.group_missing = true;
            }
            (Next::New { partitions, .. }, Some(last)) => {
                for (stream, entries) in reply::streams(checked(last).map_err(halt)?)? {
                    let partition = self.names.reads(&stream, partitions)?;
                    read.entries.extend(entries.into_iter().map(|entry| (partition, entry)));
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

    /// Commands failed inside EXEC, and the others happened: which keys of bolts it was, if it was
    /// nothing else.
    fn failed(&self, commit: &Commit, failures: Vec<(Option<String>, StoreError)>) -> StoreError {
        let mut written: BTreeMap<String, (usize, Key)> = BTreeMap::new();
        for part in &commit.parts {
            let Ok(names) = self.names.node(part.node) else { continue };
            for write in &part.writes {
                let key = write.key();
                written.insert(self.keys.bolt(&names.name, key), (part.node, key.clone()));
            }
        }
        let of_bolts = failures.iter().map(|(key, _)| written.get(key.as_ref()?).cloned());
        let failed = of_bolts.collect::<Option<Vec<_>>>().unwrap_or_default();
        let messages: Vec<String> =
            failures.into_iter().take(MAX_TOLD).map(|(_, error)| error.message).collect();
        StoreError { failed, ..halt(StoreError::new(ErrorKind::Halt, messages.join("; "))) }
    }

    fn now(&self) -> i64 {
        crate::store::local_ms().saturating_add(self.clock_offset)
    }
}

/// A transaction without commands.
pub(super) fn begun() -> Pipeline {
    let mut transaction = Pipeline::new();
    transaction.cmd("MULTI");
    transaction
}

/// How many commands that failed in one commit are told.
const MAX_TOLD: usize = 3;

fn key_of(command: &redis::Cmd) -> Option<String> {
    match command.args_iter().nth(1)? {
        redis::Arg::Simple(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}

/// The error, with the command and key that it came of.
pub(super) fn named(command: &redis::Cmd, error: StoreError) -> StoreError {
    let words = command.args_iter().take(2).filter_map(|word| match word {
        redis::Arg::Simple(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    });
    let command = words.collect::<Vec<_>>().join(" ");
    StoreError { message: format!("{command}: {}", error.message), ..error }
}

pub(super) fn halt(error: StoreError) -> StoreError {
    StoreError::new(ErrorKind::Halt, format!("a command failed inside EXEC: {}", error.message))
}
