//! What a bolt asks for: addresses, less what is at hand.

use crate::{Address, Batch, Bolt, Cell, Key, Kind, Names, State, state::AddressRef};
use hashbrown::HashSet;
use smol_str::SmolStr;

/// The addresses that a bolt will look at, each once, less those whose cells are at hand.
#[derive(Clone, Debug, Default)]
pub struct Reads<'a> {
    addresses: HashSet<Address>,
    known: Option<(&'a State, i64)>,
    asked: u64,
    incomplete: bool,
}

impl<'a> Reads<'a> {
    /// All that a bolt asks for.
    #[must_use]
    pub fn of(bolt: &(impl Bolt + ?Sized), batch: &Batch<'_>) -> Self {
        let mut reads = Self::default();
        bolt.reads(batch, &mut reads);
        reads
    }

    /// Leaves out what `known` holds, but for counters that were fetched before `stale_before`.
    #[must_use]
    pub fn beside(known: &'a State, stale_before: i64) -> Self {
        Self { known: Some((known, stale_before)), ..Self::default() }
    }

    /// Asks for shared numbers of a hash.
    pub fn counters(&mut self, key: &Key, names: Names) {
        self.ask(Kind::Counters(names), key, "");
    }

    /// Asks for a field of a hash.
    pub fn field(&mut self, key: &Key, name: &str) {
        self.ask(Kind::Field, key, name);
    }

    /// Asks for a log.
    pub fn log(&mut self, key: &Key) {
        self.ask(Kind::Log, key, "");
    }

    /// Asks for all members of a set.
    pub fn names(&mut self, key: &Key) {
        self.ask(Kind::Names, key, "");
    }

    /// Asks for the members of a sorted set that are of a partition, of so many.
    pub fn ranked(&mut self, key: &Key, (partition, of): (u16, u16)) {
        self.ask(Kind::Ranked(partition, of), key, "");
    }

    /// Asks for a member's score.
    pub fn score(&mut self, key: &Key, member: &str) {
        self.ask(Kind::Score, key, member);
    }

    /// Asks for a field of a hash that decides what else is asked for, and returns its bytes. Where
    /// it is not at hand, it counts as empty until all is asked for once more.
    pub fn look(&mut self, key: &Key, name: &str) -> Option<&'a [u8]> {
        self.field(key, name);
        match self.seen(Kind::Field, key, name)? {
            Cell::Field(value) => value.as_deref(),
            _ => None,
        }
    }

    /// Asks for all members of a set that decides what else is asked for, and returns them, as
    /// [`Reads::look`] does.
    pub fn look_names(&mut self, key: &Key) -> impl Iterator<Item = &'a SmolStr> + use<'a> {
        self.names(key);
        let names = match self.seen(Kind::Names, key, "") {
            Some(Cell::Names(names)) => Some(&**names),
            _ => None,
        };
        names.into_iter().flatten()
    }

    /// A cell, if it is at hand: else what is asked for is incomplete.
    fn seen(&mut self, kind: Kind, key: &Key, name: &str) -> Option<&'a Cell> {
        let cell = self.known.and_then(|(known, _)| known.cell(kind, key, name));
        self.incomplete |= cell.is_none();
        cell
    }

    /// Whether something that decides what is asked for was not at hand: with what is asked for so
    /// far at hand, all has to be asked for again.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    fn ask(&mut self, kind: Kind, key: &Key, name: &str) {
        self.asked += 1;
        if let Some((known, stale_before)) = self.known {
            match known.cell(kind, key, name) {
                Some(Cell::Counters(_, fetched)) if *fetched < stale_before => {}
                Some(_) => return,
                None => {}
            }
        }
        let wanted = AddressRef { kind, key, name };
        if !self.addresses.contains(&wanted) {
            self.addresses.insert(Address { kind, key: key.clone(), name: name.into() });
        }
    }

    /// The addresses, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Address> {
        self.addresses.iter()
    }

    /// How often the bolt asked, for what was at hand or asked for before, too.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// The addresses, taken out, in no order.
    #[must_use]
    pub fn into_addresses(self) -> HashSet<Address> {
        self.addresses
    }
}
