//! Which of the events that a source retains a bolt has counted, so that what they added can be taken
//! out of it. Pure.
//!
//! What decided it when they came decides it again: a dedup bolt goes by the arrivals of an identity,
//! and so does this. Identities that were in entries which are deleted are remembered as long as the
//! dedup bolt does: what comes again of them was dropped.

use smol_str::SmolStr;
use std::collections::BTreeMap;
use tallyd_event::{Event, Schema};
use tallyd_runtime::plan::{Gap, Plan};
use tallyd_topology::{EdgeKey, Identity, Node, NodeKind, Retain, Subtraction, Topology};

/// An identity, as the dedup bolt at a place knows it.
pub(super) type Mark = (usize, u128);

/// When an identity passed a dedup bolt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) bucket: i64,
    /// Whether it is known that the bolt had it.
    pub(super) sure: bool,
}

/// Why it is not known whether an event counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// Its entry's id is of no clock, or ahead of it.
    Clock,
    /// The bolt could not process some events.
    Dead,
    /// It came when the bolt, or a part of it, was not in the file.
    Gap,
}

impl Why {
    pub(super) const ALL: [Why; 3] = [Why::Clock, Why::Dead, Why::Gap];

    pub(super) fn name(self) -> &'static str {
        match self {
            Why::Clock => "clock",
            Why::Dead => "dead",
            Why::Gap => "gap",
        }
    }
}

/// What became of an event in a dedup bolt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passed,
    Repeated,
    Unsure,
}

/// The bolts that counted what the sources retain.
pub(super) struct Counts<'a> {
    topology: &'a Topology,
    seed: [u8; 16],
    pub(super) ways: Vec<Way<'a>>,
    dedups: Vec<Dedup>,
}

/// A bolt that events of a member are taken out of.
pub(super) struct Way<'a> {
    of: Subtraction,
    pub(super) node: &'a Node,
    /// What the events look like that it takes.
    pub(super) input: &'a Schema,
    /// By what its partitions are told, in events that look like this.
    keyed: (&'a Schema, &'a EdgeKey),
    /// The places of the values that it needs.
    needed: Vec<usize>,
    gaps: Vec<Gap>,
    /// Whether it has counted all that ever came.
    pub(super) whole: bool,
    has_dead: bool,
}

/// A bolt that drops repeated events, and that takes those of a source as they came.
struct Dedup {
    place: usize,
    source: usize,
    from: usize,
    gaps: Vec<Gap>,
}

/// An event of an entry that is deleted.
pub(super) struct Of<'a> {
    pub(super) event: &'a Event,
    /// Whether it is the member's.
    pub(super) own: bool,
}

/// What is known of the events of some entries.
#[derive(Default)]
pub(super) struct Judged {
    /// By the place of a way and a partition: what is taken out there.
    pub(super) taken: BTreeMap<(usize, u16), Vec<Event>>,
    /// By the place of a way: how many events stay counted, and why.
    pub(super) kept: BTreeMap<(usize, Why), u64>,
    /// What is to be remembered.
    pub(super) marks: BTreeMap<Mark, Seen>,
}

impl<'a> Counts<'a> {
    /// The bolts that counted events of members whom a field names; `subtracts`: where what they added
    /// is taken out. `dead` says of a bolt whether it could not process some events.
    pub(super) fn new(
        topology: &'a Topology,
        (field, subtracts): (&str, bool),
        (plan, seed): (&Plan, [u8; 16]),
        dead: impl Fn(&SmolStr) -> bool,
    ) -> Self {
        let asked = if subtracts { topology.subtractions(field) } else { Vec::new() };
        let ways = asked.into_iter().filter_map(|(_, can)| way(topology, can.ok()?, plan, &dead));
        Self { topology, seed, ways: ways.collect(), dedups: dedups(topology, plan) }
    }

    /// Whether anything of a source has to be known.
    pub(super) fn is_of(&self, source: usize) -> bool {
        self.dedups.iter().any(|of| of.source == source)
            || self.ways.iter().any(|way| way.of.source == source)
    }

