//! What a caller may see and do.

use crate::problem::{Code, Problem};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use tallyd_topology::{ANY, Grant};
use tokio::time::Instant;

/// Who asks, and what it may see and do.
#[derive(Clone, Debug, PartialEq)]
pub struct Caller {
    /// Who: the `sub` of a token, the name of a key; or, without either, the address.
    pub subject: SmolStr,
    /// What it may.
    pub grant: Grant,
    /// When its token ends; `None`: it does not.
    pub until: Option<Instant>,
}

/// A group of a bolt's results: the values of its fields. A field without a value is asked for
/// with all of its values.
pub type Group<'a> = &'a [(SmolStr, Option<SmolStr>)];

impl Caller {
    /// Whether it may read a group of a bolt's results.
    ///
    /// # Errors
    /// Where it may not. The words do not depend on what is stored.
    pub fn may_read(&self, bolt: &str, group: Group<'_>) -> Result<(), Problem> {
        let named = self.grant.read.iter().any(|name| allows(name, bolt, group));
        if !named {
            return Err(denied(format!("the token does not allow {}", shown(bolt, group))));
        }
        let given = group.iter().map(|(field, value)| (field, value.as_ref()));
        self.held_to_values(given)
    }

    /// Whether it may see results by these values at all.
    ///
    /// # Errors
    /// Where its token fixes another one.
    pub fn may_see_values(&self, by: &[(SmolStr, SmolStr)]) -> Result<(), Problem> {
        self.held_to_values(by.iter().map(|(field, value)| (field, Some(value))))
    }

    fn held_to_values<'a>(
        &self,
        mut given: impl Iterator<Item = (&'a SmolStr, Option<&'a SmolStr>)>,
    ) -> Result<(), Problem> {
        let other = given.find_map(|(field, value)| {
            let fixed = self.grant.by.get(field)?;
            (value != Some(fixed)).then_some((field, fixed))
        });
        match other {
            Some((field, fixed)) => {
                Err(denied(format!("the token allows {field} = \"{fixed}\" alone")))
            }
            None => Ok(()),
        }
    }

    /// The same, where results by one of these fields are of members: then one that is a member
    /// may see its own alone.
    #[must_use]
    pub fn held_to_itself(&self, member_fields: &BTreeSet<SmolStr>) -> Self {
        let mut held = self.clone();
        for field in self.grant.member.iter().flat_map(|_| member_fields) {
            let member = self.grant.member.clone().unwrap_or_default();
            // What the token fixes itself stays.
            held.grant.by.entry(field.clone()).or_insert(member);
        }
        held
    }

    /// Whether it may be shown one member alone, or the rows around it.
    ///
    /// # Errors
    /// Where it may not.
    pub fn may_see_member(&self, member: &str) -> Result<(), Problem> {
        match &self.grant.member {
            Some(own) if own != member => Err(denied("the token allows its own member alone")),
            _ => Ok(()),
        }
    }

    /// Whether it may be shown what is stored of a learner.
    ///
    /// # Errors
    /// Where it may not.
    pub fn may_see_learner(&self, learner: &str) -> Result<(), Problem> {
        let own = self.grant.member.as_deref() == Some(learner);
        match own || self.grant.learners {
            true => Ok(()),
            false => Err(denied("the token does not allow this learner")),
        }
    }

    /// Whether it may send events to a source.
    ///
    /// # Errors
    /// Where it may not.
    pub fn may_send(&self, source: &str) -> Result<(), Problem> {
        let named = self.grant.ingest.iter().any(|name| name == ANY || name == source);
        match named {
            true => Ok(()),
            false => Err(denied(format!("the token does not allow to send to \"{source}\""))),
        }
    }

    /// Whether it may have somebody forgotten without the operator's right: itself, where its
    /// token says so.
    #[must_use]
    pub fn may_erase(&self, member: &str) -> bool {
        self.grant.erase && self.grant.member.as_deref() == Some(member)
    }

    /// Whether it may see what operators see, and send edits.
    ///
    /// # Errors
    /// Where it may not.
    pub fn may_operate(&self) -> Result<(), Problem> {
        match self.grant.operator {
            true => Ok(()),
            false => Err(denied("the token has no operator's right")),
        }
    }
}

