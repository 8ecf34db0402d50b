//! Where results ended, or started over: which events count in them, by their places in the stream.
//!
//! Events may come by several ways, and those from before an edit may come after it. So each is told
//! by the id of its entry.

use super::{Edit, EditKind, Scope};
use crate::{EntryId, value::quoted};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A place in the stream of events at which a part of a bolt's results ended or started over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cut {
    /// [`EditKind::Close`] or [`EditKind::Reset`].
    #[serde(rename = "do")]
    kind: EditKind,
    scope: Scope,
    /// Of what was closed: whether nothing from before can come any more. Then all that comes is late,
    /// also where the stream began again with lower ids.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    whole: bool,
    /// Of what was closed and started over since: where it did. Events from before may still come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opened: Option<EntryId>,
    /// When the results go, in ms since the epoch; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
}

/// The cuts of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cuts(Vec<Cut>);

/// What stands where cuts are noted, and is no text that [`Cuts::to_text`] gave: somebody else wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given} is no list of what was closed and started over: {why}")]
pub struct NoCuts {
    /// What stands there, quoted and cut to a readable length.
    given: String,
    /// What is wrong with it.
    why: String,
}

impl Cuts {
    /// Those of a text that [`Cuts::to_text`] gave; none where there is no text.
    ///
    /// # Errors
    /// Where it is no such text. What was closed is not known then.
    pub fn read(text: Option<&[u8]>) -> Result<Self, NoCuts> {
        let Some(text) = text else { return Ok(Self::default()) };
        let no_cuts = |error: serde_json::Error| {
            let given = quoted(&String::from_utf8_lossy(text));
            NoCuts { given, why: error.to_string() }
        };
        serde_json::from_slice(text).map(Self).map_err(no_cuts)
    }

    /// As text.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Texts and numbers always have a JSON form.
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an event from this place comes too late for a period or window: it was closed before.
    #[must_use]
    pub fn are_before(&self, period: &str, label: &str, origin: EntryId) -> bool {
        let of_kind = |cut: &&Cut| cut.kind == EditKind::Close;
        let mut closed = self.0.iter().filter(of_kind);
        closed.any(|Cut { scope, whole, opened, .. }| {
            let is_after =
                (*whole || origin > scope.at) && opened.is_none_or(|opened| origin < opened);
            is_after && scope.has(period, label)
        })
    }

    /// Whether an event from this place counts no more in a group of a period or window: it started over
    /// after that. `whole` is as for [`Scope::has_group`].
    #[must_use]
    pub fn are_after(
        &self,
        (period, label): (&str, &str),
        (group, whole): (&str, bool),
        origin: EntryId,
    ) -> bool {
        let of_kind = |cut: &&Cut| cut.kind == EditKind::Reset;
        let mut reset = self.0.iter().filter(of_kind);
        reset.any(|Cut { scope, .. }| {
            scope.has(period, label) && scope.has_group(group, whole) && origin < scope.at
        })
    }

    /// The periods or windows that are closed and to which nothing from before can come any more, each
    /// with its label.
    pub fn closed(&self) -> impl Iterator<Item = (&SmolStr, &SmolStr)> {
        let is_closed =
            |cut: &&Cut| cut.kind == EditKind::Close && cut.whole && cut.opened.is_none();
        let closed = self.0.iter().filter(is_closed);
        closed.filter_map(|cut| cut.scope.period.as_ref().zip(cut.scope.label.as_ref()))
    }

