//! A task's connection and its fenced cycle.
//!
//! WATCH on the fences holds from before state is read until EXEC. Every EXEC is followed, in the
//! same round trip, by WATCH and MGET of the fences: that arms the next one, and shows whether
//! the fences still are the session's.

mod names;
mod transaction;

pub(crate) use names::Names;

use crate::{
    commands::Expiries,
    connection::{Connection, checked, present},
    fetch::fetch,
    keys::Keys,
    reply,
};
use redis::{Pipeline, Value};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tallyd_bolt::Address;
use tallyd_event::EntryId;
use tallyd_runtime::{
    Session, StoreError,
    store::{Commit, Cursors, Fence, Fetched, Outcome, Owned, Owner, Read, Span, last},
};
use tallyd_topology::Topology;

/// A task on Redis.
pub struct RedisSession {
    pub(crate) connection: Connection,
    pub(crate) topology: Arc<Topology>,
    pub(crate) keys: Keys,
    pub(crate) node: SmolStr,
    pub(crate) names: Arc<Names>,
    pub(crate) worker: SmolStr,
    /// By place of the node.
    pub(crate) expiries: BTreeMap<usize, Expiries>,
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
            let key = self.names.fence(*partition);
            transaction.cmd("SET").arg(key).arg(reply::fence_text(fence));
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

    async fn begin(&mut self, owned: &Owned) -> Result<Cursors, StoreError> {
        self.expiries.values_mut().for_each(Expiries::clear);
        let kept = self.kept(owned).await?;
        if kept.is_empty() {
            return Ok(Cursors::new());
        }
        let mut ask = Pipeline::new();
        for names in self.names.nodes.values() {
            ask.cmd("HMGET").arg(&names.cursors).arg(&kept);
        }
        let mut cursors = Cursors::new();
        for answer in self.connection.all(&ask).await? {
            for (partition, stored) in kept.iter().zip(reply::array(answer)?) {
                cursors.entry(*partition).or_default().push(reply::cursor(stored)?);
            }
        }
        self.make_groups(&cursors).await?;
        // Making the groups ended the WATCH, or a fence moved under it: look again.
        let kept = self.kept(owned).await?;
        cursors.retain(|partition, _| kept.contains(partition));
        Ok(cursors)
    }

    async fn fetch(
        &mut self,
        addresses: Vec<(usize, Vec<Address>)>,
        spans: &[Span],
    ) -> Result<Fetched, StoreError> {
        let mut look = Pipeline::new();
        for (partition, after, before) in spans {
            let command = look.cmd("XRANGE").arg(self.names.input(*partition));
            command.arg(format!("({after}")).arg(format!("({before}")).arg("COUNT").arg(1);
        }
        let names = &self.names.nodes;
        let bolt = |(place, asked)| Some((place, names.get(&place)?.name.as_str(), asked));
        let asked = addresses.into_iter().filter_map(bolt).collect();
        let (found, cells) = fetch(&mut self.connection, look, &self.keys, asked).await?;
        let mut skipped = Vec::new();
        for ((partition, ..), answer) in spans.iter().zip(found) {
            if !reply::array(answer)?.is_empty() {
                skipped.push(*partition);
            }
        }
        Ok(Fetched { cells, skipped })
    }

    async fn commit(&mut self, owned: &Owned, commit: &Commit) -> Result<Outcome, StoreError> {
        let mut all = self.transaction(commit);
        all.cmd("EXEC");
        self.add_watch(&mut all, owned.keys().copied());
        let at_most = commit.wait.as_ref().map_or(Duration::ZERO, |wait| wait.at_most);
        let mut replies = self.connection.send_waiting(&all, at_most).await?;
        let fences = replies.pop().unwrap_or(Value::Nil);
        let watched = replies.pop().unwrap_or(Value::Nil);
        let mut woken = Vec::new();
        if let Some(wait) = &commit.wait {
            woken = self.woken(wait, replies.drain(..1).next().unwrap_or(Value::Nil))?;
        }
        // What the transaction did comes first: an error of it must not hide behind another.
        let executed = executed(replies)?;
        checked(watched)?;
        let kept = kept_of(owned, reply::array(checked(fences)?)?)?;
        match executed {
            Executed::Fenced => Ok(Outcome::Fenced { kept }),
            Executed::Done(results) => {
                for part in &commit.parts {
                    self.expiries.entry(part.node).or_default().remember(&part.expiries);
                }
                Ok(Outcome::Done(Read { kept, woken, ..self.read(commit, &all, results)? }))
            }
        }
    }

    async fn rewind(
        &mut self,
        owned: &Owned,
        cursors: &[(u16, EntryId)],
    ) -> Result<(), StoreError> {
        let kept = self.kept(owned).await?;
        let mut transaction = begun();
        for (partition, id) in cursors.iter().filter(|(partition, _)| kept.contains(partition)) {
            let command = transaction.cmd("XGROUP").arg("SETID").arg(self.names.input(*partition));
            command.arg(&self.names.group).arg(id.to_string());
        }
        self.execute(transaction).await.map(drop)
    }

    async fn forget_consumers(&mut self, owned: &Owned, partition: u16) -> Result<(), StoreError> {
        let names = Arc::clone(&self.names);
        let (Some(stream), group) = (names.input(partition), &names.group) else { return Ok(()) };
        if !self.kept(owned).await?.contains(&partition) {
            return Ok(());
        }
        let mut ask = Pipeline::new();
        ask.cmd("XINFO").arg("CONSUMERS").arg(stream).arg(group);
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
                transaction.cmd("XGROUP").arg("DELCONSUMER").arg(stream).arg(group).arg(name);
            }
        }
        self.execute(transaction).await.map(drop)
    }
}

impl RedisSession {
    fn add_watch(&self, pipeline: &mut Pipeline, partitions: impl Iterator<Item = u16>) {
        let fences: Vec<&str> = partitions.filter_map(|p| self.names.fence(p)).collect();
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
                let key = self.names.fence(partition);
                transaction.cmd("SET").arg(key).arg(reply::fence_text(&fence));
            }
            if let Some(reason) = halted {
                let field = format!("{}:{partition}", self.node);
                transaction.cmd("HSET").arg(self.keys.halted()).arg(field).arg(reason);
            }
        }
        // Where a fence moved meanwhile, another has the partition, which is as good.
        self.execute(transaction).await.map(drop)
    }

    /// Makes the groups that are missing, at the cursor: never at `$`, which would lose entries.
    async fn make_groups(&mut self, cursors: &Cursors) -> Result<(), StoreError> {
        let mut ask = Pipeline::new();
        ask.cmd("MULTI");
        for partition in cursors.keys() {
            let command = ask.cmd("XGROUP").arg("CREATE").arg(self.names.input(*partition));
            let last = last(cursors, *partition).to_string();
            command.arg(&self.names.group).arg(last).arg("MKSTREAM");
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
