//! What waits in the streams that a node writes, and for whom: a partition that is halted, or that no
//! worker has, must not stop the others.

use crate::{connection::Connection, reply};
use redis::{Pipeline, Value};
use tallyd_runtime::{StoreError, store::Owner};

/// A stream that holds entries.
#[derive(Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Its key.
    pub stream: String,
    /// How many entries it holds.
    pub entries: u64,
    /// Whether those that are the furthest behind in it are all halted or owned by nobody.
    pub stalled: bool,
}

/// The streams of these lengths, each with the fences of those that are the furthest behind in it.
///
/// # Errors
/// Where the server can't be read.
pub async fn of(
    c: &mut Connection,
    streams: Vec<((String, Vec<String>), u64)>,
) -> Result<Vec<Backlog>, StoreError> {
    let waiting: Vec<_> = streams.into_iter().filter(|(_, entries)| *entries > 0).collect();
    let mut ask = Pipeline::new();
    for ((_, fences), _) in waiting.iter().filter(|((_, fences), _)| !fences.is_empty()) {
        ask.cmd("MGET").arg(fences);
    }
    if ask.is_empty() {
        return Ok(Vec::new());
    }
    let mut owners = c.all(&ask).await?.into_iter();
    let mut backlogs = Vec::with_capacity(waiting.len());
    for ((stream, fences), entries) in waiting {
        let stored = match fences.is_empty() {
            true => Vec::new(),
            false => reply::array(owners.next().unwrap_or(Value::Nil))?,
        };
        let mut stalled = !stored.is_empty();
        for fence in stored {
            stalled &= matches!(reply::fence(fence)?.owner, Owner::Halted | Owner::Nobody);
        }
        backlogs.push(Backlog { stream, entries, stalled });
    }
    Ok(backlogs)
}

/// The most entries of one stream that the writer waits for: what is stalled counts only where
/// there is too much of it.
pub fn longest(backlogs: &[Backlog], with_stalled: bool) -> u64 {
    let counted = backlogs.iter().filter(|backlog| with_stalled || !backlog.stalled);
    counted.map(|backlog| backlog.entries).max().unwrap_or(0)
}

/// About how many bytes of memory these streams take.
///
/// # Errors
/// Where the server can't be read.
pub async fn bytes(
    c: &mut Connection,
    backlogs: impl Iterator<Item = &Backlog>,
) -> Result<u64, StoreError> {
    let backlogs: Vec<&Backlog> = backlogs.collect();
    let mut ask = Pipeline::new();
    for backlog in &backlogs {
        ask.cmd("MEMORY").arg("USAGE").arg(&backlog.stream);
    }
    if ask.is_empty() {
        return Ok(0);
    }
    let mut sum: u64 = 0;
    for bytes in c.all(&ask).await? {
        // One that was deleted meanwhile has none.
        let bytes = if bytes == Value::Nil { 0 } else { reply::count(&bytes)? };
        sum = sum.saturating_add(bytes);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stalled_stops_nobody_until_it_is_too_much() {
        let backlog = |entries, stalled| Backlog { stream: String::new(), entries, stalled };
        let backlogs = [backlog(5, false), backlog(9_000, true), backlog(7, false)];
        assert_eq!((longest(&backlogs, false), longest(&backlogs, true)), (7, 9_000));
        assert_eq!(longest(&[], true), 0);
    }
}
