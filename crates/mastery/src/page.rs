//! A learner's abilities in some concepts as one value: a record for each, in the order of the
//! concepts' numbers.
//!
//! A record is the number as a difference to that of the record before, the time of the last answer
//! as a distance from the newest of the page, both as LEB128, and the ability. What a batch does
//! not touch is copied without being read.

use crate::{Ability, ability::TIME_STEP};
use tallyd_bolt::bytes::{count, put_count, take};

/// What is read of a page, and what a batch changes in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page<'a> {
    records: &'a [u8],
    /// The time from which the records count.
    base: u32,
    /// The time of its newest answer.
    newest: u32,
    stored: usize,
    added: usize,
    /// What the batch looked at, by number.
    touched: Vec<(u32, Ability)>,
}

/// An ability as it is stored.
struct Record<'a> {
    number: u32,
    last: u32,
    bytes: &'a [u8],
}

impl<'a> Page<'a> {
    /// A page of its own: the time of its newest answer in steps, in 4 bytes, and the records.
    /// `None` where the bytes are something else.
    pub fn read(mut bytes: &'a [u8]) -> Option<Self> {
        let newest = u32::from_le_bytes(take(&mut bytes)?).checked_mul(TIME_STEP)?;
        Self::of_records(bytes, newest)
    }

    /// A page of these records, the newest answer of which was given at a time.
    pub fn of_records(records: &'a [u8], newest: u32) -> Option<Self> {
        let mut page = Self { records, base: newest, newest, ..Self::default() };
        for record in page.records() {
            record?;
            page.stored += 1;
        }
        Some(page)
    }

    /// How many concepts it has.
    pub fn len(&self) -> usize {
        self.stored + self.added
    }

    /// The ability in the concept of a number, if it stands here; `None` where what stands here is no
    /// ability.
    pub fn find(&self, number: u32) -> Option<Option<Ability>> {
        if let Some((_, ability)) = self.touched.iter().find(|(touched, _)| *touched == number) {
            return Some(Some(*ability));
        }
        let mut records = self.records().flatten();
        match records.find(|record| record.number >= number) {
            Some(record) if record.number == number => record.ability().map(Some),
            _ => Some(None),
        }
    }

    /// All numbers with their abilities, in order; `None` where a record is no ability.
    pub fn all(&self) -> Option<Vec<(u32, Ability)>> {
        let numbered = |record: Record<'_>| Some((record.number, record.ability()?));
        self.records().map(|record| numbered(record?)).collect()
    }

    /// Sets the ability in a concept; whether it has none here yet is known to who found it.
    pub fn set(&mut self, number: u32, ability: Ability, is_new: bool) {
        self.newest = self.newest.max(ability.last);
        match self.touched.binary_search_by_key(&number, |(touched, _)| *touched) {
            Ok(place) => {
                if let Some((_, touched)) = self.touched.get_mut(place) {
                    *touched = ability;
                }
            }
            Err(place) => {
                self.added += usize::from(is_new);
                self.touched.insert(place, (number, ability));
            }
        }
    }

    /// The bytes that [`Page::read`] reads.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.records.len() + 32);
        bytes.extend((self.newest / TIME_STEP).to_le_bytes());
        self.put_records(self.newest, &mut bytes);
        bytes
    }

    /// Puts the records behind other bytes; the newest answer of all was given at a time.
    pub fn put_records(&self, newest: u32, bytes: &mut Vec<u8>) {
        let mut previous = 0;
        let mut head = |bytes: &mut Vec<u8>, number: u32, last: u32| {
            put_count(bytes, u64::from(number - std::mem::replace(&mut previous, number)));
            put_count(bytes, u64::from(newest.saturating_sub(last) / TIME_STEP));
        };
        let mut touched = self.touched.iter().peekable();
        for record in self.records().flatten() {
            while let Some((number, ability)) = touched.next_if(|(n, _)| *n < record.number) {
                head(bytes, *number, ability.last);
                ability.put_in_concept(bytes);
            }
            if let Some((number, ability)) = touched.next_if(|(n, _)| *n == record.number) {
                head(bytes, *number, ability.last);
                ability.put_in_concept(bytes);
            } else {
                head(bytes, record.number, record.last);
                bytes.extend(record.bytes);
            }
        }
        for (number, ability) in touched {
            head(bytes, *number, ability.last);
            ability.put_in_concept(bytes);
        }
    }

    /// The records as they are stored, up to the first that is none.
    fn records(&self) -> impl Iterator<Item = Option<Record<'a>>> + use<'a> {
        let (mut rest, mut previous, base) = (self.records, None, self.base);
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let record = record(&mut rest, previous, base);
            previous = record.as_ref().map(|record| record.number);
            rest = if record.is_some() { rest } else { &[] };
            Some(record)
        })
    }
}

/// Takes the next record off.
fn record<'a>(rest: &mut &'a [u8], previous: Option<u32>, base: u32) -> Option<Record<'a>> {
    let further = u32::try_from(count(rest)?).ok()?;
    let number = match previous {
        None => further,
        Some(previous) => previous.checked_add(further).filter(|_| further > 0)?,
    };
    let steps = u32::try_from(count(rest)?).ok()?;
    let last = base.checked_sub(steps.checked_mul(TIME_STEP)?)?;
    Some(Record { number, last, bytes: Ability::split_in_concept(rest)? })
}

impl Record<'_> {
    fn ability(&self) -> Option<Ability> {
        Ability::in_concept(self.bytes, self.last)
    }
}

#[cfg(test)]
mod tests;
