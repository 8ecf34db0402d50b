//! Which bolts correct the events of a source, and whether all that counts is behind them.

use tallyd_topology::{NodeKind, Topology, bolts::latest};

/// A bolt that corrects.
#[derive(Clone, Copy, Debug)]
pub struct Guard<'a> {
    /// Its place in the topology.
    pub place: usize,
    /// Its options.
    pub options: &'a latest::Options,
}

/// The source of this name, or the only one.
pub fn source(topology: &Topology, name: Option<&str>) -> Result<usize, String> {
    let sources: Vec<(usize, &str)> = topology
        .nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| matches!(node.kind, NodeKind::Source(_)))
        .map(|(place, node)| (place, node.name.as_str()))
        .collect();
    let names = || sources.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
    match (name, sources.as_slice()) {
        (None, [(place, _)]) => Ok(*place),
        (None, _) => Err(format!("say which source: --source, one of {}", names())),
        (Some(name), all) => {
            all.iter().find(|(_, known)| *known == name).map(|(place, _)| *place).ok_or_else(|| {
                format!("there is no source \"{name}\" (the sources are {})", names())
            })
        }
    }
}

/// The bolts that correct the events of a source.
///
/// Fails where there is none, or something counts the events in front of it.
pub fn guards(topology: &Topology, source: usize) -> Result<Vec<Guard<'_>>, String> {
    let name = |place: usize| topology.nodes.get(place).map_or("", |node| node.name.as_str());
    let (mut guards, mut counting) = (Vec::new(), Vec::new());
    let mut from = vec![source];
    // A node stands behind the one that it reads from.
    for (place, node) in topology.nodes.iter().enumerate() {
        let NodeKind::Bolt(bolt) = &node.kind else { continue };
        if !from.contains(&bolt.from) {
            continue;
        }
        match bolt.options.of::<latest::Options>() {
            Some(options) => guards.push(Guard { place, options }),
            None if bolt.options.passes_events_on() => from.push(place),
            None => counting.push(place),
        }
    }
    let Some(first) = guards.first() else {
        return Err(format!(
            "nothing corrects the events of \"{}\": put a bolt of type \"latest\" in front of what \
             counts them (docs/regrade.md)",
            name(source)
        ));
    };
    match counting.first() {
        None => Ok(guards),
        Some(&place) => Err(format!(
            "\"{}\" counts the events of \"{}\" in front of \"{}\", and would count a correction as \
             one more: let it read from \"{}\"",
            name(place),
            name(source),
            name(first.place),
            name(first.place)
        )),
    }
}
