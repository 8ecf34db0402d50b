//! The bolt: events and state in, effects out.

use crate::{
    Options, alert,
    items::{self, Items},
    learner::{self, Learner},
    met::Met,
    model::{self, Answer},
    output_schema, rename,
};
use hashbrown::HashMap;
use smol_str::{SmolStr, format_smolstr};
use tallyd_bolt::{
    Batch, Bolt, EditAt, EditStep, Effects, FieldRef, Key, Reads, State, forget,
    rename::is_of as renames,
};
use tallyd_event::{Edit, Event, Schema, partition_of};

/// The hash of the learners of a partition: a field for each, by the name, which
/// [`crate::Reading`] reads. All share one, because a key of its own would cost Redis as much as
/// what is kept of a learner.
#[must_use]
pub fn learners_key(partition: u16) -> Key {
    Key::new(&["learners", &format_smolstr!("{partition}")])
}

/// Every field that may hold something of a learner, with its hash.
#[must_use]
pub fn learner_fields(learner: &str, partitions: u16) -> Vec<(Key, SmolStr)> {
    vec![(learners_key(partition_of([learner], partitions)), learner.into())]
}

/// The fatigue bolt.
#[derive(Clone, Debug)]
pub struct Fatigue {
    options: Options,
    input: Schema,
    output: Schema,
    /// [`learners_key`] of each partition: spelt once, because every answer looks at one.
    keys: Vec<Key>,
}

impl Fatigue {
    /// A bolt that reads events of the schema `input`, in which the fields of `options` stand, and
    /// which is split into `partitions` by the learner. What is stored depends on these.
    #[must_use]
    pub fn new(options: Options, input: Schema, partitions: u16) -> Self {
        let keys = (0..partitions).map(learners_key).collect();
        Self { options, input, output: output_schema(), keys }
    }

    /// The hash that has a learner's field.
    fn key(&self, learner: &str) -> &Key {
        let partition = partition_of([learner], self.keys.len() as u16);
        #[expect(clippy::indexing_slicing, reason = "there is one for each partition")]
        &self.keys[usize::from(partition)]
    }

    /// An event as an answer, or why it is none.
    fn given(&self, event: &Event) -> Result<Given, String> {
        let name = |field: &FieldRef| {
            field.text(event).ok_or_else(|| format!("field \"{}\" is missing", field.name))
        };
        let Options { learner, item, correct, response_ms, parameters } = &self.options;
        let right = event.value(correct.index).as_bool();
        let ms = event.value(response_ms.index).as_number();
        let ms = ms.ok_or_else(|| format!("field \"{}\" is missing", response_ms.name))?;
        if ms.is_nan() || ms < 0.0 {
            return Err(format!("field \"{}\": {ms} ms is no response time", response_ms.name));
        }
        let answer = Answer {
            // A clock ahead of the server's must not hold back the sessions that follow.
            at: event.time(&self.input).min(event.arrival()),
            correct: right.ok_or_else(|| format!("field \"{}\" is missing", correct.name))?,
            log_ms: ms.clamp(1.0, parameters.response_cap_ms.max(1.0)).ln(),
        };
        Ok(Given { learner: name(learner)?, item: name(item)?, answer })
    }
}

/// An answer, by whom and to what.
struct Given {
    learner: SmolStr,
    item: SmolStr,
    answer: Answer,
}

impl Bolt for Fatigue {
    fn output(&self) -> Option<&Schema> {
        Some(&self.output)
    }

    fn reads(&self, batch: &Batch<'_>, reads: &mut Reads<'_>) {
        if batch.events.is_empty() {
            return;
        }
        items::ask_all(reads);
        for event in batch.events {
            if let Ok(given) = self.given(event) {
                reads.field(self.key(&given.learner), &given.learner);
                items::ask(reads, &given.item);
            }
        }
    }

    fn process(&self, batch: &Batch<'_>, state: &State) -> Effects {
        let mut effects = Effects::default();
        let mut items = Items::new(state);
        let mut learners = Learners::default();
        for (place, event) in batch.events.iter().enumerate() {
            let outcome = self.given(event).and_then(|given| {
                let learner = learners.of(&given.learner, state, self)?;
                effects.emits.extend(self.step(event, &given, learner, &mut items));
                Ok(())
            });
            if let Err(reason) = outcome {
                effects.reject(place, reason);
            }
        }
        learners.write(&mut effects);
        items.write(&mut effects);
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
            return rename::steps(edit, at, state);
        }
        match forget::is_of(edit, at, self.learner_field()) {
            true => forget::steps(learner_fields(&edit.member, at.partitions), state),
            false => Vec::new(),
        }
    }
}

impl Fatigue {
    /// The field of its input that names the learner.
    pub(crate) fn learner_field(&self) -> &str {
        &self.options.learner.name
    }

    /// One answer: the learner and the item change, and perhaps an alert comes of it.
    fn step(
        &self,
        event: &Event,
        given: &Given,
        (learner, items_met): (&mut Learner, &mut Met),
        items: &mut Items<'_>,
    ) -> Option<Event> {
        let (parameters, answer) = (&self.options.parameters, given.answer);
        let rested = model::begin(parameters, learner, answer.at);
        let met = items_met.note(&given.item);
        let expected = items.expected(parameters, &given.item, met);
        let verdict = model::answer(parameters, learner, expected, answer);
        items.learn(parameters, &given.item, met, answer.log_ms, verdict);

        let score = f64::from(learner.score);
        let tired = match learner.tired {
            true => !rested && score >= parameters.recovered_at.min(parameters.tired_at),
            false => score >= parameters.tired_at,
        };
        if std::mem::replace(&mut learner.tired, tired) == tired {
            return None;
        }
        Some(alert::alert(&self.input, event, &given.learner, learner, answer.at))
    }
}

/// The learners of a batch, in the order in which they come.
#[derive(Default)]
struct Learners {
    known: Vec<Known>,
    places: HashMap<SmolStr, usize>,
}

/// What is known of a learner.
struct Known {
    name: SmolStr,
    key: Key,
    learner: Learner,
    met: Met,
}

impl Learners {
    /// The state of a learner as this batch has it so far.
    fn of(
        &mut self,
        name: &SmolStr,
        state: &State,
        bolt: &Fatigue,
    ) -> Result<(&mut Learner, &mut Met), String> {
        let place = match self.places.get(name) {
            Some(place) => *place,
            None => {
                self.known.push(Known::load(name, state, bolt)?);
                self.places.insert(name.clone(), self.known.len() - 1);
                self.known.len() - 1
            }
        };
        #[expect(clippy::indexing_slicing, reason = "places holds only places of what is known")]
        let known = &mut self.known[place];
        Ok((&mut known.learner, &mut known.met))
    }

    /// Writes the field of each.
    fn write(&self, effects: &mut Effects) {
        for Known { name, key, learner, met } in &self.known {
            effects.set_field(key, name, learner::encode(learner, met));
        }
    }
}

impl Known {
    fn load(name: &SmolStr, state: &State, bolt: &Fatigue) -> Result<Self, String> {
        let key = bolt.key(name);
        let stored = state.field(key, name).map(learner::decode).transpose();
        let stored = stored.map_err(|error| format!("learner \"{name}\" in {key:?}: {error}"))?;
        let new = || (Learner::new(&bolt.options.parameters), Met::default());
        let (learner, met) = stored.unwrap_or_else(new);
        Ok(Self { name: name.clone(), key: key.clone(), learner, met })
    }
}

#[cfg(test)]
mod tests;