    /// The identities of events of a source: what has to be known of them.
    pub(super) fn marks(&self, source: usize, events: &[Of<'_>]) -> Vec<Mark> {
        let of_source = self.dedups.iter().filter(|of| of.source == source);
        let of_dedup = |dedup: &Dedup| {
            let place = dedup.place;
            let of_event =
                move |of: &Of<'_>| Some((place, self.identity(place, of.event)?.fingerprint));
            events.iter().filter_map(of_event).collect::<Vec<_>>()
        };
        of_source.flat_map(of_dedup).collect()
    }

    /// How long the dedup bolts remember an identity, in ms.
    pub(super) fn remembered_ms(&self, events: &[Of<'_>]) -> i64 {
        let first = events.first().map(|of| of.event);
        let of_dedup = |dedup: &Dedup| {
            let identity = self.identity(dedup.place, first?)?;
            let buckets = i64::try_from(identity.reach).ok()?.saturating_add(2);
            Some(buckets.saturating_mul(identity.bucket_ms))
        };
        self.dedups.iter().filter_map(of_dedup).max().unwrap_or_default()
    }

    /// What is known of events of a source, in their order, where `seen` says what is known of their
    /// identities: that goes on with them.
    pub(super) fn judge(
        &self,
        (source, events): (usize, &[Of<'_>]),
        seen: &mut BTreeMap<Mark, Seen>,
        now: i64,
    ) -> Judged {
        let mut judged = Judged::default();
        for of in events {
            let has_time = of.event.origin.clock_time().is_some_and(|at| at <= now);
            let fates = self.fates((source, of.event), has_time, seen, &mut judged);
            let ways = self.ways.iter().enumerate();
            for (place, way) in ways.filter(|(_, way)| of.own && way.of.source == source) {
                let fate = way.of.through.first().and_then(|bolt| fates.get(bolt));
                let kept = match fate.copied().unwrap_or(Fate::Passed) {
                    Fate::Repeated => continue,
                    _ if !has_time => Some(Why::Clock),
                    _ if way.has_dead => Some(Why::Dead),
                    Fate::Unsure => Some(Why::Gap),
                    Fate::Passed => missed(&way.gaps, of.event.arrived).then_some(Why::Gap),
                };
                match kept {
                    Some(why) => *judged.kept.entry((place, why)).or_default() += 1,
                    None => {
                        let (schema, key) = way.keyed;
                        let partition = key.partition(schema, of.event, self.topology.partitions);
                        let taken = judged.taken.entry((place, partition)).or_default();
                        taken.push(way.taken_back(of.event));
                    }
                }
            }
        }
        judged
    }

    fn fates(
        &self,
        (source, event): (usize, &Event),
        has_time: bool,
        seen: &mut BTreeMap<Mark, Seen>,
        judged: &mut Judged,
    ) -> BTreeMap<usize, Fate> {
        let mut fates: BTreeMap<usize, Fate> = BTreeMap::new();
        for dedup in self.dedups.iter().filter(|of| of.source == source) {
            let before = fates.get(&dedup.from).copied().unwrap_or(Fate::Passed);
            let Some(identity) = self.identity(dedup.place, event) else { continue };
            let mark = (dedup.place, identity.fingerprint);
            let met = seen.get(&mark).filter(|met| identity.meets(met.bucket));
            let fate = match (before, met) {
                (Fate::Repeated, _) => Fate::Repeated,
                (_, Some(met)) if met.sure => Fate::Repeated,
                (_, Some(_)) => Fate::Unsure,
                _ if !has_time => Fate::Unsure,
                _ => {
                    let sure = before == Fate::Passed && !missed(&dedup.gaps, event.arrived);
                    let new = Seen { bucket: identity.bucket, sure };
                    seen.insert(mark, new);
                    judged.marks.insert(mark, new);
                    if sure { Fate::Passed } else { Fate::Unsure }
                }
            };
            fates.insert(dedup.place, fate);
        }
        fates
    }

    fn identity(&self, place: usize, event: &Event) -> Option<Identity> {
        let NodeKind::Bolt(bolt) = &self.topology.nodes.get(place)?.kind else { return None };
        let input = &self.topology.nodes.get(bolt.from)?.schema;
        bolt.options.identity(event, input, self.seed)
    }
}

impl Way<'_> {
    /// The event as the bolt takes it out: with its own arrival, and without what nobody needs there.
    fn taken_back(&self, event: &Event) -> Event {
        let value =
            |(place, value)| if self.needed.contains(&place) { value } else { Default::default() };
        let values = event.values.iter().cloned().enumerate().map(value).collect();
        Event { values, taken_back: true, entered: event.arrived, ..event.clone() }
    }
}

fn way<'a>(
    topology: &'a Topology,
    of: Subtraction,
    plan: &Plan,
    dead: &impl Fn(&SmolStr) -> bool,
) -> Option<Way<'a>> {
    let node = topology.nodes.get(of.bolt)?;
    let NodeKind::Bolt(bolt) = &node.kind else { return None };
    let input = &topology.nodes.get(bolt.from)?.schema;
    let NodeKind::Bolt(head) = &topology.nodes.get(topology.head(of.bolt))?.kind else {
        return None;
    };
    let keyed = &topology.nodes.get(head.from)?.schema;
    let needed = bolt.options.subtracts()?.fields?.into_iter().map(|field| field.index);
    let needed = needed.chain(input.time).collect();
    let own = gaps(plan, &node.name);
    let on_the_way = of.through.iter().chain([&of.source]).filter_map(|&at| topology.nodes.get(at));
    let names: Vec<&SmolStr> = on_the_way.map(|node| &node.name).collect();
    let has_dead = dead(&node.name)
        || of.through.iter().filter_map(|&at| topology.nodes.get(at)).any(|node| dead(&node.name));
    Some(Way {
        node,
        input,
        keyed: (keyed, topology.partitioned_by(of.bolt)?),
        needed,
        whole: own.is_empty() && !has_dead,
        gaps: own.into_iter().chain(names.into_iter().flat_map(|name| gaps(plan, name))).collect(),
        has_dead,
        of,
    })
}

/// The dedup bolts whose source retains what they had.
fn dedups(topology: &Topology, plan: &Plan) -> Vec<Dedup> {
    let mut dedups: Vec<Dedup> = Vec::new();
    for (place, node) in topology.nodes.iter().enumerate() {
        let NodeKind::Bolt(bolt) = &node.kind else { continue };
        let Some(from) =
            topology.nodes.get(bolt.from).filter(|_| bolt.options.drops_only_repeated())
        else {
            continue;
        };
        let source = match &from.kind {
            NodeKind::Source(source) if source.retain == Retain::Acked => None,
            NodeKind::Source(_) => Some((bolt.from, &from.name)),
            NodeKind::Bolt(_) => {
                let before = dedups.iter().find(|dedup| dedup.place == bolt.from);
                before.and_then(|of| Some((of.source, &topology.nodes.get(of.source)?.name)))
            }
        };
        if let Some((source, name)) = source {
            let gaps = [name, &node.name].into_iter().flat_map(|name| gaps(plan, name)).collect();
            dedups.push(Dedup { place, source, from: bolt.from, gaps });
        }
    }
    dedups
}

/// The gaps of a node that have ended. One that has not is of a part that the file has no more. How
/// long a source retains what it has changes nothing of what was counted.
fn gaps(plan: &Plan, node: &SmolStr) -> Vec<Gap> {
    let gaps =
        plan.gaps_of(node).filter(|(unit, gap)| gap.to.is_some() && !unit.ends_with(".retain"));
    gaps.map(|(_, gap)| *gap).collect()
}

/// Whether what arrived at a time may have been missed.
fn missed(gaps: &[Gap], arrived: i64) -> bool {
    let is_in = |gap: &Gap| {
        gap.from.is_none_or(|from| from <= arrived) && gap.to.is_none_or(|to| arrived <= to)
    };
    gaps.iter().any(is_in)
}

#[cfg(test)]
mod tests;
