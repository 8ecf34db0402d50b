//! What the learners send, one entry after another, without end.

use crate::malformation::{broken_batch, not_an_event};
use crate::options::Faults;
use crate::wire::{self, Fields, Format, Member};
use crate::world::World;
use crate::zipf::Zipf;
use crate::{Answer, Malformation, OptionsError, SimulationOptions};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::{collections::VecDeque, sync::Arc};

/// How many of the latest answers may be sent again.
const REMEMBERED: usize = 4_096;
/// Over how many answers a learner who tires gets from rested to tired.
const TIRING_ANSWERS: f64 = 30.0;
/// By how much the log odds of a right answer fall for a learner who is tired: at 0, from 50 %
/// right to 17 %.
const TIRED_LOG_ODDS: f64 = 1.6;
/// By how much the logarithm of the response time rises for one who is tired: by six tenths.
const TIRED_LOG_MS: f64 = 0.47;

/// One entry for a source stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Sending {
    /// The fields and values of its XADD.
    pub fields: Vec<(&'static str, Vec<u8>)>,
    /// What is in it, in order: one item, or those of a batch.
    pub items: Vec<Item>,
}

/// What a server must make of one thing sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// An event; if the same was sent before, a duplicate of it.
    Answer(Answer),
    /// A dead letter.
    DeadLetter(Malformation),
}

/// An endless stream of sendings. Equal options and times give an equal stream.
#[derive(Clone, Debug)]
pub struct Simulation {
    rng: ChaCha8Rng,
    world: World,
    by_learner: Zipf,
    by_concept: Zipf,
    learners: Vec<Learner>,
    questions: u32,
    tiring: f64,
    faults: Faults,
    recent: VecDeque<Answer>,
}

/// Where a learner is. A session begins rested; when it is over, the next one does.
#[derive(Clone, Debug, Default)]
struct Learner {
    answers: u32,
    session_answers: u32,
    session_length: u32,
    /// After how many answers of the session the learner begins to tire, if at all.
    tires_after: Option<u32>,
}

impl Simulation {
    /// A simulation at its beginning.
    ///
    /// # Errors
    /// Where an option is out of its bounds.
    pub fn new(options: SimulationOptions) -> Result<Self, OptionsError> {
        options.check()?;
        let world = World::new(&options);
        Ok(Self {
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            by_learner: Zipf::new(options.learners, options.learner_skew),
            by_concept: Zipf::new(options.concepts, options.concept_skew),
            learners: vec![Learner::default(); world.users.len()],
            world,
            questions: options.questions,
            tiring: options.tiring,
            faults: options.faults,
            recent: VecDeque::with_capacity(REMEMBERED),
        })
    }

    /// The names of the learners, the busiest first.
    #[must_use]
    pub fn users(&self) -> &[Arc<str>] {
        &self.world.users
    }

    /// The class of the learner at this place among them.
    #[must_use]
    pub fn class_of(&self, place: usize) -> Option<Arc<str>> {
        self.world.class(u32::try_from(place).ok()?)
    }

    /// The names of the classes.
    #[must_use]
    pub fn classes(&self) -> &[Arc<str>] {
        &self.world.classes
    }

    /// The next entry, at the time `now_ms` in ms since the epoch.
    pub fn send(&mut self, now_ms: i64) -> Sending {
        if self.rng.random_bool(self.faults.batch) {
            self.batch(now_ms)
        } else {
            let (fields, item) = self.event(now_ms, Malformation::of_entry);
            Sending { fields: wire::flat(fields), items: vec![item] }
        }
    }

    fn batch(&mut self, now_ms: i64) -> Sending {
        let broken = self.rng.random_bool(self.faults.malformed);
        let format = match self.rng.random_range(0..3) {
            _ if broken => Format::MessagePack,
            0 => Format::JsonArray,
            1 => Format::JsonLines,
            _ => Format::MessagePack,
        };
        let count = self.rng.random_range(2..=self.faults.batch_events);
        let mut members = Vec::new();
        let mut items = Vec::new();
        for place in 0..count {
            // A first line that is no map would make the batch another format's.
            let may_be_a_line = format == Format::JsonLines && place > 0;
            let spoil = |rng: &mut _| Malformation::of_member(rng, may_be_a_line);
            let (fields, item) = self.event(now_ms, spoil);
            members.push(match item {
                Item::DeadLetter(Malformation::NotAnEvent) => {
                    Member::Line(not_an_event(&mut self.rng))
                }
                _ => Member::Event(fields),
            });
            items.push(item);
        }
        let mut bytes = wire::batch(format, &members);
        if broken {
            let (broken, readable) = broken_batch(&mut self.rng, bytes, items.len());
            bytes = broken;
            items.truncate(readable);
            items.push(Item::DeadLetter(Malformation::BrokenBatch));
        }
        Sending { fields: vec![("batch", bytes)], items }
    }

