//! Results in Redis.

use crate::{Look, QueryError, Ranked, Results, Seen, reply};
use redis::{Pipeline, Value};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use tallyd_bolt::Key;
use tallyd_runtime::store::ErrorKind;
use tallyd_store::{Connection, checked, keys::Keys};

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

    /// The reply to each of some commands, all of one moment.
    async fn at_once(&mut self, commands: Vec<redis::Cmd>) -> Result<Vec<Value>, QueryError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("MULTI");
        for command in &commands {
            pipeline.add_command(command.clone());
        }
        pipeline.cmd("EXEC");
        let replies = match self.connection.all(&pipeline).await {
            // A server that is full queues no command, not even one that reads. Nothing is written
            // there either, so that what is read one by one is of one moment too.
            Err(error) if error.kind == ErrorKind::OutOfMemory => return self.many(commands).await,
            replies => replies?.pop().unwrap_or(Value::Nil),
        };
        reply::array(replies)?.into_iter().map(|reply| Ok(checked(reply)?)).collect()
    }

    /// A command on a key of the bolt.
    fn command(&self, name: &str, key: &Key) -> redis::Cmd {
        let mut command = redis::cmd(name);
        command.arg(self.keys.bolt(self.bolt, key));
        command
    }
}

impl Ranked for Stored<'_> {
    async fn look(&mut self, key: &Key, look: &Look) -> Result<Seen, QueryError> {
        let index = |place: u64| i64::try_from(place).unwrap_or(i64::MAX);
        let Look { ascending, places, members, scores } = look;
        let mut commands = vec![self.command("ZCARD", key)];
        if !places.is_empty() {
            let name = if *ascending { "ZRANGE" } else { "ZREVRANGE" };
            let mut command = self.command(name, key);
            command.arg(index(places.start)).arg(index(places.end) - 1).arg("WITHSCORES");
            commands.push(command);
        }
        for member in members {
            for name in [if *ascending { "ZRANK" } else { "ZREVRANK" }, "ZSCORE"] {
                let mut command = self.command(name, key);
                command.arg(member.as_str());
                commands.push(command);
            }
        }
        for score in scores {
            let mut command = self.command("ZCOUNT", key);
            match ascending {
                true => command.arg("-inf").arg(format!("({score:?}")),
                false => command.arg(format!("({score:?}")).arg("+inf"),
            };
            commands.push(command);
        }
        let mut replies = self.at_once(commands).await?.into_iter();
        let mut next = || replies.next().unwrap_or(Value::Nil);
        let size = reply::count(&next())?;
        let rows = if places.is_empty() { Vec::new() } else { reply::scored(next())? };
        let mut place = || Ok(reply::place(&next())?.zip(reply::score(next())?));
        let members = members.iter().map(|_| place()).collect::<Result<_, QueryError>>()?;
        let better = scores.iter().map(|_| reply::count(&next())).collect::<Result<_, _>>()?;
        Ok(Seen { size, rows, members, better })
    }

    async fn worse(
        &mut self,
        key: &Key,
        ascending: bool,
        than: Option<f64>,
        count: u64,
    ) -> Result<Vec<f64>, QueryError> {
        let (best, worst) = if ascending { ("-inf", "+inf") } else { ("+inf", "-inf") };
        let first = than.map_or_else(|| best.to_owned(), |than| format!("({than:?}"));
        let mut command = self.command("ZRANGE", key);
        command.arg(first).arg(worst).arg("BYSCORE");
        if !ascending {
            command.arg("REV");
        }
        command.arg("LIMIT").arg(0).arg(count).arg("WITHSCORES");
        let rows = reply::scored(self.one(command).await?)?;
        Ok(rows.into_iter().map(|(_, score)| score).collect())
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

    async fn distinct(&mut self, keys: &[Key]) -> Result<Vec<u64>, QueryError> {
        let commands = keys.iter().map(|key| self.command("PFCOUNT", key)).collect();
        self.many(commands).await?.iter().map(reply::count).collect()
    }

    async fn sizes(&mut self, keys: &[Key]) -> Result<Vec<u64>, QueryError> {
        let commands = keys.iter().map(|key| self.command("SCARD", key)).collect();
        self.many(commands).await?.iter().map(reply::count).collect()
    }

    async fn members(&mut self, keys: &[Key]) -> Result<Vec<BTreeSet<SmolStr>>, QueryError> {
        let commands = keys.iter().map(|key| self.command("SMEMBERS", key)).collect();
        let sets = self.many(commands).await?.into_iter();
        sets.map(|set| reply::array(set)?.into_iter().map(reply::text).collect()).collect()
    }
}
