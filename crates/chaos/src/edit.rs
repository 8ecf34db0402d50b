//! Edits: what is asked for, and what an entry of the source that is one does to the ledger.

use crate::fault::{Fault, Kind};
use redis::Pipeline;
use serde::Deserialize;
use std::sync::Arc;
use tallyd_learners::{Ledger, Part, Simulation};
use tallyd_store::keys::Keys;

/// Of so many learners, the busiest, one is edited: so that most have answered and do so again.
const MEMBERS: usize = 300;
/// The leaderboard.
const BOARDS: &str = "points";
/// Its periods.
const PERIODS: [&str; 3] = ["day", "week", "all"];

/// Whom and what edits may be of.
#[derive(Clone, Debug, Default)]
pub struct Names {
    members: Vec<Arc<str>>,
    /// The class of each of them.
    class_of: Vec<Option<Arc<str>>>,
    classes: Vec<Arc<str>>,
}

/// An edit as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its id.
    pub id: String,
    /// The fields of its request, with their values.
    pub fields: Vec<(&'static str, String)>,
}

impl Names {
    /// Those of a simulation.
    #[must_use]
    pub fn of(simulation: &Simulation) -> Self {
        let members: Vec<Arc<str>> = simulation.users().iter().take(MEMBERS).cloned().collect();
        let class_of = (0..members.len()).map(|place| simulation.class_of(place)).collect();
        Self { members, class_of, classes: simulation.classes().to_vec() }
    }

    /// The edit that a fault is; `None` of any other fault.
    #[must_use]
    pub fn draw(&self, fault: &Fault, number: u64) -> Option<Asked> {
        let turn = fault.target / MEMBERS;
        let period = || PERIODS.get(turn % PERIODS.len()).map(|of| ("period", (*of).to_owned()));
        let member = || Some(("member", fault.pick(&self.members)?.to_string()));
        let bolt = || ("bolt", BOARDS.to_owned());
        let (what, fields) = match fault.kind {
            Kind::MemberHidden => ("hide", vec![member()?]),
            Kind::MemberUnhidden => ("unhide", vec![member()?]),
            Kind::MemberForgotten => ("forget", vec![member()?]),
            Kind::MemberRenamed => {
                let others = self.members.iter().cycle().skip(fault.target % MEMBERS + 1);
                let to = others.take(MEMBERS - 1).nth(turn % (MEMBERS - 1))?;
                ("rename", vec![member()?, ("to", to.to_string())])
            }
            Kind::MemberMoved => {
                let own = fault.pick(&self.class_of)?.as_ref()?;
                let mut others = self.classes.iter().filter(|class| *class != own);
                let other = others.nth(turn % self.classes.len().saturating_sub(1).max(1))?;
                // Answers go on to say their own class: now and then they are put together again.
                let (from, to) = if fault.extent < 0.7 { (own, other) } else { (other, own) };
                let points = if fault.extent < 0.2 { "leave" } else { "keep" };
                let group = |class| format!("class={class}");
                let ways =
                    [("from", group(from)), ("to", group(to)), ("points", points.to_owned())];
                ("move", [member()?].into_iter().chain(ways).collect())
            }
            Kind::PeriodClosed => ("close", vec![bolt(), period()?]),
            // All of them, all of a period, and a class.
            Kind::BoardsReset if fault.extent < 0.4 => ("reset", vec![bolt()]),
            Kind::BoardsReset if fault.extent < 0.7 => ("reset", vec![bolt(), period()?]),
            Kind::BoardsReset => {
                let class = fault.pick(&self.classes)?;
                ("reset", vec![bolt(), ("group", format!("class={class}"))])
            }
            _ => return None,
        };
        let id = format!("edit-{number}");
        let head = [("do", what.to_owned()), ("id", id.clone())];
        Some(Asked { id, fields: head.into_iter().chain(fields).collect() })
    }
}

impl Asked {
    /// The command that asks for it.
    #[must_use]
    pub fn command(&self, keys: &Keys) -> Pipeline {
        let mut add = Pipeline::new();
        let command = add.cmd("XADD").arg(keys.edits()).arg("*");
        for (name, value) in &self.fields {
            command.arg(*name).arg(value);
        }
        add
    }

