//! The state that a bolt asked for: cells of a few kinds, each under its own address.

use crate::{Key, Write};
use hashbrown::{Equivalent, HashMap, HashSet};
use smol_str::SmolStr;
use std::hash::{Hash, Hasher};

/// The kind of a cell, and of the Redis value that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A whole number in a hash that several partitions change by deltas. Another worker's
    /// deltas become visible within the refresh time of the runtime; the worker's own at once.
    Counter,
    /// A field of a hash that one partition owns, written as an absolute value.
    Field,
    /// An append-only string of 128-bit fingerprints that one partition owns.
    Log,
    /// A member's score in a sorted set; the member belongs to one partition.
    Score,
}

/// Where a cell stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// What it holds.
    pub kind: Kind,
    /// The hash, string or sorted set.
    pub key: Key,
    /// The field or member; empty for a log.
    pub name: SmolStr,
}

/// An address that borrows, to look up without an allocation.
struct AddressRef<'a> {
    kind: Kind,
    key: &'a Key,
    name: &'a str,
}

impl Hash for AddressRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
        self.key.hash(state);
        self.name.hash(state);
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
    /// A shared number; 0 where there is none yet.
    Counter(i64),
    /// The bytes of a field.
    Field(Option<Vec<u8>>),
    /// The fingerprints of a log; empty where there is none yet.
    Log(Fingerprints),
    /// A member's score.
    Score(Option<f64>),
}

/// The addresses that a bolt will look at, each once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reads {
    addresses: HashSet<Address>,
}

impl Reads {
    /// Asks for a shared number.
    pub fn counter(&mut self, key: &Key, name: &str) {
        self.ask(Kind::Counter, key, name);
    }

    /// Asks for a field of a hash.
    pub fn field(&mut self, key: &Key, name: &str) {
        self.ask(Kind::Field, key, name);
    }

    /// Asks for a log.
    pub fn log(&mut self, key: &Key) {
        self.ask(Kind::Log, key, "");
    }

    /// Asks for a member's score.
    pub fn score(&mut self, key: &Key, member: &str) {
        self.ask(Kind::Score, key, member);
    }

    fn ask(&mut self, kind: Kind, key: &Key, name: &str) {
        let wanted = AddressRef { kind, key, name };
        if !self.addresses.contains(&wanted) {
            self.addresses.insert(Address { kind, key: key.clone(), name: name.into() });
        }
    }

    /// The addresses, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Address> {
        self.addresses.iter()
    }

    /// The addresses, taken out, in no order.
    pub fn into_addresses(self) -> impl Iterator<Item = Address> {
        self.addresses.into_iter()
    }
}

/// The cells that a bolt asked for. An address that it did not ask for reads as empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    cells: HashMap<Address, Cell>,
    bytes: u64,
}

/// What a cell takes beside its bytes: its place in the map.
const CELL_BYTES: usize = 96;

/// What a cell takes, a log's fingerprints aside.
fn bytes_of(address: &Address, cell: &Cell) -> u64 {
    let held = match cell {
        Cell::Field(Some(bytes)) => bytes.capacity(),
        _ => 0,
    };
    (CELL_BYTES + address.key.as_str().len() + address.name.len() + held) as u64
}

impl State {
    /// A shared number; 0 where there is none.
    #[must_use]
    pub fn counter(&self, key: &Key, name: &str) -> i64 {
        match self.cell(Kind::Counter, key, name) {
            Some(Cell::Counter(value)) => *value,
            _ => 0,
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
        self.remove(&address);
        self.bytes += bytes_of(&address, &cell);
        self.cells.insert(address, cell);
    }

    /// Takes a cell out.
    pub fn remove(&mut self, address: &Address) -> Option<Cell> {
        let cell = self.cells.remove(address)?;
        self.bytes = self.bytes.saturating_sub(bytes_of(address, &cell));
        Some(cell)
    }

    /// Whether the cell of an address is here.
    #[must_use]
    pub fn contains(&self, address: &Address) -> bool {
        self.cells.contains_key(address)
    }

    /// About how much memory the cells take, logs aside.
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
                Write::Add { key, name, delta } => {
                    let value = self.counter(key, name).saturating_add(*delta);
                    self.put(Kind::Counter, key, name, Cell::Counter(value));
                }
                Write::Append { key, fingerprints } => {
                    let wanted = AddressRef { kind: Kind::Log, key, name: "" };
                    if let Some(Cell::Log(log)) = self.cells.get_mut(&wanted) {
                        log.extend(fingerprints);
                    }
                }
                Write::Distinct { .. } | Write::Member { .. } => {}
            }
        }
    }

    /// A cell that the bolt did not ask for is left out: it is written without being read.
    fn put(&mut self, kind: Kind, key: &Key, name: &SmolStr, cell: Cell) {
        let wanted = AddressRef { kind, key, name };
        if let Some((address, place)) = self.cells.get_key_value_mut(&wanted) {
            let before = bytes_of(address, place);
            self.bytes = self.bytes.saturating_sub(before) + bytes_of(address, &cell);
            *place = cell;
        }
    }

    fn cell(&self, kind: Kind, key: &Key, name: &str) -> Option<&Cell> {
        self.cells.get(&AddressRef { kind, key, name })
    }
}
