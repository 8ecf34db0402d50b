//! Moves of members: from which group to which, and why one may be refused. Pure.

use super::{Request, value, words::short};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use tallyd_bolt::Key;
use tallyd_event::{Moves, Schema, decode::Reason};
use tallyd_topology::{Extent, Node, NodeKind, Topology};

/// Why a move is refused, with what helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveRefusal {
    /// It does not say from where to where.
    #[error(
        "say which group the member leaves and which it joins (give \"from\" and \"to\", such as \
         class=10A and class=10B)"
    )]
    NoGroups,
    /// The two groups are not of the same fields.
    #[error("\"{from}\" and \"{to}\" are not of the same fields")]
    Fields {
        /// The group that is left.
        from: SmolStr,
        /// The group that is joined.
        to: SmolStr,
    },
    /// Both groups are one.
    #[error("the member leaves and joins the same group \"{0}\"")]
    Same(SmolStr),
    /// No event can be in the group that is joined.
    #[error("no event can be in the group \"{to}\": {why} (say another one by \"to\")")]
    NoValue {
        /// The group that is joined.
        to: SmolStr,
        /// Why a source would take no event with it.
        why: String,
    },
    /// No leaderboard has boards by the fields.
    #[error("no leaderboard that ranks by {field} has boards by {by} (there are boards by: {})",
        known.join(" or "))]
    Boards {
        /// The field that names members.
        field: SmolStr,
        /// The fields of the groups.
        by: String,
        /// What boards are by.
        known: Vec<String>,
    },
    /// Events are taken back from the boards, in the groups in which they counted.
    #[error(
        "the boards of \"{0}\" take events back that are corrected, in the group that they counted in: \
         correct the fields of the member's events instead (tallyd correct, where they are retained)"
    )]
    Corrected(SmolStr),
    /// It is not known what becomes of the points.
    #[error("points are kept or left behind (say \"keep\" or \"leave\", not \"{0}\")")]
    Points(SmolStr),
}

/// The move that a request asks for, of members that are named by a field.
pub(super) fn moves(
    topology: &Topology,
    request: &Request,
    field: &SmolStr,
) -> Result<Moves, MoveRefusal> {
    if request.from.is_empty() || request.to.is_empty() {
        return Err(MoveRefusal::NoGroups);
    }
    let keeps = match request.points.as_str() {
        "" | "keep" => true,
        "leave" => false,
        other => return Err(MoveRefusal::Points(short(other))),
    };
    let (from, mut to) = (parts(&request.from), parts(&request.to));
    let names = || from.iter().map(|(name, _)| name.clone()).collect::<Vec<SmolStr>>();
    // In one order, whichever they were given in.
    to.sort_by_key(|(name, _)| names().iter().position(|of| of == name));
    let are_same = from.len() == to.len() && from.iter().zip(&to).all(|(a, b)| a.0 == b.0);
    if !are_same {
        let (from, to) = (short(&request.from), short(&request.to));
        return Err(MoveRefusal::Fields { from, to });
    }
    let boards = boards(topology, field);
    let is_by = |board: &Boards<'_>| names().iter().all(|name| board.by.contains(&name.as_str()));
    let moved = || boards.iter().filter(|board| is_by(board));
    if let Some(Boards { bolt, .. }) = moved().find(|board| board.corrected) {
        return Err(MoveRefusal::Corrected((*bolt).into()));
    }
    if moved().next().is_none() {
        let by = names().iter().map(|name| short(name).to_string()).collect::<Vec<_>>().join("+");
        let name = |board: &Vec<&str>| match board.is_empty() {
            true => "nothing".to_owned(),
            false => board.join("+"),
        };
        let known: BTreeSet<String> = boards.iter().map(|board| name(&board.by)).collect();
        let known = known.into_iter().collect();
        return Err(MoveRefusal::Boards { field: field.clone(), by, known });
    }
    for (name, part) in &mut to {
        let given = part.split_once('=').map_or_else(String::new, |(_, value)| Key::decode(value));
        let fields = moved().filter_map(|board| board.input.field(name));
        let no_value =
            |why: Reason| MoveRefusal::NoValue { to: short(&request.to), why: why.to_string() };
        let value = value::in_keys(fields, &given).map_err(no_value)?;
        *part = Key::group([(name.as_str(), Some(value.as_str()))]);
    }
    if from == to {
        return Err(MoveRefusal::Same(short(&request.from)));
    }
    let written = |all: Vec<(SmolStr, SmolStr)>| all.into_iter().map(|(_, part)| part).collect();
    Ok(Moves { from: written(from), to: written(to), keeps })
}

