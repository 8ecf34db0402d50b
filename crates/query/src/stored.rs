//! Results in Redis.

use crate::{QueryError, Results, reply};
use redis::{Pipeline, Value};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use tallyd_bolt::Key;
use tallyd_store::{Connection, keys::Keys};

/// How many commands are sent in one round trip, so that no reader holds Redis for long.
const CHUNK: usize = 512;

/// The results of one bolt in Redis.
pub struct Stored<'a> {
    connection: &'a mut Connection,
    keys: &'a Keys,
    bolt: &'a str,
}

impl<'a> Stored<'a> {
    /// The results of the bolt of this name.
    pub fn new(connection: &'a mut Connection, keys: &'a Keys, bolt: &'a str) -> Self {
        Self { connection, keys, bolt }
    }

    async fn one(&mut self, command: redis::Cmd) -> Result<Value, QueryError> {
        let mut pipeline = Pipeline::new();
        pipeline.add_command(command);
        Ok(self.connection.all(&pipeline).await?.pop().unwrap_or(Value::Nil))
    }

    /// The reply to each of any number of commands.
    async fn many(&mut self, commands: Vec<redis::Cmd>) -> Result<Vec<Value>, QueryError> {
        let mut replies = Vec::with_capacity(commands.len());
        for chunk in commands.chunks(CHUNK) {
            let mut pipeline = Pipeline::new();
            for command in chunk {
                pipeline.add_command(command.clone());
            }
            replies.extend(self.connection.all(&pipeline).await?);
        }
        Ok(replies)
    }

    /// A command on a key of the bolt.
    fn command(&self, name: &str, key: &Key) -> redis::Cmd {
        let mut command = redis::cmd(name);
        command.arg(self.keys.bolt(self.bolt, key));
        command
    }
}

impl Results for Stored<'_> {
    async fn hash(&mut self, key: &Key) -> Result<BTreeMap<SmolStr, Vec<u8>>, QueryError> {
        let command = self.command("HGETALL", key);
        let mut flat = reply::array(self.one(command).await?)?.into_iter();
        let mut hash = BTreeMap::new();
        while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
            hash.insert(reply::text(name)?, reply::bytes(value)?.unwrap_or_default());
        }
        Ok(hash)
    }

    async fn fields(
        &mut self,
        keys: &[Key],
        names: &[SmolStr],
    ) -> Result<Vec<Vec<Option<Vec<u8>>>>, QueryError> {
        if names.is_empty() {
            return Ok(vec![Vec::new(); keys.len()]);
        }
        let command = |key| {
            let mut command = self.command("HMGET", key);
            command.arg(names.iter().map(SmolStr::as_str).collect::<Vec<_>>());
            command
        };
        let commands = keys.iter().map(command).collect();
        let rows = self.many(commands).await?.into_iter();
        rows.map(|row| reply::array(row)?.into_iter().map(reply::bytes).collect()).collect()
    }

    async fn size(&mut self, key: &Key) -> Result<u64, QueryError> {
        let command = self.command("ZCARD", key);
        reply::count(&self.one(command).await?)
    }

    async fn range(
        &mut self,
        key: &Key,
        ascending: bool,
        start: u64,
        count: u64,
    ) -> Result<Vec<(SmolStr, f64)>, QueryError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let index = |place: u64| i64::try_from(place).unwrap_or(i64::MAX);
        let last = index(start).saturating_add(index(count) - 1);
        let name = if ascending { "ZRANGE" } else { "ZREVRANGE" };
        let mut command = self.command(name, key);
        command.arg(index(start)).arg(last).arg("WITHSCORES");
        reply::scored(self.one(command).await?)
    }

    async fn places(
        &mut self,
        key: &Key,
        ascending: bool,
        members: &[SmolStr],
    ) -> Result<Vec<Option<(u64, f64)>>, QueryError> {
        let name = if ascending { "ZRANK" } else { "ZREVRANK" };
        // A member's two commands stand side by side. Where they are cut apart all the same, the
        // two may be of different moments, as those of different members always may.
        let commands = members.iter().flat_map(|member| {
            [name, "ZSCORE"].map(|name| {
                let mut command = self.command(name, key);
                command.arg(member.as_str());
                command
            })
        });
        let commands = commands.collect();
        let mut replies = self.many(commands).await?.into_iter();
        let mut places = Vec::with_capacity(members.len());
        while let (Some(place), Some(score)) = (replies.next(), replies.next()) {
            places.push(reply::place(&place)?.zip(reply::score(score)?));
        }
        Ok(places)
    }

    async fn better(
        &mut self,
        key: &Key,
        ascending: bool,
        scores: &[f64],
    ) -> Result<Vec<u64>, QueryError> {
        let command = |score: &f64| {
            let mut command = self.command("ZCOUNT", key);
            match ascending {
                true => command.arg("-inf").arg(format!("({score:?}")),
                false => command.arg(format!("({score:?}")).arg("+inf"),
            };
            command
        };
        let commands = scores.iter().map(command).collect();
        self.many(commands).await?.iter().map(reply::count).collect()
    }

    async fn distinct(&mut self, keys: &[Key]) -> Result<Vec<u64>, QueryError> {
        let commands = keys.iter().map(|key| self.command("PFCOUNT", key)).collect();
        self.many(commands).await?.iter().map(reply::count).collect()
    }

    async fn members(&mut self, key: &Key) -> Result<BTreeSet<SmolStr>, QueryError> {
        let command = self.command("SMEMBERS", key);
        reply::array(self.one(command).await?)?.into_iter().map(reply::text).collect()
    }
}
