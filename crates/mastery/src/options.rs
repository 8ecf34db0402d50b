//! What a topology says about a mastery bolt.

use crate::Parameters;
use tallyd_bolt::FieldRef;

/// The options of a mastery bolt.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The learner who answers: events are partitioned by it.
    pub learner: FieldRef,
    /// The concept (skill) that the answer shows.
    pub concept: FieldRef,
    /// The item (question) that was answered.
    pub item: FieldRef,
    /// Whether the answer was right: a bool.
    pub correct: FieldRef,
    /// Whether each answer is emitted with the probability that was predicted before it.
    pub emit: bool,
    /// From how many answers in a concept on its mastery counts as known, for readers.
    pub known_after: u64,
    /// The constants of the formulas.
    pub parameters: Parameters,
}

impl Options {
    /// What the stored data depends on: the names of the fields. The parameters are not part of
    /// it, because a state that was made with others can be continued; nor is `emit`.
    #[must_use]
    pub fn shape(&self) -> Vec<(String, String)> {
        let fields = [
            ("learner", &self.learner),
            ("concept", &self.concept),
            ("item", &self.item),
            ("correct", &self.correct),
        ];
        let named = fields.iter().map(|(name, field)| ((*name).to_owned(), field.name.to_string()));
        std::iter::once(("type".to_owned(), "mastery".to_owned())).chain(named).collect()
    }
}
