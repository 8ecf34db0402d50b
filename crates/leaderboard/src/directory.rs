//! Which boards there are: what an edit of a member goes through. A board is listed in the commit
//! that puts the first member of a batch on it, and not again for each event.

use crate::{PeriodOptions, boards::Board, groups_key, labels_key};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use tallyd_bolt::{Effects, State, Write, labels::Listing};

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
        let mut listing = Listing::default();
        for ((_, label), of) in self.labels {
            let (list, groups) = (labels_key(of.period), groups_key(of.period, label));
            let is_new = listing.note(&list, (label, of.expiry), (state, now));
            if is_new || !of.groups.is_empty() {
                effects.expiries.extend(of.expiry.map(|expiry| (groups.clone(), expiry)));
            }
            if !of.groups.is_empty() {
                let members = of.groups.into_iter().cloned().collect();
                effects.writes.push(Write::Member { key: groups, members });
            }
        }
        listing.write(effects);
    }
}
