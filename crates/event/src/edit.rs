//! Edits: what an operator takes back of what is counted. They go the way of events, in their place
//! among them, and are none.

mod cut;
mod handed;
mod moves;
mod scope;
mod taken;

pub use cut::{Cuts, NoCuts};
pub use handed::Handed;
pub use moves::Moves;
pub use scope::Scope;
pub use taken::Taken;

use crate::frame::{EncodeError, VERSION};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// An edit, on its way through the topology.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// By what it is known: it takes effect once.
    pub id: SmolStr,
    /// What it does.
    #[serde(rename = "do")]
    pub kind: EditKind,
    /// The field that names the member in events: bolts that rank, or keep learners, by it are edited.
    /// Empty where it is of no member.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub field: SmolStr,
    /// The member.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub member: SmolStr,
    /// What it is of, where it is of no member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Of a move, from which group to which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moves: Option<Moves>,
    /// Of a rename, the name that the member has from then on.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub to: SmolStr,
    /// Of one that forgets a member, whether what its events added to counts of many is taken out too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub subtracts: bool,
    /// Of one that goes from a partition of a bolt to another, what is handed over. It goes no further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed: Option<Handed>,
    /// How often a partition of its reader gets it: once from each partition of the node before that
    /// may send events of the member. It takes effect with the last.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub copies: u32,
}

/// What an edit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EditKind {
    /// Takes the member off all leaderboards. Its scores are kept, and still counted.
    Hide,
    /// Puts the member back on them.
    Unhide,
    /// Takes out all that is kept of the member.
    Forget,
    /// Takes the member from a group to another one.
    Move,
    /// Gives all that is kept of the member to another name.
    Rename,
    /// Makes a period or window final now.
    Close,
    /// Starts results over.
    Reset,
}

impl EditKind {
    /// Those that a client can ask for.
    pub const ALL: [EditKind; 7] = [
        EditKind::Hide,
        EditKind::Unhide,
        EditKind::Forget,
        EditKind::Move,
        EditKind::Rename,
        EditKind::Close,
        EditKind::Reset,
    ];

    /// Its name, as clients write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            EditKind::Hide => "hide",
            EditKind::Unhide => "unhide",
            EditKind::Forget => "forget",
            EditKind::Move => "move",
            EditKind::Rename => "rename",
            EditKind::Close => "close",
            EditKind::Reset => "reset",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Edit {
    /// An edit of a member that each partition gets once.
    #[must_use]
    pub fn new(id: &str, kind: EditKind, field: &str, member: &str) -> Self {
        let (id, field, member) = (id.into(), field.into(), member.into());
        let (scope, moves, handed) = (None, None, None);
        let to = SmolStr::default();
        Self { id, kind, field, member, scope, moves, to, subtracts: false, handed, copies: 1 }
    }

    /// Whether it is the first copy that a partition gets of an edit that takes effect with that: of one
    /// that has a scope.
    #[must_use]
    pub fn is_first_copy(&self) -> bool {
        self.scope.as_ref().is_some_and(|scope| scope.left.saturating_add(1) >= self.copies)
    }

    /// Whether a bolt has anything to do with it, as far as it names one.
    #[must_use]
    pub fn is_for(&self, bolt: &str) -> bool {
        let of_scope = self.scope.as_ref().map(|scope| &scope.bolt);
        let named = of_scope.or(self.handed.as_ref().map(|handed| &handed.bolt));
        named.is_none_or(|name| name == bolt)
    }

    /// As text: what an entry of a source holds.
    #[must_use]
    pub fn to_text(&self) -> String {
        // A map of texts and a number always has a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The edit of a text that [`Edit::to_text`] gave; `None` for any other.
    #[must_use]
    pub fn from_text(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// As bytes that stand in the place of a frame: the array `[version, text]`, of no events.
    ///
    /// # Errors
    /// Never; the encoder's error type is passed on all the same.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        rmp_serde::to_vec(&(VERSION, self.to_text()))
    }

    /// The edit that stands in the place of a frame; `None` for a frame, and for what is neither.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        // All but a few entries are frames, which are arrays of three: one look is enough for them.
        if bytes.first() != Some(&0x92) {
            return None;
        }
        let mut decoder = rmp_serde::Deserializer::new(std::io::Cursor::new(bytes));
        let (version, text) = <(u8, String)>::deserialize(&mut decoder).ok()?;
        let is_whole = version == VERSION && decoder.position() == bytes.len() as u64;
        Self::from_text(text.as_bytes()).filter(|_| is_whole)
    }
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_one(copies: &u32) -> bool {
    *copies == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame;
    use proptest::prelude::*;

    fn edit(kind: EditKind, member: &str, copies: u32) -> Edit {
        Edit { copies, ..Edit::new("e1", kind, "user", member) }
    }

    proptest! {
        #[test]
        fn it_is_read_as_it_was_written(member in ".{0,40}", copies in 1u32..99, hide: bool) {
            let edit = edit(if hide { EditKind::Hide } else { EditKind::Unhide }, &member, copies);
            prop_assert_eq!(Edit::from_text(edit.to_text().as_bytes()), Some(edit.clone()));
            let bytes = edit.encode().unwrap();
            prop_assert_eq!(Edit::decode(&bytes), Some(edit));
            prop_assert_eq!(frame::probe(&bytes), None);
            prop_assert_eq!(Edit::decode(&[bytes.as_slice(), &[0]].concat()), None);
        }

        #[test]
        fn bytes_of_any_kind_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Edit::decode(&bytes);
            let _ = Edit::from_text(&bytes);
        }
    }

    #[test]
    fn what_is_no_edit_is_none() {
        assert_eq!(Edit::decode(&frame::encode_probe(5).unwrap()), None);
        assert_eq!(Edit::decode(&frame::encode(&crate::Schema::default(), &[]).unwrap()), None);
        assert_eq!(Edit::from_text(br#"{"id":"e","do":"burn","field":"user","member":"u"}"#), None);
        let whole = edit(EditKind::Hide, "u7", 1).to_text();
        assert_eq!(whole, r#"{"id":"e1","do":"hide","field":"user","member":"u7"}"#);
        for kind in EditKind::ALL {
            assert_eq!(EditKind::named(kind.name()), Some(kind));
        }
        assert_eq!(EditKind::named("burn"), None);
        let scope = Some(Scope { bolt: "points".into(), ..Scope::default() });
        let reset = Edit { scope, ..Edit::new("e1", EditKind::Reset, "", "") };
        let whole = r#"{"id":"e1","do":"reset","scope":{"bolt":"points"}}"#;
        assert_eq!(reset.to_text(), whole);
        assert_eq!(Edit::from_text(whole.as_bytes()), Some(reset));
    }
}
