//! The tables of nodes: `[source.NAME]`, `[bolt.NAME]` and `[sink.NAME]`, as far as their headers can
//! be understood.

use crate::settings::TOP_KEYS;
use tallyd_kind::{
    fault::Fault,
    hints,
    section::Section,
    sheet::{Item, Sheet, Word, entries, found},
};
use toml::de::{DeTable, DeValue};

/// The nodes of a kind. Those under a header that is misspelt, which is said, are read too: else
/// whoever reads from them would be told that there is no such node.
pub(crate) fn sections<'a>(
    top: &Section<'a>,
    tree: &'a DeTable<'a>,
    kind: &str,
) -> Vec<(Word, &'a Item<'a>)> {
    let mut nodes = named_sections(top.sheet, kind, top.written(kind));
    for (key, item) in entries(tree) {
        if TOP_KEYS.iter().any(|spec| spec.name == key.text) {
            continue;
        }
        match hints::key(&key.text, TOP_KEYS) {
            Some(meant) if meant == kind && item.get_ref().is_table() => {
                let more = named_sections(top.sheet, kind, Some(item));
                // A part of a node that stands elsewhere too is no second one.
                let is_new = |(name, _): &(Word, _)| nodes.iter().all(|(n, _)| n.text != name.text);
                nodes.extend(more.into_iter().filter(is_new).collect::<Vec<_>>());
            }
            None if hints::node_kind(item) == Some(kind) => nodes.push((key, item)),
            _ => {}
        }
    }
    nodes
}

/// Whether it is a simple value or a list of them, which stands for no node.
fn is_plain(item: &Item<'_>) -> bool {
    match item.get_ref() {
        DeValue::Array(items) => !items.iter().any(|item| item.get_ref().is_table()),
        value => !value.is_table(),
    }
}

/// The names of all entries of a table of tables such as `[source.…]`, each with its section.
pub(crate) fn named_sections<'a>(
    sheet: &'a Sheet<'a>,
    what: &str,
    item: Option<&'a Item<'a>>,
) -> Vec<(Word, &'a Item<'a>)> {
    let Some(item) = item else { return Vec::new() };
    match item.get_ref() {
        // Keys of a node whose header has no name are no nodes.
        DeValue::Table(table) if table.values().any(is_plain) => {
            let message = format!("[{what}] has no name");
            let (named, loose): (Vec<_>, Vec<_>) =
                entries(table).into_iter().partition(|(_, item)| !is_plain(item));
            let span = loose.first().map_or(item.span(), |(key, _)| key.span.clone());
            sheet.fault(Fault::new(message, span).help(format!("write [{what}.NAME]")));
            named
        }
        DeValue::Table(table) => entries(table),
        _ => {
            let message = format!("\"{what}\" can't be {}", found(item));
            let help = format!("write a table for each: [{what}.NAME]");
            sheet.fault(Fault::new(message, item.span()).help(help));
            Vec::new()
        }
    }
}
