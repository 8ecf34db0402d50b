//! The bolt: events and state in, effects out.

use crate::{
    Options, alert,
    items::{self, Items},
    learner::Learner,
    met::Met,
    model::{self, Answer},
    output_schema,
};
use hashbrown::HashMap;
use smol_str::{SmolStr, ToSmolStr};
use tallyd_bolt::{Batch, Bolt, EditAt, EditStep, Effects, FieldRef, Key, Reads, State};
use tallyd_event::{Edit, Event, Schema};

/// The field of a learner's hash that holds the figures which the bolt continues from. No field is
/// longer than the 64 bytes up to which Redis keeps a hash in its compact form.
pub const STATE: &str = "state";
/// The field that holds the items met.
const MET: &str = "met";

/// The key of a learner's hash.
///
/// Fields for any client, as text: `score` (0..1), `tired` (0 or 1) and `answers` (in all). What
/// the bolt continues from, as bytes: `state`, which [`crate::Reading`] reads, and `met`.
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

    fn reads(&self, batch: &Batch<'_>, reads: &mut Reads<'_>) {
        if batch.events.is_empty() {
            return;
        }
        items::ask_all(reads);
        for event in batch.events {
            if let Ok(given) = self.given(event) {
                let learner = learner_key(&given.learner);
                reads.field(&learner, STATE);
                reads.field(&learner, MET);
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
        self.ask_to_forget(edit, at, reads);
    }

    fn edit(&self, edit: &Edit, at: EditAt, state: &State) -> Vec<EditStep> {
        self.steps_to_forget(edit, at, state)
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
    key: Key,
    learner: Learner,
    met: Met,
    /// The items met as they are stored.
    stored_met: Option<Met>,
    /// Whether an alert stands in what is stored.
    stored_tired: Option<bool>,
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

    /// Writes the hash of each.
    fn write(&self, effects: &mut Effects) {
        for Known { key, learner, met, stored_met, stored_tired } in &self.known {
            effects.set_field(key, "score", format!("{:.4}", learner.score));
            effects.set_field(key, "answers", learner.answers.to_smolstr().as_str());
            effects.set_field(key, STATE, learner.encode());
            if *stored_met != Some(*met) {
                effects.set_field(key, MET, met.encode());
            }
            if *stored_tired != Some(learner.tired) {
                effects.set_field(key, "tired", if learner.tired { "1" } else { "0" });
            }
        }
    }
}

impl Known {
    fn load(name: &str, state: &State, bolt: &Fatigue) -> Result<Self, String> {
        let key = learner_key(name);
        let learner = state.field(&key, STATE).map(Learner::decode).transpose();
        let learner = learner.map_err(|error| error.to_string())?;
        let met = state.field(&key, MET).map(Met::decode).transpose();
        let stored_met = met.map_err(|error| error.to_string())?;
        let stored_tired = learner.map(|learner| learner.tired);
        let learner = learner.unwrap_or_else(|| Learner::new(&bolt.options.parameters));
        Ok(Self { key, learner, met: stored_met.unwrap_or_default(), stored_met, stored_tired })
    }
}

#[cfg(test)]
mod tests;
