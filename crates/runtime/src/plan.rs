//! The plan that the workers of a topology run, and what of it missed events. Pure.
//!
//! Workers with different files would lose events without a word: one that does not know a bolt
//! moves the cursor on without it. So one plan is in force at a time. Its *generation* stands in
//! storage, and every commit watches it beside its fences. A worker with another file waits until
//! no live worker runs the plan in force; then it switches, which ends whatever an old worker still
//! had in flight. What a plan adds has missed what came before; what it leaves out misses events
//! until a later plan has it again: these spans are kept with the plan as [`Gap`]s.

use crate::store::View;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};
use std::collections::{BTreeMap, BTreeSet};
use tallyd_topology::{Parts, Topology, fingerprint};

/// How many gaps are kept of one part. Beyond them, the two oldest become one.
const MOST_GAPS: usize = 16;

/// The plan in force, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// How many plans there have been, this one included.
    pub generation: u64,
    /// Since when it is in force: the server's ms.
    pub since: i64,
    /// The worker that switched to it.
    pub by: SmolStr,
    /// What it does.
    pub parts: Parts,
    /// By node: the stream that each partition reads, without the partition's number for a bolt.
    pub inputs: BTreeMap<SmolStr, Input>,
    /// Every part that was ever in force, with its last value.
    pub ever: Parts,
    /// By source, bolt or sink, or a part of one (`agg.measures.n`): what it missed.
    pub gaps: BTreeMap<SmolStr, Vec<Gap>>,
}

/// What a node reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The stream of each partition.
    pub streams: Vec<String>,
}

/// Events that something did not take, by their arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The first of them arrived at this time or later, in ms since the epoch; `None`: all that
    /// came since the topology began.
    pub from: Option<i64>,
    /// The last of them arrived at this time or earlier; `None`: it goes on.
    pub to: Option<i64>,
}

/// Names a generation in storage. A token never comes twice: it ends with random digits.
#[must_use]
pub fn token(fingerprint: &str, generation: u64, random: u64) -> SmolStr {
    format_smolstr!("{fingerprint}#{generation}#{random:016x}")
}

/// The fingerprint of the plan that a token names.
#[must_use]
pub fn of_token(token: &str) -> &str {
    token.split('#').next().unwrap_or_default()
}

/// The first digits of a fingerprint, for people.
#[must_use]
pub fn short(fingerprint: &str) -> &str {
    fingerprint.get(..8).unwrap_or(fingerprint)
}

/// What a worker does about the plan in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// It runs it.
    Run,
    /// These live workers run another: it waits for them to end.
    Wait(Vec<SmolStr>),
    /// Nobody runs it: it puts its own in force.
    Switch,
}

/// What a worker whose plan has this fingerprint does, where `live` says which workers are.
#[must_use]
pub fn stand(view: &View, mine: &str, live: impl Fn(&SmolStr) -> bool) -> Stand {
    let Some(token) = &view.generation else { return Stand::Switch };
    let in_force = of_token(token);
    if in_force == mine {
        return Stand::Run;
    }
    let runs = view.workers.iter().map(|(worker, _)| worker).filter(|w| w.plan == in_force);
    let others: Vec<SmolStr> = runs.map(|w| w.id.clone()).filter(|id| live(id)).collect();
    if others.is_empty() { Stand::Switch } else { Stand::Wait(others) }
}

/// What is known of storage at a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The server's clock, in ms.
    pub now: i64,
    /// When the oldest event arrived that the plan before has not processed.
    pub waiting_since: Option<i64>,
    /// Whether anything was processed yet.
    pub begun: bool,
}

impl Plan {
    /// The plan of a topology that comes after the one in force, if any.
    #[must_use]
    pub fn after(
        before: Option<&Plan>,
        topology: &Topology,
        inputs: BTreeMap<SmolStr, Input>,
        by: &str,
        moment: Moment,
    ) -> Plan {
        let parts = topology.parts.clone();
        let none = Plan::default();
        let before = before.unwrap_or(&none);
        let mut plan = Plan {
            generation: before.generation + 1,
            since: moment.now,
            by: by.into(),
            inputs,
            ever: Parts::new(),
            gaps: BTreeMap::new(),
            parts,
        };
        // As long as nothing was processed, nothing was missed, and no part has been there.
        if moment.begun {
            plan.ever.clone_from(&before.ever);
            plan.gaps.clone_from(&before.gaps);
            plan.note(before, moment);
        }
        plan.ever.extend(plan.parts.clone());
        plan
    }

