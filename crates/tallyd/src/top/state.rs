//! What is shown, and what keys do to it.

use super::changes::{self, Change};
use ratatui::{
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
    widgets::TableState,
};
use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
};
use tallyd_query::status::rate;
use tallyd_store::inspect::{NodeStatus, Status};
use tallyd_topology::{NodeKind, Topology};

/// How many rates of a node are remembered.
const MOMENTS: usize = 240;
/// How many changes are remembered.
const CHANGES: usize = 500;

/// What nodes are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// As events flow.
    Graph,
    /// The most events a second first.
    Rate,
    /// The longest wait first.
    Lag,
    /// The most dead letters first.
    Dead,
}

/// A topology on the screen.
pub struct Top {
    /// The topology.
    pub topology: Topology,
    /// The state that was read last; `None`: none yet.
    pub now: Option<Status>,
    /// The one before: rates are between both.
    before: Option<Status>,
    /// Why the state can't be read now.
    pub trouble: Option<String>,
    /// Events a second of each node by name, the newest last.
    pub rates: HashMap<String, VecDeque<u64>>,
    /// What happened, the newest last.
    pub changes: VecDeque<Change>,
    /// What nodes are sorted by.
    pub sort: Sort,
    /// Whether what is shown stays as it is.
    pub is_paused: bool,
    /// Whether one node fills the screen.
    pub is_inside: bool,
    /// The name of the node that is chosen: it stays chosen in another order.
    pub chosen: String,
    /// Where the table is scrolled to.
    pub table: TableState,
}

/// A node on the screen.
pub struct Row<'a> {
    /// Its state.
    pub node: &'a NodeStatus,
    /// How many nodes its events came through, as far as rows are in the order of the graph.
    pub depth: usize,
    /// Events a second.
    pub rate: f64,
}

impl Top {
    /// Nothing is read yet.
    pub fn new(topology: Topology) -> Self {
        let chosen = topology.nodes.first().map(|node| node.name.to_string()).unwrap_or_default();
        Self {
            topology,
            now: None,
            before: None,
            trouble: None,
            rates: HashMap::new(),
            changes: VecDeque::new(),
            sort: Sort::Graph,
            is_paused: false,
            is_inside: false,
            chosen,
            table: TableState::default(),
        }
    }

    /// Takes what was read, or why it could not be. What happened is remembered while paused too.
    pub fn read(&mut self, read: Result<Status, String>) {
        let status = match read {
            Ok(status) => status,
            Err(why) => {
                self.trouble = Some(why);
                return;
            }
        };
        self.trouble = None;
        if self.is_paused {
            return;
        }
        if let Some(now) = self.now.take() {
            let patience = self.topology.settings.session_timeout_ms;
            for change in changes::between(&now, &status, patience) {
                self.remember(change);
            }
            while self.changes.len() > CHANGES {
                self.changes.pop_front();
            }
            for (place, node) in status.nodes.iter().enumerate() {
                let rates = self.rates.entry(node.name.clone()).or_default();
                if rates.len() == MOMENTS {
                    rates.pop_front();
                }
                rates.push_back(rate(&now, &status, place) as u64);
            }
            self.before = Some(now);
        }
        self.now = Some(status);
    }

    /// Remembers what happened. What goes on is one change, which becomes the newest again.
    fn remember(&mut self, mut change: Change) {
        let goes_on = |of: &Change| of.count.is_some() && of.what == change.what;
        let of_before = self.changes.iter().position(goes_on);
        if let Some(of_before) = of_before.and_then(|place| self.changes.remove(place)) {
            change.since = of_before.since;
            change.count = change.count.map(|count| count + of_before.count.unwrap_or_default());
        }
        self.changes.push_back(change);
    }

    /// Does what a key means; whether it ends the command. `None` is no key: it only draws again.
    pub fn press(&mut self, key: Option<KeyEvent>) -> bool {
        let Some(key) = key else { return false };
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return true,
            KeyCode::Char('q') => return true,
            KeyCode::Esc if !self.is_inside => return true,
            KeyCode::Esc | KeyCode::Left | KeyCode::Backspace => self.is_inside = false,
            KeyCode::Enter | KeyCode::Right => self.is_inside = true,
            KeyCode::Char('p' | ' ') => self.is_paused = !self.is_paused,
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Down | KeyCode::Char('j') => self.choose(1),
            KeyCode::Up | KeyCode::Char('k') => self.choose(-1),
            KeyCode::Home => self.choose(isize::MIN),
            KeyCode::End => self.choose(isize::MAX),
            _ => {}
        }
        false
    }

    fn choose(&mut self, by: isize) {
        let names: Vec<String> = self.rows().iter().map(|row| row.node.name.clone()).collect();
        let last = names.len().saturating_sub(1);
        let place = names.iter().position(|name| *name == self.chosen).unwrap_or(0);
        if let Some(name) = names.get(place.saturating_add_signed(by).min(last)) {
            self.chosen.clone_from(name);
        }
    }

    /// The nodes in the order that was asked for.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let Some(now) = &self.now else { return Vec::new() };
        let before = self.before.as_ref().unwrap_or(now);
        let row = |(place, depth): (usize, usize)| {
            let node = now.nodes.get(place)?;
            Some(Row { node, depth, rate: rate(before, now, place) })
        };
        let mut rows: Vec<Row<'_>> = in_order(&self.topology).into_iter().filter_map(row).collect();
        match self.sort {
            Sort::Graph => return rows,
            Sort::Rate => rows.sort_by(|a, b| b.rate.total_cmp(&a.rate)),
            // Where nothing waits there is no oldest.
            Sort::Lag => rows.sort_by_key(|row| row.node.lag.oldest.unwrap_or(i64::MAX)),
            Sort::Dead => rows.sort_by_key(|row| Reverse(row.node.counts.dead)),
        }
        rows.iter_mut().for_each(|row| row.depth = 0);
        rows
    }
}

impl Sort {
    fn next(self) -> Self {
        match self {
            Sort::Graph => Sort::Rate,
            Sort::Rate => Sort::Lag,
            Sort::Lag => Sort::Dead,
            Sort::Dead => Sort::Graph,
        }
    }

    /// What stands on the screen for it.
    pub fn name(self) -> &'static str {
        match self {
            Sort::Graph => "graph",
            Sort::Rate => "rate",
            Sort::Lag => "lag",
            Sort::Dead => "dead letters",
        }
    }
}

/// The places of the nodes, each source before what reads from it, with how deep each stands.
fn in_order(topology: &Topology) -> Vec<(usize, usize)> {
    let mut order = Vec::new();
    let mut open: Vec<(usize, usize)> = Vec::new();
    for (place, node) in topology.nodes.iter().enumerate() {
        if matches!(node.kind, NodeKind::Source(_)) {
            open.push((place, 0));
        }
        while let Some((place, depth)) = open.pop() {
            order.push((place, depth));
            let reads = topology.nodes.iter().enumerate().rev();
            let reads = reads.filter(|(_, node)| match &node.kind {
                NodeKind::Bolt(bolt) => bolt.from == place,
                NodeKind::Source(_) => false,
            });
            open.extend(reads.map(|(reader, _)| (reader, depth + 1)));
        }
    }
    order
}

#[cfg(test)]
mod tests;
