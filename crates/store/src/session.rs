//! A task's connection and its fenced cycle.
//!
//! WATCH on the fences holds from before state is read until EXEC. Every EXEC is followed, in the
//! same round trip, by WATCH and MGET of the fences: that arms the next one, and shows whether
//! the fences still are the session's.

mod transaction;

use crate::{
    commands::Expiries,
    connection::{Connection, checked, present},
    fetch::fetch,
    keys::Keys,
    reply,
};
use redis::{Pipeline, Value};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tallyd_bolt::{Address, Cell};
use tallyd_event::EntryId;
use tallyd_runtime::{
    Session, StoreError,
    store::{Commit, Cursor, Fence, Outcome, Owned, Owner, Read},
};
use tallyd_topology::{Node, Topology};

/// A node's task on Redis.
pub struct RedisSession {
    pub(crate) connection: Connection,
    pub(crate) topology: Arc<Topology>,
    pub(crate) keys: Keys,
    pub(crate) node: Node,
    pub(crate) worker: SmolStr,
    pub(crate) expiries: Expiries,
    /// The server's clock less this process's, in ms: it tells which keys go soon.
    pub(crate) clock_offset: i64,
}

/// What a transaction gave.
enum Executed {
    Done(Vec<Value>),
    Fenced,
}

impl Session for RedisSession {
    async fn take(&mut self, seen: &BTreeMap<u16, Fence>) -> Result<Owned, StoreError> {
        let stored = self.watch(seen.keys().copied()).await?;
        let mut taken = Owned::new();
        for (partition, fence) in stored {
            if seen.get(&partition) == Some(&fence) && fence.owner != Owner::Halted {
                let owner = Owner::Worker(self.worker.clone());
                taken.insert(partition, Fence { owner, epoch: fence.epoch + 1 });
            }
        }
        let mut transaction = begun();
        for (partition, fence) in &taken {
            transaction.cmd("SET").arg(self.fence_key(*partition)).arg(reply::fence_text(fence));
        }
        match self.execute(transaction).await? {
            Executed::Done(_) => Ok(taken),
            Executed::Fenced => Ok(Owned::new()),
        }
    }

    async fn release(&mut self, owned: &Owned) -> Result<(), StoreError> {
        self.set_owner(owned, &Owner::Nobody, None).await
    }

    async fn halt(&mut self, owned: &Owned, reason: &str) -> Result<(), StoreError> {
        self.set_owner(owned, &Owner::Halted, Some(reason)).await
    }

    async fn begin(&mut self, owned: &Owned) -> Result<BTreeMap<u16, Cursor>, StoreError> {
        self.expiries.clear();
        let kept = self.kept(owned).await?;
        if kept.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut ask = Pipeline::new();
        ask.cmd("HMGET").arg(self.keys.cursors(&self.node.name)).arg(&kept);
        let answer = self.connection.all(&ask).await?.into_iter().next().unwrap_or(Value::Nil);
        let mut cursors = BTreeMap::new();
        for (partition, stored) in kept.iter().zip(reply::array(answer)?) {
            cursors.insert(*partition, reply::cursor(stored)?);
        }
        self.make_groups(&cursors).await?;
        // Making the groups ended the WATCH, or a fence moved under it: look again.
        let kept = self.kept(owned).await?;
        cursors.retain(|partition, _| kept.contains(partition));
        Ok(cursors)
    }

    async fn fetch(&mut self, addresses: Vec<Address>) -> Result<Vec<(Address, Cell)>, StoreError> {
        fetch(&mut self.connection, &self.keys, &self.node.name, addresses).await
    }

    async fn commit(&mut self, owned: &Owned, commit: &Commit) -> Result<Outcome, StoreError> {
        let mut all = self.transaction(commit);
        all.cmd("EXEC");
        self.add_watch(&mut all, owned.keys().copied());
        let mut replies = self.connection.send(&all).await?;
        let fences = replies.pop().unwrap_or(Value::Nil);
        let watched = replies.pop().unwrap_or(Value::Nil);
        // What the transaction did comes first: an error of it must not hide behind another.
        let executed = executed(replies)?;
        checked(watched)?;
        let kept = kept_of(owned, reply::array(checked(fences)?)?)?;
        match executed {
            Executed::Fenced => Ok(Outcome::Fenced { kept }),
            Executed::Done(results) => {
                self.expiries.remember(&commit.expiries);
                Ok(Outcome::Done(Read { kept, ..self.read(commit, &all, results)? }))
            }
        }
    }

