//! A member gets another name, in bolts that keep it in fields of hashes.

use crate::{EditAt, EditStep, Handing};
use tallyd_event::{Edit, EditKind, partition_of};

/// Whether an edit renames somebody of the partition whose turn it is, or hands over to it what one
/// had who was renamed, in a bolt that knows them by this field of its input.
#[must_use]
pub fn is_of(edit: &Edit, at: EditAt, field: &str) -> bool {
    edit.kind == EditKind::Rename && edit.field == field && at.owns([edit.member.as_str()])
}

/// Hands over what these bytes hold, to the partition of the new name.
pub fn hand_over(edit: &Edit, at: EditAt, bytes: &[u8], step: &mut EditStep) {
    let (member, kind) = (edit.to.clone(), EditKind::Rename);
    let to = partition_of([member.as_str()], at.partitions);
    let state = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    step.handed.push(Handing { to, kind, member, state });
}

/// The bytes that were handed over; `None` where it is something else.
#[must_use]
pub fn handed_over(edit: &Edit) -> Option<Vec<u8>> {
    let state = edit.handed.as_ref()?.state.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    state.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallyd_event::Handed;

    #[test]
    fn bytes_go_over_as_they_are() {
        let at = EditAt { partition: 0, partitions: 4, now: 0 };
        let edit = Edit { to: "b".into(), ..Edit::new("e", EditKind::Rename, "user", "a") };
        let bytes: Vec<u8> = (0..=255).collect();
        let mut step = EditStep::default();
        hand_over(&edit, at, &bytes, &mut step);
        let Handing { to, kind, member, state } = step.handed.remove(0);
        assert_eq!(to, partition_of(["b"], 4));
        let handed = Some(Handed { bolt: "x".into(), state });
        let adopts = Edit { handed, ..Edit::new("e", kind, "user", &member) };
        assert_eq!(handed_over(&adopts), Some(bytes));
        assert!(is_of(&adopts, EditAt { partition: to, ..at }, "user"));
        assert!(!is_of(&adopts, EditAt { partition: to, ..at }, "team"));
        assert_eq!(handed_over(&edit), None);
        let wrong = Handed { bolt: "x".into(), state: "0g".into() };
        assert_eq!(handed_over(&Edit { handed: Some(wrong), ..edit }), None);
    }
}
