//! What the server says of streams.

use crate::{
    connection::{Connection, checked, present},
    reply,
};
use redis::{Pipeline, Value};
use tallyd_event::{EntryId, mark};
use tallyd_runtime::{
    StoreError,
    store::{ErrorKind, StreamFacts},
};

/// How often the connection must break over one stream for its entries to be the reason.
const TRIES: usize = 2;

/// A stream that is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Its key.
    pub stream: &'a str,
    /// Of a source: the group that reads it, and the entry at its cursor.
    pub reader: Option<(&'a str, EntryId)>,
}

/// What is known of these streams, in their order. One that is missing has only zeroes.
///
/// The server answers with the first and the last entry of each as well, and of a source with that
/// at the cursor: three entries are the most bytes that a stream costs here.
///
/// # Errors
/// Where the server can't be read.
pub async fn facts(c: &mut Connection, asks: &[Ask<'_>]) -> Result<Vec<StreamFacts>, StoreError> {
    let mut ask = Pipeline::new();
    for Ask { stream, reader } in asks {
        ask.cmd("XINFO").arg("STREAM").arg(stream);
        if let Some((_, at)) = reader {
            ask.cmd("XINFO").arg("GROUPS").arg(stream);
            ask.cmd("XRANGE").arg(stream).arg(at.to_string()).arg(at.to_string());
        }
    }
    let mut replies = c.send(&ask).await?.into_iter();
    let mut next = || replies.next().unwrap_or(Value::Nil);
    let facts = |Ask { reader, .. }: &Ask<'_>| {
        let stored = present(next())?.map_or(Ok(StreamFacts::default()), reply::stream_facts)?;
        let Some((group, _)) = reader else { return Ok(stored) };
        let groups = present(next())?.map_or(Ok(Vec::new()), reply::group_names)?;
        let at = reply::entries(checked(next())?)?.pop().map(|entry| mark(&entry.fields));
        Ok(StreamFacts { ungrouped: !groups.iter().any(|name| name == group), at, ..stored })
    };
    asks.iter().map(facts).collect()
}

/// How many bytes of memory these streams take together. One that is missing has none.
///
/// # Errors
/// Where the server can't be read.
pub async fn weigh(c: &mut Connection, streams: &[&str]) -> Result<u64, StoreError> {
    let mut ask = Pipeline::new();
    for stream in streams {
        // Without a sample: entries differ in length by thousands of times.
        ask.cmd("MEMORY").arg("USAGE").arg(*stream).arg("SAMPLES").arg(0);
    }
    let mut sum: u64 = 0;
    for bytes in c.all(&ask).await? {
        let bytes = if bytes == Value::Nil { 0 } else { reply::count(&bytes)? };
        sum = sum.saturating_add(bytes);
    }
    Ok(sum)
}

/// As [`facts`], for those who look at a server: where that breaks the connection, each stream is
/// asked about by itself. `None` for one over which the server cuts off who asks.
///
/// # Errors
/// As [`facts`].
pub async fn look(
    c: &mut Connection,
    asks: &[Ask<'_>],
) -> Result<Vec<Option<StreamFacts>>, StoreError> {
    match facts(c, asks).await {
        Ok(all) => return Ok(all.into_iter().map(Some).collect()),
        Err(error) if error.kind == ErrorKind::Connection => c.open_again().await?,
        Err(error) => return Err(error),
    }
    let mut all = Vec::with_capacity(asks.len());
    for ask in asks {
        let mut seen = None;
        for _ in 0..TRIES {
            match facts(c, &[*ask]).await {
                Ok(mut facts) => {
                    seen = facts.pop();
                    break;
                }
                Err(error) if error.kind == ErrorKind::Connection => c.open_again().await?,
                Err(error) => return Err(error),
            }
        }
        all.push(seen);
    }
    Ok(all)
}
