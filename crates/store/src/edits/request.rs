//! What a client asks for, and why it may be refused. Pure.

use super::{
    SUBTRACT,
    counts::{CountsRefusal, subtracts},
    moves::{MoveRefusal, moves},
    rename::{RenameRefusal, new_name},
    scope::{ScopeRefusal, scope},
    words::either,
};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use tallyd_event::{Edit, EditKind, MAX_STRING_BYTES, Moves, decode::Packed};
use tallyd_topology::{NodeKind, Topology};

/// The longest that the name of who asks may be, in characters.
const MAX_BY: usize = 100;
/// The longest that an id may be, in bytes.
const MAX_ID: usize = 200;

/// What a client asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The id by which it takes effect once; empty: that of its entry.
    pub id: SmolStr,
    /// What to do.
    pub kind: SmolStr,
    /// The member.
    pub member: SmolStr,
    /// The field that names the member in events; empty: the only one that there is.
    pub field: SmolStr,
    /// Of one that forgets a member, what becomes of the counts to which its events added; empty, or
    /// `keep`: they stay; `subtract`: what they added is taken out.
    pub counts: SmolStr,
    /// Of a move, the group that the member leaves, as it stands in keys.
    pub from: SmolStr,
    /// The one that it joins; of a rename the new name.
    pub to: SmolStr,
    /// What becomes of its points; empty, or `keep`: they go with it.
    pub points: SmolStr,
    /// Of an edit of no member, the bolt.
    pub bolt: SmolStr,
    /// The kind of period or window.
    pub period: SmolStr,
    /// Which one; empty: the one that is now.
    pub label: SmolStr,
    /// The group, as it stands in keys; empty: all of them.
    pub group: SmolStr,
    /// Who asks.
    pub by: SmolStr,
}

/// Why an edit is refused, with what helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its id is too long.
    #[error("its id has {0} bytes (at most {MAX_ID})")]
    Id(usize),
    /// It names nothing that can be done.
    #[error("unknown edit \"{0}\" (expected {all})", all = kinds())]
    Kind(SmolStr),
    /// It names nobody.
    #[error("it names no member (give the field \"member\")")]
    NoMember,
    /// The member's name is longer than a value of an event.
    #[error("its member has {0} bytes (a value has at most {MAX_STRING_BYTES})")]
    LongMember(usize),
    /// No bolt can do it.
    #[error("no leaderboard is in this topology, and nothing else shows ranks")]
    NoBoards,
    /// More than one field names members.
    #[error("leaderboards rank by {}: say which field names the member", either(.0))]
    WhichField(Vec<SmolStr>),
    /// No leaderboard ranks by the field.
    #[error("no leaderboard ranks by \"{field}\" (they rank by {})", either(known))]
    UnknownField {
        /// What was given.
        field: SmolStr,
        /// What they rank by.
        known: Vec<SmolStr>,
    },
    /// Nothing is kept by a name.
    #[error(
        "no bolt of this topology keeps anything by a member's name (say by \"field\" which field has it)"
    )]
    NoPeople,
    /// More than one field names whom results are about, or none does.
    #[error("bolts keep results by {}: say which field names the member", either(.0))]
    WhichPerson(Vec<SmolStr>),
    /// No source has the field.
    #[error("no source has a field \"{field}\" (bolts keep results by {})", either(known))]
    NoField {
        /// What was given.
        field: SmolStr,
        /// The fields that bolts keep results by.
        known: Vec<SmolStr>,
    },
    /// It says what becomes of counts, and that can't be.
    #[error(transparent)]
    Counts(#[from] CountsRefusal),
    /// It is of a part of a bolt's results, and that can't be.
    #[error(transparent)]
    Scope(#[from] ScopeRefusal),
    /// It moves a member, and that can't be.
    #[error(transparent)]
    Move(#[from] MoveRefusal),
    /// It renames a member, or meets one who is renamed, and that can't be.
    #[error(transparent)]
    Rename(#[from] RenameRefusal),
    /// No worker has ever run the topology.
    #[error("no worker has run this topology yet: there is nothing to edit")]
    NeverRan,
}

impl Request {
    /// Reads the fields of an entry. What is left out is empty.
    #[must_use]
    pub fn read(fields: &Packed) -> Self {
        let text = |name: &str| {
            let found = fields.get(name);
            found.map(|value| SmolStr::from(String::from_utf8_lossy(value))).unwrap_or_default()
        };
        let by = text("by").chars().filter(|c| !c.is_control()).take(MAX_BY).collect();
        let [id, kind, member, field, counts] = ["id", "do", "member", "field", "counts"].map(text);
        let [bolt, period, label, group] = ["bolt", "period", "label", "group"].map(text);
        let [from, to, points] = ["from", "to", "points"].map(text);
        let of_member =
            Self { id, kind, member, field, counts, from, to, points, ..Self::default() };
        Self { bolt, period, label, group, by, ..of_member }
    }

    /// The request that asks for an edit. It says all that another may leave out.
    #[must_use]
    pub fn of(edit: &Edit) -> Self {
        let Edit { id, kind, field, member, .. } = edit.clone();
        let scope = edit.scope.clone().unwrap_or_default();
        let (period, label) = (scope.period.unwrap_or_default(), scope.label.unwrap_or_default());
        let (bolt, group) = (scope.bolt, scope.group.join(":").into());
        let of_part = Self { bolt, period, label, group, ..Self::default() };
        let Moves { from, to, keeps } = edit.moves.clone().unwrap_or_default();
        let [from, to] = [from, to].map(|group| group.join(":").into());
        let to = if edit.to.is_empty() { to } else { edit.to.clone() };
        let points = match edit.moves {
            Some(_) if keeps => "keep".into(),
            Some(_) => "leave".into(),
            None => SmolStr::default(),
        };
        let counts = if edit.subtracts { SUBTRACT.into() } else { SmolStr::default() };
        Self { id, kind: kind.name().into(), member, field, counts, from, to, points, ..of_part }
    }

    /// The fields of its entry.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("id", &self.id),
            ("do", &self.kind),
            ("member", &self.member),
            ("field", &self.field),
            ("counts", &self.counts),
            ("from", &self.from),
            ("to", &self.to),
            ("points", &self.points),
            ("bolt", &self.bolt),
            ("period", &self.period),
            ("label", &self.label),
            ("group", &self.group),
            ("by", &self.by),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, of)| (name, of.as_str()))
    }
}

