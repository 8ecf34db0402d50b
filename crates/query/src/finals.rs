//! What nothing will change any more.

use crate::QueryError;
use tallyd_runtime::StoreError;
use tallyd_store::{Connection, keys::Keys, settled};
use tallyd_topology::Topology;

/// Of times at which windows or periods of a bolt close (`i64::MAX`: never), each whether everything
/// that arrived before it is processed. Nothing is read where none is reached by `now`, the server's
/// clock.
///
/// # Errors
/// Where the server can't be read.
pub async fn finals(
    c: &mut Connection,
    (topology, keys): (&Topology, &Keys),
    bolt: &str,
    closes: &[i64],
    now: i64,
) -> Result<Vec<bool>, QueryError> {
    if closes.iter().all(|time| *time > now) {
        return Ok(vec![false; closes.len()]);
    }
    let unknown = || StoreError::bug(format!("no bolt \"{bolt}\""));
    let (place, _) = topology.node(bolt).ok_or_else(unknown)?;
    Ok(settled(c, topology, keys, place, closes).await?)
}
