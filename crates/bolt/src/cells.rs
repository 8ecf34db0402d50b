//! The map of cells: many small tables, because one large table stands still while it grows, for a
//! tenth of a second at some hundred thousand cells.

use crate::{Address, Cell};
use hashbrown::{DefaultHashBuilder, Equivalent, HashTable};
use std::hash::{BuildHasher, Hash};

/// How many tables there are.
const TABLES: usize = 256;
/// The bits of a hash that choose the table: a table itself goes by the lowest and the highest.
const CHOOSES: (u32, u64) = (32, 0xff_ffff);

/// Cells by address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cells {
    /// None, or all of them.
    tables: Vec<HashTable<(Address, Cell)>>,
    hashes: DefaultHashBuilder,
}

impl Cells {
    /// Puts a cell in its place, and returns the one that stood there.
    pub(crate) fn insert(&mut self, address: Address, cell: Cell) -> Option<Cell> {
        if self.tables.is_empty() {
            self.tables.resize_with(TABLES, HashTable::new);
        }
        let hash = self.hashes.hash_one(&address);
        let hashes = &self.hashes;
        #[expect(clippy::indexing_slicing, reason = "every hash has a table; none may lose a cell")]
        let table = &mut self.tables[place(hash)];
        match table.find_mut(hash, |(stored, _)| *stored == address) {
            Some((_, stored)) => Some(std::mem::replace(stored, cell)),
            None => {
                table.insert_unique(hash, (address, cell), |(stored, _)| hashes.hash_one(stored));
                None
            }
        }
    }

    /// The cell of an address.
    pub(crate) fn get(&self, address: &(impl Hash + Equivalent<Address>)) -> Option<&Cell> {
        let hash = self.hashes.hash_one(address);
        let table = self.tables.get(place(hash))?;
        table.find(hash, |(stored, _)| address.equivalent(stored)).map(|(_, cell)| cell)
    }

    /// The cell of an address, to change it.
    pub(crate) fn get_mut(
        &mut self,
        address: &(impl Hash + Equivalent<Address>),
    ) -> Option<&mut Cell> {
        let hash = self.hashes.hash_one(address);
        let table = self.tables.get_mut(place(hash))?;
        table.find_mut(hash, |(stored, _)| address.equivalent(stored)).map(|(_, cell)| cell)
    }

    /// Takes a cell out.
    pub(crate) fn remove(&mut self, address: &Address) -> Option<Cell> {
        let hash = self.hashes.hash_one(address);
        let table = self.tables.get_mut(place(hash))?;
        let entry = table.find_entry(hash, |(stored, _)| stored == address).ok()?;
        Some(entry.remove().0.1)
    }

    /// Takes out the cells whose addresses are like that: all are looked at.
    pub(crate) fn extract_if(
        &mut self,
        is: impl Fn(&Address) -> bool + Copy,
    ) -> impl Iterator<Item = (Address, Cell)> {
        self.tables.iter_mut().flat_map(move |table| table.extract_if(move |(of, _)| is(of)))
    }

    /// All cells, in no order.
    pub(crate) fn into_iter(self) -> impl Iterator<Item = (Address, Cell)> + Send {
        self.tables.into_iter().flatten()
    }
}

/// The table of a hash. The last get twice as many as the first, evenly in between on a scale of
/// doublings: so they do not all grow at once, but one after the other, all the time.
fn place(hash: u64) -> usize {
    let (shift, mask) = CHOOSES;
    let part = ((hash >> shift) & mask) as f32 / (mask + 1) as f32;
    // Rounding reaches the number of tables, and a cell without a table would be lost.
    (((1.0 + part).log2() * TABLES as f32) as usize).min(TABLES - 1)
}

impl PartialEq for Cells {
    fn eq(&self, other: &Self) -> bool {
        let all = |cells: &Self| cells.tables.iter().map(HashTable::len).sum::<usize>();
        let mut own = self.tables.iter().flatten();
        all(self) == all(other) && own.all(|(address, cell)| other.get(address) == Some(cell))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Key, Kind};

    fn address(number: u32) -> Address {
        Address { kind: Kind::Score, key: Key::new(&["board"]), name: number.to_string().into() }
    }

    #[test]
    fn a_cell_is_found_until_it_is_taken_out() {
        let mut cells = Cells::default();
        assert_eq!(cells.get(&address(0)), None);
        assert_eq!(cells.remove(&address(0)), None);
        for number in 0..5_000 {
            assert_eq!(cells.insert(address(number), Cell::Score(None)), None);
        }
        for number in 0..5_000 {
            let score = Cell::Score(Some(f64::from(number)));
            assert_eq!(cells.insert(address(number), score), Some(Cell::Score(None)));
        }
        assert_eq!(cells.remove(&address(7)), Some(Cell::Score(Some(7.0))));
        assert_eq!(cells.get_mut(&address(7)), None);
        assert_eq!(cells.get(&address(4_999)), Some(&Cell::Score(Some(4_999.0))));
        assert_eq!(cells.into_iter().count(), 4_999);
    }

    #[test]
    fn every_hash_has_a_table() {
        let (shift, mask) = CHOOSES;
        let last = |below: u64| place((mask - below) << shift);
        assert!((0..1_000).all(|below| last(below) == TABLES - 1));
        assert_eq!((place(0), place(u64::MAX)), (0, TABLES - 1));
        let mut met = [false; TABLES];
        (0..=mask).for_each(|part| met[place(part << shift)] = true);
        assert_eq!(met, [true; TABLES]);
    }

    /// Of what has been moved to a larger table by some time, each tenth of the way from 50,000
    /// to 100,000 cells has its share.
    #[test]
    fn tables_grow_one_after_the_other() {
        let mut cells = Cells::default();
        let room = |cells: &Cells| cells.tables.iter().map(HashTable::capacity).sum::<usize>();
        let mut grew = Vec::new();
        for number in 0..100_000 {
            let before = room(&cells);
            cells.insert(address(number), Cell::Score(None));
            if number >= 50_000 && room(&cells) > before {
                grew.push(number);
            }
        }
        for tenth in (50_000..100_000).step_by(5_000) {
            let share = grew.iter().filter(|number| (tenth..tenth + 5_000).contains(*number));
            assert!((10..60).contains(&share.count()), "{tenth}: {grew:?}");
        }
    }

    #[test]
    fn equal_cells_are_equal_in_whatever_order_they_came() {
        let of = |numbers: &[u32]| {
            let mut cells = Cells::default();
            for number in numbers {
                cells.insert(address(*number), Cell::Score(None));
            }
            cells
        };
        assert_eq!(of(&[1, 2, 3]), of(&[3, 2, 1]));
        assert_ne!(of(&[1, 2, 3]), of(&[1, 2, 4]));
        assert_ne!(of(&[1, 2]), of(&[1, 2, 3]));
        assert_eq!(of(&[]), Cells::default());
    }
}
