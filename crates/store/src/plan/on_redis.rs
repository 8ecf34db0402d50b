//! The plan in Redis: two strings, the generation and the plan as JSON.

use super::{PlanServer, SetCursor, Waiting};
use crate::{
    connection::Connection,
    keys::Keys,
    random::Random,
    reply,
    store::server_ms,
    streams::{self, Ask},
    waiting,
};
use redis::{Pipeline, Value};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tallyd_runtime::{
    StoreError,
    plan::Plan,
    store::{Cursor, ErrorKind, StreamFacts},
};

/// The connection of a worker that switches plans.
pub struct RedisPlans<'a> {
    pub(crate) connection: &'a mut Connection,
    pub(crate) keys: &'a Keys,
    pub(crate) random: &'a Random,
}

/// The plan in force; `None` where no worker has run yet.
///
/// # Errors
/// Where the server can't be read.
pub async fn read(c: &mut Connection, keys: &Keys) -> Result<Option<Plan>, StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("MGET").arg(keys.plan());
    let stored = reply::array(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
    parsed(stored.into_iter().next().unwrap_or(Value::Nil))
}

fn parsed(stored: Value) -> Result<Option<Plan>, StoreError> {
    let Some(text) = reply::text(stored)? else { return Ok(None) };
    let unreadable =
        |e| StoreError::new(ErrorKind::Mismatch, format!("the stored plan can't be read: {e}"));
    serde_json::from_str(&text).map(Some).map_err(unreadable)
}

impl PlanServer for RedisPlans<'_> {
    fn random(&mut self) -> Result<u64, StoreError> {
        (self.random)()
    }

    async fn in_force(&mut self) -> Result<(Option<SmolStr>, Option<Plan>), StoreError> {
        let (generation, plan) = (self.keys.generation(), self.keys.plan());
        let mut ask = Pipeline::new();
        ask.cmd("UNWATCH").cmd("WATCH").arg(&generation).arg(&plan);
        ask.cmd("MGET").arg(&generation).arg(&plan);
        let stored = reply::array(self.connection.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
        let mut stored = stored.into_iter();
        let mut next = || stored.next().unwrap_or(Value::Nil);
        Ok((reply::text(next())?.map(SmolStr::from), parsed(next())?))
    }

    async fn cursors(
        &mut self,
        nodes: &[SmolStr],
    ) -> Result<Vec<BTreeMap<u16, Cursor>>, StoreError> {
        let mut ask = Pipeline::new();
        for node in nodes {
            let key = self.keys.cursors(node);
            ask.cmd("WATCH").arg(&key).cmd("HGETALL").arg(&key);
        }
        if ask.is_empty() {
            return Ok(Vec::new());
        }
        let stored = self.connection.all(&ask).await?.into_iter().skip(1).step_by(2);
        stored.map(reply::cursors).collect()
    }

    async fn oldest(&mut self, waiting: &[Waiting]) -> Result<Option<i64>, StoreError> {
        let mut oldest = None;
        for waiting in waiting {
            oldest =
                waiting::of_all(self.connection, waiting).await?.into_iter().chain(oldest).min();
        }
        Ok(oldest)
    }

    async fn streams(&mut self, streams: &[String]) -> Result<Vec<StreamFacts>, StoreError> {
        let asks: Vec<Ask<'_>> =
            streams.iter().map(|stream| Ask { stream, reader: None }).collect();
        streams::facts(self.connection, &asks).await
    }

    async fn now(&mut self) -> Result<i64, StoreError> {
        server_ms(self.connection).await
    }

    async fn put(
        &mut self,
        token: &SmolStr,
        plan: &Plan,
        cursors: &[SetCursor],
    ) -> Result<bool, StoreError> {
        let text = serde_json::to_string(plan)
            .map_err(|e| StoreError::new(ErrorKind::Other, format!("can't write the plan: {e}")))?;
        let mut put = Pipeline::new();
        put.cmd("MULTI").cmd("SET").arg(self.keys.generation()).arg(token.as_str());
        put.cmd("SET").arg(self.keys.plan()).arg(text);
        for (node, partition, cursor) in cursors {
            let text = reply::cursor_text(cursor);
            put.cmd("HSET").arg(self.keys.cursors(node)).arg(*partition).arg(text);
        }
        put.cmd("EXEC");
        Ok(!matches!(self.connection.all(&put).await?.pop(), None | Some(Value::Nil)))
    }

    async fn unwatch(&mut self) -> Result<(), StoreError> {
        let mut end = Pipeline::new();
        end.cmd("UNWATCH");
        self.connection.all(&end).await.map(drop)
    }
}
