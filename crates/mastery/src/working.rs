//! The state of a batch while it is worked through: what is stored, under what the batch's earlier
//! answers changed. So a batch gives what its answers give one by one.

use crate::{
    Abilities, Ability, AbilityError, CONCEPT_FIELDS, Difficulty, HEAD_FIELDS, ITEM_FIELDS,
    OVERALL_FIELD, concept_field, concept_key,
    features::Everyone,
    head::{ANSWERS, CORRECT, Lesson, SHARED},
    head_key, item_key, learner_key,
};
use hashbrown::HashMap;
use smol_str::SmolStr;
use tallyd_bolt::{Effects, Key, State};

/// What a batch has read and changed, in the order in which its answers first name it.
#[derive(Debug)]
pub(crate) struct Working<'a> {
    stored: &'a State,
    unknown: Abilities,
    learners: Vec<Key>,
    learner_places: HashMap<SmolStr, usize>,
    abilities: Vec<Held>,
    ability_places: HashMap<(usize, Option<SmolStr>), usize>,
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

/// An ability, and where it stands.
#[derive(Debug)]
struct Held {
    learner: usize,
    field: SmolStr,
    ability: Ability,
    changed: bool,
}

/// An item as it is stored, and what the batch adds.
#[derive(Debug)]
struct Item {
    key: Key,
    stored: Difficulty,
    added: Difficulty,
}

/// Where in a [`Working`] the abilities stand that an answer shows: the overall one and that in the
/// concept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    overall: usize,
    concept: usize,
}

/// Stored bytes are no ability.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub field: SmolStr,
    pub error: AbilityError,
}

impl<'a> Working<'a> {
    /// Nothing is read yet. `unknown`: the abilities of whom nothing is known.
    pub fn new(stored: &'a State, unknown: Abilities) -> Self {
        Self {
            stored,
            unknown,
            learners: Vec::new(),
            learner_places: HashMap::new(),
            abilities: Vec::new(),
            ability_places: HashMap::new(),
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

    /// The abilities of a learner as they are now, and where they stand.
    pub fn abilities(
        &mut self,
        learner: &SmolStr,
        concept: &SmolStr,
    ) -> Result<(Places, Abilities), Unreadable> {
        let learner = *self.learner_places.entry_ref(learner).or_insert_with(|| {
            self.learners.push(learner_key(learner));
            self.learners.len() - 1
        });
        let Abilities { overall, concept: in_concept } = self.unknown;
        let overall = self.held(learner, None, overall)?;
        let concept = self.held(learner, Some(concept), in_concept)?;
        let abilities = Abilities { overall: self.at(overall), concept: self.at(concept) };
        Ok((Places { overall, concept }, abilities))
    }

    fn held(
        &mut self,
        learner: usize,
        concept: Option<&SmolStr>,
        unknown: Ability,
    ) -> Result<usize, Unreadable> {
        let wanted = (learner, concept.cloned());
        if let Some(&place) = self.ability_places.get(&wanted) {
            return Ok(place);
        }
        let field = concept.map_or(SmolStr::new_static(OVERALL_FIELD), |c| concept_field(c));
        let stored = self.learners.get(learner).and_then(|key| self.stored.field(key, &field));
        let ability = match stored.map_or(Ok(unknown), Ability::decode) {
            Ok(ability) => ability,
            Err(error) => return Err(Unreadable { field, error }),
        };
        self.abilities.push(Held { learner, field, ability, changed: false });
        self.ability_places.insert(wanted, self.abilities.len() - 1);
        Ok(self.abilities.len() - 1)
    }

    fn at(&self, place: usize) -> Ability {
        self.abilities.get(place).map(|held| held.ability).unwrap_or_default()
    }

    /// Sets the abilities at these places.
    pub fn set_abilities(&mut self, places: Places, abilities: Abilities) {
        let both = [(places.overall, abilities.overall), (places.concept, abilities.concept)];
        for (place, ability) in both {
            if let Some(held) = self.abilities.get_mut(place) {
                (held.ability, held.changed) = (ability, true);
            }
        }
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
        for Held { learner, field, ability, changed } in self.abilities {
            if let Some(key) = self.learners.get(learner).filter(|_| changed) {
                effects.set_field(key, &field, ability.encode());
            }
        }
        for Item { key, added, .. } in self.items {
            effects.add(&key, ITEM_FIELDS, [added.level, added.answers]);
        }
        for Weight { key, added, .. } in self.concepts {
            effects.add(&key, CONCEPT_FIELDS, [added]);
        }
        effects.add(&head_key(), HEAD_FIELDS, self.head.added);
    }
}
