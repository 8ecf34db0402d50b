//! What of a source every group has behind it is dropped, as its `retain` says.

use crate::{
    connection::{Connection, present},
    reply,
    streams::{self, Ask},
};
use redis::{Pipeline, Value};
use tallyd_event::EntryId;
use tallyd_runtime::{StoreError, reckon::began_again, store::Cursor};
use tallyd_topology::{Retain, Source};

/// Trims a source to the lowest entry that any group still needs, whoever made the group. What our
/// own needs is told by its cursor: whatever is pending at or below it is done.
pub(super) async fn trim(
    c: &mut Connection,
    ours: &str,
    source: &Source,
    cursor: &Cursor,
    now: i64,
) -> Result<(), StoreError> {
    let kept_from = match source.retain {
        Retain::Forever => return Ok(()),
        Retain::Acked => None,
        Retain::For(ms) => {
            Some(EntryId { ms: u64::try_from(now).unwrap_or(0).saturating_sub(ms), seq: 0 })
        }
    };
    let done = cursor.last;
    if done == EntryId::ZERO {
        return Ok(());
    }
    // Of a stream that began again, nobody has read what is below the cursor. Where the server cuts
    // off who asks, it is not known.
    let ask = Ask { stream: &source.stream, reader: Some((ours, done)) };
    let facts = streams::look(c, &[ask]).await?.pop().flatten();
    if facts.is_none_or(|facts| facts.ungrouped || began_again(cursor, &facts)) {
        return Ok(());
    }
    // Where there is no such stream any more, there is nothing to trim.
    let Some(needed) = needed(c, &source.stream, ours, done).await? else { return Ok(()) };
    let from = kept_from.map_or(needed, |kept| kept.min(needed));
    trim_to(c, &source.stream, from).await
}

/// The lowest entry of a source that any group still needs, whoever made the group, where ours has all
/// up to `done` behind itself; `None` where there is no such stream.
pub(crate) async fn needed(
    c: &mut Connection,
    stream: &str,
    ours: &str,
    done: EntryId,
) -> Result<Option<EntryId>, StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("XINFO").arg("GROUPS").arg(stream);
    let Some(groups) = present(c.send(&ask).await?.pop().unwrap_or(Value::Nil))? else {
        return Ok(None);
    };
    let mut needed = done.next();
    for group in reply::array(groups)? {
        let facts = reply::facts(group)?;
        let fact = |name: &str| facts.get(name).cloned().unwrap_or(Value::Nil);
        let name = reply::text(fact("name"))?;
        let name = name.ok_or_else(|| reply::unexpected("the name of a group", &Value::Nil))?;
        if name == ours {
            continue;
        }
        let delivered = reply::entry_id(fact("last-delivered-id"))?;
        needed = needed.min(delivered.next());
        if reply::count(&fact("pending"))? > 0 {
            let mut ask = Pipeline::new();
            ask.cmd("XPENDING").arg(stream).arg(&name);
            let pending = reply::array(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
            if let Some(lowest) = pending.get(1).filter(|lowest| !matches!(lowest, Value::Nil)) {
                needed = needed.min(reply::entry_id(lowest.clone())?);
            }
        }
    }
    Ok(Some(needed))
}

/// How many entries one XTRIM may drop, so that it does not hold the server for long: after a stop
/// of a day there may be a hundred million. What is left is dropped by the next ones.
const TRIMMED: u64 = 100_000;

/// Drops what is before an entry, up to [`TRIMMED`].
async fn trim_to(c: &mut Connection, stream: &str, from: EntryId) -> Result<(), StoreError> {
    let from = from.to_string();
    let mut trim = Pipeline::new();
    // Only `~` takes a LIMIT; it leaves the last node of entries as it is.
    trim.cmd("XTRIM").arg(stream).arg("MINID").arg("~").arg(&from).arg("LIMIT").arg(TRIMMED);
    let dropped = reply::count(&c.all(&trim).await?.pop().unwrap_or(Value::Nil))?;
    if dropped >= TRIMMED / 2 {
        return Ok(());
    }
    // What is left is less than a node.
    let mut trim = Pipeline::new();
    trim.cmd("XTRIM").arg(stream).arg("MINID").arg(&from);
    c.all(&trim).await.map(drop)
}
