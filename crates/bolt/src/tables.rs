//! A set of things by their hashes, in one table as long as they are few, and in many small ones
//! that grow one after the other once they are many: one large table stands still while it grows,
//! for a tenth of a second at some hundred thousand things.

use hashbrown::{DefaultHashBuilder, HashTable, hash_table::Entry};
use std::hash::{BuildHasher, Hash};

/// How many tables there are, once there are many.
const TABLES: usize = 256;
/// How many things one table holds before they are divided.
const DIVIDED: usize = 4096;
/// The bits of a hash that choose the table: a table itself goes by the lowest and the highest.
const CHOOSES: (u32, u64) = (32, 0xfff);
/// By those bits: the table. The last get twice as many as the first, evenly in between on a scale
/// of doublings: so they do not all grow at once, but one after the other, all the time.
const PLACES: [u8; CHOOSES.1 as usize + 1] = places();

#[expect(clippy::indexing_slicing, reason = "no index is beyond the length that it is held to")]
const fn places() -> [u8; CHOOSES.1 as usize + 1] {
    // The 256th root of 2: by so much the end of a table's share is above its beginning.
    const ROOT: f64 = 1.002_711_275_050_202_5;
    let mut places = [0; CHOOSES.1 as usize + 1];
    let (mut bits, mut place, mut end) = (0, 0u8, ROOT);
    while bits < places.len() {
        while 1.0 + bits as f64 / places.len() as f64 >= end && place < u8::MAX {
            (place, end) = (place + 1, end * ROOT);
        }
        places[bits] = place;
        bits += 1;
    }
    places
}

/// Hashes of a map's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hashes(DefaultHashBuilder);

impl Hashes {
    /// The hash of a thing.
    pub(crate) fn of(&self, thing: impl Hash) -> u64 {
        self.0.hash_one(thing)
    }
}

/// Things by their hashes.
#[derive(Clone, Debug)]
pub(crate) struct Tables<T> {
    /// None, one, or all of them.
    tables: Vec<HashTable<T>>,
    len: usize,
}

impl<T> Default for Tables<T> {
    fn default() -> Self {
        Self { tables: Vec::new(), len: 0 }
    }
}

impl<T> Tables<T> {
    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The thing of this hash that is like that.
    pub(crate) fn find(&self, hash: u64, is: impl FnMut(&T) -> bool) -> Option<&T> {
        self.tables.get(self.place(hash))?.find(hash, is)
    }

    /// As [`Tables::find`], to change it.
    pub(crate) fn find_mut(&mut self, hash: u64, is: impl FnMut(&T) -> bool) -> Option<&mut T> {
        let place = self.place(hash);
        self.tables.get_mut(place)?.find_mut(hash, is)
    }

    /// The thing of this hash that is like that, and where there is none, a new one.
    pub(crate) fn find_or_insert(
        &mut self,
        hash: u64,
        is: impl FnMut(&T) -> bool,
        new: impl FnOnce() -> T,
        of: impl Fn(&T) -> u64,
    ) -> &mut T {
        self.make_ready(&of);
        let place = self.place(hash);
        #[expect(clippy::indexing_slicing, reason = "every hash has a table; none may be lost")]
        let entry = self.tables[place].entry(hash, is, of);
        self.len += usize::from(matches!(entry, Entry::Vacant(_)));
        entry.or_insert_with(new).into_mut()
    }

    /// Adds a thing that is not there.
    pub(crate) fn insert(&mut self, hash: u64, thing: T, of: impl Fn(&T) -> u64) {
        self.make_ready(&of);
        self.add(hash, thing, of);
        self.len += 1;
    }

    /// Makes the first table, or divides it.
    fn make_ready(&mut self, of: &impl Fn(&T) -> u64) {
        if self.tables.is_empty() {
            self.tables.push(HashTable::new());
        } else if self.len >= DIVIDED && self.tables.len() == 1 {
            let few = std::mem::take(&mut self.tables);
            self.tables.resize_with(TABLES, HashTable::new);
            few.into_iter().flatten().for_each(|thing| self.add(of(&thing), thing, of));
        }
    }

