//! What the streams keep once everything is processed.

use super::stored::ask;
use crate::{Deployment, HarnessError};
use redis::{Pipeline, from_redis_value};
use std::time::Duration;
use tallyd_event::frame;
use tallyd_runtime::{FRAME_FIELD, edit_of, is_probe, store::Entry};
use tallyd_store::reply;
use tokio::time::{Instant, sleep};

/// How long the workers may take to trim the last entries.
const TRIMMED_WITHIN: Duration = Duration::from_secs(5);
/// How many entries of a stream are looked into for probes.
const LOOKED: usize = 100;

/// How many entries the sources and edges keep once everything is processed and trimmed. Probes,
/// which come at any time and don't hurry a worker's upkeep, are none of them.
pub(super) async fn kept(open: &mut Deployment) -> Result<u64, HarnessError> {
    let began = Instant::now();
    let streams = open.topology.nodes.iter().flat_map(|node| {
        let keys = &open.keys;
        (0..node.partitions).filter_map(|p| keys.input(&open.topology, node, p))
    });
    let streams: Vec<String> = streams.collect();
    loop {
        let mut lengths = Pipeline::new();
        for stream in &streams {
            lengths.cmd("XLEN").arg(stream);
        }
        let lengths = open.connection.all(&lengths).await?;
        let mut kept = 0;
        for (stream, length) in streams.iter().zip(lengths) {
            let length = from_redis_value::<u64>(length)?;
            if length > 0 {
                let first = ask(open, |p| {
                    p.cmd("XRANGE").arg(stream).arg("-").arg("+").arg("COUNT").arg(LOOKED)
                });
                let first = reply::entries(first.await?)?;
                kept += length.saturating_sub(first.iter().filter(|e| probes(e)).count() as u64);
            }
        }
        if kept == 0 || began.elapsed() > TRIMMED_WITHIN {
            return Ok(kept);
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Whether an entry of a source or an edge is a probe or an edit.
fn probes(entry: &Entry) -> bool {
    let mut frames = entry.fields.iter().filter(|(name, _)| *name == FRAME_FIELD.as_bytes());
    let is_edit = [true, false].into_iter().any(|source| edit_of(source, entry).is_some());
    is_edit || is_probe(entry) || frames.any(|(_, bytes)| frame::probe(bytes).is_some())
}
