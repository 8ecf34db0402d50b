//! The learners of a batch: what is stored of them, under what the batch changes.

use crate::{
    Abilities, Ability, COUNT, NoAbilities,
    answer::Unusable,
    page::Page,
    stored::{FULL, Hashes, Own, more_key, page_of},
};
use hashbrown::HashMap;
use smol_str::{SmolStr, ToSmolStr};
use tallyd_bolt::{Effects, Key, State};

/// The learners that a batch names, in the order in which it first names them.
#[derive(Debug)]
pub(crate) struct Learners<'a> {
    stored: &'a State,
    unknown: Abilities,
    hashes: &'a [Hashes],
    all: Vec<Learner<'a>>,
    places: HashMap<SmolStr, usize>,
    numbers: Vec<Numbers<'a>>,
}

/// What is known of a learner.
#[derive(Debug)]
struct Learner<'a> {
    name: SmolStr,
    partition: u16,
    hashes: &'a Hashes,
    own: Own<'a>,
    /// How long the learner's own field is.
    length: usize,
    own_changed: bool,
    /// The pages that the batch looked at, by number, and whether it changed them.
    more: Vec<(u16, Page<'a>, bool)>,
}

/// The numbers of concepts in a partition.
#[derive(Debug)]
struct Numbers<'a> {
    partition: u16,
    hashes: &'a Hashes,
    known: HashMap<SmolStr, u32>,
    /// How many concepts have a number, once a new one came.
    count: Option<u32>,
    /// Those to which the batch gave one, the first of them with the lowest.
    new: Vec<SmolStr>,
}

/// Where in [`Learners`] the abilities stand that an answer shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    learner: usize,
    number: u32,
    /// Which of the learner's pages holds the concept, if the own field does not.
    more: Option<usize>,
    /// Whether the concept is new to the learner.
    is_new: bool,
}

impl<'a> Learners<'a> {
    /// Nothing is read yet. `unknown`: the abilities of whom nothing is known.
    pub fn new(stored: &'a State, unknown: Abilities, hashes: &'a [Hashes]) -> Self {
        let (all, places, numbers) = (Vec::new(), HashMap::new(), Vec::new());
        Self { stored, unknown, hashes, all, places, numbers }
    }

    /// The abilities of a learner as they are now, and where they stand.
    ///
    /// # Errors
    /// Where what is stored can't be read. Then nothing was changed.
    pub fn abilities(
        &mut self,
        learner: &SmolStr,
        concept: &SmolStr,
    ) -> Result<(Places, Abilities), Unusable> {
        let place = match self.places.get(learner) {
            Some(place) => *place,
            None => {
                let learner = self.read(learner)?;
                self.places.insert(learner.name.clone(), self.all.len());
                self.all.push(learner);
                self.all.len() - 1
            }
        };
        let Self { stored, unknown, all, numbers, .. } = self;
        #[expect(clippy::indexing_slicing, reason = "places holds only places of learners")]
        let learner = &mut all[place];
        let numbers = Numbers::of(numbers, learner.partition, learner.hashes);
        let known = numbers.find(stored, concept)?;
        let (more, found) = learner.find(stored, known, concept)?;
        let number = match known {
            Some(number) => number,
            None => numbers.give(stored, concept)?,
        };
        let in_concept = found.unwrap_or(unknown.concept);
        let abilities = Abilities { overall: learner.own.overall, concept: in_concept };
        Ok((Places { learner: place, number, more, is_new: found.is_none() }, abilities))
    }

    fn read(&self, name: &SmolStr) -> Result<Learner<'a>, Unusable> {
        let (partition, hashes) = Hashes::of(self.hashes, name);
        let bytes = self.stored.field(&hashes.learners, name);
        let own = match bytes {
            None => Own { overall: self.unknown.overall, page: Page::default() },
            Some(bytes) => {
                Own::read(bytes).ok_or_else(|| unreadable(name, hashes.learners.clone(), bytes))?
            }
        };
        let length = bytes.map_or(0, <[u8]>::len);
        let more = Vec::new();
        Ok(Learner { name: name.clone(), partition, hashes, own, length, own_changed: false, more })
    }

    /// Sets the abilities at these places.
    pub fn set_abilities(&mut self, places: Places, abilities: Abilities) {
        let Places { learner, number, more, is_new } = places;
        #[expect(clippy::indexing_slicing, reason = "these places were given by `abilities`")]
        let learner = &mut self.all[learner];
        learner.own.overall = abilities.overall;
        learner.own_changed = true;
        let page = match more {
            None => &mut learner.own.page,
            Some(place) => {
                #[expect(clippy::indexing_slicing, reason = "so was this one")]
                let (_, page, changed) = &mut learner.more[place];
                *changed = true;
                page
            }
        };
        page.set(number, abilities.concept, is_new);
    }

    /// One write for each field that the batch changed.
    pub fn write(&self, effects: &mut Effects) {
        for learner in self.all.iter().filter(|learner| learner.own_changed) {
            let bytes = learner.own.encode(learner.length + 32);
            effects.set_field(&learner.hashes.learners, &learner.name, bytes);
            for (page, of, _) in learner.more.iter().filter(|(_, _, changed)| *changed) {
                let key = more_key(*page, learner.partition);
                effects.set_field(&key, &learner.name, of.encode());
            }
        }
        for numbers in &self.numbers {
            numbers.write(effects);
        }
    }
}

