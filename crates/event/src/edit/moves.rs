//! From which group to which a member goes.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A move of a member from a group to another one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moves {
    /// The fields with their values, each as it stands in keys, such as `class=10A`.
    pub from: Vec<SmolStr>,
    /// The same fields, in the same order, with their new values.
    pub to: Vec<SmolStr>,
    /// Whether the member's scores go with it. Else they are gone.
    pub keeps: bool,
}

impl Moves {
    /// The group, as it stands in keys, that the member goes to from a group; `None` where that one is
    /// not left.
    #[must_use]
    pub fn target(&self, group: &str) -> Option<SmolStr> {
        let parts: Vec<&str> = group.split(':').collect();
        if !self.from.iter().all(|from| parts.contains(&from.as_str())) {
            return None;
        }
        let next = |part: &str| {
            let moved = self.from.iter().zip(&self.to).find(|(from, _)| *from == part);
            moved.map_or_else(|| SmolStr::from(part), |(_, to)| to.clone())
        };
        let parts: Vec<SmolStr> = parts.into_iter().map(next).collect();
        Some(parts.join(":").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_left_with_all_of_its_other_fields() {
        let names = |names: &[&str]| names.iter().map(|name| SmolStr::from(*name)).collect();
        let one = Moves { from: names(&["class=10A"]), to: names(&["class=10B"]), keeps: true };
        assert_eq!(one.target("class=10A").as_deref(), Some("class=10B"));
        assert_eq!(one.target("city=Pune:class=10A").as_deref(), Some("city=Pune:class=10B"));
        assert_eq!(one.target("class=10"), None);
        assert_eq!(one.target("everyone"), None);
        let from = names(&["class=10A", "city=Pune"]);
        let two = Moves { from, to: names(&["class=1", "city=Goa"]), keeps: true };
        assert_eq!(two.target("city=Pune:class=10A").as_deref(), Some("city=Goa:class=1"));
        assert_eq!(two.target("class=10A"), None);
    }
}
