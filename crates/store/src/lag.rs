//! What waits for partitions: the entries after their cursors.
//!
//! Only the entry itself tells its id, and a server cuts off a client whose reply is larger than it
//! allows (`maxmemory-clients`, `client-output-buffer-limit`). So what can be known without the
//! entries is asked first; then the first entries, and where that breaks the connection, one by
//! one. What still can't be read is told as that, and breaks nothing else.

use crate::{
    connection::{Connection, checked, present},
    keys::Keys,
    reply,
    streams::{self, Ask},
};
use redis::{Pipeline, Value};
use tallyd_event::EntryId;
use tallyd_runtime::{
    StoreError, reckon,
    store::{Cursor, ErrorKind, Lag},
};
use tallyd_topology::{Node, NodeKind, Topology};

/// A partition of a node, and how far it has come.
pub type Place<'a> = (&'a Node, u16, Cursor);

/// How many partitions are asked about in one round trip.
const ASKED: usize = 256;
/// How often the connection must break over one entry for that to be the reason.
const TRIES: usize = 2;

/// What a look at an entry gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look<T> {
    Seen(T),
    CutOff,
}

/// A partition of whose stream something is known without its entries.
struct Partition {
    stream: String,
    group: String,
    is_source: bool,
    cursor: Cursor,
    length: u64,
    /// Whether its group is there.
    grouped: bool,
    /// Of its group: how many entries it has not read, where the server counts that, and how many
    /// are pending.
    unread: Option<u64>,
    pending: u64,
}

