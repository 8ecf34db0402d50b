//! The state that a bolt asked for: cells of a few kinds, each under its own address.

use crate::{Key, Write, cells::Cells};
use hashbrown::{Equivalent, HashSet};
use smol_str::SmolStr;
use std::hash::{Hash, Hasher};

/// The kind of a cell, and of the Redis value that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Whole numbers in the fields of these names of a hash, which several partitions change by
    /// deltas. The deltas of another task, of the same worker too, become visible within the
    /// refresh time of the runtime; the task's own at once.
    Counters(Names),
    /// A field of a hash that one partition owns, written as an absolute value.
    Field,
    /// An append-only list of 128-bit fingerprints that one partition owns.
    Log,
    /// All members of a set. What other tasks put into it may not be seen, or be seen late.
    Names,
    /// A member's score in a sorted set; the member belongs to one partition.
    Score,
    /// The members of a sorted set that are of a partition, of so many: those of the others are left
    /// out. For edits: no batch of events asks for it, and no cache holds it.
    Ranked(u16, u16),
}

impl Hash for Kind {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Names differ only where keys do.
        std::mem::discriminant(self).hash(state);
    }
}

/// The names of counters that are read and written together.
pub type Names = &'static [&'static str];

/// Where a cell stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// What it holds.
    pub kind: Kind,
    /// The hash, string or sorted set.
    pub key: Key,
    /// The field or member; empty for counters, logs and names.
    pub name: SmolStr,
}

/// An address that borrows, to look up without an allocation.
pub(crate) struct AddressRef<'a> {
    pub(crate) kind: Kind,
    pub(crate) key: &'a Key,
    pub(crate) name: &'a str,
}

impl Hash for AddressRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
        self.key.hash(state);
        self.name.hash(state);
    }
}

impl<'a> From<&'a Address> for AddressRef<'a> {
    fn from(Address { kind, key, name }: &'a Address) -> Self {
        Self { kind: *kind, key, name }
    }
}

impl Equivalent<Address> for AddressRef<'_> {
    fn equivalent(&self, other: &Address) -> bool {
        self.kind == other.kind && self.name == other.name.as_str() && self.key == &other.key
    }
}

/// The fingerprints of a log.
pub type Fingerprints = HashSet<u128>;

/// What a cell holds. `None` where the hash has no such field or the set no such member.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Shared numbers, each 0 where there is none yet, and when they were fetched, by the
    /// runtime's clock in ms.
    Counters(Box<[i64]>, i64),
    /// The bytes of a field.
    Field(Option<Vec<u8>>),
    /// The fingerprints of a log; empty where there is none yet.
    Log(Box<Fingerprints>),
    /// The members of a set, or some of those of a sorted set; empty where there is none yet.
    Names(Box<HashSet<SmolStr>>),
    /// A member's score.
    Score(Option<f64>),
}

/// The cells that a bolt asked for. An address that it did not ask for reads as empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    cells: Cells,
    bytes: u64,
}

/// What a cell takes beside its bytes: its place among those of its key.
const CELL_BYTES: usize = size_of::<(SmolStr, Cell)>();

/// What an address and its place take.
fn bytes_of(address: &Address) -> u64 {
    (CELL_BYTES + address.key.as_str().len() + address.name.len()) as u64
}

/// The most fingerprints of a log that is counted with what the cells take. Longer ones are those of
/// dedup bolts: few, always needed, and not to drive all else out.
const COUNTED_LOG: usize = 2048;
/// What a fingerprint takes in memory, with its share of the set's spare places.
const FINGERPRINT_BYTES: usize = 28;
/// What a name of a set takes in memory beside its bytes, with its share of the spare places.
const NAME_BYTES: usize = 40;

/// What a cell holds beside its place, a long log's fingerprints aside.
fn held(cell: &Cell) -> u64 {
    let held = match cell {
        Cell::Field(Some(bytes)) => bytes.capacity(),
        Cell::Log(log) if log.len() <= COUNTED_LOG => log.len() * FINGERPRINT_BYTES,
        Cell::Counters(values, _) => size_of_val(&**values),
        Cell::Names(names) => names.iter().map(|name| NAME_BYTES + name.len()).sum(),
        _ => 0,
    };
    held as u64
}

