//! Probes: what a worker adds to the sources now and then, to see how long the way through the
//! topology takes. They are counted in no figure: `runtime::work` knows them by their one field.

use crate::connection::Connection;
use redis::{Pipeline, Value};
use tallyd_runtime::{PROBE_FIELD, StoreError};
use tallyd_topology::{NodeKind, Topology};

/// Adds one to the stream of each source that is there, in the name of a worker, and returns to how
/// many.
///
/// # Errors
/// Where the server can't be asked, or refuses.
pub async fn send(
    c: &mut Connection,
    topology: &Topology,
    worker: &str,
) -> Result<u64, StoreError> {
    let mut add = Pipeline::new();
    for node in &topology.nodes {
        if let NodeKind::Source(source) = &node.kind {
            // A worker makes no stream for it: nobody may read there.
            add.cmd("XADD").arg(source.stream.as_str()).arg("NOMKSTREAM").arg("*");
            add.arg(PROBE_FIELD).arg(worker);
        }
    }
    let added = c.all(&add).await?;
    Ok(added.iter().filter(|id| !matches!(id, Value::Nil)).count() as u64)
}
