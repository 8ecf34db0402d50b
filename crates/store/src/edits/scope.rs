//! Edits of a part of a bolt's results: which part, and why it may be refused. Pure.

use super::{
    Request,
    words::{either, short},
};
use smol_str::SmolStr;
use tallyd_bolt::{
    Key, Lasting,
    calendar::{Calendar, Length, Window},
};
use tallyd_event::{EditKind, Scope};
use tallyd_topology::{Extent, Node, NodeKind, Topology};

/// Why such an edit is refused, with what helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeRefusal {
    /// It names no bolt.
    #[error("it names no bolt (give the field \"bolt\": {})", either(.0))]
    NoBolt(Vec<SmolStr>),
    /// The bolt that it names has no such parts, or there is none.
    #[error("\"{bolt}\" is no leaderboard (there are: {})", either(known))]
    Bolt {
        /// What was given.
        bolt: SmolStr,
        /// Those that have.
        known: Vec<SmolStr>,
    },
    /// The bolt has several periods, and it names none.
    #[error("say which period is meant: {}", either(.0))]
    WhichPeriod(Vec<SmolStr>),
    /// The bolt has no such period.
    #[error("the bolt has no period \"{period}\" (there are: {})", either(known))]
    Period {
        /// What was given.
        period: SmolStr,
        /// Those that it has.
        known: Vec<SmolStr>,
    },
    /// The label is none of its period.
    #[error("\"{label}\" is no label of the period \"{period}\" (the one that is now is {now})")]
    Label {
        /// What was given.
        label: SmolStr,
        /// The period.
        period: SmolStr,
        /// The label of the period that is now.
        now: SmolStr,
    },
    /// The period lies in the future.
    #[error("{0} has not begun")]
    NotBegun(SmolStr),
    /// The period is final: nothing changes it any more.
    #[error("{0} is final already")]
    Final(SmolStr),
    /// The period is kept no longer.
    #[error("{0} is kept no longer")]
    Gone(SmolStr),
    /// The bolt has no such groups.
    #[error("the bolt has no group \"{group}\" (there are groups by: {})", either(known))]
    Group {
        /// What was given.
        group: SmolStr,
        /// What its groups are by.
        known: Vec<SmolStr>,
    },
    /// A period is of all groups.
    #[error("a period is closed for all groups at once (leave the group out)")]
    CloseGroup,
}

/// The part of a bolt's results that a request names. A period without a label is that of `now`, in
/// ms since the epoch.
pub(super) fn scope(
    topology: &Topology,
    (kind, request): (EditKind, &Request),
    now: i64,
) -> Result<Scope, ScopeRefusal> {
    let known = || topology.nodes.iter().filter(|node| extent(node).is_some());
    let names = || known().map(|node| node.name.clone()).collect();
    if request.bolt.is_empty() {
        return Err(ScopeRefusal::NoBolt(names()));
    }
    let found = known().find(|node| node.name == request.bolt).and_then(extent);
    let unknown = || ScopeRefusal::Bolt { bolt: short(&request.bolt), known: names() };
    let extent = found.ok_or_else(unknown)?;
    let mut scope = Scope { bolt: request.bolt.clone(), ..Scope::default() };
    if let Some((name, length, lasting)) = period(kind, request, &extent)? {
        let window = window(&topology.calendar, (&name, length), &request.label, now)?;
        check_time(kind, &window, lasting, now)?;
        (scope.period, scope.label) = (Some(name), Some(window.label));
    }
    if !request.group.is_empty() {
        if kind == EditKind::Close {
            return Err(ScopeRefusal::CloseGroup);
        }
        scope.group = group(&request.group, &extent)?;
    }
    Ok(scope)
}

/// The parts of the results of a node, if it has any.
fn extent(node: &Node) -> Option<Extent<'_>> {
    match &node.kind {
        NodeKind::Bolt(bolt) => bolt.options.extent(),
        NodeKind::Source(_) => None,
    }
}

/// The period that is meant. None: all of them.
fn period(
    kind: EditKind,
    request: &Request,
    extent: &Extent<'_>,
) -> Result<Option<(SmolStr, Length, Lasting)>, ScopeRefusal> {
    let names = || extent.periods.iter().map(|(name, ..)| SmolStr::from(*name)).collect();
    let owned = |(name, length, lasting): &(&str, Length, Lasting)| {
        Some((SmolStr::from(*name), *length, *lasting))
    };
    match (extent.periods.as_slice(), request.period.as_str()) {
        (_, "") if kind == EditKind::Reset && request.label.is_empty() => Ok(None),
        ([only], "") => Ok(owned(only)),
        (_, "") => Err(ScopeRefusal::WhichPeriod(names())),
        (all, wanted) => {
            let found = all.iter().find(|(name, ..)| *name == wanted);
            let unknown = || ScopeRefusal::Period { period: short(wanted), known: names() };
            Ok(owned(found.ok_or_else(unknown)?))
        }
    }
}

fn window(
    calendar: &Calendar,
    (name, length): (&str, Length),
    label: &str,
    now: i64,
) -> Result<Window, ScopeRefusal> {
    let current = calendar.window(length, now);
    if label.is_empty() {
        return Ok(current);
    }
    calendar.labelled(length, label).ok_or_else(|| {
        let (label, period) = (short(label), name.into());
        ScopeRefusal::Label { label, period, now: current.label }
    })
}

fn check_time(
    kind: EditKind,
    window: &Window,
    lasting: Lasting,
    now: i64,
) -> Result<(), ScopeRefusal> {
    let label = || window.label.clone();
    if window.start > now {
        return Err(ScopeRefusal::NotBegun(label()));
    }
    if lasting.expiry(window).is_some_and(|expiry| expiry <= now) {
        return Err(ScopeRefusal::Gone(label()));
    }
    let is_final = lasting.closes(window).is_some_and(|closes| closes <= now);
    if kind == EditKind::Close && is_final {
        return Err(ScopeRefusal::Final(label()));
    }
    Ok(())
}

