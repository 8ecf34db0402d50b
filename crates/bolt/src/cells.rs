//! The map of cells: by kind and key, and under each key by name. The keys of a topology are few
//! compared with the names under them, and are looked up in memory that is at hand; what stands
//! under a name is small, so that most of what a batch looks up fits there too.

use crate::{
    Address, Cell, Key, Kind,
    state::AddressRef,
    tables::{Hashes, Tables},
};
use smol_str::SmolStr;

/// Cells by address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cells {
    keys: Tables<OfKey>,
    hashes: Hashes,
    len: usize,
}

/// What stands under a key.
#[derive(Clone, Debug)]
struct OfKey {
    kind: Kind,
    key: Key,
    /// The cell of no name, which most keys have alone, or none.
    own: Option<Cell>,
    /// The cells of names.
    named: Tables<(SmolStr, Cell)>,
}

impl OfKey {
    fn is(&self, kind: Kind, key: &Key) -> bool {
        self.kind == kind && self.key == *key
    }

    fn is_empty(&self) -> bool {
        self.own.is_none() && self.named.is_empty()
    }

    fn into_cells(self) -> impl Iterator<Item = (Address, Cell)> + Send {
        let Self { kind, key, own, named } = self;
        let own = own.map(|cell| (SmolStr::default(), cell)).into_iter();
        own.chain(named.into_iter())
            .map(move |(name, cell)| (Address { kind, key: key.clone(), name }, cell))
    }
}

impl Cells {
    /// Puts a cell in its place, and returns the one that stood there.
    pub(crate) fn insert(&mut self, address: Address, cell: Cell) -> Option<Cell> {
        let Address { kind, key, name } = address;
        let hash = self.hashes.of((kind, &key));
        let hashes = &self.hashes;
        let of_key = self.keys.find_or_insert(
            hash,
            |of| of.is(kind, &key),
            || OfKey { kind, key: key.clone(), own: None, named: Tables::default() },
            |of| hashes.of((of.kind, &of.key)),
        );
        let before = if name.is_empty() {
            of_key.own.replace(cell)
        } else {
            let hash = hashes.of(name.as_str());
            match of_key.named.find_mut(hash, |(stored, _)| *stored == name) {
                Some((_, stored)) => Some(std::mem::replace(stored, cell)),
                None => {
                    let of = |(name, _): &(SmolStr, Cell)| hashes.of(name.as_str());
                    of_key.named.insert(hash, (name, cell), of);
                    None
                }
            }
        };
        self.len += usize::from(before.is_none());
        before
    }

    /// The cell of an address.
    pub(crate) fn get(&self, address: &AddressRef<'_>) -> Option<&Cell> {
        let AddressRef { kind, key, name } = address;
        let of_key = self.keys.find(self.hashes.of((*kind, *key)), |of| of.is(*kind, key))?;
        if name.is_empty() {
            return of_key.own.as_ref();
        }
        let hash = self.hashes.of(*name);
        of_key.named.find(hash, |(stored, _)| stored == name).map(|(_, cell)| cell)
    }

    /// The cell of an address, to change it.
    pub(crate) fn get_mut(&mut self, address: &AddressRef<'_>) -> Option<&mut Cell> {
        let AddressRef { kind, key, name } = address;
        let hash = self.hashes.of((*kind, *key));
        let of_key = self.keys.find_mut(hash, |of| of.is(*kind, key))?;
        if name.is_empty() {
            return of_key.own.as_mut();
        }
        let hash = self.hashes.of(*name);
        of_key.named.find_mut(hash, |(stored, _)| stored == name).map(|(_, cell)| cell)
    }

    /// Takes a cell out.
    pub(crate) fn remove(&mut self, address: &AddressRef<'_>) -> Option<Cell> {
        let AddressRef { kind, key, name } = address;
        let hash = self.hashes.of((*kind, *key));
        let of_key = self.keys.find_mut(hash, |of| of.is(*kind, key))?;
        let cell = if name.is_empty() {
            of_key.own.take()
        } else {
            let of_name = self.hashes.of(*name);
            of_key.named.remove(of_name, |(stored, _)| stored == name).map(|(_, cell)| cell)
        }?;
        if of_key.is_empty() {
            self.keys.remove(hash, |of| of.is(*kind, key));
        }
        self.len -= 1;
        Some(cell)
    }

