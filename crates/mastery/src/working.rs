//! The state of a batch while it is worked through: what is stored, under what the batch's earlier
//! answers changed. So a batch gives what its answers give one by one.

use crate::{ANSWERS_FIELD, Ability, AbilityError, DIFFICULTY_FIELD, Difficulty};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tallyd_bolt::{Effects, Key, State};

/// Where an ability stands: a learner's hash, and the field in it.
pub(crate) type Place = (Key, SmolStr);

/// The changes of a batch, in an order that depends on nothing but the keys.
#[derive(Debug)]
pub(crate) struct Working<'a> {
    stored: &'a State,
    abilities: BTreeMap<Place, Ability>,
    items: BTreeMap<Key, Change>,
}

/// What a batch adds to an item's shared numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    level: i64,
    answers: i64,
}

impl<'a> Working<'a> {
    pub fn new(stored: &'a State) -> Self {
        Self { stored, abilities: BTreeMap::new(), items: BTreeMap::new() }
    }

    /// An ability as it is now; `unknown` where nothing is stored.
    pub fn ability(&self, place: &Place, unknown: Ability) -> Result<Ability, AbilityError> {
        if let Some(ability) = self.abilities.get(place) {
            return Ok(*ability);
        }
        self.stored.field(&place.0, &place.1).map_or(Ok(unknown), Ability::parse)
    }

    pub fn set_ability(&mut self, place: Place, ability: Ability) {
        self.abilities.insert(place, ability);
    }

    /// An item as this worker sees it: what it last read, and its own deltas since.
    pub fn difficulty(&self, item: &Key) -> Difficulty {
        let change = self.items.get(item).copied().unwrap_or_default();
        Difficulty {
            level: self.stored.counter(item, DIFFICULTY_FIELD).saturating_add(change.level),
            answers: self.stored.counter(item, ANSWERS_FIELD).saturating_add(change.answers),
        }
    }

    /// Counts an answer to an item and moves its level.
    pub fn move_difficulty(&mut self, item: Key, delta: i64) {
        let change = self.items.entry(item).or_default();
        change.level = change.level.saturating_add(delta);
        change.answers += 1;
    }

    /// One write for each address that the batch changed. A delta of 0 is written too, so that
    /// the same numbers exist however the answers were split into batches.
    pub fn write(self, effects: &mut Effects) {
        for ((key, field), ability) in self.abilities {
            effects.set_field(&key, &field, ability.to_text().as_bytes());
        }
        for (key, change) in self.items {
            effects.add(&key, DIFFICULTY_FIELD, change.level);
            effects.add(&key, ANSWERS_FIELD, change.answers);
        }
    }
}
