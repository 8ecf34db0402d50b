//! One answer of a learner, and the fields that a producer sends for it.

use crate::wire::{Fields, Wire};
use std::sync::Arc;

/// One answer of a learner: an event of the testprep schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Who answered.
    pub user: Arc<str>,
    /// Which of the learner's answers it is. It makes the event's id, which is unique for the
    /// learner only: two learners' events share ids.
    pub number: u32,
    /// The learner's class; left out now and then.
    pub class: Option<Arc<str>>,
    /// What the question is about.
    pub concept: Arc<str>,
    /// Which of the concept's questions it was.
    pub question: u32,
    /// Whether the answer was right.
    pub correct: bool,
    /// How long it took, in ms.
    pub ms: i64,
    /// 4 for a right answer, -1 for a wrong one.
    pub points: i64,
    /// When it was given, in ms since the epoch.
    pub at: i64,
}

impl Answer {
    /// The event's id: with the user, its identity.
    #[must_use]
    pub fn id(&self) -> String {
        format!("a{}", self.number)
    }

    /// The fields as sent, a retry's exactly as the first sending's. Now and then a bool is
    /// written out, a time is RFC 3339, or there is a field that the schema does not know.
    pub(crate) fn fields(&self) -> Fields {
        let mut fields = vec![
            ("id", Wire::Text(self.id())),
            ("user", Wire::Text(self.user.to_string())),
            ("question", Wire::Text(format!("{}/{}", self.concept, self.question))),
            ("concept", Wire::Text(self.concept.to_string())),
            ("correct", self.correct_on_wire()),
            ("ms", Wire::Int(self.ms)),
            ("points", Wire::Int(self.points)),
            ("at", self.at_on_wire()),
        ];
        if let Some(class) = &self.class {
            fields.insert(2, ("class", Wire::Text(class.to_string())));
        }
        if self.number % 64 == 9 {
            fields.push(("app", Wire::Text("2.1".to_owned())));
        }
        fields
    }

    fn correct_on_wire(&self) -> Wire {
        match (self.number % 8, self.correct) {
            (0, correct) => Wire::Text(correct.to_string()),
            (1, true) => Wire::Text("1.0".to_owned()),
            (1, false) => Wire::Text("0.0".to_owned()),
            (_, correct) => Wire::Bool(correct),
        }
    }

    fn at_on_wire(&self) -> Wire {
        match jiff::Timestamp::from_millisecond(self.at) {
            Ok(at) if self.number % 16 == 5 => Wire::Text(at.to_string()),
            _ => Wire::Int(self.at),
        }
    }
}
