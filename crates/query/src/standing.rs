//! Where a member stands: what an edit would change.

use crate::catalog::as_leaderboard;
use redis::{Pipeline, Value};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use tallyd_bolt::Key;
use tallyd_event::{Edit, partition_of};
use tallyd_runtime::StoreError;
use tallyd_store::{Connection, keys::Keys, reply};
use tallyd_topology::{Node, NodeKind, Topology};

/// How many boards are asked at once.
const PAGE: usize = 1000;

/// Where a member stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// On how many boards.
    pub boards: u64,
    /// On how many boards it has a score that is hidden.
    pub hidden: u64,
    /// Whether a leaderboard hides it.
    pub is_hidden: bool,
}

/// Where a member stands on the leaderboards that rank by a field.
///
/// # Errors
/// Where the server can't be read.
pub async fn standing(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    field: &str,
    member: &str,
) -> Result<Standing, StoreError> {
    let names = vec![Some(SmolStr::from(field)); topology.nodes.len()];
    on_boards(c, (topology, keys), &names, (member, &|_| true)).await
}

/// Where the member of an edit stands on the boards of which the groups are such.
pub(crate) async fn standing_in(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    edit: &Edit,
    is: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Standing, StoreError> {
    let names = vec![Some(edit.field.clone()); topology.nodes.len()];
    on_boards(c, (topology, keys), &names, (&edit.member, is)).await
}

/// Where a member stands on the leaderboards that rank by the name which their node has for its field,
/// on the boards of which the groups are such.
pub(crate) async fn on_boards(
    c: &mut Connection,
    (topology, keys): (&Topology, &Keys),
    names_of_field: &[Option<SmolStr>],
    (member, is): (&str, &(dyn Fn(&str) -> bool + Sync)),
) -> Result<Standing, StoreError> {
    let mut standing = Standing::default();
    for (node, field) in topology.nodes.iter().zip(names_of_field) {
        let NodeKind::Bolt(bolt) = &node.kind else { continue };
        let is_by = |of: &&tallyd_leaderboard::Options| Some(&of.member.name) == field.as_ref();
        let Some(options) = as_leaderboard(&*bolt.options).filter(is_by) else { continue };
        standing.is_hidden |= is_hidden(c, topology, keys, node, member).await?;
        for period in &options.periods {
            let full = |key: &Key| keys.bolt(&node.name, key);
            let labels = names(c, &full(&tallyd_leaderboard::labels_key(period))).await?;
            let labels: BTreeSet<&str> =
                labels.iter().filter_map(|entry| Some(entry.split_once(' ')?.0)).collect();
            for label in labels {
                let groups = full(&tallyd_leaderboard::groups_key(period, label));
                let mut groups = names(c, &groups).await?;
                groups.retain(|group| is(group));
                for some in groups.chunks(PAGE) {
                    let mut ask = Pipeline::new();
                    for group in some {
                        let board = tallyd_leaderboard::board_key(period, label, group);
                        let hidden = tallyd_leaderboard::hidden_key(period, label, group);
                        ask.cmd("ZSCORE").arg(full(&board)).arg(member);
                        ask.cmd("HGET").arg(full(&hidden)).arg(member);
                    }
                    let found = c.all(&ask).await?;
                    let is = |value: &Value| u64::from(*value != Value::Nil);
                    standing.boards += found.iter().step_by(2).map(is).sum::<u64>();
                    standing.hidden += found.iter().skip(1).step_by(2).map(is).sum::<u64>();
                }
            }
        }
    }
    Ok(standing)
}

async fn is_hidden(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    node: &Node,
    member: &str,
) -> Result<bool, StoreError> {
    let partition = partition_of([member], topology.partitions);
    let key = keys.bolt(&node.name, &tallyd_leaderboard::hides_key(partition));
    let mut ask = Pipeline::new();
    ask.cmd("HGET").arg(key).arg(tallyd_leaderboard::MEMBERS);
    let members = reply::text(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?.unwrap_or_default();
    let encoded = Key::encode(member);
    Ok(members.split_ascii_whitespace().any(|name| name == encoded))
}

pub(crate) async fn names(c: &mut Connection, key: &str) -> Result<Vec<String>, StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("SMEMBERS").arg(key);
    let names = reply::array(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
    let names = names.into_iter().map(|name| Ok(reply::text(name)?.unwrap_or_default()));
    names.collect()
}
