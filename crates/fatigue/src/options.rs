//! What a topology says about a fatigue bolt.

use crate::Parameters;
use tallyd_bolt::FieldRef;

/// The options of a fatigue bolt.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The learner who answers: events are partitioned by it.
    pub learner: FieldRef,
    /// The item (question) that was answered.
    pub item: FieldRef,
    /// Whether the answer was right: a bool.
    pub correct: FieldRef,
    /// How long the answer took, in ms: an int or a float.
    pub response_ms: FieldRef,
    /// The constants of the formulas.
    pub parameters: Parameters,
}

impl Options {
    /// What the stored data depends on: the names of the fields. The parameters are not part of
    /// it, because a state that was made with others can be continued.
    #[must_use]
    pub fn shape(&self) -> Vec<(String, String)> {
        let fields = [
            ("learner", &self.learner),
            ("item", &self.item),
            ("correct", &self.correct),
            ("response_ms", &self.response_ms),
        ];
        let named = fields.iter().map(|(name, field)| ((*name).to_owned(), field.name.to_string()));
        std::iter::once(("type".to_owned(), "fatigue".to_owned())).chain(named).collect()
    }
}
