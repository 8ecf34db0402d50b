//! Which node each bolt reads from, and the order in which every bolt stands after its own.

use std::collections::BTreeMap;
use tallyd_kind::{
    fault::{Fault, did_you_mean},
    sheet::{Sheet, Word},
};

/// A source or bolt, by its place among its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parent {
    Source(usize),
    Bolt(usize),
}

/// The names of the file's nodes, in the order of the file.
pub(crate) struct Names {
    pub sources: Vec<Word>,
    pub bolts: Vec<Word>,
    pub sinks: Vec<Word>,
}

impl Names {
    /// Faults every name that two nodes have.
    pub fn refuse_twice(&self, sheet: &Sheet<'_>) {
        let mut seen: BTreeMap<&str, (&str, &Word)> = BTreeMap::new();
        let kinds = [("source", &self.sources), ("bolt", &self.bolts), ("sink", &self.sinks)];
        for (kind, name) in kinds.iter().flat_map(|(kind, names)| names.iter().map(|n| (*kind, n)))
        {
            match seen.get(name.text.as_str()) {
                Some((other, first)) => {
                    let message = format!("{other} and {kind} are both called \"{}\"", name.text);
                    let fault = Fault::new(message, name.span.clone())
                        .beside(first.span.clone(), format!("the {other} of this name"))
                        .help("sources, bolts and sinks need names of their own: rename one");
                    sheet.fault(fault);
                }
                None => {
                    seen.insert(&name.text, (kind, name));
                }
            }
        }
    }

    /// The node that a `from` names; a fault where there is none.
    pub fn resolve(&self, sheet: &Sheet<'_>, from: &Word) -> Option<Parent> {
        let place = |names: &[Word]| names.iter().position(|name| name.text == from.text);
        if let Some(source) = place(&self.sources) {
            return Some(Parent::Source(source));
        }
        if let Some(bolt) = place(&self.bolts) {
            return Some(Parent::Bolt(bolt));
        }
        let names = self.sources.iter().chain(&self.bolts).map(|name| name.text.as_str());
        let (message, help) = if place(&self.sinks).is_some() {
            let help = "a sink is for applications: read from the node that it writes";
            (
                format!("\"{}\" is a sink, and nothing can be read from it", from.text),
                help.to_owned(),
            )
        } else {
            let bare = from.text.rsplit('.').next().unwrap_or_default();
            let help = match names.clone().find(|name| *name == bare) {
                Some(name) => format!("write the name alone: \"{name}\""),
                None => did_you_mean(&from.text, names, "the sources and bolts are"),
            };
            (format!("there is no source or bolt \"{}\"", from.text), help)
        };
        sheet.fault(Fault::new(message, from.span.clone()).help(help));
        None
    }
}

/// The places of the bolts, each after the bolt that it reads from. `parents` holds for each bolt
/// what it reads from and the `from` that says so. Bolts that read from each other in a circle are
/// a fault; they and what hangs on them stand last.
pub(crate) fn ordered(
    sheet: &Sheet<'_>,
    bolts: &[Word],
    parents: &[Option<(Parent, Word)>],
) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::with_capacity(bolts.len());
    let parent = |bolt: usize| parents.get(bolt).and_then(Option::as_ref);
    loop {
        let before = order.len();
        for bolt in 0..bolts.len() {
            let is_ready = match parent(bolt) {
                Some((Parent::Bolt(from), _)) => order.contains(from),
                _ => true,
            };
            if is_ready && !order.contains(&bolt) {
                order.push(bolt);
            }
        }
        if order.len() == before {
            break;
        }
    }
    let left: Vec<usize> = (0..bolts.len()).filter(|bolt| !order.contains(bolt)).collect();
    let mut reported: Vec<usize> = Vec::new();
    for &bolt in &left {
        let circle = circle(bolt, parents);
        if circle.first() == Some(&bolt) && !reported.contains(&bolt) {
            report_circle(sheet, bolts, parents, &circle);
            reported.extend(circle);
        }
    }
    order.extend(left);
    order
}

/// The bolts that are met on the way from one back to itself; empty where it is in no circle.
fn circle(start: usize, parents: &[Option<(Parent, Word)>]) -> Vec<usize> {
    let mut circle = vec![start];
    let mut at = start;
    while let Some(Some((Parent::Bolt(from), _))) = parents.get(at) {
        if *from == start {
            return circle;
        }
        if circle.contains(from) {
            break;
        }
        circle.push(*from);
        at = *from;
    }
    Vec::new()
}

fn report_circle(
    sheet: &Sheet<'_>,
    bolts: &[Word],
    parents: &[Option<(Parent, Word)>],
    circle: &[usize],
) {
    let name = |bolt: &usize| bolts.get(*bolt).map_or("", |name| name.text.as_str());
    let mut path: Vec<&str> = circle.iter().map(name).collect();
    path.extend(circle.first().map(name));
    let mut froms =
        circle.iter().filter_map(|bolt| parents.get(*bolt)?.as_ref().map(|(_, from)| from));
    let Some(first) = froms.next() else { return };
    let message = match circle {
        [only] => format!("bolt \"{}\" reads from itself", name(only)),
        _ => format!("these bolts read from each other in a circle: {}", path.join(" <- ")),
    };
    let fault = Fault::new(message, first.span.clone()).help("let one of them read from a source");
    sheet.fault(froms.fold(fault, |fault, from| fault.beside(from.span.clone(), "and here")));
}
