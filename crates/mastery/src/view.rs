//! What can be asked of a mastery bolt.

use crate::{Abilities, Ability, OVERALL_FIELD, Options, concept_of, grasp, learner_key};
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
            "The time of the last answer in it, in ms since the epoch, to the second.",
        ),
    ],
    shown: &[
        Shown { column: "concept", head: None, how: How::Name },
        Shown { column: "mastery", head: Some("mastery"), how: How::Percent },
        Shown { column: "uncertainty", head: Some("±"), how: How::Percent },
        Shown { column: "answers", head: Some("answers"), how: How::Figure(0) },
        Shown { column: "correct", head: Some("right"), how: How::Figure(0) },
    ],
    read: "the learner's hash: the overall ability, and that in each concept",
    order: "the names of the concepts",
    changes: "each answer of the learner; the uncertainty also time",
};

impl Record for Options {
    fn read(&self, asked: Asked<'_>, found: &Found) -> Result<Step, Unreadable> {
        let key = learner_key(asked.learner);
        let Some(hash) = found.hash(&key) else { return Ok(Step::Hash(key)) };
        let parse =
            |bytes: &[u8]| Ability::decode(bytes).map_err(|error| Unreadable(error.to_string()));
        let overall = match hash.get(OVERALL_FIELD) {
            Some(bytes) => parse(bytes)?,
            None => Abilities::unknown(&self.parameters).overall,
        };
        let concepts = hash.iter().filter_map(|(name, bytes)| Some((concept_of(name)?, bytes)));
        let row = |(name, bytes): (&str, &Vec<u8>)| {
            let concept = parse(bytes)?;
            let grasp = grasp(&Abilities { overall, concept }, &self.parameters, asked.now);
            let cells = [
                name.into(),
                concept.answers.into(),
                concept.correct.into(),
                grasp.mastery.into(),
                grasp.uncertainty.into(),
                (concept.answers >= self.known_after).into(),
                (i64::from(concept.last) * 1000).into(),
            ];
            Ok(Row::new(&MASTERY, cells))
        };
        concepts.map(row).collect::<Result<_, _>>().map(Step::Rows)
    }
}