impl<'a> Learner<'a> {
    /// Which of the learner's pages holds a concept, or is to hold it, if the own field does not;
    /// and the ability in it, if there is one.
    fn find(
        &mut self,
        stored: &'a State,
        number: Option<u32>,
        concept: &SmolStr,
    ) -> Result<(Option<usize>, Option<Ability>), Unusable> {
        let key = || self.hashes.learners.clone();
        let in_own = find(&self.own.page, number);
        let in_own = in_own.ok_or_else(|| self.spoilt(key(), self.length))?;
        if in_own.is_some() || self.own.page.len() < FULL {
            return Ok((None, in_own));
        }
        let wanted = page_of(concept);
        let key = more_key(wanted, self.partition);
        let bytes = stored.field(&key, &self.name);
        let place = match self.more.iter().position(|(page, ..)| *page == wanted) {
            Some(place) => place,
            None => {
                let page = match bytes {
                    None => Page::default(),
                    Some(bytes) => Page::read(bytes)
                        .ok_or_else(|| unreadable(&self.name, key.clone(), bytes))?,
                };
                self.more.push((wanted, page, false));
                self.more.len() - 1
            }
        };
        #[expect(clippy::indexing_slicing, reason = "it is the place of one of them")]
        let found = find(&self.more[place].1, number);
        let length = bytes.map_or(0, <[u8]>::len);
        Ok((Some(place), found.ok_or_else(|| self.spoilt(key, length))?))
    }

    fn spoilt(&self, key: Key, length: usize) -> Unusable {
        Unusable::Stored { learner: self.name.clone(), key, error: NoAbilities(length) }
    }
}

fn find(page: &Page<'_>, number: Option<u32>) -> Option<Option<Ability>> {
    number.map_or(Some(None), |number| page.find(number))
}

fn unreadable(name: &SmolStr, key: Key, bytes: &[u8]) -> Unusable {
    Unusable::Stored { learner: name.clone(), key, error: NoAbilities(bytes.len()) }
}

impl<'a> Numbers<'a> {
    fn of<'n>(all: &'n mut Vec<Self>, partition: u16, hashes: &'a Hashes) -> &'n mut Self {
        let place = all.iter().position(|of| of.partition == partition).unwrap_or_else(|| {
            let (known, new) = (HashMap::new(), Vec::new());
            all.push(Self { partition, hashes, known, count: None, new });
            all.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "it is the place of one of them")]
        &mut all[place]
    }

    /// The number of a concept, if it has one.
    fn find(&mut self, stored: &State, concept: &SmolStr) -> Result<Option<u32>, Unusable> {
        if let Some(number) = self.known.get(concept) {
            return Ok(Some(*number));
        }
        let Some(bytes) = stored.field(&self.hashes.numbers, concept) else { return Ok(None) };
        let number = number(bytes).ok_or_else(|| Unusable::NoNumber {
            key: self.hashes.numbers.clone(),
            field: concept.clone(),
            given: shown(bytes),
        })?;
        self.known.insert(concept.clone(), number);
        Ok(Some(number))
    }

    /// Gives a concept the next number.
    fn give(&mut self, stored: &State, concept: &SmolStr) -> Result<u32, Unusable> {
        let count = match self.count {
            Some(count) => count,
            None => {
                let key = &self.hashes.names;
                let bytes = stored.field(key, COUNT).unwrap_or(b"0");
                let given = || shown(bytes);
                let count = number(bytes).filter(|count| *count < u32::MAX);
                count.ok_or_else(|| Unusable::NoNumber {
                    key: key.clone(),
                    field: COUNT.into(),
                    given: given(),
                })?
            }
        };
        self.count = Some(count + 1);
        self.known.insert(concept.clone(), count);
        self.new.push(concept.clone());
        Ok(count)
    }

    fn write(&self, effects: &mut Effects) {
        let Some(count) = self.count else { return };
        let names = &self.hashes.names;
        let first = count - self.new.len() as u32;
        for (number, concept) in (first..).zip(&self.new) {
            let number = number.to_smolstr();
            effects.set_field(&self.hashes.numbers, concept, number.as_str());
            effects.set_field(names, &number, concept.as_str());
        }
        effects.set_field(names, COUNT, count.to_smolstr().as_str());
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(40).collect()
}
