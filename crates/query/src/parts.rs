//! The parts of a bolt's results that there are: groups in periods or windows, as the bolt lists them.

use crate::QueryError;
use redis::{Pipeline, Value};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use tallyd_bolt::Key;
use tallyd_event::Scope;
use tallyd_store::{Connection, keys::Keys, reply};
use tallyd_topology::{Extent, NodeKind, Topology};

/// A group in a period or window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The kind of period or window.
    pub period: SmolStr,
    /// Which one.
    pub label: SmolStr,
    /// The group, as it stands in keys.
    pub group: SmolStr,
}

/// All parts of a scope that a bolt has counted in, in order.
///
/// # Errors
/// Where the server can't be read.
pub async fn groups(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    scope: &Scope,
) -> Result<Vec<Part>, QueryError> {
    let Some(extent) = extent(topology, &scope.bolt) else { return Ok(Vec::new()) };
    let mut all = BTreeSet::new();
    for (period, ..) in &extent.periods {
        if scope.period.as_ref().is_some_and(|wanted| wanted != period) {
            continue;
        }
        let listed = names(c, keys, (&scope.bolt, &Key::new(&["labels", period]))).await?;
        // Each with when it goes.
        let labels = listed.iter().filter_map(|entry| Some(entry.split_once(' ')?.0));
        let labels: BTreeSet<&str> = labels.filter(|label| scope.has(period, label)).collect();
        for label in labels {
            let key = Key::new(&["groups", period, label]);
            for group in names(c, keys, (&scope.bolt, &key)).await? {
                if scope.has_group(&group, extent.whole) {
                    let (period, label, group) = ((*period).into(), label.into(), group.into());
                    all.insert(Part { period, label, group });
                }
            }
        }
    }
    Ok(all.into_iter().collect())
}

fn extent<'a>(topology: &'a Topology, bolt: &str) -> Option<Extent<'a>> {
    match &topology.node(bolt)?.1.kind {
        NodeKind::Bolt(bolt) => bolt.options.extent(),
        NodeKind::Source(_) => None,
    }
}

async fn names(
    c: &mut Connection,
    keys: &Keys,
    (bolt, key): (&str, &Key),
) -> Result<Vec<String>, QueryError> {
    let mut ask = Pipeline::new();
    ask.cmd("SMEMBERS").arg(keys.bolt(bolt, key));
    let names = reply::array(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
    let texts = names.into_iter().map(reply::text);
    Ok(texts.filter_map(Result::transpose).collect::<Result<Vec<String>, _>>()?)
}