    async fn wait(
        &mut self,
        after: &[(u16, EntryId)],
        at_most: Duration,
    ) -> Result<Vec<u16>, StoreError> {
        let inputs = self.inputs(after.iter().map(|(partition, _)| *partition));
        let mut ask = Pipeline::new();
        let command = ask.cmd("XREAD").arg("COUNT").arg(1);
        command.arg("BLOCK").arg(at_most.as_millis() as u64).arg("STREAMS");
        for (_, stream) in &inputs {
            command.arg(stream);
        }
        for (_, id) in after {
            command.arg(id.to_string());
        }
        let answer = self.connection.send_waiting(&ask, at_most).await?;
        let read = reply::streams(checked(answer.into_iter().next().unwrap_or(Value::Nil))?)?;
        let found: BTreeSet<String> = read.into_iter().map(|(stream, _)| stream).collect();
        Ok(inputs
            .into_iter()
            .filter(|(_, stream)| found.contains(stream))
            .map(|(p, _)| p)
            .collect())
    }

    async fn between(&mut self, spans: &[(u16, EntryId, EntryId)]) -> Result<Vec<u16>, StoreError> {
        let mut ask = Pipeline::new();
        let mut asked = Vec::with_capacity(spans.len());
        for (partition, after, before) in spans {
            for (_, stream) in self.inputs([*partition]) {
                let command = ask.cmd("XRANGE").arg(stream);
                command.arg(format!("({after}")).arg(format!("({before}"));
                command.arg("COUNT").arg(1);
                asked.push(*partition);
            }
        }
        let mut found = Vec::new();
        for (partition, answer) in asked.into_iter().zip(self.connection.all(&ask).await?) {
            if !reply::array(answer)?.is_empty() {
                found.push(partition);
            }
        }
        Ok(found)
    }

    async fn rewind(
        &mut self,
        owned: &Owned,
        cursors: &[(u16, EntryId)],
    ) -> Result<(), StoreError> {
        let kept = self.kept(owned).await?;
        let mut transaction = begun();
        for (partition, id) in cursors.iter().filter(|(partition, _)| kept.contains(partition)) {
            for (_, stream) in self.inputs([*partition]) {
                let command = transaction.cmd("XGROUP").arg("SETID").arg(stream);
                command.arg(self.keys.group(&self.node)).arg(id.to_string());
            }
        }
        self.execute(transaction).await.map(drop)
    }

    async fn forget_consumers(&mut self, owned: &Owned, partition: u16) -> Result<(), StoreError> {
        let Some((_, stream)) = self.inputs([partition]).pop() else { return Ok(()) };
        if !self.kept(owned).await?.contains(&partition) {
            return Ok(());
        }
        let group = self.keys.group(&self.node);
        let mut ask = Pipeline::new();
        ask.cmd("XINFO").arg("CONSUMERS").arg(&stream).arg(&group);
        let answer = self.connection.send(&ask).await?.into_iter().next().unwrap_or(Value::Nil);
        let Some(answer) = present(answer)? else {
            // The group is gone: the next read finds that out and makes it again.
            return Ok(());
        };
        let mut transaction = begun();
        for consumer in reply::array(answer)? {
            let facts = reply::facts(consumer)?;
            let name = facts.get("name").cloned().map(reply::text).transpose()?.flatten();
            let pending = facts.get("pending").map(reply::integer).transpose()?;
            if let (Some(name), Some(0)) = (name.filter(|name| *name != self.worker), pending) {
                transaction.cmd("XGROUP").arg("DELCONSUMER").arg(&stream).arg(&group).arg(name);
            }
        }
        self.execute(transaction).await.map(drop)
    }
}

impl RedisSession {
    fn fence_key(&self, partition: u16) -> String {
        self.keys.fence(&self.node.name, partition)
    }

    fn inputs(&self, partitions: impl IntoIterator<Item = u16>) -> Vec<(u16, String)> {
        let input = |p| Some((p, self.keys.input(&self.topology, &self.node, p)?));
        partitions.into_iter().filter_map(input).collect()
    }

    fn add_watch(&self, pipeline: &mut Pipeline, partitions: impl Iterator<Item = u16>) {
        let fences: Vec<String> = partitions.map(|p| self.fence_key(p)).collect();
        pipeline.cmd("WATCH").arg(&fences).cmd("MGET").arg(&fences);
    }

