//! Lists of labels: which windows or periods a bolt keeps something in, so that an edit can go through
//! them. Each stands in a set, with when its keys go; a label is listed in the commit that writes to
//! it for the first time.

use crate::{Effects, Key, State, Write};
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeMap;

/// When the keys of a label go that never do.
const NEVER: &str = "-";

/// The set of the labels of a window or period, each as [`Listing`] writes it.
#[must_use]
pub fn labels_key(window: &str) -> Key {
    Key::new(&["labels", window])
}

/// What a batch adds to lists of labels.
#[derive(Debug, Default)]
pub struct Listing {
    /// By list: what is new in it, and what is gone.
    added: BTreeMap<Key, (Vec<SmolStr>, Vec<SmolStr>)>,
}

impl Listing {
    /// Something is written to a label whose keys go at `expiry`, if ever. Returns whether it is new.
    pub fn note(
        &mut self,
        list: &Key,
        (label, expiry): (&str, Option<i64>),
        (state, now): (&State, i64),
    ) -> bool {
        let entry = entry(label, expiry);
        if state.has_name(list, &entry) {
            return false;
        }
        let gone = || {
            let names = state.names(list).filter(|name| {
                parse(name).is_some_and(|(_, expiry)| expiry.is_some_and(|at| at <= now))
            });
            let mut gone: Vec<SmolStr> = names.cloned().collect();
            gone.sort_unstable();
            gone
        };
        let (new, _) = self.added.entry(list.clone()).or_insert_with(|| (Vec::new(), gone()));
        if !new.contains(&entry) {
            new.push(entry);
        }
        true
    }

    /// Writes what is new, and takes out the labels that are gone by now.
    pub fn write(self, effects: &mut Effects) {
        for (key, (members, gone)) in self.added {
            if !gone.is_empty() {
                effects.writes.push(Write::RemoveMember { key: key.clone(), members: gone });
            }
            effects.writes.push(Write::Member { key, members });
        }
    }
}

/// The labels whose keys can still be read, each with when they go, if ever: of one that is listed
/// twice, the later time.
#[must_use]
pub fn live<'a>(
    labels: impl Iterator<Item = &'a SmolStr>,
    now: i64,
) -> BTreeMap<SmolStr, Option<i64>> {
    let mut all: BTreeMap<SmolStr, Option<i64>> = BTreeMap::new();
    for (label, expiry) in labels.filter_map(|entry| parse(entry)) {
        let known = all.entry(label.into()).or_insert(expiry);
        *known = known.zip(expiry).map(|(known, expiry)| known.max(expiry));
    }
    all.retain(|_, expiry| expiry.is_none_or(|expiry| now < expiry));
    all
}

/// How a label stands in its list.
fn entry(label: &str, expiry: Option<i64>) -> SmolStr {
    match expiry {
        Some(at) => format_smolstr!("{label} {at}"),
        None => format_smolstr!("{label} {NEVER}"),
    }
}

/// A label of a list, and when its keys go, if ever; `None` for what somebody else wrote.
fn parse(entry: &str) -> Option<(&str, Option<i64>)> {
    match entry.split_once(' ')? {
        (label, NEVER) => Some((label, None)),
        (label, at) => Some((label, Some(at.parse().ok()?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Address, Cell, Kind};

    #[test]
    fn a_label_is_listed_once_and_leaves_when_it_is_gone() {
        let list = labels_key("1h");
        let mut state = State::default();
        let address = Address { kind: Kind::Names, key: list.clone(), name: SmolStr::default() };
        state.insert(
            address,
            Cell::Names(Box::new(["a 10".into(), "b 30".into(), "c -".into()].into())),
        );
        let mut listing = Listing::default();
        assert!(!listing.note(&list, ("b", Some(30)), (&state, 20)));
        assert!(!listing.note(&list, ("c", None), (&state, 20)));
        assert!(listing.note(&list, ("d", Some(40)), (&state, 20)));
        assert!(listing.note(&list, ("d", Some(40)), (&state, 20)));
        let mut effects = Effects::default();
        listing.write(&mut effects);
        let removed = Write::RemoveMember { key: list.clone(), members: vec!["a 10".into()] };
        let added = Write::Member { key: list.clone(), members: vec!["d 40".into()] };
        assert_eq!(effects.writes, [removed, added]);
        let live = live(["b 30", "b 50", "a 10", "c -", "?"].map(SmolStr::from).iter(), 30);
        assert_eq!(live, BTreeMap::from([("b".into(), Some(50)), ("c".into(), None)]));
    }
}
