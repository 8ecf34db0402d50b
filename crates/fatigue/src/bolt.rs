//! The bolt: events and state in, effects out.

use crate::{
    Options, alert,
    items::{self, Items},
    learner::Learner,
    model::{self, Answer},
    output_schema,
};
use hashbrown::HashMap;
use smol_str::{SmolStr, ToSmolStr};
use tallyd_bolt::{Batch, Bolt, Effects, FieldRef, Key, Reads, State};
use tallyd_event::{Event, Schema};

/// The field of a learner's hash that holds the exact state.
const STATE: &str = "state";

/// The key of a learner's hash.
///
/// Its fields are texts for any client: `score` (0..1), the parts `accuracy`, `speed`, `load`
/// (minutes) and `rapid` (0..1), `tired` (0 or 1), `answers` (in all), `at` (of the last, in ms);
/// and `state`, the bytes that the bolt continues from.
#[must_use]
pub fn learner_key(learner: &str) -> Key {
    Key::new(&["learner", &Key::encode(learner)])
}

/// The fatigue bolt.
#[derive(Clone, Debug)]
pub struct Fatigue {
    options: Options,
    input: Schema,
    output: Schema,
}

impl Fatigue {
    /// A bolt that reads events of the schema `input`, in which the fields of `options` stand.
    #[must_use]
    pub fn new(options: Options, input: Schema) -> Self {
        Self { options, input, output: output_schema() }
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

    fn reads(&self, batch: &Batch<'_>) -> Reads {
        let mut reads = Reads::default();
        if batch.events.is_empty() {
            return reads;
        }
        items::ask(&mut reads, &items::all_key(), false);
        for event in batch.events {
            if let Ok(given) = self.given(event) {
                reads.field(&learner_key(&given.learner), STATE);
                items::ask(&mut reads, &items::item_key(&given.item), true);
            }
        }
        reads
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
}

impl Fatigue {
    /// One answer: the learner and the item change, and perhaps an alert comes of it.
    fn step(
        &self,
        event: &Event,
        given: &Given,
        learner: &mut Learner,
        items: &mut Items<'_>,
    ) -> Option<Event> {
        let (parameters, answer) = (&self.options.parameters, given.answer);
        let rested = model::begin(parameters, learner, answer.at);
        let met = learner.met.note(&given.item);
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
    states: Vec<(SmolStr, Learner)>,
    places: HashMap<SmolStr, usize>,
}

impl Learners {
    /// The state of a learner as this batch has it so far.
    fn of(
        &mut self,
        name: &SmolStr,
        state: &State,
        bolt: &Fatigue,
    ) -> Result<&mut Learner, String> {
        let place = match self.places.get(name) {
            Some(place) => *place,
            None => {
                let learner = match state.field(&learner_key(name), STATE) {
                    Some(bytes) => Learner::decode(bytes).map_err(|e| e.to_string())?,
                    None => Learner::new(&bolt.options.parameters),
                };
                self.states.push((name.clone(), learner));
                self.places.insert(name.clone(), self.states.len() - 1);
                self.states.len() - 1
            }
        };
        #[expect(clippy::indexing_slicing, reason = "places holds only places of states")]
        Ok(&mut self.states[place].1)
    }

    /// Writes the hash of each.
    fn write(&self, effects: &mut Effects) {
        for (name, learner) in &self.states {
            let key = learner_key(name);
            effects.set_field(&key, "score", format!("{:.4}", learner.score));
            effects.set_field(&key, "accuracy", format!("{:.2}", learner.accuracy));
            effects.set_field(&key, "speed", format!("{:.2}", learner.speed));
            effects.set_field(&key, "load", format!("{:.2}", learner.load));
            effects.set_field(&key, "rapid", format!("{:.3}", learner.rapid));
            effects.set_field(&key, "tired", if learner.tired { "1" } else { "0" });
            effects.set_field(&key, "answers", learner.answers.to_smolstr().as_str());
            effects.set_field(&key, "at", learner.at.to_smolstr().as_str());
            effects.set_field(&key, STATE, learner.encode());
        }
    }
}

#[cfg(test)]
mod tests;
