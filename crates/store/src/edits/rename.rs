//! Renames of members: to which name, and why one may be refused.

use super::{Request, SUBTRACT, list::some, value, words::short};
use crate::{connection::Connection, keys::Keys, reply};
use redis::Pipeline;
use smol_str::SmolStr;
use std::collections::BTreeSet;
use tallyd_event::{Edit, EditKind, MAX_STRING_BYTES, decode::Reason};
use tallyd_runtime::StoreError;
use tallyd_topology::Topology;

/// Why a rename is refused, or an edit while one is on its way, with what helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenameRefusal {
    /// It says no new name.
    #[error("it says no new name (give the field \"to\")")]
    NoName,
    /// The new name is longer than a value of an event.
    #[error("its new name has {0} bytes (a value has at most {MAX_STRING_BYTES})")]
    LongName(usize),
    /// No event can have the new name.
    #[error("no event can have its new name \"{to}\": {why} (say another one by \"to\")")]
    NoValue {
        /// What was given.
        to: SmolStr,
        /// Why a source would take no event with it.
        why: String,
    },
    /// Both names are one.
    #[error("\"{0}\" is its name already (say another one by \"to\")")]
    Same(SmolStr),
    /// A bolt keeps something by the name that it can't give to another one.
    #[error("the bolt \"{bolt}\" can't give what it keeps to another name: {why}")]
    Bolt {
        /// The bolt.
        bolt: SmolStr,
        /// Why not, and the way around if there is one.
        why: String,
    },
    /// What is on its way must not be overtaken.
    #[error(
        "edit \"{0}\" is not done, and changes the same (tallyd wait, and then send this one again)"
    )]
    Underway(SmolStr),
}

/// The new name that a request asks for, of members that are named by a field.
pub(super) fn new_name(
    topology: &Topology,
    request: &Request,
    field: &SmolStr,
) -> Result<SmolStr, RenameRefusal> {
    match request.to.as_str() {
        "" => return Err(RenameRefusal::NoName),
        to if to.len() > MAX_STRING_BYTES => return Err(RenameRefusal::LongName(to.len())),
        _ => {}
    }
    let no_value =
        |why: Reason| RenameRefusal::NoValue { to: short(&request.to), why: why.to_string() };
    let to = value::name(topology, field, &request.to).map_err(no_value)?;
    if [&to, &request.to].contains(&&request.member) {
        return Err(RenameRefusal::Same(short(&to)));
    }
    let renamed = topology.renamed(field);
    renamed.map_err(|(bolt, why)| RenameRefusal::Bolt { bolt, why })?;
    Ok(to)
}

/// The edits that are not done.
#[derive(Default)]
pub(super) struct Underway(Vec<Open>);

/// An edit that is not done, as far as another one has to know of it.
struct Open {
    id: SmolStr,
    is_rename: bool,
    /// Of one that forgets, by which field, and whether it takes out counts.
    forgets: Option<(SmolStr, bool)>,
    /// The names that it is of; none: of whole results.
    names: BTreeSet<SmolStr>,
}

impl Underway {
    /// Those that another edit may have to wait for: all, or those that hand something over. Which of
    /// them are done is said too.
    pub(super) async fn read(
        c: &mut Connection,
        topology: &Topology,
        keys: &Keys,
        all: bool,
    ) -> Result<(Self, Vec<String>), StoreError> {
        let mut ask = Pipeline::new();
        // A hash: of the commands that read lists, workers and operators may send different ones.
        let handing = [keys.edit_renames(), keys.edits_subtracting()];
        let asked = if all { vec![keys.edits_open()] } else { handing.into() };
        for key in asked {
            ask.cmd("HGETALL").arg(key);
        }
        let mut ids: Vec<String> = Vec::new();
        for open in c.all(&ask).await? {
            ids.extend(reply::facts(open)?.into_keys());
        }
        let (mut underway, mut done) = (Self::default(), Vec::new());
        for record in some(c, topology, keys, &ids).await? {
            let is_rename = record.kind == EditKind::Rename.name();
            if !record.is_over() {
                let names = names(&record.kind, &record.member, &record.to);
                let is_forget = record.kind == EditKind::Forget.name();
                let subtracts = record.counts == SUBTRACT;
                let forgets = is_forget.then(|| (record.field.into(), subtracts));
                underway.0.push(Open { id: record.id.into(), is_rename, forgets, names });
            } else {
                done.push(record.id);
            }
        }
        Ok((underway, done))
    }

    /// Notes one that is accepted.
    pub(super) fn note(&mut self, edit: &Edit) {
        self.0.push(Open {
            id: edit.id.clone(),
            is_rename: edit.kind == EditKind::Rename,
            forgets: forgets(edit),
            names: names(edit.kind.name(), &edit.member, &edit.to),
        });
    }

