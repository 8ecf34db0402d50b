//! What is known of edits: who asked for them, how far they are, and what they changed.

use super::{
    SUBTRACT,
    counts::{Subtracted, subtracted},
    sweep::guarded::{SHARED, SINCE},
};
use crate::{
    commands::{changed_field, done_field, handed_field},
    connection::Connection,
    keys::Keys,
    reply,
};
use redis::{Pipeline, Value};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tallyd_event::EditKind;
use tallyd_runtime::StoreError;
use tallyd_topology::Topology;

/// How many edits are asked about at once.
const PAGE: usize = 500;

/// What the field of an edit begins with that says why a stream could not be swept.
pub(super) const LEFT: &str = "left:";

/// An edit that was accepted or refused.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Record {
    /// Its id.
    pub id: String,
    /// When it was accepted or refused, in ms since the epoch.
    pub at: i64,
    /// Who asked for it; empty where that was not said.
    pub by: String,
    /// What it does.
    #[serde(rename = "do")]
    pub kind: String,
    /// The field that names the member.
    pub field: String,
    /// The member.
    pub member: String,
    /// Of a move, the group that the member leaves, as it stands in keys.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// The one that it joins; of a rename the new name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// Whether its points go with it: `keep` or `leave`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub points: String,
    /// Of an edit of no member, the bolt.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub bolt: String,
    /// The kind of period or window; empty: all of them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub period: String,
    /// Which one; empty: all of them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// The group, as it stands in keys; empty: all of them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Of one that forgets a member, `subtract` where what its events added to counts is taken out.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub counts: String,
    /// From which bolts it is taken out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subtracted: Vec<Subtracted>,
    /// Of the sources that do not retain all that came, from when on they do, in ms since the epoch: what
    /// earlier events added stays.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub retained_since: BTreeMap<String, i64>,
    /// Of sources of which entries were deleted that had events of others too, when the last of these
    /// came, in ms since the epoch: what the member's events in them added stays.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub shared: BTreeMap<String, i64>,
    /// Why it was refused, if it was.
    pub refused: Option<String>,
    /// The bolts that do it.
    pub bolts: Vec<OfNode>,
    /// Of one that forgets a member, what was taken out of streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swept: Option<Swept>,
}

/// What was taken out of streams of a member who is forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Swept {
    /// When all of it was, in ms since the epoch; until then there is more to do.
    pub at: Option<i64>,
    /// Entries of sources.
    pub entries: u64,
    /// Dead letters.
    pub letters: u64,
    /// Examples of late events.
    pub examples: u64,
    /// Entries of sinks.
    pub sinks: u64,
    /// The streams that could not be swept, each with the reason.
    pub left: BTreeMap<String, String>,
}

/// How far an edit is in one bolt.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct OfNode {
    /// The bolt.
    pub bolt: SmolStr,
    /// How many partitions are done with it.
    pub done: u64,
    /// How many there are, and how often one handed something over to another.
    pub of: u64,
    /// How many results it changed.
    pub changed: u64,
}

impl Record {
    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let is_swept = self.swept.as_ref().is_none_or(|swept| swept.at.is_some());
        self.refused.is_some() || self.bolts_are_done() && is_swept
    }

    /// Whether no bolt has anything left to do.
    #[must_use]
    pub fn bolts_are_done(&self) -> bool {
        self.bolts.iter().all(|bolt| bolt.done >= bolt.of)
    }
}

/// The newest edits, at most so many, newest first.
///
/// # Errors
/// Where the server can't be read.
pub async fn list(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    let mut ask = Pipeline::new();
    let last = i64::try_from(limit).unwrap_or(i64::MAX).saturating_sub(1);
    ask.cmd("ZREVRANGE").arg(keys.edit_list()).arg(0).arg(last);
    let ids = reply::array(c.all(&ask).await?.pop().unwrap_or(Value::Nil))?;
    let ids = ids.into_iter().take(limit).map(|id| Ok(reply::text(id)?.unwrap_or_default()));
    let ids = ids.collect::<Result<Vec<String>, StoreError>>()?;
    some(c, topology, keys, &ids).await
}

/// What is known of one edit, if anything is.
///
/// # Errors
/// Where the server can't be read.
pub async fn one(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    id: &str,
) -> Result<Option<Record>, StoreError> {
    Ok(some(c, topology, keys, &[id.to_owned()]).await?.pop())
}

/// What is known of these edits, in their order; of which nothing is known are left out.
pub(super) async fn some(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    ids: &[String],
) -> Result<Vec<Record>, StoreError> {
    let mut records = Vec::new();
    for page in ids.chunks(PAGE) {
        let mut ask = Pipeline::new();
        for id in page {
            ask.cmd("HGETALL").arg(keys.edit(id));
        }
        for (id, stored) in page.iter().zip(c.all(&ask).await?) {
            records.extend(record(topology, id, stored)?);
        }
    }
    Ok(records)
}

fn record(topology: &Topology, id: &str, stored: Value) -> Result<Option<Record>, StoreError> {
    let stored = reply::facts(stored)?;
    let mut fields = BTreeMap::new();
    for (name, value) in stored {
        fields.insert(name, reply::text(value)?.unwrap_or_default());
    }
    let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let number = |name: &str| text(name).parse::<u64>().unwrap_or_default();
    let of_node = |name: &SmolStr| {
        let done = done_field(name);
        fields.contains_key(&done).then(|| OfNode {
            bolt: name.clone(),
            done: number(&done),
            of: number("partitions") + number(&handed_field(name)),
            changed: number(&changed_field(name)),
        })
    };
    let is_swept = text("do") == EditKind::Forget.name() && !fields.contains_key("refused");
    let left =
        |(name, why): (&String, &String)| Some((name.strip_prefix(LEFT)?.to_owned(), why.clone()));
    let swept = is_swept.then(|| Swept {
        at: fields.get("swept").and_then(|at| at.parse().ok()),
        entries: number("swept:entries"),
        letters: number("swept:letters"),
        examples: number("swept:examples"),
        sinks: number("swept:sinks"),
        left: fields.iter().filter_map(left).collect(),
    });
    let times = |begins: &str| {
        let time = |(name, at): (&String, &String)| {
            Some((name.strip_prefix(begins)?.to_owned(), at.parse().ok()?))
        };
        fields.iter().filter_map(time).collect::<BTreeMap<String, i64>>()
    };
    let counts = if text("counts") == SUBTRACT { SUBTRACT.to_owned() } else { String::new() };
    let subtracts = is_swept && !counts.is_empty();
    Ok(fields.get("at").map(|at| Record {
        id: id.to_owned(),
        at: at.parse().unwrap_or_default(),
        by: text("by"),
        kind: text("do"),
        field: text("field"),
        member: text("member"),
        from: text("from"),
        to: text("to"),
        points: text("points"),
        bolt: text("bolt"),
        period: text("period"),
        label: text("label"),
        group: text("group"),
        subtracted: if subtracts {
            subtracted(topology, &text("field"), &fields)
        } else {
            Vec::new()
        },
        retained_since: if subtracts { times(SINCE) } else { BTreeMap::new() },
        shared: if subtracts { times(SHARED) } else { BTreeMap::new() },
        counts,
        refused: fields.get("refused").cloned(),
        // One that the file has no more does nothing more.
        bolts: topology.nodes.iter().filter_map(|node| of_node(&node.name)).collect(),
        swept,
    }))
}
