//! From which bolts what the events of a member added can be taken out, and why not from the others.

use crate::{NodeKind, Retain, Topology};
use smol_str::SmolStr;

/// A bolt from which what a member's events added is taken out, and the way of these events to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subtraction {
    /// The place of the bolt.
    pub bolt: usize,
    /// The place of the source.
    pub source: usize,
    /// The places of the bolts between, which pass events on as they came.
    pub through: Vec<usize>,
}

impl Topology {
    /// Of each bolt that adds up events of members whom a field of the sources names, whether what they
    /// added can be taken out. Those that keep results by that field are not among them: there the
    /// member's are taken out whole.
    #[must_use]
    pub fn subtractions(&self, field: &str) -> Vec<(usize, Result<Subtraction, String>)> {
        let of_node = |(place, known): (usize, Option<SmolStr>)| {
            let NodeKind::Bolt(bolt) = &self.nodes.get(place)?.kind else { return None };
            let subtracts = bolt.options.subtracts()?;
            let kept = bolt.options.kept_by();
            if known.is_some_and(|name| kept.iter().any(|by| by.name == name)) {
                return None;
            }
            let can = match subtracts.fields {
                None => Err("none of its measures can be taken back".to_owned()),
                Some(_) => self.way(place, bolt.from, field)?,
            };
            Some((place, can))
        };
        self.known_as(field).into_iter().enumerate().filter_map(of_node).collect()
    }

    /// The way of a member's events to a bolt, or why they can't be taken out there; `None` where it
    /// gets none of a member.
    fn way(&self, bolt: usize, from: usize, field: &str) -> Option<Result<Subtraction, String>> {
        let (mut at, mut through) = (from, Vec::new());
        loop {
            let node = self.nodes.get(at)?;
            match &node.kind {
                NodeKind::Source(_) if node.schema.index(field).is_none() => return None,
                NodeKind::Source(source) if source.retain == Retain::Acked => {
                    return Some(Err(format!(
                        "source \"{0}\" does not keep the events (write retain = \"30d\" in \
                         [source.{0}], and those that come from then on can be)",
                        node.name
                    )));
                }
                NodeKind::Source(_) => {
                    return Some(Ok(Subtraction { bolt, source: at, through }));
                }
                NodeKind::Bolt(of) if of.options.drops_only_repeated() => {
                    through.push(at);
                    at = of.from;
                }
                NodeKind::Bolt(of) => {
                    let around = of.options.way_around();
                    let around = around.unwrap_or("what it made of an event is not known any more");
                    return Some(Err(format!("it is behind \"{}\": {around}", node.name)));
                }
            }
        }
    }

    /// What stays in each bolt of a member who is forgotten, by the field of the sources that names it,
    /// in words; `subtracts`: where what its events added is taken out, as far as that can be done.
    #[must_use]
    pub fn stays(&self, field: &str, subtracts: bool) -> Vec<(SmolStr, String)> {
        let asked = if subtracts { self.subtractions(field) } else { Vec::new() };
        let mut stays = Vec::new();
        for (place, (node, name)) in self.nodes.iter().zip(self.known_as(field)).enumerate() {
            let NodeKind::Bolt(bolt) = &node.kind else { continue };
            let all = bolt.options.stays(name.as_deref());
            let what = match asked.iter().find(|(of, _)| *of == place).map(|(_, can)| can) {
                Some(Ok(_)) => bolt.options.subtracts().and_then(|of| of.stays),
                Some(Err(why)) => all.map(|all| format!("{all}: {why}")),
                None => all,
            };
            stays.extend(what.map(|what| (node.name.clone(), what)));
        }
        stays
    }
}

#[cfg(test)]
mod tests {
    const FILE: &str = r#"
name = "t"
[source.s]
id = "id"
key = "user"
retain = "forever"
[source.s.fields]
id = "string"
user = "string"
class = "string"
item = "string"
points = "int"
right = "bool"
[source.short]
id = "id"
[source.short.fields]
id = "string"
user = "string"
[source.other]
[source.other.fields]
class = "string"
[bolt.unique]
type = "dedup"
from = "s"
window = "1h"
[bolt.last]
type = "latest"
from = "unique"
key = ["user", "item"]
fields = ["class", "points"]
window = "30d"
[bolt.mastery]
type = "mastery"
from = "unique"
learner = "user"
concept = "class"
item = "item"
correct = "right"
emit = true
[bolt.direct]
type = "aggregate"
from = "s"
windows = ["all"]
measures = { n = "count", who = "distinct(user)" }
[bolt.once]
type = "aggregate"
from = "unique"
by = ["class"]
windows = ["all"]
measures = { points = "sum(points)" }
[bolt.own]
type = "aggregate"
from = "unique"
by = ["class", "user"]
windows = ["all"]
measures = { n = "count" }
[bolt.most]
type = "aggregate"
from = "unique"
windows = ["all"]
measures = { most = "max(points)" }
[bolt.newest]
type = "aggregate"
from = "last"
by = ["class"]
windows = ["all"]
measures = { n = "count" }
[bolt.guessed]
type = "aggregate"
from = "mastery"
by = ["concept"]
windows = ["all"]
measures = { n = "count" }
[bolt.gone]
type = "aggregate"
from = "short"
windows = ["all"]
measures = { n = "count" }
[bolt.elsewhere]
type = "aggregate"
from = "other"
windows = ["all"]
measures = { n = "count" }
"#;

    #[test]
    fn each_bolt_says_what_can_be_taken_out_and_why_not() {
        let topology = crate::parse("t.toml", FILE, &|_| None).unwrap();
        let name = |place: usize| topology.nodes[place].name.as_str();
        let mut said: Vec<(&str, String)> = Vec::new();
        for (place, can) in topology.subtractions("user") {
            let can = can.map(|way| {
                let through: Vec<&str> = way.through.iter().map(|&of| name(of)).collect();
                format!("{} {through:?}", name(way.source))
            });
            said.push((name(place), can.unwrap_or_else(|why| why)));
        }
        said.sort();
        let expected = [
            ("direct", "s []"),
            ("gone", "source \"short\" does not keep the events"),
            ("guessed", "it is behind \"mastery\": what it made"),
            ("most", "none of its measures can be taken back"),
            ("newest", "it is behind \"last\": take the member's events out there first"),
            ("once", "s [\"unique\"]"),
        ];
        assert_eq!(said.len(), expected.len(), "{said:?}");
        for ((bolt, said), (of, begins)) in said.iter().zip(expected) {
            assert!(*bolt == of && said.starts_with(begins), "{bolt}: {said}");
        }
    }

    #[test]
    fn what_stays_is_less_where_events_are_taken_out() {
        let topology = crate::parse("t.toml", FILE, &|_| None).unwrap();
        let of = |subtracts: bool, bolt: &str| {
            let stays = topology.stays("user", subtracts).into_iter();
            let mut of_bolt = stays.filter(|(name, _)| name == bolt).map(|(_, what)| what);
            of_bolt.next().unwrap_or_default()
        };
        assert_eq!(of(false, "direct"), "what the member's events added to n, who");
        assert!(of(true, "direct").starts_with("what the member's events did to who: it can't"));
        assert!(of(true, "once").starts_with("groups of the member's events alone, with 0"));
        assert!(of(true, "gone").starts_with("what the member's events added to n: source"));
        assert_eq!(of(true, "own"), "");
        assert_eq!(of(true, "unique"), of(false, "unique"));
    }
}