    fn add(&mut self, hash: u64, thing: T, of: impl Fn(&T) -> u64) {
        let place = self.place(hash);
        #[expect(clippy::indexing_slicing, reason = "every hash has a table; none may be lost")]
        self.tables[place].insert_unique(hash, thing, of);
    }

    /// Takes out the thing of this hash that is like that.
    pub(crate) fn remove(&mut self, hash: u64, is: impl FnMut(&T) -> bool) -> Option<T> {
        let place = self.place(hash);
        let entry = self.tables.get_mut(place)?.find_entry(hash, is).ok()?;
        self.len -= 1;
        Some(entry.remove().0)
    }

    /// Takes out the things that are like that.
    pub(crate) fn extract_if(&mut self, is: impl Fn(&T) -> bool) -> impl Iterator<Item = T> {
        let mut gone = Vec::new();
        for table in &mut self.tables {
            gone.extend(table.extract_if(|thing| is(thing)));
        }
        self.len -= gone.len();
        gone.into_iter()
    }

    /// All things, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.tables.iter().flatten()
    }

    /// All things, in no order.
    pub(crate) fn into_iter(self) -> impl Iterator<Item = T> {
        self.tables.into_iter().flatten()
    }

    /// The table of a hash.
    fn place(&self, hash: u64) -> usize {
        if self.tables.len() < TABLES {
            return 0;
        }
        let (shift, mask) = CHOOSES;
        PLACES
            .get(((hash >> shift) & mask) as usize)
            .map_or(TABLES - 1, |place| usize::from(*place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hash_has_a_table() {
        let mut met = [0usize; TABLES];
        PLACES.iter().for_each(|place| met[usize::from(*place)] += 1);
        assert!(PLACES.is_sorted());
        let first: usize = met.iter().take(16).sum();
        let last: usize = met.iter().rev().take(16).sum();
        assert!(met.iter().all(|share| *share > 0), "{met:?}");
        assert!((1.8..2.1).contains(&(last as f64 / first as f64)), "{first} and {last}");
    }

    #[test]
    fn things_are_found_before_and_after_they_are_divided() {
        let hashes = Hashes::default();
        let mut tables = Tables::default();
        for number in 0..3 * DIVIDED as u32 {
            let hash = hashes.of(number);
            assert_eq!(tables.find(hash, |stored| *stored == number), None);
            let put = tables.find_or_insert(
                hash,
                |stored| *stored == number,
                || number,
                |n| hashes.of(n),
            );
            assert_eq!(*put, number);
            if number == 5 || number as usize == 2 * DIVIDED {
                for before in 0..=number {
                    let is = |stored: &u32| *stored == before;
                    assert_eq!(tables.find(hashes.of(before), is), Some(&before));
                }
            }
        }
        assert_eq!(tables.remove(hashes.of(7u32), |stored| *stored == 7), Some(7));
        assert_eq!(tables.remove(hashes.of(7u32), |stored| *stored == 7), None);
        let odd = tables.extract_if(|stored| stored % 2 == 1).count();
        assert_eq!(odd, 3 * DIVIDED / 2 - 1);
        assert_eq!(tables.len, tables.iter().count());
        assert_eq!(tables.into_iter().count(), 3 * DIVIDED / 2);
    }

    /// Of what has been moved to a larger table by some time, each tenth of the way from 50,000
    /// to 100,000 things has its share.
    #[test]
    fn tables_grow_one_after_the_other() {
        let hashes = Hashes::default();
        let mut tables = Tables::default();
        let room =
            |tables: &Tables<u32>| tables.tables.iter().map(HashTable::capacity).sum::<usize>();
        let mut grew = Vec::new();
        for number in 0..100_000u32 {
            let before = room(&tables);
            tables.insert(hashes.of(number), number, |n| hashes.of(n));
            if number >= 50_000 && room(&tables) > before {
                grew.push(number);
            }
        }
        for tenth in (50_000..100_000).step_by(5_000) {
            let share = grew.iter().filter(|number| (tenth..tenth + 5_000).contains(*number));
            assert!((10..60).contains(&share.count()), "{tenth}: {grew:?}");
        }
    }
}
