//! Runs the checker: over the whole of a model, and for the shortest way to a harm.

use crate::{
    bounds,
    outbox::Outbox,
    protocol::{Checks, Protocol},
    safeguard::Safeguard,
    story::{self, Story},
};
use stateright::{Checker, HasDiscoveries, Model, Path};
use std::hash::Hash;

/// What a check of all states found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What the bounds are for.
    pub name: &'static str,
    /// How many different states there are.
    pub states: usize,
    /// How many steps lead from one to another.
    pub steps: usize,
    /// The longest way, in steps.
    pub longest: usize,
    /// What does not hold, with the way to it.
    pub violations: Vec<String>,
}

/// Goes through every state of the protocol within bounds.
#[must_use]
pub fn protocol(bounds: bounds::Bounds, threads: usize) -> Checked {
    let name = bounds.name;
    whole(
        name,
        Protocol { bounds, without: Vec::new(), checks: Checks::All },
        threads,
        story::of_protocol,
    )
}

/// Goes through every state of the outbox.
#[must_use]
pub fn outbox(model: Outbox, threads: usize) -> Checked {
    whole("an outbox between two shards", model, threads, story::of_outbox)
}

fn whole<M>(
    name: &'static str,
    model: M,
    threads: usize,
    tell: impl Fn(&M, Path<M::State, M::Action>) -> Story,
) -> Checked
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Clone + Hash + PartialEq + Send + Sync,
    M::Action: Clone + PartialEq,
{
    let checker = model
        .clone()
        .checker()
        .threads(threads)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_dfs()
        .join();
    let told = |(property, path)| format!("not {property}:\n{}", tell(&model, path));
    Checked {
        name,
        states: checker.unique_state_count(),
        steps: checker.state_count(),
        longest: checker.max_depth(),
        violations: checker.discoveries().into_iter().map(told).collect(),
    }
}

/// The shortest way to a harm without a safeguard, and without the one that catches what goes wrong
/// then: the same each time. `None` where there is none within the bounds.
#[must_use]
pub fn counterexample(safeguard: Safeguard) -> Option<Story> {
    let without = [Some(safeguard), safeguard.second_line()];
    shortest_harm(safeguard, without.into_iter().flatten().collect())
}

/// The same search without that other one only, if there is one: what the safeguard does by itself.
#[must_use]
pub fn harm_with(safeguard: Safeguard) -> Option<Story> {
    shortest_harm(safeguard, safeguard.second_line().into_iter().collect())
}

/// The same search without the safeguard only: what the other one catches.
#[must_use]
pub fn harm_past_second_line(safeguard: Safeguard) -> Option<Story> {
    shortest_harm(safeguard, vec![safeguard])
}

fn shortest_harm(about: Safeguard, without: Vec<Safeguard>) -> Option<Story> {
    match bounds::without(about) {
        Some(bounds) => {
            let progress = about == Safeguard::GroupMovedBack;
            let checks = if progress { Checks::Progress } else { Checks::Harm };
            shortest(Protocol { bounds, without, checks }, story::of_protocol)
        }
        None => {
            let without = without.first().copied();
            let model = Outbox { entries: 1, relays: 1, count: 1, cuts: 1, without };
            shortest(model, story::of_outbox)
        }
    }
}

/// One thread and one property: then the first harm that a breadth-first search meets is the
/// nearest, and what it finds does not depend on timing.
fn shortest<M>(model: M, tell: impl Fn(&M, Path<M::State, M::Action>) -> Story) -> Option<Story>
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Clone + Hash + PartialEq + Send + Sync,
    M::Action: Clone + PartialEq,
{
    let checker = model.clone().checker().spawn_bfs().join();
    checker.discoveries().into_values().next().map(|path| tell(&model, path))
}