    /// In a few words.
    #[must_use]
    pub fn said(&self) -> String {
        let values = self.fields.iter().filter(|(name, _)| !["do", "id"].contains(name));
        values.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// An edit as it stands in the source.
#[derive(Debug, Deserialize)]
pub struct Entered {
    /// Its id.
    pub id: String,
    #[serde(rename = "do")]
    what: String,
    #[serde(default)]
    member: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    moves: Moves,
    #[serde(default)]
    scope: Scope,
}

#[derive(Debug, Default, Deserialize)]
struct Moves {
    from: Vec<String>,
    to: Vec<String>,
    keeps: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Scope {
    period: Option<Arc<str>>,
    label: Option<String>,
    #[serde(default)]
    group: Vec<String>,
}

impl Entered {
    /// Does it to the ledger. Returns whether it is one that was asked for.
    pub fn apply(self, ledger: &mut Ledger) -> bool {
        let Scope { period, label, group } = self.scope;
        match (self.what.as_str(), period, label) {
            ("hide", ..) => ledger.hide(self.member.into()),
            ("unhide", ..) => ledger.unhide(&self.member),
            ("forget", ..) => ledger.forget(&self.member),
            ("rename", ..) => ledger.rename(&self.member, &self.to.into()),
            ("move", ..) => {
                let [from, to] = [&self.moves.from, &self.moves.to].map(|group| class(group));
                let (Some(from), Some(to)) = (from, to) else { return false };
                ledger.go(&self.member, (&from, &to), self.moves.keeps);
            }
            ("close", Some(period), Some(label)) => ledger.close(period, label),
            ("reset", period, label) => {
                ledger.reset(&Part { period, label, class: class(&group) });
            }
            _ => return false,
        }
        true
    }
}

/// The class of a group; `None`: it is of none.
fn class(group: &[String]) -> Option<Arc<str>> {
    group.first()?.strip_prefix("class=").map(Arc::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: Kind, target: usize, extent: f64) -> Fault {
        Fault { kind, target, extent }
    }

    #[test]
    fn a_fault_that_is_an_edit_is_asked_for_by_its_fields() {
        let members = ["u1".into(), "u2".into()].to_vec();
        let class_of = vec![Some("7B".into()), Some("7A".into())];
        let names = Names { members, class_of, classes: vec!["7A".into(), "7B".into()] };
        let said = |kind, target, extent| {
            let asked = names.draw(&fault(kind, target, extent), 9)?;
            let field = |(name, value): &(&str, String)| format!("{name}={value}");
            Some(asked.fields.iter().map(field).collect::<Vec<_>>().join(" "))
        };
        let is = |of: Option<String>, expected: &str| assert_eq!(of.as_deref(), Some(expected));
        is(said(Kind::MemberHidden, 1, 0.0), "do=hide id=edit-9 member=u2");
        is(said(Kind::MemberForgotten, 0, 0.0), "do=forget id=edit-9 member=u1");
        is(said(Kind::PeriodClosed, 300, 0.0), "do=close id=edit-9 bolt=points period=week");
        is(said(Kind::BoardsReset, 0, 0.1), "do=reset id=edit-9 bolt=points");
        is(said(Kind::BoardsReset, 600, 0.5), "do=reset id=edit-9 bolt=points period=all");
        is(said(Kind::BoardsReset, 0, 0.9), "do=reset id=edit-9 bolt=points group=class=7A");
        is(said(Kind::MemberRenamed, 1, 0.0), "do=rename id=edit-9 member=u2 to=u1");
        let away = "do=move id=edit-9 member=u1 from=class=7B to=class=7A";
        is(said(Kind::MemberMoved, 0, 0.1), &format!("{away} points=leave"));
        is(said(Kind::MemberMoved, 0, 0.5), &format!("{away} points=keep"));
        let back = "do=move id=edit-9 member=u2 from=class=7B to=class=7A points=keep";
        is(said(Kind::MemberMoved, 1, 0.9), back);
        assert_eq!(said(Kind::WorkerKilled, 0, 0.0), None);
    }
}