    /// Whether an edit has to wait: what a rename hands over would come before or after it, and not in
    /// its place.
    pub(super) fn refuse(&self, edit: &Edit) -> Result<(), RenameRefusal> {
        let own = names(edit.kind.name(), &edit.member, &edit.to);
        let forgets = forgets(edit);
        let meets = |open: &&Open| {
            let is_one = open.is_rename || edit.kind == EditKind::Rename;
            let is_whole = open.names.is_empty() || own.is_empty();
            // By another field it may delete groups that events of the member are taken out of.
            let both = open.forgets.as_ref().zip(forgets.as_ref());
            let of_groups = both.is_some_and(|(a, b)| a.0 != b.0 && (a.1 || b.1));
            of_groups || is_one && (is_whole || !open.names.is_disjoint(&own))
        };
        match self.0.iter().find(meets) {
            Some(open) => Err(RenameRefusal::Underway(open.id.clone())),
            None => Ok(()),
        }
    }
}

/// Of an edit that forgets, by which field, and whether it takes out counts.
fn forgets(edit: &Edit) -> Option<(SmolStr, bool)> {
    (edit.kind == EditKind::Forget).then(|| (edit.field.clone(), edit.subtracts))
}

/// The members that an edit of a kind is of.
fn names(kind: &str, member: &str, to: &str) -> BTreeSet<SmolStr> {
    let to = if kind == EditKind::Rename.name() { to } else { "" };
    [member, to].into_iter().filter(|name| !name.is_empty()).map(SmolStr::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overtakes_what_is_handed_over() {
        let edit = |kind, member: &str, to: &str| Edit {
            to: to.into(),
            ..Edit::new(&format!("{member}{to}"), kind, "user", member)
        };
        let rename = |member, to| edit(EditKind::Rename, member, to);
        let hide = |member| edit(EditKind::Hide, member, "");
        let mut underway = Underway::default();
        underway.note(&hide("c"));
        assert_eq!(underway.refuse(&hide("c")), Ok(()));
        assert_eq!(underway.refuse(&rename("a", "b")), Ok(()));
        for of_c in [rename("a", "c"), rename("c", "a")] {
            assert_eq!(underway.refuse(&of_c), Err(RenameRefusal::Underway("c".into())));
        }
        underway.note(&rename("a", "b"));
        for of_both in [hide("a"), hide("b"), rename("d", "a"), rename("b", "d")] {
            assert_eq!(underway.refuse(&of_both), Err(RenameRefusal::Underway("ab".into())));
        }
        assert_eq!(underway.refuse(&hide("d")), Ok(()));
        // A forget by another field may delete the groups that counts are taken out of.
        let forget = |field: &str, member: &str, subtracts| Edit {
            subtracts,
            ..Edit::new(&format!("{field}{member}"), EditKind::Forget, field, member)
        };
        let mut counts = Underway::default();
        counts.note(&forget("user", "u", true));
        assert_eq!(counts.refuse(&forget("user", "v", true)), Ok(()));
        assert_eq!(counts.refuse(&hide("u")), Ok(()));
        let class = counts.refuse(&forget("class", "10A", false));
        assert_eq!(class, Err(RenameRefusal::Underway("useru".into())));
        let mut groups = Underway::default();
        groups.note(&forget("class", "10A", false));
        assert!(groups.refuse(&forget("user", "u", true)).is_err());
        assert_eq!(groups.refuse(&forget("user", "u", false)), Ok(()));
        // One of whole results is of everybody.
        let reset = edit(EditKind::Reset, "", "");
        assert_eq!(underway.refuse(&reset), Err(RenameRefusal::Underway("ab".into())));
        let mut whole = Underway::default();
        whole.note(&reset);
        assert!(whole.refuse(&rename("a", "b")).is_err() && whole.refuse(&hide("a")).is_ok());
    }

    #[test]
    fn a_new_name_is_one_that_an_event_can_have() {
        let file = r#"
name = "t"
[source.s]
[source.s.fields]
player = { type = "int", min = 1, max = 999 }
[bolt.points]
type = "leaderboard"
from = "s"
member = "player"
score = "count"
"#;
        let topology = tallyd_topology::parse("t.toml", file, &|_| None).unwrap();
        let renamed = |to: &str| {
            let request = Request { member: "7".into(), to: to.into(), ..Request::default() };
            new_name(&topology, &request, &"player".into()).map_err(|refusal| refusal.to_string())
        };
        assert_eq!(renamed("8"), Ok("8".into()));
        assert_eq!(renamed("008"), Ok("8".into()));
        let long = "1".repeat(30);
        for (to, expected) in [
            ("007", "\"7\" is its name already (say another one by \"to\")"),
            (
                "anna",
                "no event can have its new name \"anna\": field \"player\": \"anna\" is not an int",
            ),
            (
                "1000",
                "no event can have its new name \"1000\": field \"player\": 1000 is above the maximum 999",
            ),
            (&long, "is not an int"),
        ] {
            let refusal = renamed(to).unwrap_err();
            assert!(refusal.contains(expected), "{to}: {refusal}");
        }
    }
}
