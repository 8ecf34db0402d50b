//! When the oldest event arrived that waits in a stream: a page of entries at a time, so that no reply
//! is of more than some tens of MB.

use crate::{connection::Connection, plan::Waiting, reply};
use redis::{Pipeline, Value};
use tallyd_event::{Event, Schema, frame};
use tallyd_runtime::{FRAME_FIELD, StoreError, arrival, edit_of, is_probe, store::Entry};

/// How many entries are read at once: frames, of 256 KiB mostly, and entries of a source, of up to
/// 4 MiB.
const PAGE: (usize, usize) = (64, 8);
/// How many entries of a source are looked into for replays: what they hold arrived before.
const LOOKED: usize = 100_000;

/// What is known of the events that wait in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oldest {
    /// The oldest arrived then, in ms since the epoch; `None` where none waits that has arrived.
    At(Option<i64>),
    /// A frame can't be read, or there are more than were looked into.
    Unknown,
}

/// The oldest of all events that wait in a stream. In a source, replays among the first
/// [`LOOKED`] entries count as when they arrived first; where more wait, the first entry is the
/// oldest.
///
/// # Errors
/// Where the server can't be read.
pub async fn of_all(c: &mut Connection, waiting: &Waiting) -> Result<Option<i64>, StoreError> {
    let (mut oldest, mut waiting, mut looked) = (None, waiting.clone(), 0);
    loop {
        let (page, full) = page(c, &waiting).await?;
        let Some(last) = page.last().map(|entry| entry.id) else { return Ok(oldest) };
        looked += page.len();
        let arrivals = events(&page, &waiting).filter_map(|entry| arrived(&waiting, entry));
        oldest = arrivals.chain(oldest).min();
        if !full || !waiting.frames && looked >= LOOKED {
            return Ok(oldest);
        }
        waiting.after = last;
    }
}

/// The oldest by the first page: in a source, the first entry that a clock gave its id. A replay, of
/// what arrived before, may come at any time, and does not count.
///
/// # Errors
/// Where the server can't be read.
pub async fn of_first(c: &mut Connection, waiting: &Waiting) -> Result<Oldest, StoreError> {
    let (page, full) = page(c, waiting).await?;
    if !waiting.frames {
        let first = events(&page, waiting).find_map(|entry| entry.id.clock_time());
        return Ok(if full && first.is_none() { Oldest::Unknown } else { Oldest::At(first) });
    }
    let arrivals: Option<Vec<i64>> = events(&page, waiting).map(of_frame).collect();
    Ok(match arrivals {
        Some(arrivals) if !full => Oldest::At(arrivals.into_iter().min()),
        _ => Oldest::Unknown,
    })
}

async fn page(c: &mut Connection, waiting: &Waiting) -> Result<(Vec<Entry>, bool), StoreError> {
    let count = if waiting.frames { PAGE.0 } else { PAGE.1 };
    let mut ask = Pipeline::new();
    ask.cmd("XRANGE").arg(&waiting.stream).arg(waiting.after.next().to_string()).arg("+");
    ask.arg("COUNT").arg(count);
    let page = reply::entries(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
    let full = page.len() == count;
    Ok((page, full))
}

/// The entries that may hold events: all but probes and edits.
fn events<'a>(page: &'a [Entry], waiting: &Waiting) -> impl Iterator<Item = &'a Entry> {
    let frames = waiting.frames;
    let entries = page.iter().filter(move |entry| edit_of(!frames, entry).is_none());
    entries.filter(move |entry| match frames {
        true => frame_of(entry).is_none_or(|bytes| frame::probe(bytes).is_none()),
        false => !is_probe(entry),
    })
}

fn frame_of(entry: &Entry) -> Option<&[u8]> {
    entry.fields.get(FRAME_FIELD)
}

/// When the first of an entry's events arrived. One of a source that no clock gave its id has not
/// arrived before it is read.
fn arrived(waiting: &Waiting, entry: &Entry) -> Option<i64> {
    match waiting.frames {
        true => of_frame(entry).or_else(|| entry.id.clock_time()),
        false => Some(arrival(entry, i64::MAX).arrived).filter(|at| *at < i64::MAX),
    }
}

/// The oldest event of a frame, which carries when each arrived; `None` where it can't be read.
fn of_frame(entry: &Entry) -> Option<i64> {
    let events = frame::decode(&Schema::default(), frame_of(entry)?).ok()?;
    events.iter().map(Event::arrival).min()
}