/// A group as it stands in keys, by its fields.
fn group(text: &str, extent: &Extent<'_>) -> Result<Vec<SmolStr>, ScopeRefusal> {
    let pairs: Vec<(String, Option<String>)> = text
        .split(':')
        .map(|part| match part.split_once('=') {
            Some((field, value)) => (Key::decode(field), Some(Key::decode(value))),
            None => (Key::decode(part), None),
        })
        .collect();
    let is_of = |fields: &Vec<&str>| {
        let has = |field: &str| pairs.iter().filter(|(name, _)| name == field).count();
        let all = pairs.iter().all(|(name, _)| fields.contains(&name.as_str()));
        let once = fields.iter().all(|field| has(field) <= 1);
        let values = pairs.iter().all(|(_, value)| value.is_some());
        all && once && (!extent.whole || (values && fields.len() == pairs.len()))
    };
    if !extent.groups.iter().any(is_of) {
        let by = |fields: &Vec<&str>| match fields.is_empty() {
            true => SmolStr::new_static("nothing"),
            false => fields.join("+").into(),
        };
        let known = extent.groups.iter().map(by).collect();
        return Err(ScopeRefusal::Group { group: short(text), known });
    }
    let part = |(field, value): &(String, Option<String>)| {
        Key::group([(field.as_str(), value.as_deref())])
    };
    Ok(pairs.iter().map(part).collect())
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
[bolt.once]
type = "dedup"
from = "s"
window = "1h"
[bolt.points]
type = "leaderboard"
from = "once"
member = "user"
score = "count"
boards = [[], ["class"], ["class", "city"]]
periods = [{ period = "day", retain = "7d" }, { period = "week", grace = "1h" }, "all"]
[bolt.visits]
type = "leaderboard"
from = "once"
member = "user"
score = "count"
boards = [["class", "city"]]
periods = ["all"]
"#;
    /// 2026-11-25, a Wednesday, at noon.
    const NOW: i64 = 1_795_608_000_000;

    fn said(kind: EditKind, request: &Request) -> String {
        let topology = tallyd_topology::parse("t.toml", FILE, &|_| None).unwrap();
        match scope(&topology, (kind, request), NOW) {
            Ok(Scope { bolt, period, label, group, .. }) => {
                let or = |of: Option<SmolStr>| of.unwrap_or_else(|| "*".into());
                format!("{bolt} {} {} {}", or(period), or(label), group.join(" "))
            }
            Err(refusal) => refusal.to_string(),
        }
    }

    fn of(bolt: &str, period: &str, label: &str, group: &str) -> Request {
        let (bolt, period, label, group) = (bolt.into(), period.into(), label.into(), group.into());
        Request { bolt, period, label, group, ..Request::default() }
    }

    #[test]
    fn what_is_closed_is_one_period_of_all_groups() {
        let cases = [
            (of("points", "week", "", ""), "points week 2026-W48 "),
            (of("points", "day", "2026-11-24", ""), "points day 2026-11-24 "),
            (of("visits", "", "", ""), "visits all all "),
            (of("points", "all", "all", ""), "points all all "),
            (of("points", "", "", ""), "say which period is meant: day, week or all"),
            (
                of("", "week", "", ""),
                "it names no bolt (give the field \"bolt\": points or visits)",
            ),
            (
                of("once", "week", "", ""),
                "\"once\" is no leaderboard (there are: points or visits)",
            ),
            (
                of("points", "month", "", ""),
                "the bolt has no period \"month\" (there are: day, week or all)",
            ),
            (
                of("points", "week", "2026-11-25", ""),
                "\"2026-11-25\" is no label of the period \"week\" (the one that is now is 2026-W48)",
            ),
            (of("points", "week", "2026-W49", ""), "2026-W49 has not begun"),
            (of("points", "week", "2026-W47", ""), "2026-W47 is final already"),
            (of("points", "day", "2026-11-11", ""), "2026-11-11 is kept no longer"),
            (
                of("points", "week", "", "class=10B"),
                "a period is closed for all groups at once (leave the group out)",
            ),
        ];
        for (request, expected) in cases {
            assert_eq!(said(EditKind::Close, &request), expected);
        }
    }

    #[test]
    fn what_starts_over_is_any_part() {
        let cases = [
            (of("points", "", "", ""), "points * * "),
            (of("points", "", "", "class=10B"), "points * * class=10B"),
            (of("points", "week", "2026-W47", ""), "points week 2026-W47 "),
            (
                of("points", "day", "", "city=P%C3%BCn:class=a%3Ab"),
                "points day 2026-11-25 city=P%C3%BCn class=a%3Ab",
            ),
            (of("visits", "", "", "city=Pune:class=1"), "visits * * city=Pune class=1"),
            (of("points", "", "2026-W47", ""), "say which period is meant: day, week or all"),
            (
                of("points", "", "", "city=Pune"),
                "the bolt has no group \"city=Pune\" (there are groups by: nothing, class or class+city)",
            ),
            (
                of("points", "", "", "class=1:class=2"),
                "the bolt has no group \"class=1:class=2\" (there are groups by: nothing, class or class+city)",
            ),
            (
                of("visits", "", "", "user=u7"),
                "the bolt has no group \"user=u7\" (there are groups by: class+city)",
            ),
        ];
        for (request, expected) in cases {
            assert_eq!(said(EditKind::Reset, &request), expected);
        }
    }
}
