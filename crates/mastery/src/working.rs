//! The state of a batch while it is worked through: what is stored, under what the batch's earlier
//! answers changed. So a batch gives what its answers give one by one.

mod learners;

pub(crate) use learners::{Learners, Places};

use crate::{
    Abilities, CONCEPT_FIELDS, Difficulty, HEAD_FIELDS, ITEM_FIELDS,
    answer::{Answer, Unusable},
    concept_key,
    features::Everyone,
    head::{ANSWERS, CORRECT, Lesson, SHARED},
    head_key, item_key,
    stored::Hashes,
};
use hashbrown::HashMap;
use smol_str::SmolStr;
use tallyd_bolt::{Effects, Key, State};

/// What a batch has read and changed, in the order in which its answers first name it.
#[derive(Debug)]
pub(crate) struct Working<'a> {
    stored: &'a State,
    learners: Learners<'a>,
    items: Vec<Item>,
    item_places: HashMap<SmolStr, usize>,
    concepts: Vec<Weight>,
    concept_places: HashMap<SmolStr, usize>,
    head: Head,
}

/// The head's numbers as this worker sees them, and what the batch added to what is stored.
#[derive(Debug)]
struct Head {
    now: [i64; SHARED],
    added: [i64; SHARED],
}

/// A concept's weight as it is stored, and what the batch adds.
#[derive(Debug)]
struct Weight {
    key: Key,
    stored: i64,
    added: i64,
}

/// An item as it is stored, and what the batch adds.
#[derive(Debug)]
struct Item {
    key: Key,
    stored: Difficulty,
    added: Difficulty,
}

impl<'a> Working<'a> {
    /// Nothing is read yet. `unknown`: the abilities of whom nothing is known.
    pub fn new(stored: &'a State, unknown: Abilities, hashes: &'a [Hashes]) -> Self {
        Self {
            stored,
            learners: Learners::new(stored, unknown, hashes),
            items: Vec::new(),
            item_places: HashMap::new(),
            concepts: Vec::new(),
            concept_places: HashMap::new(),
            head: Head { now: stored.counters(&head_key(), HEAD_FIELDS), added: [0; SHARED] },
        }
    }

    /// The shared numbers of the head as this worker sees them: what it last read, and its own
    /// deltas since.
    pub fn head(&self) -> &[i64; SHARED] {
        &self.head.now
    }

    /// What all learners did, as this worker sees it.
    pub fn everyone(&self) -> Everyone {
        Everyone { answers: self.head.now[ANSWERS], correct: self.head.now[CORRECT] }
    }

    /// The weight of a concept in the head, and where it stands.
    pub fn weight(&mut self, concept: &SmolStr) -> (usize, i64) {
        let place = *self.concept_places.entry_ref(concept).or_insert_with(|| {
            let key = concept_key(concept);
            let [stored] = self.stored.counters(&key, CONCEPT_FIELDS);
            self.concepts.push(Weight { key, stored, added: 0 });
            self.concepts.len() - 1
        });
        let now = |weight: &Weight| weight.stored.saturating_add(weight.added);
        (place, self.concepts.get(place).map_or(0, now))
    }

    /// Adds what an answer taught to the head, and to the weight at a place.
    pub fn take_lesson(&mut self, place: usize, lesson: &Lesson) {
        let Head { now, added } = &mut self.head;
        for ((now, added), more) in now.iter_mut().zip(added).zip(&lesson.shared) {
            (*now, *added) = (now.saturating_add(*more), added.saturating_add(*more));
        }
        if let Some(weight) = self.concepts.get_mut(place) {
            weight.added = weight.added.saturating_add(lesson.concept);
        }
    }

    /// The abilities that an answer shows, as they are now, and where they stand.
    pub fn abilities(&mut self, answer: &Answer) -> Result<(Places, Abilities), Unusable> {
        self.learners.abilities(&answer.learner, &answer.concept)
    }

    /// Sets the abilities at these places.
    pub fn set_abilities(&mut self, places: Places, abilities: Abilities) {
        self.learners.set_abilities(places, abilities);
    }

    /// An item as this worker sees it, which is what it last read and its own deltas since, and
    /// where it stands.
    pub fn difficulty(&mut self, item: &SmolStr) -> (usize, Difficulty) {
        let place = *self.item_places.entry_ref(item).or_insert_with(|| {
            let key = item_key(item);
            let [level, answers] = self.stored.counters(&key, ITEM_FIELDS);
            let stored = Difficulty { level, answers };
            self.items.push(Item { key, stored, added: Difficulty::default() });
            self.items.len() - 1
        });
        let now = |Item { stored, added, .. }: &Item| Difficulty {
            level: stored.level.saturating_add(added.level),
            answers: stored.answers.saturating_add(added.answers),
        };
        (place, self.items.get(place).map(now).unwrap_or_default())
    }

    /// Counts an answer to the item at a place and moves its level.
    pub fn move_difficulty(&mut self, place: usize, delta: i64) {
        if let Some(Item { added, .. }) = self.items.get_mut(place) {
            added.level = added.level.saturating_add(delta);
            added.answers += 1;
        }
    }

    /// One write for each address that the batch changed.
    pub fn write(self, effects: &mut Effects) {
        self.learners.write(effects);
        for Item { key, added, .. } in self.items {
            effects.add(&key, ITEM_FIELDS, [added.level, added.answers]);
        }
        for Weight { key, added, .. } in self.concepts {
            effects.add(&key, CONCEPT_FIELDS, [added]);
        }
        effects.add(&head_key(), HEAD_FIELDS, self.head.added);
    }
}
