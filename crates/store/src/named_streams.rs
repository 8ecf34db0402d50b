//! The streams that the topology names: what stands there must be a stream, or nothing. Else the first
//! commit that writes to one would fail in part.

use crate::{
    connection::{Connection, checked},
    doctor::address::quoted,
};
use redis::Pipeline;
use tallyd_runtime::{StoreError, store::ErrorKind};
use tallyd_topology::{NodeKind, Topology};

/// Checks that the streams of sources and sinks can be used as such.
///
/// # Errors
/// Where one is a key of another type, or the server can't be asked.
pub async fn check(c: &mut Connection, topology: &Topology) -> Result<(), StoreError> {
    let mut streams: Vec<(String, &str)> = Vec::new();
    for node in &topology.nodes {
        if let NodeKind::Source(source) = &node.kind {
            streams.push((format!("source \"{}\"", node.name), &source.stream));
        }
        let of_node = format!("a sink of \"{}\"", node.name);
        streams.extend(node.sinks.iter().map(|sink| (of_node.clone(), sink.stream.as_str())));
    }
    let mut ask = Pipeline::new();
    for (_, stream) in &streams {
        // Drops nothing, and needs no right that a worker does not need there anyway.
        ask.cmd("XTRIM").arg(stream).arg("MINID").arg(0);
    }
    let replies = c.send(&ask).await?;
    for ((whose, stream), answer) in streams.iter().zip(replies) {
        match checked(answer) {
            Err(error) if error.kind == ErrorKind::WrongType => {
                let key = quoted(stream);
                let message = format!(
                    "the key {key} of {whose} is no stream (delete it, or name another with stream = \"…\")"
                );
                return Err(StoreError::new(ErrorKind::Mismatch, message));
            }
            other => drop(other?),
        }
    }
    Ok(())
}
