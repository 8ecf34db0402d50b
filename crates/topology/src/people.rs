//! By what names the nodes of a topology know a field of its sources: a bolt may emit it by another.

use crate::{Node, NodeKind, Topology};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use tallyd_kind::BoltOptions;

impl Topology {
    /// By what name the events that a node emits have a field of those that it takes; `None` where they
    /// do not have it. A source takes what it emits.
    #[must_use]
    pub fn emits_as(&self, place: usize, field: &str) -> Option<SmolStr> {
        let node = self.nodes.get(place)?;
        let name = match &node.kind {
            NodeKind::Bolt(bolt) if !bolt.options.passes_events_on() => {
                bolt.options.emits_as(field)?
            }
            _ => field,
        };
        node.schema.index(name).map(|_| name.into())
    }

    /// By node: by what name the events that it takes have a field of the sources; `None` where they do
    /// not have it.
    #[must_use]
    pub fn known_as(&self, field: &str) -> Vec<Option<SmolStr>> {
        let mut emitted: Vec<Option<SmolStr>> = Vec::new();
        let mut taken = Vec::new();
        for (place, node) in self.nodes.iter().enumerate() {
            // A bolt stands behind the node whose events it takes.
            let name = match &node.kind {
                NodeKind::Source(_) => Some(SmolStr::from(field)),
                NodeKind::Bolt(bolt) => emitted.get(bolt.from).cloned().flatten(),
            };
            let of_source = matches!(node.kind, NodeKind::Source(_));
            let name = name.filter(|name| !of_source || node.schema.index(name).is_some());
            emitted.push(name.as_ref().and_then(|name| self.emits_as(place, name)));
            taken.push(name);
        }
        taken
    }

    /// What an edit leaves in each bolt that gives all of a member to another name, by the field of the
    /// sources that names it.
    ///
    /// # Errors
    /// The first bolt that can't do it, and why.
    pub fn renamed(&self, field: &str) -> Result<Vec<(SmolStr, String)>, (SmolStr, String)> {
        let mut left = Vec::new();
        for (node, name) in self.nodes.iter().zip(self.known_as(field)) {
            let (NodeKind::Bolt(bolt), Some(name)) = (&node.kind, name) else { continue };
            let of_bolt = bolt.options.renamed(&name).map_err(|why| (node.name.clone(), why))?;
            left.extend(of_bolt.map(|what| (node.name.clone(), what)));
        }
        Ok(left)
    }

    /// The fields of sources that name whom results are about.
    #[must_use]
    pub fn people(&self) -> BTreeSet<SmolStr> {
        self.fields_for(|options, name| options.about().is_some_and(|field| field.name == name))
    }

    /// The fields of sources by whose values bolts keep something.
    #[must_use]
    pub fn kept_by(&self) -> BTreeSet<SmolStr> {
        self.fields_for(|options, name| options.kept_by().iter().any(|field| field.name == name))
    }

    /// The fields of sources for which a bolt says yes, asked by the name that it knows them by.
    fn fields_for(&self, is: impl Fn(&dyn BoltOptions, &str) -> bool) -> BTreeSet<SmolStr> {
        let sources = self.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Source(_)));
        let fields: BTreeSet<SmolStr> =
            sources.flat_map(|node| &node.schema.fields).map(|field| field.name.clone()).collect();
        let says = |(node, name): (&Node, &Option<SmolStr>)| match (&node.kind, name) {
            (NodeKind::Bolt(bolt), Some(name)) => is(&*bolt.options, name),
            _ => false,
        };
        let has = |field: &SmolStr| self.nodes.iter().zip(&self.known_as(field)).any(says);
        fields.into_iter().filter(has).collect()
    }
}

#[cfg(test)]
mod tests {
    const FILE: &str = r#"
name = "t"
[source.s]
id = "id"
key = "user"
[source.s.fields]
id = "string"
user = "string"
team = "string"
question = "string"
right = "bool"
[source.other.fields]
learner = "string"
[bolt.unique]
type = "dedup"
from = "s"
window = "1h"
[bolt.mastery]
type = "mastery"
from = "unique"
learner = "user"
concept = "team"
item = "question"
correct = "right"
emit = true
[bolt.each]
type = "aggregate"
from = "mastery"
by = ["learner", "concept"]
windows = ["all"]
measures = { n = "count" }
"#;

    #[test]
    fn a_field_is_followed_through_bolts_that_call_it_by_another_name() {
        let topology = crate::parse("t.toml", FILE, &|_| None).unwrap();
        let known = |field: &str| -> Vec<(String, String)> {
            let nodes = topology.nodes.iter().zip(topology.known_as(field));
            nodes.filter_map(|(n, name)| Some((n.name.to_string(), name?.to_string()))).collect()
        };
        let of = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(node, name)| ((*node).to_owned(), (*name).to_owned())).collect()
        };
        let mut user = known("user");
        user.sort();
        assert_eq!(
            user,
            of(&[("each", "learner"), ("mastery", "user"), ("s", "user"), ("unique", "user")])
        );
        // Of the other source; the bolt's field of that name is another.
        assert_eq!(known("learner"), of(&[("other", "learner")]));
        let names = |set: std::collections::BTreeSet<smol_str::SmolStr>| -> Vec<String> {
            set.into_iter().map(String::from).collect()
        };
        assert_eq!(names(topology.people()), ["user"]);
        assert_eq!(names(topology.kept_by()), ["team", "user"]);
    }
}
