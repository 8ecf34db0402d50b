//! What can be asked of a fatigue bolt.

use crate::{Options, Reading, learner_fields};
use tallyd_kind::{
    record::{Asked, Found, Record, Step, Unreadable},
    row::Row,
    view::{Argument, Column, Form, How, Shown, Type, View},
};

/// A learner's fatigue.
pub static FATIGUE: View = View {
    name: "fatigue",
    doc: "How tired the learner seems, by each bolt that says so.",
    form: Form::Record(None),
    arguments: &[Argument { name: "learner", kind: "string", doc: "Who" }],
    row: "FatigueOf",
    row_doc: "How tired a learner seems: a signal, and no diagnosis.",
    columns: &[
        Column::new("score", Type::Share, "From 0, fresh, to 1.").between("score_min", "score_max"),
        Column::new("tired", Type::Bool, "Whether that is above the threshold.").expected(),
        Column::new("accuracy", Type::Number, "The part of accuracy in the score."),
        Column::new("speed", Type::Number, "The part of speed."),
        Column::new("load", Type::Number, "The part of how much was answered."),
        Column::new("rapid", Type::Share, "The part of rapid guesses."),
        Column::new("answers", Type::Count, "How many answers it rests on.").expected(),
        Column::new("at", Type::Time, "The time of the last one, in ms since the epoch."),
    ],
    shown: &[
        Shown { column: "score", head: None, how: How::Figure(2) },
        Shown { column: "tired", head: Some("tired"), how: How::Text },
        Shown { column: "accuracy", head: Some("accuracy"), how: How::Figure(2) },
        Shown { column: "speed", head: Some("speed"), how: How::Figure(2) },
        Shown { column: "load", head: Some("load"), how: How::Figure(2) },
        Shown { column: "rapid", head: Some("rapid"), how: How::Figure(2) },
        Shown { column: "answers", head: Some("answers"), how: How::Figure(0) },
    ],
    read: "the learner's field in the hash of the partition",
    order: "one row",
    changes: "each answer of the learner",
};

impl Record for Options {
    fn read(&self, asked: Asked<'_>, found: &Found) -> Result<Step, Unreadable> {
        let (keys, names): (Vec<_>, Vec<_>) =
            learner_fields(asked.learner, asked.partitions).into_iter().unzip();
        let stored = keys.iter().zip(&names).find_map(|(key, name)| found.field(key, name));
        let Some(state) = stored else { return Ok(Step::Fields(keys, names)) };
        let Some(state) = state else { return Ok(Step::Rows(Vec::new())) };
        let of = Reading::of(state).map_err(|error| Unreadable(error.to_string()))?;
        let cells = [
            of.score.into(),
            of.tired.into(),
            of.accuracy.into(),
            of.speed.into(),
            of.load.into(),
            of.rapid.into(),
            of.answers.into(),
            of.at.into(),
        ];
        Ok(Step::Rows(vec![Row::new(&FATIGUE, cells)]))
    }
}
