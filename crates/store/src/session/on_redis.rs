//! The typed operations on Redis: the one place where what a session asks becomes commands.

use super::{
    Change, Committed, Lost, LostCursor, Names, Server, Watched,
    transaction::{begun, halt, named},
};
use crate::{
    commands::Expiries,
    connection::{Connection, checked, present},
    fetch::fetch,
    keys::Keys,
    random::Random,
    reply,
    streams::{self, Ask},
};
use redis::{Pipeline, Value};
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tallyd_bolt::Address;
use tallyd_event::EntryId;
use tallyd_runtime::{
    StoreError,
    store::{Commit, Cursors, Fetched, Read, Span, StreamFacts},
};
use tallyd_topology::Topology;

/// A task's own connection to Redis.
pub struct RedisServer {
    pub(crate) connection: Connection,
    /// Its id among the server's clients.
    pub(crate) client: Option<u64>,
    pub(crate) topology: Arc<Topology>,
    pub(crate) keys: Keys,
    pub(crate) names: Names,
    pub(crate) worker: SmolStr,
    /// By place of the node.
    pub(crate) expiries: BTreeMap<usize, Expiries>,
    /// The server's clock less this process's, in ms: it tells which keys go soon.
    pub(crate) clock_offset: i64,
    /// The generation of plans in which this worker's is in force, as it last heard.
    pub(crate) generation: Arc<Mutex<Option<SmolStr>>>,
    pub(crate) random: Random,
    /// Whether each read tells the server's clock: that of a source does.
    pub(crate) tells_time: bool,
}

impl Server for RedisServer {
    fn connection(&self) -> Option<u64> {
        self.client
    }

    fn random(&mut self) -> Result<u64, StoreError> {
        (self.random)()
    }

    async fn watch(&mut self, partitions: &[u16]) -> Result<Watched, StoreError> {
        let mut ask = Pipeline::new();
        ask.cmd("UNWATCH");
        self.add_watch(&mut ask, partitions)?;
        let stored = self.connection.all(&ask).await?.pop().unwrap_or(Value::Nil);
        self.watched(stored)
    }

    async fn execute(&mut self, changes: Vec<Change>) -> Result<bool, StoreError> {
        let mut transaction = begun();
        for change in &changes {
            self.add_change(&mut transaction, change)?;
        }
        transaction.cmd("EXEC");
        let Some(results) = executed(self.connection.send(&transaction).await?)? else {
            return Ok(false);
        };
        let commands = transaction.cmd_iter().skip(begun().len());
        for ((change, command), result) in changes.iter().zip(commands).zip(results) {
            match result {
                Value::ServerError(error) if change.may_meet(error.code()) => {}
                result => drop(checked(result).map_err(|error| halt(named(command, error)))?),
            }
        }
        Ok(true)
    }

    async fn cursors(&mut self, partitions: &[u16]) -> Result<(Cursors, Lost), StoreError> {
        self.expiries.values_mut().for_each(Expiries::clear);
        let mut ask = Pipeline::new();
        for names in self.names.nodes.values() {
            ask.cmd("HMGET").arg(&names.cursors).arg(partitions);
        }
        let mut cursors = Cursors::new();
        let mut lost = Lost::new();
        let answers = self.connection.all(&ask).await?;
        for (place, (names, answer)) in self.names.nodes.values().zip(answers).enumerate() {
            for (partition, stored) in partitions.iter().zip(reply::array(answer)?) {
                if stored == Value::Nil {
                    let missing = LostCursor { key: names.cursors.clone(), reads: place == 0 };
                    lost.entry(*partition).or_insert(missing);
                }
                cursors.entry(*partition).or_default().push(reply::cursor(stored)?);
            }
        }
        cursors.retain(|partition, _| !lost.contains_key(partition));
        Ok((cursors, lost))
    }

