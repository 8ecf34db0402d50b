//! What an edit is of, where that is no member: a part of the results of a bolt.

use crate::EntryId;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A part of the results of a bolt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The bolt.
    pub bolt: SmolStr,
    /// The kind of period or window, such as `week`; `None`: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<SmolStr>,
    /// Which one, such as `2026-W05`; `None`: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<SmolStr>,
    /// The fields of its groups with their values, each as it stands in keys, such as `class=10B`.
    /// None: all groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group: Vec<SmolStr>,
    /// Its place among the events: the id of its entry in their source, as text.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub at: EntryId,
    /// How many copies of it are still to come into a partition. It takes effect with the first: what
    /// the other partitions send of events from before it is told by their entries.
    #[serde(skip)]
    pub left: u32,
}

impl Scope {
    /// Whether it holds a period or window.
    #[must_use]
    pub fn has(&self, period: &str, label: &str) -> bool {
        self.period.as_ref().is_none_or(|own| own == period)
            && self.label.as_ref().is_none_or(|own| own == label)
    }

    /// Whether it holds a group, as it stands in keys. One that is `whole` has no fields besides those
    /// of the scope.
    #[must_use]
    pub fn has_group(&self, group: &str, whole: bool) -> bool {
        if self.group.is_empty() {
            return true;
        }
        let has = |part: &SmolStr| group.split(':').any(|of| of == part);
        self.group.iter().all(has) && (!whole || group.split(':').count() == self.group.len())
    }
}

fn is_zero(id: &EntryId) -> bool {
    *id == EntryId::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_holds_what_it_names_and_all_of_what_it_leaves_out() {
        let all = Scope { bolt: "points".into(), ..Scope::default() };
        assert!(all.has("week", "2026-W05") && all.has_group("everyone", true));
        let week = Scope { period: Some("week".into()), ..all.clone() };
        assert!(week.has("week", "2026-W05") && !week.has("day", "2026-01-31"));
        let one = Scope { label: Some("2026-W05".into()), ..week };
        assert!(one.has("week", "2026-W05") && !one.has("week", "2026-W06"));
        let class = Scope { group: vec!["class=10B".into()], ..all.clone() };
        assert!(class.has_group("class=10B", true) && !class.has_group("class=10", true));
        assert!(class.has_group("city=Pune:class=10B", false));
        assert!(!class.has_group("city=Pune:class=10B", true) && !class.has_group("class", false));
        assert!(!class.has_group("everyone", false));
        let two = Scope { group: vec!["class=10B".into(), "city=Pune".into()], ..all };
        assert!(two.has_group("city=Pune:class=10B", true) && !two.has_group("class=10B", false));
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let scope = Scope {
            bolt: "points".into(),
            period: Some("week".into()),
            label: Some("2026-W05".into()),
            group: vec!["class=10B".into()],
            at: EntryId { ms: 5, seq: 7 },
            left: 0,
        };
        for scope in [Scope { bolt: "points".into(), ..Scope::default() }, scope] {
            let text = serde_json::to_string(&scope).unwrap();
            assert_eq!(serde_json::from_str::<Scope>(&text).unwrap(), scope);
        }
        assert!(serde_json::from_str::<Scope>(r#"{"bolt":"b","at":"x"}"#).is_err());
    }
}