/// The edit that a request asks for at a time, in ms since the epoch.
///
/// # Errors
/// Where it can't be done.
pub fn check(topology: &Topology, request: &Request, now: i64) -> Result<Edit, Refusal> {
    if request.id.len() > MAX_ID {
        return Err(Refusal::Id(request.id.len()));
    }
    let kind = EditKind::named(&request.kind);
    let kind = kind.ok_or_else(|| Refusal::Kind(request.kind.chars().take(40).collect()))?;
    if matches!(kind, EditKind::Close | EditKind::Reset) {
        let scope = Some(scope(topology, (kind, request), now)?);
        return Ok(Edit { scope, ..Edit::new(&request.id, kind, "", "") });
    }
    if request.member.is_empty() {
        return Err(Refusal::NoMember);
    }
    if request.member.len() > MAX_STRING_BYTES {
        return Err(Refusal::LongMember(request.member.len()));
    }
    let field = match kind {
        EditKind::Hide | EditKind::Unhide | EditKind::Move => ranked(topology, &request.field)?,
        EditKind::Forget | EditKind::Rename => named(topology, request)?,
        EditKind::Close | EditKind::Reset => SmolStr::default(),
    };
    let moves = match kind {
        EditKind::Move => Some(moves(topology, request, &field)?),
        _ => None,
    };
    let to = match kind {
        EditKind::Rename => new_name(topology, request, &field)?,
        _ => SmolStr::default(),
    };
    let subtracts = match kind {
        EditKind::Forget => subtracts(topology, &request.counts, &field)?,
        _ => false,
    };
    Ok(Edit { moves, to, subtracts, ..Edit::new(&request.id, kind, &field, &request.member) })
}

/// The field that members of leaderboards are named by: the one that is asked for, or the only one.
fn ranked(topology: &Topology, asked: &SmolStr) -> Result<SmolStr, Refusal> {
    let fields: BTreeSet<&SmolStr> = topology
        .nodes
        .iter()
        .filter_map(|node| match &node.kind {
            NodeKind::Bolt(bolt) => bolt.options.edited_by().map(|field| &field.name),
            NodeKind::Source(_) => None,
        })
        .collect();
    let all = || fields.iter().map(|&field| field.clone()).collect::<Vec<_>>();
    match (fields.first(), fields.len()) {
        (None, _) => Err(Refusal::NoBoards),
        (Some(&only), 1) if asked.is_empty() => Ok(only.clone()),
        _ if asked.is_empty() => Err(Refusal::WhichField(all())),
        _ if fields.contains(asked) => Ok(asked.clone()),
        _ => Err(Refusal::UnknownField { field: asked.chars().take(40).collect(), known: all() }),
    }
}

/// The field of the sources that names who is to be forgotten: the one that is asked for, or the only
/// one that results are about.
fn named(topology: &Topology, request: &Request) -> Result<SmolStr, Refusal> {
    let people: Vec<SmolStr> = topology.people().into_iter().collect();
    let kept: Vec<SmolStr> = topology.kept_by().into_iter().collect();
    let mut sources = topology.nodes.iter().filter(|n| matches!(n.kind, NodeKind::Source(_)));
    match (people.as_slice(), request.field.as_str()) {
        ([only], "") => Ok(only.clone()),
        ([], "") if kept.is_empty() => Err(Refusal::NoPeople),
        (_, "") => Err(Refusal::WhichPerson(kept)),
        (_, field) if sources.any(|node| node.schema.index(field).is_some()) => Ok(field.into()),
        (_, field) => {
            Err(Refusal::NoField { field: field.chars().take(40).collect(), known: kept })
        }
    }
}

