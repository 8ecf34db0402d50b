//! What `[serve]` names, held against the topology.

use super::ANY;
use crate::plan::{Node, NodeKind};
use std::{collections::BTreeSet, ops::Range};
use tallyd_kind::{
    fault::{Fault, did_you_mean},
    section::{Section, word},
    sheet::{Sheet, entries},
};
use tallyd_leaderboard::EVERYONE;
use toml::de::DeTable;

/// Refuses what names no bolt or source of the topology.
pub(crate) fn check(top: &Section<'_>, nodes: &[Node]) {
    let Some(serve) = top.written("serve").and_then(|item| item.get_ref().as_table()) else {
        return;
    };
    let names = |is_meant: fn(&NodeKind) -> bool| -> Vec<&str> {
        let meant = nodes.iter().filter(|node| is_meant(&node.kind));
        meant.map(|node| node.name.as_str()).collect()
    };
    let sources = names(|kind| matches!(kind, NodeKind::Source(_)));
    // Learners are a right of their own.
    let bolts = names(|kind| match kind {
        NodeKind::Bolt(bolt) => bolt.options.kind().is_by_time(),
        NodeKind::Source(_) => false,
    });
    let fields: BTreeSet<&str> = nodes
        .iter()
        .flat_map(|node| node.schema.fields.iter().map(|field| field.name.as_str()))
        .collect();
    refuse_unknown(top.sheet, serve, "public", "leaderboard or aggregate", &bolts);
    refuse_fields(top.sheet, serve, "public", &fields);
    let keys = serve.get("key").and_then(|item| item.get_ref().as_table());
    for (_, key) in keys.into_iter().flat_map(|keys| keys.iter()) {
        if let Some(key) = key.get_ref().as_table() {
            refuse_unknown(top.sheet, key, "read", "leaderboard or aggregate", &bolts);
            refuse_fields(top.sheet, key, "read", &fields);
            let by = key.get("by").and_then(|item| item.get_ref().as_table());
            for (field, _) in by.into_iter().flat_map(entries) {
                refuse_field(top.sheet, &field.text, field.span, &fields);
            }
            refuse_unknown(top.sheet, key, "ingest", "source", &sources);
        }
    }
}

fn refuse_unknown(sheet: &Sheet<'_>, table: &DeTable<'_>, key: &str, kind: &str, names: &[&str]) {
    let items = table.get(key).and_then(|item| item.get_ref().as_array());
    for word in items.into_iter().flat_map(|items| items.iter()).filter_map(word) {
        let name = word.text.split_once(':').map_or(word.text.as_str(), |(name, _)| name);
        if name != ANY && !names.contains(&name) {
            let message = format!("the topology has no {kind} \"{name}\"");
            let help = did_you_mean(name, names.iter().copied(), "there are");
            sheet.fault(Fault::new(message, word.span).help(help));
        }
    }
}

/// Refuses groups by fields that no event has: `points:klass`.
fn refuse_fields(sheet: &Sheet<'_>, table: &DeTable<'_>, key: &str, known: &BTreeSet<&str>) {
    let items = table.get(key).and_then(|item| item.get_ref().as_array());
    for word in items.into_iter().flat_map(|items| items.iter()).filter_map(word) {
        let Some((_, fields)) = word.text.split_once(':') else { continue };
        if fields == EVERYONE {
            continue;
        }
        for field in fields.split('+') {
            refuse_field(sheet, field, word.span.clone(), known);
        }
    }
}

/// A right by a field that does not exist would hold for nothing.
fn refuse_field(sheet: &Sheet<'_>, field: &str, span: Range<usize>, known: &BTreeSet<&str>) {
    if !known.contains(field) {
        let message = format!("no event has a field \"{field}\"");
        let help = did_you_mean(field, known.iter().copied(), "there are");
        sheet.fault(Fault::new(message, span).help(help));
    }
}