    fn event(
        &mut self,
        now_ms: i64,
        malformation: impl Fn(&mut ChaCha8Rng) -> Malformation,
    ) -> (Fields, Item) {
        if self.rng.random_bool(self.faults.retry)
            && let Some(answer) = self.earlier()
        {
            return (answer.fields(), Item::Answer(answer));
        }
        let answer = self.answer(now_ms);
        let mut fields = answer.fields();
        if self.rng.random_bool(self.faults.malformed) {
            let malformation = malformation(&mut self.rng);
            malformation.spoil(&mut self.rng, &mut fields, now_ms);
            return (fields, Item::DeadLetter(malformation));
        }
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(answer.clone());
        (fields, Item::Answer(answer))
    }

    fn earlier(&mut self) -> Option<Answer> {
        let place = self.rng.random_range(0..self.recent.len().max(1));
        self.recent.get(place).cloned()
    }

    fn answer(&mut self, now_ms: i64) -> Answer {
        let learner = self.by_learner.rank(self.rng.random());
        let concept = self.by_concept.rank(self.rng.random());
        let question = self.rng.random_range(0..self.questions);
        let (number, tired) = self.step(learner);

        let log_odds = self.world.log_odds(learner, concept, question) - TIRED_LOG_ODDS * tired;
        let correct = self.rng.random_bool(1.0 / (1.0 + (-log_odds).exp()));
        let noise: f64 = (0..3).map(|_| self.rng.random_range(-0.4..0.4)).sum();
        let log_ms = self.world.log_ms(learner, concept, question) + TIRED_LOG_MS * tired + noise;
        let classless = self.rng.random_bool(self.faults.no_class);
        Answer {
            user: name_of(&self.world.users, learner),
            number,
            class: if classless { None } else { self.world.class(learner) },
            concept: name_of(&self.world.concepts, concept),
            question,
            correct,
            ms: log_ms.exp().round().clamp(200.0, 3_600_000.0) as i64,
            points: if correct { 4 } else { -1 },
            at: self.time(now_ms),
        }
    }

    /// Counts a learner's answer. Gives its number, and how tired the learner is: 0 to 1.
    fn step(&mut self, learner: u32) -> (u32, f64) {
        let Some(learner) = self.learners.get_mut(learner as usize) else { return (0, 0.0) };
        if learner.session_answers == learner.session_length {
            learner.session_answers = 0;
            learner.session_length = self.rng.random_range(40..=160);
            let tires = self.rng.random_bool(self.tiring);
            learner.tires_after = tires.then(|| self.rng.random_range(20..=40));
        }
        learner.answers += 1;
        learner.session_answers += 1;
        let over =
            learner.tires_after.map_or(0, |after| learner.session_answers.saturating_sub(after));
        (learner.answers, (f64::from(over) / TIRING_ANSWERS).min(1.0))
    }

    /// When an answer that is sent now was given.
    fn time(&mut self, now_ms: i64) -> i64 {
        if self.rng.random_bool(self.faults.late) {
            const MINUTE_MS: i64 = 60_000;
            let late_ms = match self.rng.random_range(0..20) {
                0 => self.rng.random_range(1440 * MINUTE_MS..14_400 * MINUTE_MS),
                1..=5 => self.rng.random_range(60 * MINUTE_MS..1440 * MINUTE_MS),
                _ => self.rng.random_range(MINUTE_MS..60 * MINUTE_MS),
            };
            return now_ms.saturating_sub(late_ms).max(0);
        }
        if self.rng.random_bool(self.faults.early) {
            return now_ms.saturating_add(self.rng.random_range(1_000..30_000));
        }
        now_ms
    }
}

fn name_of(names: &[Arc<str>], place: u32) -> Arc<str> {
    names.get(place as usize).cloned().unwrap_or_default()
}