/// The fields of a group, each with the part of the key that it and its value make.
fn parts(group: &str) -> Vec<(SmolStr, SmolStr)> {
    let part = |part: &str| {
        let (field, value) = part.split_once('=').unwrap_or((part, ""));
        let (field, value) = (Key::decode(field), Key::decode(value));
        let written = Key::group([(field.as_str(), Some(value.as_str()))]);
        (field.into(), written)
    };
    group.split(':').map(part).collect()
}

/// Boards of a bolt.
struct Boards<'a> {
    bolt: &'a str,
    /// Whether events are taken back there.
    corrected: bool,
    /// The fields that they are by.
    by: Vec<&'a str>,
    /// The events that the bolt takes.
    input: &'a Schema,
}

/// The boards that rank members of a field.
fn boards<'a>(topology: &'a Topology, field: &str) -> Vec<Boards<'a>> {
    let of_bolt = |node: &'a Node| match &node.kind {
        NodeKind::Bolt(bolt) if bolt.options.edited_by().is_some_and(|of| of.name == field) => {
            let input: &Schema = &topology.nodes.get(bolt.from)?.schema;
            Some((node.name.as_str(), bolt.options.extent()?, input))
        }
        _ => None,
    };
    let extents = topology.nodes.iter().filter_map(of_bolt);
    let of_board = |(bolt, extent, input): (&'a str, Extent<'a>, &'a Schema)| {
        let board = move |by| Boards { bolt, corrected: extent.corrected, by, input };
        extent.groups.into_iter().map(board)
    };
    extents.flat_map(of_board).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
name = "t"
[source.s]
id = "id"
key = "user"
[source.s.fields]
id = "string"
user = "string"
class = "string"
city = "string"
year = { type = "int", min = 1, max = 13 }
[bolt.points]
type = "leaderboard"
from = "s"
member = "user"
score = "count"
boards = [[], ["class", "city"], ["year"]]
"#;

    fn said(from: &str, to: &str, points: &str) -> String {
        let topology = tallyd_topology::parse("t.toml", FILE, &|_| None).unwrap();
        let (from, to, points) = (from.into(), to.into(), points.into());
        let request = Request { from, to, points, ..Request::default() };
        match moves(&topology, &request, &"user".into()) {
            Ok(Moves { from, to, keeps }) => {
                format!("{} to {} {keeps}", from.join(":"), to.join(":"))
            }
            Err(refusal) => refusal.to_string(),
        }
    }

    #[test]
    fn a_move_is_between_two_groups_of_boards() {
        for (from, to, points, expected) in [
            ("class=10A", "class=10B", "", "class=10A to class=10B true"),
            ("class=10A", "class=10B", "leave", "class=10A to class=10B false"),
            ("class=a b", "class=a%3Ab", "keep", "class=a%20b to class=a%3Ab true"),
            (
                "class=10A:city=Goa",
                "city=Pune:class=10A",
                "",
                "class=10A:city=Goa to class=10A:city=Pune true",
            ),
            (
                "class=10A",
                "",
                "",
                "say which group the member leaves and which it joins (give \"from\" and \"to\", \
                 such as class=10A and class=10B)",
            ),
            (
                "class=10A",
                "class=10A",
                "",
                "the member leaves and joins the same group \"class=10A\"",
            ),
            (
                "class=10A",
                "city=Goa",
                "",
                "\"class=10A\" and \"city=Goa\" are not of the same fields",
            ),
            (
                "school=1",
                "school=2",
                "",
                "no leaderboard that ranks by user has boards by school (there are boards by: \
                 class+city or nothing or year)",
            ),
            ("year=7", "year=08", "", "year=7 to year=8 true"),
            ("year=7", "year=07", "", "the member leaves and joins the same group \"year=7\""),
            (
                "year=7",
                "year=8B",
                "",
                "no event can be in the group \"year=8B\": field \"year\": \"8B\" is not an int (say \
                 another one by \"to\")",
            ),
            (
                "year=7",
                "year=14",
                "",
                "no event can be in the group \"year=14\": field \"year\": 14 is above the maximum 13 \
                 (say another one by \"to\")",
            ),
            (
                "class=10A",
                "class=",
                "",
                "no event can be in the group \"class=\": field \"class\" is missing (say another one by \
                 \"to\")",
            ),
            (
                "class=10A",
                "class=10B",
                "halve",
                "points are kept or left behind (say \"keep\" or \"leave\", not \"halve\")",
            ),
        ] {
            assert_eq!(said(from, to, points), expected, "{from} {to}");
        }
    }
}