    /// Its fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> SmolStr {
        fingerprint(&self.parts)
    }

    /// Whether a topology leaves out something of it.
    #[must_use]
    pub fn has_more_than(&self, topology: &Topology) -> bool {
        self.parts.keys().any(|part| !topology.parts.contains_key(part))
    }

    /// What a source, bolt or sink missed, and what parts of it missed, as they are named in the
    /// file.
    pub fn gaps_of<'a>(&'a self, node: &'a str) -> impl Iterator<Item = (&'a SmolStr, &'a Gap)> {
        let of_node = move |(unit, _): &(&SmolStr, &Vec<Gap>)| {
            unit.strip_prefix(node).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let gaps = self.gaps.iter().filter(of_node);
        gaps.flat_map(|(unit, gaps)| gaps.iter().map(move |gap| (unit, gap)))
    }

    /// Notes what begins and ends to miss events with this plan.
    fn note(&mut self, before: &Plan, moment: Moment) {
        let (was, is) = (nodes(&before.parts), nodes(&self.parts));
        for node in was.difference(&is) {
            self.open(name(node), moment);
        }
        for node in &is {
            if !self.ever.contains_key(node) {
                self.begin(name(node), moment.now);
                continue;
            }
            if !was.contains(node) {
                self.close(&name(node), moment.now);
            }
            self.note_parts(node, before, moment);
        }
    }

    /// The same for the parts of a node that there was before.
    fn note_parts(&mut self, node: &str, before: &Plan, moment: Moment) {
        let served = before.parts.contains_key(node);
        let of_node = |parts: &Parts| -> Parts {
            let parts = parts.iter().filter(|(path, _)| is_of(path, node));
            parts.map(|(path, value)| (path.clone(), value.clone())).collect()
        };
        let (was, is, ever) = (of_node(&before.parts), of_node(&self.parts), of_node(&self.ever));
        for (path, value) in &is {
            if was.get(path) == Some(value) {
                continue;
            }
            match ever.get(path) {
                // As it was before: where it was left out alone, that ends now.
                Some(old) if old == value => self.close(&name(path), moment.now),
                _ => self.begin(name(path), moment.now),
            }
        }
        // Where the whole node was away, that is its gap.
        for path in was.keys().filter(|path| served && !is.contains_key(*path)) {
            self.open(name(path), moment);
        }
    }

    /// It is there for the first time, or does something else than before.
    fn begin(&mut self, unit: SmolStr, now: i64) {
        self.gaps.insert(unit, vec![Gap { from: None, to: Some(now) }]);
    }

    fn open(&mut self, unit: SmolStr, moment: Moment) {
        let from = moment.waiting_since.map_or(moment.now, |since| since.min(moment.now));
        let gaps = self.gaps.entry(unit).or_default();
        if gaps.last().is_none_or(|gap| gap.to.is_some()) {
            gaps.push(Gap { from: Some(from), to: None });
        }
        if let [first, second, rest @ ..] = gaps.as_slice()
            && rest.len() + 2 > MOST_GAPS
        {
            let both = Gap { from: first.from, to: second.to };
            *gaps = std::iter::once(both).chain(rest.iter().copied()).collect();
        }
    }

    fn close(&mut self, unit: &str, now: i64) {
        if let Some(gap) = self.gaps.get_mut(unit).and_then(|gaps| gaps.last_mut()) {
            gap.to.get_or_insert(now);
        }
    }
}

/// The paths of the sources, bolts and sinks.
fn nodes(parts: &Parts) -> BTreeSet<SmolStr> {
    let is_node = |path: &&SmolStr| {
        path.split_once('.').is_some_and(|(kind, name)| {
            matches!(kind, "bolt" | "sink" | "source") && !name.contains(['.', ':'])
        })
    };
    parts.keys().filter(is_node).cloned().collect()
}

/// Whether a path is of a part of a node.
fn is_of(path: &str, node: &str) -> bool {
    path.strip_prefix(node).is_some_and(|rest| rest.starts_with('.'))
}

/// A path without the kind of its node, as people name it.
fn name(path: &str) -> SmolStr {
    path.split_once('.').map_or(path, |(_, name)| name).into()
}

#[cfg(test)]
mod tests;
