//! What can be asked of a mastery bolt.

use crate::{
    Abilities, Ability, NoAbilities, Options, grasp, learners_key, more_keys, names_key, read_more,
    read_own, stored::may_be_full,
};
use smol_str::{SmolStr, ToSmolStr};
use std::borrow::Cow;
use tallyd_bolt::Key;
use tallyd_event::partition_of;
use tallyd_kind::{
    record::{Asked, Found, Record, Step, Unreadable},
    row::Row,
    view::{Argument, Column, Form, How, Shown, Type, View},
};

/// A learner's mastery of concepts.
pub static MASTERY: View = View {
    name: "mastery",
    doc: "The learner's grasp of each concept, by each bolt that says so.",
    form: Form::Record(Some("concepts")),
    arguments: &[Argument { name: "learner", kind: "string", doc: "Who" }],
    row: "Concept",
    row_doc: "A learner's grasp of a concept.",
    columns: &[
        Column::new("concept", Type::Name, "The concept."),
        Column::new("answers", Type::Count, "How many answers it rests on.").expected(),
        Column::new("correct", Type::Count, "How many of them were right."),
        Column::new(
            "mastery",
            Type::Share,
            "The probability of answering an item of difficulty 0 right, 0..1.",
        )
        .between("mastery_min", "mastery_max"),
        Column::new(
            "uncertainty",
            Type::Share,
            "How far off that may be now, 0..0.5 (one standard error): it grows with time.",
        ),
        Column::new("known", Type::Bool, "Whether there are answers enough to show it as known.")
            .expected(),
        Column::new(
            "at",
            Type::Time,
            "The time of the last answer in it, in ms since the epoch, to 8 seconds.",
        ),
    ],
    shown: &[
        Shown { column: "concept", head: None, how: How::Name },
        Shown { column: "mastery", head: Some("mastery"), how: How::Percent },
        Shown { column: "uncertainty", head: Some("±"), how: How::Percent },
        Shown { column: "answers", head: Some("answers"), how: How::Figure(0) },
        Shown { column: "correct", head: Some("right"), how: How::Figure(0) },
    ],
    read: "the learner's fields in the hashes of the partition, and the names of the concepts",
    order: "the names of the concepts",
    changes: "each answer of the learner; the uncertainty also time",
};

impl Record for Options {
    fn read(&self, asked: Asked<'_>, found: &Found) -> Result<Step, Unreadable> {
        let name = SmolStr::from(asked.learner);
        let partition = partition_of([asked.learner], asked.partitions);
        let key = learners_key(partition);
        let Some(own) = found.field(&key, &name) else {
            return Ok(Step::Fields(vec![key], vec![name]));
        };
        let Some(own) = own else { return Ok(Step::Rows(Vec::new())) };
        let unreadable = |error: NoAbilities| Unreadable(error.to_string());
        let (overall, mut concepts) = read_own(own).map_err(unreadable)?;
        if may_be_full(own) {
            let keys: Vec<Key> = more_keys(partition).collect();
            let pages: Option<Vec<_>> = keys.iter().map(|key| found.field(key, &name)).collect();
            let Some(pages) = pages else { return Ok(Step::Fields(keys, vec![name])) };
            for page in pages.into_iter().flatten() {
                concepts.extend(read_more(page).map_err(unreadable)?);
            }
        }
        let names = names_key(partition);
        let mut rows = Vec::with_capacity(concepts.len());
        for (number, concept) in &concepts {
            let Some(name) = found.field(&names, &number.to_smolstr()) else {
                let numbers = concepts.iter().map(|(number, _)| number.to_smolstr());
                return Ok(Step::Fields(vec![names], numbers.collect()));
            };
            let name = name.ok_or_else(|| Unreadable(format!("{names:?} lacks {number}")))?;
            rows.push((String::from_utf8_lossy(name), concept));
        }
        rows.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let row = |(name, concept): (Cow<'_, str>, &Ability)| {
            let grasp =
                grasp(&Abilities { overall, concept: *concept }, &self.parameters, asked.now);
            let cells = [
                name.as_ref().into(),
                concept.answers.into(),
                concept.correct.into(),
                grasp.mastery.into(),
                grasp.uncertainty.into(),
                (concept.answers >= self.known_after).into(),
                (i64::from(concept.last) * 1000).into(),
            ];
            Row::new(&MASTERY, cells)
        };
        Ok(Step::Rows(rows.into_iter().map(row).collect()))
    }
}