    /// What becomes of them by a copy of an edit that closes or resets: `None` where nothing does.
    /// `until` is when the results go that it is of, and `now` the time, in ms since the epoch.
    #[must_use]
    pub fn after(&self, edit: &Edit, until: Option<i64>, now: i64) -> Option<Self> {
        let (kind, scope, is_first) = (edit.kind, edit.scope.as_ref()?, edit.is_first_copy());
        let mut cuts = self.0.clone();
        cuts.retain(|cut| cut.until.is_none_or(|until| now < until));
        let is_last = scope.left == 0;
        let scope_of = || Scope { left: 0, ..scope.clone() };
        let cut = || Cut { kind, scope: scope_of(), whole: is_last, opened: None, until };
        let same = |other: &Cut| other.kind == kind && other.scope.at == scope.at;
        let closed = |other: &Cut| {
            let of = (other.scope.period.as_ref(), other.scope.label.as_ref());
            other.kind == EditKind::Close
                && other.opened.is_none()
                && of == (scope.period.as_ref(), scope.label.as_ref())
        };
        match kind {
            // Other copies come when a later edit may have changed it again.
            EditKind::Close if is_first && !cuts.iter().any(closed) => cuts.push(cut()),
            EditKind::Close if is_last => {
                cuts.iter_mut().filter(|cut| same(cut)).for_each(|cut| cut.whole = true);
            }
            EditKind::Reset => {
                // With all of its groups started over, a period that was closed goes on.
                let opens = |of: &Scope| {
                    let of = of.period.as_ref().zip(of.label.as_ref());
                    of.is_some_and(|(period, label)| scope.has(period, label))
                };
                let is_open = |cut: &Cut| cut.kind != EditKind::Close || cut.opened.is_some();
                if is_first && scope.group.is_empty() {
                    for cut in cuts.iter_mut().filter(|cut| !is_open(cut) && opens(&cut.scope)) {
                        cut.opened = Some(scope.at);
                    }
                }
                match scope.left {
                    // Nothing from before can come any more.
                    0 => cuts.retain(|cut| !same(cut) && cut.opened != Some(scope.at)),
                    _ if is_first && !cuts.iter().any(same) => cuts.push(cut()),
                    _ => {}
                }
            }
            _ => {}
        }
        (cuts != self.0).then_some(Self(cuts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> EntryId {
        EntryId { ms, seq: 1 }
    }

    /// An edit of a week that comes in so many copies, of which so many are still to come.
    fn week(kind: EditKind, label: &str, ms: u64, (left, copies): (u32, u32)) -> Edit {
        let (period, label) = (Some("week".into()), Some(label.into()));
        let scope = Scope { bolt: "b".into(), period, label, at: at(ms), left, ..Scope::default() };
        Edit { scope: Some(scope), copies, ..Edit::new("e", kind, "", "") }
    }

    fn of_class(edit: Edit) -> Edit {
        let scope = edit.scope.map(|scope| Scope { group: vec!["class=10B".into()], ..scope });
        Edit { scope, ..edit }
    }

    #[test]
    fn what_is_closed_takes_what_was_sent_before_alone() {
        let none = Cuts::default();
        let cuts = none.after(&week(EditKind::Close, "W05", 5, (3, 4)), Some(100), 0).unwrap();
        assert!(!cuts.are_before("week", "W05", at(4)) && cuts.are_before("week", "W05", at(6)));
        assert!(!cuts.are_before("week", "W06", at(6)) && !cuts.are_before("day", "W05", at(6)));
        assert_eq!(cuts.closed().next(), None, "what was sent before may still come");
        assert_eq!(Cuts::read(Some(cuts.to_text().as_bytes())), Ok(cuts.clone()));
        // Its other copies change nothing, and neither does another edit that comes later.
        for (ms, left) in [(5, 2), (9, 3)] {
            let close = week(EditKind::Close, "W05", ms, (left, 4));
            assert_eq!(cuts.after(&close, Some(100), 0), None);
        }
        // With the last, all is late that comes, whatever its entry.
        let whole = cuts.after(&week(EditKind::Close, "W05", 5, (0, 4)), Some(100), 0).unwrap();
        assert_eq!(whole.closed().collect::<Vec<_>>(), [(&"week".into(), &"W05".into())]);
        assert!(whole.are_before("week", "W05", at(4)) && !whole.are_before("week", "W06", at(4)));
        // They change nothing once it was opened again.
        assert_eq!(none.after(&week(EditKind::Close, "W05", 5, (0, 4)), Some(100), 0), None);
        // What is gone is closed no longer.
        let next = cuts.after(&week(EditKind::Close, "W06", 9, (0, 1)), Some(900), 100).unwrap();
        assert_eq!(next.closed().collect::<Vec<_>>(), [(&"week".into(), &"W06".into())]);
    }

    #[test]
    fn what_is_no_list_of_cuts_is_an_error_with_what_stands_there() {
        assert_eq!(Cuts::read(None), Ok(Cuts::default()));
        assert_eq!(Cuts::read(Some(b"[]")), Ok(Cuts::default()));
        for (text, given) in
            [(&b""[..], "\"\""), (b"[{\"do\":\"close\"}]", "close"), (b"\xff", "\u{FFFD}")]
        {
            let error = Cuts::read(Some(text)).unwrap_err().to_string();
            let what = "is no list of what was closed and started over: ";
            assert!(error.contains(given) && error.contains(what), "{error}");
        }
    }

    #[test]
    fn what_starts_over_takes_what_is_sent_afterwards_alone() {
        let none = Cuts::default();
        let group = ("everyone", true);
        let cuts = none.after(&week(EditKind::Reset, "W05", 5, (1, 2)), None, 0).unwrap();
        assert!(cuts.are_after(("week", "W05"), group, at(4)));
        assert!(!cuts.are_after(("week", "W05"), group, at(6)));
        assert!(!cuts.are_after(("week", "W06"), group, at(4)));
        // With the last copy nothing from before can come any more.
        assert_eq!(cuts.after(&week(EditKind::Reset, "W05", 5, (1, 2)), None, 0), None);
        assert_eq!(
            cuts.after(&week(EditKind::Reset, "W05", 5, (0, 2)), None, 0),
            Some(none.clone())
        );
        assert_eq!(none.after(&week(EditKind::Reset, "W05", 5, (0, 2)), None, 0), None);
        let class = of_class(week(EditKind::Reset, "W05", 5, (1, 2)));
        let cuts = none.after(&class, None, 0).unwrap();
        assert!(cuts.are_after(("week", "W05"), ("class=10B", true), at(4)));
        assert!(!cuts.are_after(("week", "W05"), group, at(4)));
    }

    #[test]
    fn a_closed_period_goes_on_where_all_of_it_starts_over() {
        let close = week(EditKind::Close, "W05", 5, (0, 1));
        let closed = Cuts::default().after(&close, None, 0).unwrap();
        let reset = |label| week(EditKind::Reset, label, 9, (0, 1));
        assert_eq!(closed.after(&of_class(reset("W05")), None, 0), None);
        let all = Scope { bolt: "b".into(), at: at(9), ..Scope::default() };
        let all = Edit { scope: Some(all), ..reset("W05") };
        for edit in [reset("W05"), all] {
            assert_eq!(closed.after(&edit, None, 0), Some(Cuts::default()));
        }
        assert_eq!(closed.after(&reset("W06"), None, 0), None);
        // Its last copy comes when it may be closed again.
        let last = week(EditKind::Reset, "W05", 3, (0, 2));
        assert_eq!(closed.after(&last, None, 0), None);
    }
}