impl State {
    /// Shared numbers; 0 where there is none.
    #[must_use]
    pub fn counters<const N: usize>(
        &self,
        key: &Key,
        names: &'static [&'static str; N],
    ) -> [i64; N] {
        match self.cell(Kind::Counters(names), key, "") {
            Some(Cell::Counters(values, _)) => (&**values).try_into().unwrap_or([0; N]),
            _ => [0; N],
        }
    }

    /// The bytes of a hash's field.
    #[must_use]
    pub fn field(&self, key: &Key, name: &str) -> Option<&[u8]> {
        match self.cell(Kind::Field, key, name) {
            Some(Cell::Field(value)) => value.as_deref(),
            _ => None,
        }
    }

    /// Whether a log holds a fingerprint.
    #[must_use]
    pub fn log_contains(&self, key: &Key, fingerprint: u128) -> bool {
        match self.cell(Kind::Log, key, "") {
            Some(Cell::Log(log)) => log.contains(&fingerprint),
            _ => false,
        }
    }

    /// The fingerprints of a log.
    pub fn log(&self, key: &Key) -> impl Iterator<Item = u128> {
        let log = match self.cell(Kind::Log, key, "") {
            Some(Cell::Log(log)) => Some(&**log),
            _ => None,
        };
        log.into_iter().flatten().copied()
    }

    /// Whether a set has a member.
    #[must_use]
    pub fn has_name(&self, key: &Key, name: &str) -> bool {
        match self.cell(Kind::Names, key, "") {
            Some(Cell::Names(names)) => names.contains(name),
            _ => false,
        }
    }

    /// The members of a set, in no order.
    pub fn names(&self, key: &Key) -> impl Iterator<Item = &SmolStr> {
        let names = match self.cell(Kind::Names, key, "") {
            Some(Cell::Names(names)) => Some(&**names),
            _ => None,
        };
        names.into_iter().flatten()
    }

    /// The members of a sorted set that are of a partition, of so many, in no order.
    pub fn ranked(&self, key: &Key, (partition, of): (u16, u16)) -> impl Iterator<Item = &SmolStr> {
        let names = match self.cell(Kind::Ranked(partition, of), key, "") {
            Some(Cell::Names(names)) => Some(&**names),
            _ => None,
        };
        names.into_iter().flatten()
    }

    /// A member's score.
    #[must_use]
    pub fn score(&self, key: &Key, member: &str) -> Option<f64> {
        match self.cell(Kind::Score, key, member) {
            Some(Cell::Score(score)) => *score,
            _ => None,
        }
    }

    /// Puts a cell in its place.
    pub fn insert(&mut self, address: Address, cell: Cell) {
        let (place, new) = (bytes_of(&address), held(&cell));
        match self.cells.insert(address, cell) {
            Some(old) => self.bytes = self.bytes.saturating_sub(held(&old)) + new,
            None => self.bytes += place + new,
        }
    }

    /// Takes a cell out.
    pub fn remove(&mut self, address: &Address) -> Option<Cell> {
        let cell = self.cells.remove(&address.into())?;
        self.bytes = self.bytes.saturating_sub(bytes_of(address) + held(&cell));
        Some(cell)
    }

    /// Whether the cell of an address is here.
    #[must_use]
    pub fn contains(&self, address: &Address) -> bool {
        self.cells.get(&address.into()).is_some()
    }

    /// About how much memory the cells take, long logs aside.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// All cells, in no order.
    pub fn into_cells(self) -> impl Iterator<Item = (Address, Cell)> + Send {
        self.cells.into_iter()
    }

    /// Changes the cells as a commit of these writes changes what is stored.
    pub fn apply(&mut self, writes: &[Write]) {
        for write in writes {
            match write {
                Write::Field { key, name, value } => {
                    self.put(Kind::Field, key, name, Cell::Field(Some(value.clone())));
                }
                Write::Score { key, member, score } => {
                    self.put(Kind::Score, key, member, Cell::Score(Some(*score)));
                }
                Write::Add { key, names, deltas } => {
                    let wanted = AddressRef { kind: Kind::Counters(names), key, name: "" };
                    if let Some(Cell::Counters(values, _)) = self.cells.get_mut(&wanted) {
                        for (value, delta) in values.iter_mut().zip(deltas) {
                            *value = value.saturating_add(*delta);
                        }
                    }
                }
                Write::Append { key, fingerprints } => {
                    self.change_log(key, |log| log.extend(fingerprints));
                }
                // All together, see below.
                Write::Drop { .. } => {}
                Write::DropLog { key } => self.drop_log(key),
                Write::Member { key, members } => {
                    self.change_names(key, |names| names.extend(members.iter().cloned()));
                }
                Write::RemoveMember { key, members } => {
                    self.change_names(key, |names| names.retain(|name| !members.contains(name)));
                }
                Write::RemoveField { key, name } => {
                    self.put(Kind::Field, key, name, Cell::Field(None));
                }
                Write::RemoveScore { key, member } => {
                    self.put(Kind::Score, key, member, Cell::Score(None));
                }
                Write::Distinct { .. } => {}
            }
        }
        let dropped = writes.iter().filter_map(|write| match write {
            Write::Drop { key } => Some(key),
            _ => None,
        });
        let dropped: HashSet<&Key> = dropped.collect();
        if !dropped.is_empty() {
            let gone = self.cells.extract_if(|key| dropped.contains(key));
            let bytes = |(address, cell): &(Address, Cell)| bytes_of(address) + held(cell);
            let bytes: u64 = gone.iter().map(bytes).sum();
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }

    /// Takes a log out: it was deleted.
    pub fn drop_log(&mut self, key: &Key) {
        let address = Address { kind: Kind::Log, key: key.clone(), name: SmolStr::default() };
        self.remove(&address);
    }

    /// A cell that the bolt did not ask for is left out: it is written without being read.
    fn put(&mut self, kind: Kind, key: &Key, name: &SmolStr, cell: Cell) {
        let wanted = AddressRef { kind, key, name };
        if let Some(place) = self.cells.get_mut(&wanted) {
            self.bytes = self.bytes.saturating_sub(held(place)) + held(&cell);
            *place = cell;
        }
    }

    fn change_log(&mut self, key: &Key, change: impl FnOnce(&mut Fingerprints)) {
        self.change_cell(Kind::Log, key, |cell| {
            if let Cell::Log(log) = cell {
                change(log);
            }
        });
    }

    fn change_names(&mut self, key: &Key, change: impl FnOnce(&mut HashSet<SmolStr>)) {
        self.change_cell(Kind::Names, key, |cell| {
            if let Cell::Names(names) = cell {
                change(names);
            }
        });
    }

    fn change_cell(&mut self, kind: Kind, key: &Key, change: impl FnOnce(&mut Cell)) {
        let wanted = AddressRef { kind, key, name: "" };
        let Some(cell) = self.cells.get_mut(&wanted) else { return };
        let before = held(cell);
        change(cell);
        self.bytes = self.bytes.saturating_sub(before) + held(cell);
    }

    pub(crate) fn cell(&self, kind: Kind, key: &Key, name: &str) -> Option<&Cell> {
        self.cells.get(&AddressRef { kind, key, name })
    }
}
