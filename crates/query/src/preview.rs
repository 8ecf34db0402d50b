//! What an edit would change, before it is sent.

use crate::{
    QueryError, Standing, footprint, head, parts,
    standing::{standing, standing_in},
};
use smol_str::SmolStr;
use tallyd_event::{Edit, EditKind, Scope};
use tallyd_store::{Connection, keys::Keys};
use tallyd_topology::Topology;

/// Why an edit would change nothing, with what helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoChange {
    /// The member is hidden already.
    #[error("{field} \"{member}\" is hidden already")]
    IsHidden {
        /// The field that names members.
        field: SmolStr,
        /// The member.
        member: SmolStr,
    },
    /// No board has the member.
    #[error("no board has a {field} \"{member}\" (names are as events write them)")]
    NoMember {
        /// The field that names members.
        field: SmolStr,
        /// The member.
        member: SmolStr,
    },
    /// The period or window is closed already.
    #[error("{period} {label} of \"{bolt}\" is closed already")]
    IsClosed {
        /// The bolt.
        bolt: SmolStr,
        /// The kind of period or window.
        period: SmolStr,
        /// Which one.
        label: SmolStr,
    },
    /// Nothing was counted there.
    #[error("\"{0}\" has counted nothing there (of what was sent just now, tallyd wait first)")]
    Nothing(SmolStr),
    /// Nothing is kept of the member.
    #[error("no result has a {field} \"{member}\" (of what was sent just now, tallyd wait first)")]
    Nobody {
        /// The field that names members.
        field: SmolStr,
        /// The member.
        member: SmolStr,
    },
    /// The member has no score in the group.
    #[error(
        "no board of {group} has a {field} \"{member}\" (of what was sent just now, tallyd wait first)"
    )]
    NotInGroup {
        /// The group that it is to leave.
        group: SmolStr,
        /// The field that names members.
        field: SmolStr,
        /// The member.
        member: SmolStr,
    },
    /// The member is not hidden.
    #[error(
        "{field} \"{member}\" is not hidden (of one that was hidden just now, tallyd wait first)"
    )]
    NotHidden {
        /// The field that names members.
        field: SmolStr,
        /// The member.
        member: SmolStr,
    },
}

/// How many results an edit would change now, or why it would change nothing. To forget somebody of
/// whom no results are is no fault: streams may hold the name.
///
/// # Errors
/// Where the server can't be read.
pub async fn preview(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    edit: &Edit,
) -> Result<Result<u64, NoChange>, QueryError> {
    if matches!(edit.kind, EditKind::Forget | EditKind::Rename) {
        let of = (edit.field.as_str(), edit.member.as_str());
        let found = footprint(c, topology, keys, of).await?;
        let found = found.boards + found.groups + found.learners;
        let (field, member) = (edit.field.clone(), edit.member.clone());
        return Ok(match edit.kind {
            EditKind::Rename if found == 0 => Err(NoChange::Nobody { field, member }),
            // The old name has it no more, and the new one has it.
            EditKind::Rename => Ok(found * 2),
            _ => Ok(found),
        });
    }
    if let Some(scope) = &edit.scope {
        return part(c, topology, keys, (edit.kind, scope)).await;
    }
    if let Some(moves) = &edit.moves {
        let is_left = |group: &str| moves.target(group).is_some();
        let stands = standing_in(c, topology, keys, edit, &is_left).await?;
        let (field, member) = (edit.field.clone(), edit.member.clone());
        // Each is left, and another one joined.
        let each = if moves.keeps { 2 } else { 1 };
        return Ok(match (stands.boards + stands.hidden) * each {
            0 => Err(NoChange::NotInGroup { group: moves.from.join(":").into(), field, member }),
            boards => Ok(boards),
        });
    }
    let stands = standing(c, topology, keys, &edit.field, &edit.member).await?;
    Ok(would_change(edit, &stands))
}

/// The same, of an edit of a part of a bolt's results.
async fn part(
    c: &mut Connection,
    topology: &Topology,
    keys: &Keys,
    (kind, scope): (EditKind, &Scope),
) -> Result<Result<u64, NoChange>, QueryError> {
    let bolt = scope.bolt.clone();
    if let (EditKind::Close, Some(period), Some(label)) = (kind, &scope.period, &scope.label)
        && head(c, keys, &bolt).await?.is_closed(period, label)
    {
        let (period, label) = (period.clone(), label.clone());
        return Ok(Err(NoChange::IsClosed { bolt, period, label }));
    }
    let groups = parts::groups(c, topology, keys, scope).await?.len() as u64;
    Ok(if groups > 0 { Ok(groups) } else { Err(NoChange::Nothing(bolt)) })
}

fn would_change(edit: &Edit, stands: &Standing) -> Result<u64, NoChange> {
    let (field, member) = (edit.field.clone(), edit.member.clone());
    match edit.kind {
        EditKind::Hide if stands.boards > 0 => Ok(stands.boards),
        EditKind::Hide if stands.is_hidden => Err(NoChange::IsHidden { field, member }),
        EditKind::Hide => Err(NoChange::NoMember { field, member }),
        // They are of no member.
        EditKind::Close | EditKind::Reset => Ok(0),
        EditKind::Move | EditKind::Rename => Ok(stands.boards),
        EditKind::Unhide if stands.is_hidden || stands.hidden > 0 => Ok(stands.hidden),
        EditKind::Unhide | EditKind::Forget => Err(NoChange::NotHidden { field, member }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_that_changes_nothing_is_refused_with_the_fix() {
        let stands = |boards, hidden, is_hidden| Standing { boards, hidden, is_hidden };
        let said = |kind, stands| match would_change(&Edit::new("e", kind, "user", "u7"), &stands) {
            Ok(boards) => boards.to_string(),
            Err(why) => why.to_string(),
        };
        assert_eq!(said(EditKind::Hide, stands(3, 0, false)), "3");
        assert_eq!(said(EditKind::Unhide, stands(0, 4, true)), "4");
        // One who has had no event since.
        assert_eq!(said(EditKind::Unhide, stands(0, 0, true)), "0");
        let again = said(EditKind::Hide, stands(0, 4, true));
        assert_eq!(again, "user \"u7\" is hidden already");
        let nobody = said(EditKind::Hide, stands(0, 0, false));
        assert_eq!(nobody, "no board has a user \"u7\" (names are as events write them)");
        assert!(
            said(EditKind::Unhide, stands(2, 0, false)).starts_with("user \"u7\" is not hidden")
        );
    }
}