    async fn streams(
        &mut self,
        partitions: &[(u16, EntryId)],
    ) -> Result<Vec<StreamFacts>, StoreError> {
        let (names, source) = (&self.names, self.tells_time);
        let ask = |(partition, at): &(u16, EntryId)| {
            let reader = source.then_some((names.group.as_str(), *at));
            Ok(Ask { stream: names.input(*partition)?, reader })
        };
        let asks = partitions.iter().map(ask).collect::<Result<Vec<_>, StoreError>>()?;
        streams::facts(&mut self.connection, &asks).await
    }

    async fn weigh(&mut self, partitions: &[u16]) -> Result<u64, StoreError> {
        let inputs = partitions.iter().map(|partition| self.names.input(*partition));
        let inputs = inputs.collect::<Result<Vec<&str>, StoreError>>()?;
        streams::weigh(&mut self.connection, &inputs).await
    }

    async fn fetch(
        &mut self,
        addresses: Vec<(usize, Vec<Address>)>,
        spans: &[Span],
    ) -> Result<Fetched, StoreError> {
        let mut look = Pipeline::new();
        for (partition, after, before) in spans {
            let command = look.cmd("XRANGE").arg(self.names.input(*partition)?);
            command.arg(format!("({after}")).arg(format!("({before}")).arg("COUNT").arg(1);
        }
        let names = &self.names;
        let bolt = |(place, asked)| Ok((place, names.node(place)?.name.as_str(), asked));
        let asked = addresses.into_iter().map(bolt).collect::<Result<_, StoreError>>()?;
        let (found, cells, refused) = fetch(&mut self.connection, look, &self.keys, asked).await?;
        let mut skipped = Vec::new();
        for ((partition, ..), answer) in spans.iter().zip(found) {
            if !reply::array(answer)?.is_empty() {
                skipped.push(*partition);
            }
        }
        Ok(Fetched { cells, refused, skipped })
    }

    async fn commit(
        &mut self,
        commit: &Commit,
        partitions: &[u16],
    ) -> Result<Committed, StoreError> {
        let mut all = self.transaction(commit)?;
        all.cmd("EXEC");
        self.add_watch(&mut all, partitions)?;
        if self.tells_time {
            all.cmd("TIME");
        }
        // Twice: a server that stands still for a while may begin to when the wait has ended.
        let at_most = commit.wait.as_ref().map_or(Duration::ZERO, |wait| 2 * wait.at_most);
        let mut replies = self.connection.send_reading(&all, at_most).await?;
        let time = if self.tells_time { replies.pop() } else { None };
        let now = time.map(|time| reply::time(checked(time)?)).transpose()?;
        let fences = replies.pop().unwrap_or(Value::Nil);
        let armed = replies.pop().unwrap_or(Value::Nil);
        let mut woken = Vec::new();
        if let Some(wait) = &commit.wait {
            woken = self.woken(wait, replies.drain(..1).next().unwrap_or(Value::Nil))?;
        }
        // What the transaction did comes first: an error of it must not hide behind another.
        let executed = executed(replies)?;
        checked(armed)?;
        let watched = self.watched(checked(fences)?)?;
        let Some(results) = executed else { return Ok(Committed { read: None, watched }) };
        for part in &commit.parts {
            self.expiries.entry(part.node).or_default().remember(&part.expiries, &part.writes);
        }
        let read = Read { woken, now, ..self.read(commit, &all, results)? };
        Ok(Committed { read: Some(read), watched })
    }

    async fn consumers(&mut self, partition: u16) -> Result<Vec<(SmolStr, u64)>, StoreError> {
        let mut ask = Pipeline::new();
        let command = ask.cmd("XINFO").arg("CONSUMERS").arg(self.names.input(partition)?);
        command.arg(&self.names.group);
        let answer = self.connection.send(&ask).await?.into_iter().next().unwrap_or(Value::Nil);
        let Some(answer) = present(answer)? else {
            // The group is gone: the next read finds that out and makes it again.
            return Ok(Vec::new());
        };
        let mut consumers = Vec::new();
        for consumer in reply::array(answer)? {
            let facts = reply::facts(consumer)?;
            let name = facts.get("name").cloned().map(reply::text).transpose()?.flatten();
            let pending = facts.get("pending").map(reply::count).transpose()?;
            let (Some(name), Some(pending)) = (name, pending) else {
                let came = Value::Array(facts.into_values().collect());
                return Err(reply::unexpected("a consumer's name and pending entries", &came));
            };
            consumers.push((name.into(), pending));
        }
        Ok(consumers)
    }
}