fn kinds() -> String {
    either(&EditKind::ALL.map(|kind| kind.name().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = r#"
name = "t"
[source.s]
id = "id"
key = "user"
[source.s.fields]
id = "string"
user = "string"
team = "string"
"#;
    const BY_USER: &str =
        "[bolt.a]\ntype = \"leaderboard\"\nfrom = \"s\"\nmember = \"user\"\nscore = \"count\"\n";
    const BY_TEAM: &str =
        "[bolt.b]\ntype = \"leaderboard\"\nfrom = \"s\"\nmember = \"team\"\nscore = \"count\"\n";
    const DEDUP: &str = "[bolt.d]\ntype = \"dedup\"\nfrom = \"s\"\nwindow = \"1h\"\n";

    fn refusal(bolts: &[&str], request: &Request) -> String {
        let file = [&[BEGIN], bolts].concat().concat();
        let topology = tallyd_topology::parse("t.toml", &file, &|_| None).unwrap();
        match check(&topology, request, 0) {
            Ok(edit) => format!("{} {}={}", edit.kind.name(), edit.field, edit.member),
            Err(refusal) => refusal.to_string(),
        }
    }

    #[test]
    fn what_no_bolt_can_do_is_refused_with_the_fix() {
        let asked = |kind: &str, member: &str, field: &str| Request {
            kind: kind.into(),
            member: member.into(),
            field: field.into(),
            ..Request::default()
        };
        let hide = asked("hide", "u7", "");
        let cases: [(&[&str], Request, &str); 16] = [
            (&[BY_USER], hide.clone(), "hide user=u7"),
            (&[BY_USER], asked("unhide", "u7", "user"), "unhide user=u7"),
            (&[BY_USER, BY_TEAM], asked("hide", "x", "team"), "hide team=x"),
            (
                &[BY_USER, BY_TEAM],
                hide.clone(),
                "leaderboards rank by team or user: say which field names the member",
            ),
            (
                &[BY_USER],
                asked("hide", "x", "team"),
                "no leaderboard ranks by \"team\" (they rank by user)",
            ),
            (
                &[DEDUP],
                hide.clone(),
                "no leaderboard is in this topology, and nothing else shows ranks",
            ),
            (
                &[BY_USER],
                asked("burn", "u7", ""),
                "unknown edit \"burn\" (expected hide, unhide, forget, move, rename, close or reset)",
            ),
            (&[BY_USER], asked("hide", "", ""), "it names no member (give the field \"member\")"),
            (
                &[BY_USER],
                asked("hide", &"x".repeat(5000), ""),
                "its member has 5000 bytes (a value has at most 4096)",
            ),
            (
                &[BY_USER],
                Request { id: "i".repeat(300).into(), ..hide },
                "its id has 300 bytes (at most 200)",
            ),
            (&[BY_USER], asked("forget", "u7", ""), "forget user=u7"),
            (
                &[BY_USER, BY_TEAM],
                asked("forget", "u7", ""),
                "bolts keep results by team or user: say which field names the member",
            ),
            (&[DEDUP], asked("forget", "u7", "user"), "forget user=u7"),
            (
                &[DEDUP],
                asked("forget", "u7", ""),
                "no bolt of this topology keeps anything by a member's name (say by \"field\" which field has it)",
            ),
            (
                &[BY_USER],
                asked("forget", "u7", "usr"),
                "no source has a field \"usr\" (bolts keep results by user)",
            ),
            (
                &[BY_USER],
                Request { counts: "subtract".into(), ..asked("forget", "u7", "") },
                "no bolt of this topology adds up events of others too, so nothing can be subtracted (leave \"counts\" out, or say keep)",
            ),
        ];
        for (bolts, request, expected) in cases {
            assert_eq!(refusal(bolts, &request), expected);
        }
    }

    #[test]
    fn a_request_is_read_as_it_was_added() {
        let whole = Request {
            id: "e1".into(),
            kind: "hide".into(),
            member: "u 7".into(),
            field: "user".into(),
            counts: "keep".into(),
            from: "class=10A".into(),
            to: "class=10B".into(),
            points: "leave".into(),
            bolt: "points".into(),
            period: "week".into(),
            label: "2026-W48".into(),
            group: "class=10B".into(),
            by: "anna".into(),
        };
        for request in [Request { field: SmolStr::default(), ..whole.clone() }, whole] {
            assert_eq!(Request::read(&request.fields().collect()), request);
        }
        let by = [("by", "a\x1b[31m")].into_iter().collect();
        assert_eq!(Request::read(&by).by, "a[31m");
    }
}
