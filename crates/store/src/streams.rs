//! What the server says of streams.

use crate::{
    connection::{Connection, present},
    reply,
};
use redis::Pipeline;
use tallyd_runtime::{StoreError, store::StreamFacts};

/// What is known of these streams, in their order. One that is missing has only zeroes.
///
/// The server answers with the first and the last entry of each as well: two entries are the most
/// bytes that a stream costs here.
///
/// # Errors
/// Where the server can't be read.
pub async fn facts<'a>(
    c: &mut Connection,
    streams: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<StreamFacts>, StoreError> {
    let mut ask = Pipeline::new();
    for stream in streams {
        ask.cmd("XINFO").arg("STREAM").arg(stream);
    }
    let replies = c.send(&ask).await?.into_iter().map(present);
    replies.map(|reply| reply?.map_or(Ok(StreamFacts::default()), reply::stream_facts)).collect()
}
