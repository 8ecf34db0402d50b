//! The bolt: which state an answer looks at, and what a batch of answers changes.

use crate::{
    Abilities, CONCEPT_FIELDS, COUNT, HEAD_FIELDS, ITEM_FIELDS, Options, Taken,
    answer::{Answer, Unusable},
    concept_key,
    features::features,
    head::Forecast,
    head_key, item_key, learner_fields, rename,
    stored::{Hashes, may_be_full, more_key, page_of},
    working::Working,
};
use smol_str::SmolStr;
use tallyd_bolt::{
    Batch, Bolt, EditAt, EditStep, Effects, Reads, State, forget, rename::is_of as renames,
};
use tallyd_event::{Edit, Event, Field, FieldType, Schema, Value};

/// The bolt. Its input is partitioned by the learner, so it owns the abilities of the learners
/// that it sees; the difficulty of an item, the weight of a concept and those of the head are
/// shared with other partitions, through deltas.
#[derive(Clone, Debug)]
pub struct Mastery {
    options: Options,
    input: Schema,
    output: Schema,
    hashes: Vec<Hashes>,
}

impl Mastery {
    /// A bolt that reads events of the schema `input`, in which the fields of `options` stand, and
    /// which is split into `partitions` by the learner. What is stored depends on these.
    #[must_use]
    pub fn new(options: Options, input: Schema, partitions: u16) -> Self {
        Self { options, input, output: output_schema(), hashes: Hashes::all(partitions) }
    }
}

/// The schema of the answers that the bolt emits, each with what was predicted before it: `predicted` by
/// the head, and `levels` by the levels alone.
#[must_use]
pub fn output_schema() -> Schema {
    let fields = vec![
        Field::new("id", FieldType::String),
        Field::new("learner", FieldType::String),
        Field::new("concept", FieldType::String),
        Field::new("item", FieldType::String),
        Field::new("correct", FieldType::Bool),
        Field::new("predicted", FieldType::Float),
        Field::new("at", FieldType::Time),
        Field::new("levels", FieldType::Float),
    ];
    Schema { fields, id: Some(0), key: Some(1), time: Some(6) }
}

/// The probability of a right answer before it.
#[derive(Clone, Copy, Debug)]
struct Predicted {
    /// As the head has it.
    right: f64,
    /// As the levels alone have it.
    levels: f64,
}

impl Bolt for Mastery {
    fn output(&self) -> Option<&Schema> {
        self.options.emit.then_some(&self.output)
    }

    fn reads(&self, batch: &Batch<'_>, reads: &mut Reads<'_>) {
        if !batch.events.is_empty() {
            reads.counters(&head_key(), HEAD_FIELDS);
        }
        for event in batch.events {
            let Ok(answer) = Answer::of(&self.options, &self.input, event) else { continue };
            reads.counters(&concept_key(&answer.concept), CONCEPT_FIELDS);
            self.ask_for_learner(&answer, reads);
            reads.counters(&item_key(&answer.item), ITEM_FIELDS);
        }
    }

    fn process(&self, batch: &Batch<'_>, state: &State) -> Effects {
        let unknown = Abilities::unknown(&self.options.parameters);
        let mut working = Working::new(state, unknown, &self.hashes);
        let mut effects = Effects::default();
        for (place, event) in batch.events.iter().enumerate() {
            let taken = Answer::of(&self.options, &self.input, event)
                .and_then(|answer| Ok((self.take(&answer, &mut working)?, answer)));
            match taken {
                Ok((predicted, answer)) if self.options.emit => {
                    effects.emits.push(self.emitted(event, &answer, predicted));
                }
                Ok(_) => {}
                Err(reason) => effects.reject(place, reason.to_string()),
            }
        }
        working.write(&mut effects);
        effects
    }

    fn edit_reads(&self, edit: &Edit, at: EditAt, reads: &mut Reads<'_>) {
        if renames(edit, at, self.learner_field()) {
            rename::ask(edit, at, reads);
        }
        if forget::is_of(edit, at, self.learner_field()) {
            forget::ask(&learner_fields(&edit.member, at.partitions), reads);
        }
    }

    fn edit(&self, edit: &Edit, at: EditAt, state: &State) -> Vec<EditStep> {
        if renames(edit, at, self.learner_field()) {
            let unknown = Abilities::unknown(&self.options.parameters);
            return rename::steps(edit, at, (unknown, &self.hashes), state);
        }
        match forget::is_of(edit, at, self.learner_field()) {
            true => forget::steps(learner_fields(&edit.member, at.partitions), state),
            false => Vec::new(),
        }
    }
}

impl Mastery {
    /// The field of its input that names the learner.
    pub(crate) fn learner_field(&self) -> &str {
        &self.options.learner.name
    }

    fn ask_for_learner(&self, answer: &Answer, reads: &mut Reads<'_>) {
        let Answer { learner, concept, .. } = answer;
        let (partition, hashes) = Hashes::of(&self.hashes, learner);
        if reads.look(&hashes.numbers, concept).is_none() {
            reads.field(&hashes.names, COUNT);
        }
        // Only where the own field has no room left can anything stand in the others: it is never
        // emptied, but with them.
        if reads.look(&hashes.learners, learner).is_some_and(may_be_full) {
            reads.field(&more_key(page_of(concept), partition), learner);
        }
    }

    /// Takes one answer in, and gives the probabilities of a right one that stood before it.
    fn take(&self, answer: &Answer, working: &mut Working<'_>) -> Result<Predicted, Unusable> {
        let parameters = &self.options.parameters;
        let (places, abilities) = working.abilities(answer)?;
        let (item, difficulty) = working.difficulty(&answer.item);
        let everyone = working.everyone().share();
        let (concept, weight) = working.weight(&answer.concept);
        let before = abilities.concept.items.before(&answer.item);
        let features = features(&abilities, &difficulty, before, everyone, answer.at);
        let forecast = Forecast::of(features, working.head(), weight);
        working.take_lesson(concept, &forecast.learn(answer.correct, working.head(), weight));

        let expected = abilities.expect(&difficulty);
        let taken = Taken { item: &answer.item, correct: answer.correct, at: answer.at, everyone };
        working.set_abilities(places, abilities.learn(expected, taken, parameters));
        let delta = difficulty.delta(expected, answer.correct, parameters);
        working.move_difficulty(item, delta);
        Ok(Predicted { right: forecast.right, levels: expected.right })
    }

    fn emitted(&self, event: &Event, answer: &Answer, predicted: Predicted) -> Event {
        let text = |text: &SmolStr| Value::Str(text.clone());
        let values = vec![
            Value::Str(event.id(&self.input)),
            text(&answer.learner),
            text(&answer.concept),
            text(&answer.item),
            Value::Bool(answer.correct),
            Value::Float(predicted.right),
            Value::Int(event.time(&self.input)),
            Value::Float(predicted.levels),
        ];
        Event { values, ..*event }
    }
}

#[cfg(test)]
mod tests;