    /// Takes out the cells of keys like that: all keys are looked at.
    pub(crate) fn extract_if(&mut self, is: impl Fn(&Key) -> bool) -> Vec<(Address, Cell)> {
        let gone = self.keys.extract_if(|of| is(&of.key));
        let gone: Vec<(Address, Cell)> = gone.flat_map(OfKey::into_cells).collect();
        self.len -= gone.len();
        gone
    }

    /// All cells, in no order.
    pub(crate) fn into_iter(self) -> impl Iterator<Item = (Address, Cell)> + Send {
        self.keys.into_iter().flat_map(OfKey::into_cells)
    }
}

impl PartialEq for Cells {
    fn eq(&self, other: &Self) -> bool {
        let holds = |of: &OfKey, name: &str, cell: &Cell| {
            other.get(&AddressRef { kind: of.kind, key: &of.key, name }) == Some(cell)
        };
        let all = |of: &OfKey| {
            of.own.iter().all(|cell| holds(of, "", cell))
                && of.named.iter().all(|(name, cell)| holds(of, name, cell))
        };
        self.len == other.len && self.keys.iter().all(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> Address {
        Address { kind: Kind::Score, key: Key::new(&["board"]), name: number.to_string().into() }
    }

    #[test]
    fn a_cell_is_found_until_it_is_taken_out() {
        let mut cells = Cells::default();
        assert_eq!(cells.get(&(&address(0)).into()), None);
        assert_eq!(cells.remove(&(&address(0)).into()), None);
        for number in 0..5_000 {
            assert_eq!(cells.insert(address(number), Cell::Score(None)), None);
        }
        for number in 0..5_000 {
            let score = Cell::Score(Some(f64::from(number)));
            assert_eq!(cells.insert(address(number), score), Some(Cell::Score(None)));
        }
        assert_eq!(cells.remove(&(&address(7)).into()), Some(Cell::Score(Some(7.0))));
        assert_eq!(cells.get_mut(&(&address(7)).into()), None);
        let last = Cell::Score(Some(4_999.0));
        assert_eq!(cells.get(&(&address(4_999)).into()), Some(&last));
        assert_eq!(cells.into_iter().count(), 4_999);
    }

    #[test]
    fn kinds_keys_and_names_are_told_apart() {
        let mut cells = Cells::default();
        let (one, other) = (Key::new(&["one"]), Key::new(&["other"]));
        let mut all = Vec::new();
        for (number, key) in [&one, &other].into_iter().enumerate() {
            for (place, (kind, name)) in
                [(Kind::Log, ""), (Kind::Field, "a"), (Kind::Field, "b"), (Kind::Score, "a")]
                    .into_iter()
                    .enumerate()
            {
                let cell = Cell::Score(Some((number * 10 + place) as f64));
                let address = Address { kind, key: key.clone(), name: name.into() };
                assert_eq!(cells.insert(address.clone(), cell.clone()), None);
                all.push((address, cell));
            }
        }
        for (address, cell) in &all {
            assert_eq!(cells.get(&address.into()), Some(cell));
        }
        let mut gone = cells.extract_if(|key| *key == one);
        gone.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut expected: Vec<_> = all.iter().filter(|(a, _)| a.key == one).cloned().collect();
        expected.sort_by(|(a, _), (b, _)| a.cmp(b));
        assert_eq!(gone, expected);
        assert_eq!(all.iter().filter(|(a, _)| cells.get(&a.into()).is_some()).count(), 4);
        for (address, cell) in all.iter().filter(|(address, _)| address.key == other) {
            assert_eq!(cells.remove(&address.into()).as_ref(), Some(cell));
        }
        // No key stays behind without a cell.
        assert_eq!((cells.len, cells.keys.iter().count()), (0, 0));
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
