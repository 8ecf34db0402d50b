//! What a client asks for, and why it may be refused. Pure.

use smol_str::SmolStr;
use std::collections::BTreeSet;
use tallyd_event::{Edit, EditKind, MAX_STRING_BYTES, decode::Fields};
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
    /// No worker has ever run the topology.
    #[error("no worker has run this topology yet: there is nothing to edit")]
    NeverRan,
}

impl Request {
    /// Reads the fields of an entry. What is left out is empty.
    #[must_use]
    pub fn read(fields: &Fields) -> Self {
        let text = |name: &str| {
            let found = fields.iter().find(|(of, _)| of == name.as_bytes());
            found
                .map(|(_, value)| SmolStr::from(String::from_utf8_lossy(value)))
                .unwrap_or_default()
        };
        let by = text("by").chars().filter(|c| !c.is_control()).take(MAX_BY).collect();
        Self { id: text("id"), kind: text("do"), member: text("member"), field: text("field"), by }
    }

    /// The fields of its entry.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("id", &self.id),
            ("do", &self.kind),
            ("member", &self.member),
            ("field", &self.field),
            ("by", &self.by),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, of)| (name, of.as_str()))
    }
}

/// The edit that a request asks for.
///
/// # Errors
/// Where it can't be done.
pub fn check(topology: &Topology, request: &Request) -> Result<Edit, Refusal> {
    if request.id.len() > MAX_ID {
        return Err(Refusal::Id(request.id.len()));
    }
    let kind = EditKind::named(&request.kind);
    let kind = kind.ok_or_else(|| Refusal::Kind(request.kind.chars().take(40).collect()))?;
    if request.member.is_empty() {
        return Err(Refusal::NoMember);
    }
    if request.member.len() > MAX_STRING_BYTES {
        return Err(Refusal::LongMember(request.member.len()));
    }
    let fields: BTreeSet<&SmolStr> = topology
        .nodes
        .iter()
        .filter_map(|node| match &node.kind {
            NodeKind::Bolt(bolt) => bolt.options.edited_by().map(|field| &field.name),
            NodeKind::Source(_) => None,
        })
        .collect();
    let all = || fields.iter().map(|&field| field.clone()).collect::<Vec<_>>();
    let field = match (fields.first(), fields.len()) {
        (None, _) => return Err(Refusal::NoBoards),
        (Some(&only), 1) if request.field.is_empty() => only,
        _ if request.field.is_empty() => return Err(Refusal::WhichField(all())),
        _ if fields.contains(&request.field) => &request.field,
        _ => {
            let field = request.field.chars().take(40).collect();
            return Err(Refusal::UnknownField { field, known: all() });
        }
    };
    let (id, member) = (request.id.clone(), request.member.clone());
    Ok(Edit { id, kind, field: field.clone(), member, copies: 1 })
}

fn kinds() -> String {
    either(&EditKind::ALL.map(|kind| kind.name().into()))
}

fn either(names: &[SmolStr]) -> String {
    let names: Vec<&str> = names.iter().map(SmolStr::as_str).collect();
    names.join(" or ")
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
        match check(&topology, request) {
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
        let cases: [(&[&str], Request, &str); 10] = [
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
                "unknown edit \"burn\" (expected hide or unhide)",
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
            by: "anna".into(),
        };
        for request in [Request { field: SmolStr::default(), ..whole.clone() }, whole] {
            let bytes = |(name, value): (&str, &str)| (name.into(), value.into());
            assert_eq!(Request::read(&request.fields().map(bytes).collect()), request);
        }
        let by = vec![(b"by".to_vec(), b"a\x1b[31m".to_vec())];
        assert_eq!(Request::read(&by).by, "a[31m");
    }
}
