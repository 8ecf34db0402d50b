//! What results have of a member: what an edit that forgets it would take out.

use crate::{
    QueryError, Stored,
    catalog::as_aggregate,
    learner::record,
    standing::{names, on_boards},
};
use redis::{Pipeline, Value};
use std::collections::BTreeSet;
use tallyd_bolt::{Key, labels::labels_key};
use tallyd_kind::record::Asked;
use tallyd_store::{Connection, keys::Keys, reply};
use tallyd_topology::{NodeKind, Topology};

/// How many windows are asked about at once.
const PAGE: usize = 1000;

/// What results have of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Footprint {
    /// On how many boards it has a score, hidden ones included.
    pub boards: u64,
    /// How many groups of aggregates are its own, each window by itself.
    pub groups: u64,
    /// How many bolts keep something of it as a learner.
    pub learners: u64,
}

/// What results have of the member whom a field of the sources names.
///
/// # Errors
/// Where the server can't be read, or holds what no bolt wrote.
pub async fn footprint(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    (field, member): (&str, &str),
) -> Result<Footprint, QueryError> {
    let known = topology.known_as(field);
    let standing = on_boards(c, (topology, keys), &known, (member, &|_| true)).await?;
    let boards = standing.boards + standing.hidden;
    let mut found = Footprint { boards, ..Footprint::default() };
    for (node, name) in topology.nodes.iter().zip(&known) {
        let (NodeKind::Bolt(bolt), Some(name)) = (&node.kind, name) else { continue };
        let is_about = bolt.options.about().is_some_and(|field| field.name == *name);
        if let Some(of) = bolt.options.record().filter(|_| is_about) {
            let asked = Asked { learner: member, now: 0, partitions: topology.partitions };
            let rows = record(&mut Stored::new(c, keys, &node.name), of, asked).await?;
            found.learners += u64::from(!rows.is_empty());
        }
        if let Some(options) = as_aggregate(&*bolt.options) {
            let bolt = (node.name.as_str(), options);
            found.groups += groups(c, keys, bolt, (name, member)).await?;
        }
    }
    Ok(found)
}

/// How many groups of an aggregate have the member's name in a field.
async fn groups(
    c: &mut Connection,
    keys: &Keys,
    (bolt, options): (&str, &tallyd_aggregate::Options),
    (field, member): (&str, &str),
) -> Result<u64, QueryError> {
    if options.by.iter().all(|by| by.name != field) {
        return Ok(0);
    }
    let part = Key::group([(field, Some(member))]);
    let mut found = 0;
    for window in &options.windows {
        let labels = names(c, &keys.bolt(bolt, &labels_key(&window.name))).await?;
        let labels: BTreeSet<&str> =
            labels.iter().filter_map(|entry| Some(entry.split_once(' ')?.0)).collect();
        let labels: Vec<&str> = labels.into_iter().collect();
        if options.by.len() == 1 {
            for some in labels.chunks(PAGE) {
                let mut ask = Pipeline::new();
                for label in some {
                    let key = tallyd_aggregate::window_key(window, label, &part);
                    let ask = ask.cmd("HMGET").arg(keys.bolt(bolt, &key));
                    for field in options.measures.iter().flat_map(tallyd_aggregate::fields) {
                        ask.arg(field.as_str());
                    }
                }
                for answer in c.all(&ask).await? {
                    let mut values = reply::array(answer)?.into_iter();
                    found += u64::from(values.any(|value| value != Value::Nil));
                }
            }
            continue;
        }
        for label in labels {
            let groups = keys.bolt(bolt, &tallyd_aggregate::groups_key(window, label));
            let is_of = |group: &&String| group.split(':').any(|of| of == part);
            found += names(c, &groups).await?.iter().filter(is_of).count() as u64;
        }
    }
    Ok(found)
}
