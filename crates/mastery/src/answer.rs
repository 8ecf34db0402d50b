//! What the bolt takes from an event, and why an event may be of no use to it.

use crate::{NoAbilities, Options, grasp::seconds};
use smol_str::SmolStr;
use tallyd_bolt::{FieldRef, Key};
use tallyd_event::{Event, Schema};

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub learner: SmolStr,
    pub concept: SmolStr,
    pub item: SmolStr,
    pub correct: bool,
    /// In seconds since the epoch.
    pub at: u32,
}

/// Why an event can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    /// An optional field that the bolt needs was left out.
    #[error("field \"{0}\" is missing")]
    Missing(SmolStr),
    /// The field that says whether the answer was right is of another type.
    #[error("field \"{field}\": \"{given}\" is not a bool")]
    NotBool { field: SmolStr, given: SmolStr },
    /// What is stored of the learner was written by something else.
    #[error("learner \"{learner}\" in {key:?}: {error} (delete the field to begin again)")]
    Stored { learner: SmolStr, key: Key, error: NoAbilities },
    /// What is stored as the number of a concept, or of how many have one, was written by something
    /// else.
    #[error("field \"{field}\" of {key:?}: \"{given}\" is no number (restore it)")]
    NoNumber { key: Key, field: SmolStr, given: String },
}

impl Answer {
    pub fn of(options: &Options, input: &Schema, event: &Event) -> Result<Self, Unusable> {
        let text = |field: &FieldRef| {
            field.text(event).ok_or_else(|| Unusable::Missing(field.name.clone()))
        };
        let given = text(&options.correct)?;
        let correct = event.value(options.correct.index).as_bool();
        Ok(Self {
            learner: text(&options.learner)?,
            concept: text(&options.concept)?,
            item: text(&options.item)?,
            correct: correct
                .ok_or_else(|| Unusable::NotBool { field: options.correct.name.clone(), given })?,
            // A clock ahead of the server's must not make all that follows seem early.
            at: seconds(event.time(input).min(event.arrival())),
        })
    }
}