/// Whether a name of `read` stands for a group of a bolt: `*`, `points` for all of its groups,
/// `points:class+school` for those of these fields, `points:everyone` for the one of none.
fn allows(name: &str, bolt: &str, group: Group<'_>) -> bool {
    match name.split_once(':') {
        None => name == ANY || name == bolt,
        Some((named, fields)) => {
            let mut wanted: Vec<&str> = match fields {
                "everyone" => Vec::new(),
                fields => fields.split('+').collect(),
            };
            let mut given: Vec<&str> = group.iter().map(|(field, _)| field.as_str()).collect();
            wanted.sort_unstable();
            given.sort_unstable();
            named == bolt && wanted == given
        }
    }
}

fn shown(bolt: &str, group: Group<'_>) -> String {
    let fields: Vec<&str> = group.iter().map(|(field, _)| field.as_str()).collect();
    match fields.is_empty() {
        true => format!("\"{bolt}\" of everyone"),
        false => format!("\"{bolt}\" by {}", fields.join("+")),
    }
}

fn denied(detail: impl Into<String>) -> Problem {
    Problem::new(Code::Forbidden, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn caller(grant: Grant) -> Caller {
        Caller { subject: "t".into(), grant, until: None }
    }

    fn group(fields: &[(&str, Option<&str>)]) -> Vec<(SmolStr, Option<SmolStr>)> {
        fields.iter().map(|(field, value)| ((*field).into(), value.map(SmolStr::from))).collect()
    }

    #[test]
    fn reading_is_by_bolt_by_fields_and_by_fixed_values() {
        let by = BTreeMap::from([("class".into(), "10B".into())]);
        let grant =
            Grant { read: vec!["points".into(), "concepts:class".into()], by, ..Grant::default() };
        let teacher = caller(grant);
        let may =
            |bolt, fields: &[(&str, Option<&str>)]| teacher.may_read(bolt, &group(fields)).is_ok();
        assert!(may("points", &[]));
        assert!(may("points", &[("class", Some("10B"))]));
        assert!(!may("points", &[("class", Some("10A"))]));
        // All classes, or the events that leave it out.
        assert!(!may("points", &[("class", None)]));
        assert!(may("points", &[("school", Some("s1"))]));
        assert!(may("concepts", &[("class", Some("10B"))]));
        assert!(!may("concepts", &[]));
        assert!(!may("concepts", &[("class", Some("10B")), ("concept", Some("x"))]));
        assert!(!may("other", &[]));
        let everyone = caller(Grant { read: vec!["points:everyone".into()], ..Grant::default() });
        assert!(everyone.may_read("points", &[]).is_ok());
        assert!(everyone.may_read("points", &group(&[("class", Some("10B"))])).is_err());
    }

    #[test]
    fn a_learner_sees_itself_alone() {
        let learner = caller(Grant { member: Some("u7".into()), ..Grant::default() });
        assert!(learner.may_see_member("u7").is_ok());
        assert!(learner.may_see_member("u8").is_err());
        assert!(learner.may_see_learner("u7").is_ok());
        assert!(learner.may_see_learner("u8").is_err());
        assert!(learner.may_see_learner("").is_err());
        let itself = learner.held_to_itself(&BTreeSet::from(["user".into()]));
        assert_eq!(itself.grant.by, BTreeMap::from([("user".into(), "u7".into())]));
        let nobody = caller(Grant::default());
        assert_eq!(nobody.held_to_itself(&BTreeSet::from(["user".into()])), nobody);
        assert!(nobody.may_see_learner("u7").is_err());
        assert!(nobody.may_see_member("u7").is_ok(), "a member of a board that it may read");
        assert!(nobody.may_send("answers").is_err() && nobody.may_operate().is_err());
        let app = caller(Grant { ingest: vec!["answers".into()], ..Grant::default() });
        assert!(app.may_send("answers").is_ok() && app.may_send("other").is_err());
    }
}
