//! How far a bolt is: what tells that its results may have changed.

use crate::QueryError;
use redis::{Pipeline, Value};
use smol_str::SmolStr;
use std::fmt::Write as _;
use tallyd_store::{Connection, keys::Keys, reply};
use xxhash_rust::xxh3::xxh3_64;

/// How far a bolt is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The server's clock, in ms since the epoch.
    pub now: i64,
    /// Another one after each commit of the bolt: as long as it is the same, so are the results.
    pub version: u64,
    /// The time of the last entry whose effects are in, in ms since the epoch; 0: none is.
    pub as_of: i64,
    /// Which plan is in force: another text for each. Empty before the first.
    pub generation: SmolStr,
}

/// Reads how far a bolt is, in one round trip.
///
/// # Errors
/// Where the server can't be read.
pub async fn head(c: &mut Connection, keys: &Keys, bolt: &str) -> Result<Head, QueryError> {
    let mut ask = Pipeline::new();
    ask.cmd("TIME").cmd("HGETALL").arg(keys.cursors(bolt)).cmd("MGET").arg(keys.generation());
    let mut replies = c.all(&ask).await?.into_iter();
    let mut next = || replies.next().unwrap_or(Value::Nil);
    let now = reply::time(next())?;
    let (mut text, mut as_of) = (String::new(), 0);
    for (partition, cursor) in reply::facts(next())? {
        let cursor = reply::cursor(cursor)?;
        as_of = as_of.max(cursor.last.time());
        // Writing to a string can't fail.
        let _ = write!(text, "{partition} {} {} ", cursor.last, cursor.counts.events);
    }
    // By MGET, which every reader may send.
    let generation = reply::array(next())?.pop().unwrap_or(Value::Nil);
    let generation: SmolStr = reply::text(generation)?.unwrap_or_default().into();
    let _ = write!(text, "{generation}");
    Ok(Head { now, version: xxh3_64(text.as_bytes()), as_of, generation })
}