/// What waits for each of these partitions: the entries after its cursor.
///
/// # Errors
/// Where the server can't be read.
pub async fn lags(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    places: &[Place<'_>],
) -> Result<Vec<Lag>, StoreError> {
    let mut lags = Vec::with_capacity(places.len());
    for places in places.chunks(ASKED) {
        let partitions = known(c, topology, keys, places).await?;
        let held: Vec<&Partition> = partitions.iter().filter(|of| of.length > 0).collect();
        let mut firsts = firsts(c, &held).await?.into_iter();
        // Where all that there is is below the cursor, the stream may have begun again.
        for of in &partitions {
            let first = if of.length > 0 { firsts.next() } else { None };
            lags.push(match first {
                None => Lag::default(),
                Some(Look::Seen(Some(first))) => {
                    Lag { entries: of.waiting(), oldest: first.clock_time(), unreadable: false }
                }
                Some(Look::Seen(None)) => of.began_again(c).await?,
                Some(Look::CutOff) => {
                    let oldest = lowest_pending(c, of).await?.and_then(EntryId::clock_time);
                    Lag { entries: of.waiting(), oldest, unreadable: true }
                }
            });
        }
    }
    Ok(lags)
}

/// What is known without reading entries.
async fn known(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    places: &[Place<'_>],
) -> Result<Vec<Partition>, StoreError> {
    let mut partitions = Vec::with_capacity(places.len());
    let mut ask = Pipeline::new();
    for (node, partition, cursor) in places {
        let unknown =
            || StoreError::bug(format!("partition {partition} of {} reads no stream", node.name));
        let stream = keys.input(topology, node, *partition).ok_or_else(unknown)?;
        ask.cmd("XLEN").arg(&stream).cmd("XINFO").arg("GROUPS").arg(&stream);
        partitions.push(Partition {
            stream,
            group: keys.group(topology, node),
            is_source: matches!(node.kind, NodeKind::Source(_)),
            cursor: *cursor,
            length: 0,
            grouped: false,
            unread: None,
            pending: 0,
        });
    }
    let mut replies = c.send(&ask).await?.into_iter();
    let mut next = || replies.next().unwrap_or(Value::Nil);
    for of in &mut partitions {
        of.length = reply::count(&checked(next())?)?;
        let groups = present(next())?;
        for stored in groups.map_or(Ok(Vec::new()), reply::array)? {
            let facts = reply::facts(stored)?;
            let name = facts.get("name").cloned().map(reply::text).transpose()?.flatten();
            if name.as_deref() == Some(&of.group) {
                of.grouped = true;
                let unread = facts.get("lag").filter(|lag| matches!(lag, Value::Int(_)));
                of.unread = unread.map(reply::count).transpose()?;
                of.pending = facts.get("pending").map_or(Ok(0), reply::count)?;
            }
        }
    }
    Ok(partitions)
}

impl Partition {
    /// How many entries wait, where some do: Redis 7 counts what a group has not read. Before, and
    /// where entries were deleted, the length is an upper bound.
    fn waiting(&self) -> u64 {
        self.unread
            .map_or(self.length, |unread| (unread + self.pending).clamp(1, self.length.max(1)))
    }

    /// What waits where all entries are at or below the cursor: all of them, if the stream began
    /// again.
    async fn began_again(&self, c: &mut Connection) -> Result<Lag, StoreError> {
        let reader = self.is_source.then_some((self.group.as_str(), self.cursor.last));
        let ask = Ask { stream: &self.stream, reader };
        let Some(facts) = streams::look(c, &[ask]).await?.pop().flatten() else {
            // Without its group it is not the stream that was read: its entries wait.
            let entries = if self.grouped { 0 } else { self.length };
            return Ok(Lag { entries, oldest: None, unreadable: entries > 0 });
        };
        Ok(match facts.ends {
            Some((first, _)) if reckon::began_again(&self.cursor, &facts) => {
                Lag { entries: facts.length, oldest: first.clock_time(), unreadable: false }
            }
            _ => Lag::default(),
        })
    }
}

/// The first entry of each after its cursor.
async fn firsts(
    c: &mut Connection,
    partitions: &[&Partition],
) -> Result<Vec<Look<Option<EntryId>>>, StoreError> {
    let ask = |of: &[&Partition]| {
        let mut ask = Pipeline::new();
        for Partition { stream, cursor, .. } in of {
            let after = format!("({}", cursor.last);
            ask.cmd("XRANGE").arg(stream).arg(after).arg("+").arg("COUNT").arg(1);
        }
        ask
    };
    let first = |reply: Value| Ok(reply::entries(reply)?.first().map(|entry| entry.id));
    match careful(c, &ask(partitions), 1).await? {
        Look::Seen(replies) => {
            replies.into_iter().map(|reply| first(reply).map(Look::Seen)).collect()
        }
        Look::CutOff => {
            let mut firsts = Vec::with_capacity(partitions.len());
            for of in partitions {
                firsts.push(match careful(c, &ask(&[of]), TRIES).await? {
                    Look::Seen(mut replies) => {
                        Look::Seen(first(replies.pop().unwrap_or(Value::Nil))?)
                    }
                    Look::CutOff => Look::CutOff,
                });
            }
            Ok(firsts)
        }
    }
}

/// The lowest entry that is pending after the cursor: its id can be had without the entry. Nothing
/// where the user may not ask.
async fn lowest_pending(c: &mut Connection, of: &Partition) -> Result<Option<EntryId>, StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("XPENDING").arg(&of.stream).arg(&of.group);
    ask.arg(format!("({}", of.cursor.last)).arg("+").arg(1);
    let answer = match present(c.send(&ask).await?.pop().unwrap_or(Value::Nil)) {
        Err(error) if error.kind == ErrorKind::Auth => return Ok(None),
        other => other?,
    };
    // Without a group, nothing is pending.
    let Some(answer) = answer else { return Ok(None) };
    let first = reply::array(answer)?.into_iter().next();
    let id = first.map(reply::array).transpose()?.and_then(|of| of.into_iter().next());
    id.map(reply::entry_id).transpose()
}

/// Asks so many times, each time on a new connection where the last one broke.
async fn careful(
    c: &mut Connection,
    ask: &Pipeline,
    tries: usize,
) -> Result<Look<Vec<Value>>, StoreError> {
    for _ in 0..tries {
        match c.all(ask).await {
            Ok(replies) => return Ok(Look::Seen(replies)),
            Err(error) if error.kind == ErrorKind::Connection => c.open_again().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(Look::CutOff)
}
