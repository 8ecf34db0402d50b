//! Which boards there are: what an edit of a member goes through. A board is listed in the commit
//! that puts the first member of a batch on it, and not again for each event.

use crate::{PeriodOptions, boards::Board, groups_key, labels_key};
use smol_str::{SmolStr, format_smolstr};
use std::collections::{BTreeMap, BTreeSet};
use tallyd_bolt::{Effects, Key, State, Write};

/// When the boards of a label go that never do.
const NEVER: &str = "-";

/// The boards that a batch writes to.
#[derive(Default)]
pub(crate) struct Directory<'a> {
    labels: BTreeMap<(&'a str, &'a str), Label<'a>>,
}

/// A label of a period, and what a batch writes below it.
struct Label<'a> {
    period: &'a PeriodOptions,
    expiry: Option<i64>,
    /// Groups that someone is new in.
    groups: BTreeSet<&'a SmolStr>,
}

impl<'a> Directory<'a> {
    /// A board is written to, perhaps for a member who is new on it.
    pub(crate) fn note(&mut self, board: &'a Board<'a>, is_new: bool) {
        let name = (board.period.name.as_str(), board.label.as_str());
        let label =
            || Label { period: board.period, expiry: board.expiry, groups: BTreeSet::new() };
        let label = self.labels.entry(name).or_insert_with(label);
        if is_new {
            label.groups.insert(&board.group);
        }
    }

    /// Writes what is new in it, and takes out the labels that are gone by now.
    pub(crate) fn write(self, (state, now): (&State, i64), effects: &mut Effects) {
        let mut added: BTreeMap<Key, (Vec<SmolStr>, Vec<SmolStr>)> = BTreeMap::new();
        for ((_, label), of) in self.labels {
            let (list, groups) = (labels_key(of.period), groups_key(of.period, label));
            let entry = entry(label, of.expiry);
            let is_new = !state.has_name(&list, &entry);
            if is_new {
                let gone = || {
                    let names = state.names(&list).filter(|name| {
                        parse(name).is_some_and(|(_, expiry)| expiry.is_some_and(|at| at <= now))
                    });
                    let mut gone: Vec<SmolStr> = names.cloned().collect();
                    gone.sort_unstable();
                    gone
                };
                let (new, _) = added.entry(list.clone()).or_insert_with(|| (Vec::new(), gone()));
                new.push(entry);
            }
            if is_new || !of.groups.is_empty() {
                effects.expiries.extend(of.expiry.map(|expiry| (groups.clone(), expiry)));
            }
            if !of.groups.is_empty() {
                let members = of.groups.into_iter().cloned().collect();
                effects.writes.push(Write::Member { key: groups, members });
            }
        }
        for (key, (members, gone)) in added {
            if !gone.is_empty() {
                effects.writes.push(Write::RemoveMember { key: key.clone(), members: gone });
            }
            effects.writes.push(Write::Member { key, members });
        }
    }
}

/// How a label stands in the list of its period.
fn entry(label: &str, expiry: Option<i64>) -> SmolStr {
    match expiry {
        Some(at) => format_smolstr!("{label} {at}"),
        None => format_smolstr!("{label} {NEVER}"),
    }
}

/// A label of a list, and when its boards go, if ever; `None` for what somebody else wrote.
pub(crate) fn parse(entry: &str) -> Option<(&str, Option<i64>)> {
    match entry.split_once(' ')? {
        (label, NEVER) => Some((label, None)),
        (label, at) => Some((label, Some(at.parse().ok()?))),
    }
}