    /// Watches the fences of partitions, whatever was watched before, and returns them.
    async fn watch(
        &mut self,
        partitions: impl Iterator<Item = u16>,
    ) -> Result<Vec<(u16, Fence)>, StoreError> {
        let partitions: Vec<u16> = partitions.collect();
        let mut ask = Pipeline::new();
        ask.cmd("UNWATCH");
        self.add_watch(&mut ask, partitions.iter().copied());
        let stored = self.connection.all(&ask).await?.pop().unwrap_or(Value::Nil);
        let fences = reply::array(stored)?.into_iter().map(reply::fence);
        partitions.into_iter().zip(fences).map(|(p, fence)| Ok((p, fence?))).collect()
    }

    /// Watches the fences and returns the partitions that still are the session's.
    async fn kept(&mut self, owned: &Owned) -> Result<Vec<u16>, StoreError> {
        let stored = self.watch(owned.keys().copied()).await?;
        Ok(stored
            .into_iter()
            .filter(|(p, fence)| owned.get(p) == Some(fence))
            .map(|(p, _)| p)
            .collect())
    }

    /// Runs a transaction that was [`begun`], under the WATCH that holds. Afterwards nothing is
    /// watched. One without commands is left out.
    async fn execute(&mut self, mut transaction: Pipeline) -> Result<Executed, StoreError> {
        if transaction.len() == begun().len() {
            return Ok(Executed::Done(Vec::new()));
        }
        transaction.cmd("EXEC");
        executed(self.connection.send(&transaction).await?)
    }

    async fn set_owner(
        &mut self,
        owned: &Owned,
        owner: &Owner,
        halted: Option<&str>,
    ) -> Result<(), StoreError> {
        let mut transaction = begun();
        for partition in self.kept(owned).await? {
            if let Some(Fence { epoch, .. }) = owned.get(&partition) {
                let fence = Fence { owner: owner.clone(), epoch: *epoch };
                transaction
                    .cmd("SET")
                    .arg(self.fence_key(partition))
                    .arg(reply::fence_text(&fence));
            }
            if let Some(reason) = halted {
                let field = format!("{}:{partition}", self.node.name);
                transaction.cmd("HSET").arg(self.keys.halted()).arg(field).arg(reason);
            }
        }
        // Where a fence moved meanwhile, another has the partition, which is as good.
        self.execute(transaction).await.map(drop)
    }

    /// Makes the groups that are missing, at the cursor: never at `$`, which would lose entries.
    async fn make_groups(&mut self, cursors: &BTreeMap<u16, Cursor>) -> Result<(), StoreError> {
        let mut ask = Pipeline::new();
        let group = self.keys.group(&self.node);
        ask.cmd("MULTI");
        for (partition, stream) in self.inputs(cursors.keys().copied()) {
            let last = cursors.get(&partition).map(|cursor| cursor.last).unwrap_or_default();
            let command = ask.cmd("XGROUP").arg("CREATE").arg(stream).arg(&group);
            command.arg(last.to_string()).arg("MKSTREAM");
        }
        ask.cmd("EXEC");
        let mut replies = self.connection.send(&ask).await?;
        let results = replies.pop().unwrap_or(Value::Nil);
        replies.into_iter().try_for_each(|queued| checked(queued).map(drop))?;
        for result in reply::array(checked(results)?)? {
            match &result {
                Value::ServerError(error) if error.code() == "BUSYGROUP" => {}
                _ => checked(result).map(drop)?,
            }
        }
        Ok(())
    }
}

/// A transaction without commands.
fn begun() -> Pipeline {
    let mut transaction = Pipeline::new();
    transaction.cmd("MULTI");
    transaction
}

/// The replies from MULTI to EXEC: what the commands gave, or that a fence had moved.
fn executed(mut replies: Vec<Value>) -> Result<Executed, StoreError> {
    let results = replies.pop().unwrap_or(Value::Nil);
    // An error while queueing says why EXEC was refused; nothing happened then.
    replies.into_iter().try_for_each(|queued| checked(queued).map(drop))?;
    match checked(results)? {
        Value::Nil => Ok(Executed::Fenced),
        Value::Array(results) => Ok(Executed::Done(results)),
        other => Err(reply::unexpected("the results of EXEC", &other)),
    }
}

fn kept_of(owned: &Owned, stored: Vec<Value>) -> Result<Vec<u16>, StoreError> {
    let mut kept = Vec::with_capacity(owned.len());
    for ((partition, mine), stored) in owned.iter().zip(stored) {
        if reply::fence(stored)? == *mine {
            kept.push(*partition);
        }
    }
    Ok(kept)
}