impl RedisServer {
    fn add_watch(&self, pipeline: &mut Pipeline, partitions: &[u16]) -> Result<(), StoreError> {
        let fences = partitions.iter().map(|partition| self.names.fence(*partition));
        let fences = fences.collect::<Result<Vec<&str>, StoreError>>()?;
        let generation = &self.names.generation;
        pipeline.cmd("WATCH").arg(&fences).arg(generation);
        pipeline.cmd("MGET").arg(&fences).arg(generation);
        Ok(())
    }

    /// The reply to the MGET of [`RedisServer::add_watch`].
    fn watched(&self, stored: Value) -> Result<Watched, StoreError> {
        let mut stored = reply::array(stored)?;
        let generation = reply::text(stored.pop().unwrap_or(Value::Nil))?;
        let mine = self.generation.lock().unwrap_or_else(PoisonError::into_inner);
        let in_force = mine.as_deref() == generation.as_deref();
        let fences =
            stored.into_iter().map(reply::made_fence).collect::<Result<_, StoreError>>()?;
        Ok(Watched { fences, in_force })
    }

    fn add_change(&self, transaction: &mut Pipeline, change: &Change) -> Result<(), StoreError> {
        let (names, group) = (&self.names, &self.names.group);
        match change {
            Change::Cursor(stage, partition, cursor) => {
                let missing = || StoreError::bug(format!("no node {stage} of the task"));
                let names = names.nodes.values().nth(*stage).ok_or_else(missing)?;
                let text = reply::cursor_text(cursor);
                transaction.cmd("HSET").arg(&names.cursors).arg(*partition).arg(text)
            }
            Change::Fence(partition, fence) => {
                transaction.cmd("SET").arg(names.fence(*partition)?).arg(reply::fence_text(fence))
            }
            Change::ForgetConsumer(partition, name) => {
                let command = transaction.cmd("XGROUP").arg("DELCONSUMER");
                command.arg(names.input(*partition)?).arg(group).arg(name.as_str())
            }
            Change::Halt(partition, reason) => {
                let field = format!("{}:{partition}", names.name);
                transaction.cmd("HSET").arg(self.keys.halted()).arg(field).arg(reason)
            }
            Change::MakeGroup(partition, id) => {
                let command = transaction.cmd("XGROUP").arg("CREATE");
                let command = command.arg(names.input(*partition)?).arg(group);
                command.arg(id.to_string()).arg("MKSTREAM")
            }
            Change::MoveGroup(partition, id) => {
                let command = transaction.cmd("XGROUP").arg("SETID");
                command.arg(names.input(*partition)?).arg(group).arg(id.to_string())
            }
        };
        Ok(())
    }
}

impl Change {
    /// Whether an error of this code means that there is nothing to change.
    fn may_meet(&self, code: &str) -> bool {
        match self {
            Change::MakeGroup(..) => code == "BUSYGROUP",
            // `ERR`: the stream is missing too.
            Change::ForgetConsumer(..) | Change::MoveGroup(..) => {
                matches!(code, "NOGROUP" | "ERR")
            }
            Change::Cursor(..) | Change::Fence(..) | Change::Halt(..) => false,
        }
    }
}

/// The replies from MULTI to EXEC: what the commands gave, or `None` where a fence had moved.
fn executed(mut replies: Vec<Value>) -> Result<Option<Vec<Value>>, StoreError> {
    let results = replies.pop().unwrap_or(Value::Nil);
    // An error while queueing says why EXEC was refused; nothing happened then.
    replies.into_iter().try_for_each(|queued| checked(queued).map(drop))?;
    match checked(results)? {
        Value::Nil => Ok(None),
        Value::Array(results) => Ok(Some(results)),
        other => Err(reply::unexpected("the results of EXEC", &other)),
    }
}
