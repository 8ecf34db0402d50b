//! Tallies: what a batch counts at one site, on top of what is stored there.

use crate::{
    column::{self, Cell, Column, back::Left},
    distinct::{Distinct, Values},
    groups_key,
    keys::values_key,
    sites::Site,
};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tallyd_bolt::{
    Effects, Key, Reads, State, Write,
    labels::{Listing, labels_key},
};
use tallyd_event::Event;

/// What is counted, at every site alike.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) columns: Vec<Column>,
    pub(crate) distincts: Vec<Distinct>,
    /// Where events may be taken back, the place of the column that says how many are left.
    pub(crate) left: Option<usize>,
}

impl Counted {
    /// The fields of a hash that it asks for.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &SmolStr> {
        let columns = self.columns.iter().flat_map(Column::fields);
        columns.chain(self.distincts.iter().map(|distinct| &distinct.measure))
    }

    /// Asks for what is stored at a site.
    pub(crate) fn reads(&self, site: &Site<'_>, reads: &mut Reads<'_>) {
        for name in self.columns.iter().flat_map(Column::fields) {
            reads.field(&site.key, name);
        }
        for Distinct { measure, .. } in &self.distincts {
            reads.field(&site.key, measure);
            reads.log(&values_key(site.window, &site.label, measure, &site.group));
        }
    }
}

/// What a batch counts at one site.
pub(crate) struct Tally {
    /// One for each column.
    cells: Vec<Cell>,
    /// The values of each distinct measure.
    values: Vec<Values>,
    /// Whether the site's hash held something before the batch.
    known: bool,
    /// Why the site can't be counted at.
    unreadable: Option<String>,
}

impl Tally {
    /// What is stored at a site.
    pub(crate) fn load(counted: &Counted, state: &State, key: &Key) -> Self {
        let mut unreadable = None;
        let mut load = |column: &Column| {
            column.load(|name| state.field(key, name)).unwrap_or_else(|error| {
                unreadable = Some(format!("{key:?}: {error}"));
                Cell::default()
            })
        };
        let cells: Vec<Cell> = counted.columns.iter().map(&mut load).collect();
        let is_counted = |distinct: &Distinct| state.field(key, &distinct.measure).is_some();
        let known = !cells.iter().all(Cell::is_empty) || counted.distincts.iter().any(is_counted);
        let values = counted.distincts.iter().map(|_| Values::default()).collect();
        Self { cells, values, known, unreadable }
    }

    /// Why an event can't be counted here, if it can't.
    pub(crate) fn refusal(&self, counted: &Counted, event: &Event) -> Option<String> {
        let mut cells = counted.columns.iter().zip(&self.cells);
        self.unreadable
            .clone()
            .or_else(|| cells.find_map(|(column, cell)| column.refusal(cell, event)))
    }

    /// Counts an event of a time, where nothing refuses it.
    pub(crate) fn count(&mut self, counted: &Counted, event: &Event, time: i64) {
        if event.taken_back {
            self.take_back(counted, event);
            return;
        }
        for (column, cell) in counted.columns.iter().zip(&mut self.cells) {
            column.count(cell, event, time);
        }
        for (distinct, values) in counted.distincts.iter().zip(&mut self.values) {
            distinct.count(values, event);
        }
    }

    /// Takes an event back out. Where nothing is left, none was counted that could be.
    fn take_back(&mut self, counted: &Counted, event: &Event) {
        let left = |tally: &Self| {
            let cell = counted.left.and_then(|place| tally.cells.get(place));
            cell.is_some_and(|cell| !cell.is_empty())
        };
        if !left(self) {
            return;
        }
        for (column, cell) in counted.columns.iter().zip(&mut self.cells) {
            column.take_back(cell, event);
        }
        column::back::clear_what_is_empty(counted, &mut self.cells);
    }

    /// Why what is stored here can't be read, if it can't.
    pub(crate) fn unreadable(&self) -> Option<&str> {
        self.unreadable.as_deref()
    }

    /// Takes out an event of a member who is forgotten.
    pub(crate) fn subtract(&mut self, counted: &Counted, event: &Event) {
        if self.known {
            for (column, cell) in counted.columns.iter().zip(&mut self.cells) {
                column.take_back(cell, event);
            }
        }
    }

    /// Empties the figures of which nothing is left, and says what is left of the group.
    pub(crate) fn settle(&mut self, counted: &Counted) -> Left {
        column::back::settle(&counted.columns, &mut self.cells)
    }

    /// Writes the columns that changed.
    pub(crate) fn write_columns(&self, counted: &Counted, key: &Key, effects: &mut Effects) {
        for (column, cell) in counted.columns.iter().zip(&self.cells) {
            column.write(cell, key, effects);
        }
    }

    /// Writes what changed. A group that is new to its window goes into `groups`.
    pub(crate) fn write<'a>(
        self,
        counted: &Counted,
        site: &'a Site<'_>,
        state: &State,
        groups: &mut NewGroups<'a>,
        effects: &mut Effects,
    ) {
        let mut changed = false;
        for (column, cell) in counted.columns.iter().zip(&self.cells) {
            changed |= column.write(cell, &site.key, effects);
        }
        for (distinct, values) in counted.distincts.iter().zip(self.values) {
            changed |= distinct.write(values, site, state, effects);
        }
        if changed {
            expire(&site.key, site.expiry, effects);
            groups.list(site);
        }
        let is_empty = counted.left.is_some() && self.cells.iter().all(Cell::is_empty);
        if changed && !self.known && !is_empty {
            groups.add(site);
        }
        if self.known && is_empty {
            groups.remove(site);
        }
    }
}

/// What a batch adds to the indexes: which windows there are, and the groups of each.
#[derive(Default)]
pub(crate) struct NewGroups<'a> {
    /// The windows that it writes to, by name and label, with when they go.
    windows: BTreeMap<(&'a SmolStr, &'a SmolStr), Option<i64>>,
    /// By the key of the index of a window: when it goes, and the groups that are new.
    groups: BTreeMap<Key, (Option<i64>, Vec<SmolStr>)>,
    /// By the key of the index of a window: the groups of which nothing is left.
    gone: BTreeMap<Key, Vec<SmolStr>>,
}

impl<'a> NewGroups<'a> {
    fn list(&mut self, site: &'a Site<'_>) {
        self.windows.insert((&site.window.name, &site.label), site.expiry);
    }

    fn add(&mut self, site: &Site<'_>) {
        let key = groups_key(site.window, &site.label);
        let (_, members) = self.groups.entry(key).or_insert((site.expiry, Vec::new()));
        members.push(site.group.clone());
    }

    fn remove(&mut self, site: &Site<'_>) {
        let key = groups_key(site.window, &site.label);
        self.gone.entry(key).or_default().push(site.group.clone());
    }

    pub(crate) fn write(self, at: (&State, i64), effects: &mut Effects) {
        let mut listing = Listing::default();
        for ((window, label), expiry) in self.windows {
            listing.note(&labels_key(window), (label, expiry), at);
        }
        listing.write(effects);
        for (key, (expiry, members)) in self.groups {
            expire(&key, expiry, effects);
            effects.writes.push(Write::Member { key, members });
        }
        for (key, members) in self.gone {
            effects.writes.push(Write::RemoveMember { key, members });
        }
    }
}

pub(crate) fn expire(key: &Key, expiry: Option<i64>, effects: &mut Effects) {
    effects.expiries.extend(expiry.map(|expiry| (key.clone(), expiry)));
}
