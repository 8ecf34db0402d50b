//! How far a bolt is: what tells that its results may have changed.

use crate::QueryError;
use redis::{Pipeline, Value};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};
use tallyd_bolt::cuts::cuts_key;
use tallyd_event::Cuts;
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
    /// The periods or windows that were closed by an edit that is done, each with its label.
    pub closed: BTreeSet<(SmolStr, SmolStr)>,
}

impl Head {
    /// Whether a period or window was closed by an edit that is done: then it is final.
    #[must_use]
    pub fn is_closed(&self, period: &SmolStr, label: &SmolStr) -> bool {
        !self.closed.is_empty() && self.closed.contains(&(period.clone(), label.clone()))
    }
}

/// Reads how far a bolt is, in one round trip.
///
/// # Errors
/// Where the server can't be read.
pub async fn head(c: &mut Connection, keys: &Keys, bolt: &str) -> Result<Head, QueryError> {
    let mut ask = Pipeline::new();
    ask.cmd("TIME").cmd("HGETALL").arg(keys.cursors(bolt)).cmd("MGET").arg(keys.generation());
    ask.cmd("HGETALL").arg(keys.bolt(bolt, &cuts_key()));
    let mut replies = c.all(&ask).await?.into_iter();
    let mut next = || replies.next().unwrap_or(Value::Nil);
    let now = reply::time(next())?;
    let (mut text, mut as_of) = (String::new(), 0);
    let cursors = reply::facts(next())?;
    let partitions = cursors.len();
    for (partition, cursor) in cursors {
        let cursor = reply::cursor(cursor)?;
        as_of = as_of.max(cursor.last.time());
        // Writing to a string can't fail.
        let _ = write!(text, "{partition} {} {} ", cursor.last, cursor.counts.events);
    }
    // By MGET, which every reader may send.
    let generation = reply::array(next())?.pop().unwrap_or(Value::Nil);
    let generation: SmolStr = reply::text(generation)?.unwrap_or_default().into();
    let _ = write!(text, "{generation}");
    let closed = closed(next(), &keys.bolt(bolt, &cuts_key()), partitions)?;
    Ok(Head { now, version: xxh3_64(text.as_bytes()), as_of, generation, closed })
}

/// What all partitions have closed, from the cuts of each.
fn closed(
    cuts: Value,
    key: &str,
    partitions: usize,
) -> Result<BTreeSet<(SmolStr, SmolStr)>, QueryError> {
    let mut by: BTreeMap<(SmolStr, SmolStr), usize> = BTreeMap::new();
    for (partition, cuts) in reply::facts(cuts)? {
        let unreadable = |error| {
            QueryError::Unreadable(format!(
                "the field \"{partition}\" of {key} can't be read: {error} (put back what stood there, \
                 or delete the field and close again what was closed)"
            ))
        };
        let cuts = Cuts::read(reply::bytes(cuts)?.as_deref()).map_err(unreadable)?;
        for (period, label) in cuts.closed() {
            *by.entry((period.clone(), label.clone())).or_default() += 1;
        }
    }
    by.retain(|_, closed| *closed >= partitions);
    Ok(by.into_keys().collect())
}
