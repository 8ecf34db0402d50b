//! The generations of a partition's versions: one for each length of the window, in a hash of its
//! own, so that a whole one is deleted at once.
//!
//! A version is stored in the generation in which its copy came, and is looked for in the one before
//! and the one after too: so it is remembered for the window at least, and for two at most. A
//! generation is deleted by what its partition processes, in a commit, and never by a clock: once
//! more than [`SPARE`] began out of its reach. So neither a partition that stands still forgets
//! anything, nor one whose server's clock was wrong for a while.

use std::collections::{BTreeMap, btree_map::Entry};
use tallyd_bolt::{Effects, Key, Reads, State};

/// For how many new generations that are too far away to meet it one is kept all the same.
const SPARE: u8 = 1;
/// After how long the server may collect what nothing writes to any more, in ms.
const GARBAGE_MS: i64 = 30 * 86_400_000;
/// The field of the list.
pub(crate) const KEPT: &str = "kept";

/// The hash that lists the generations of a partition, in the field [`KEPT`]: `next` and then
/// `generation:serial:idle` for each. The serial names its hash, and is never used twice.
#[must_use]
pub(crate) fn list_key(partition: u16) -> Key {
    Key::new(&["generations", &partition.to_string()])
}

/// The hash of a generation's versions.
#[must_use]
pub(crate) fn versions_key(partition: u16, serial: u64) -> Key {
    Key::new(&["versions", &partition.to_string(), &serial.to_string()])
}

/// One generation of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    number: i64,
    pub(crate) serial: u64,
    /// How many began out of its reach since an event was within it.
    idle: u8,
}

impl Generation {
    /// Whether a version of it is met by events of a generation.
    pub(crate) fn meets(&self, number: i64) -> bool {
        self.number.abs_diff(number) <= 1
    }
}

/// The list of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct List {
    next: u64,
    pub(crate) all: Vec<Generation>,
}

impl List {
    /// The list that is stored.
    ///
    /// # Errors
    /// Where it can't be read.
    pub(crate) fn parse(stored: Option<&[u8]>) -> Result<Self, String> {
        let Some(stored) = stored else { return Ok(Self::default()) };
        let text = String::from_utf8_lossy(stored);
        let mut words = text.split_ascii_whitespace();
        let next = words.next().and_then(|next| next.parse().ok());
        let generation = |word: &str| {
            let mut parts = word.split(':');
            let number = parts.next()?.parse().ok()?;
            let serial = parts.next()?.parse().ok()?;
            let idle = parts.next()?.parse().ok()?;
            parts.next().is_none().then_some(Generation { number, serial, idle })
        };
        let all: Option<Vec<Generation>> = words.map(generation).collect();
        let list = next.zip(all).map(|(next, all)| Self { next, all });
        list.ok_or_else(|| {
            let shown: String = text.chars().take(100).collect();
            format!("the list of generations is \"{shown}\", which can't be read; restore it")
        })
    }

    fn text(&self) -> String {
        let of = |of: &Generation| format!(" {}:{}:{}", of.number, of.serial, of.idle);
        format!("{}{}", self.next, self.all.iter().map(of).collect::<String>())
    }
}

/// The generations of the partitions of one batch.
pub(crate) struct Generations {
    window_ms: i64,
    partitions: BTreeMap<u16, Partition>,
}

struct Partition {
    list: List,
    /// The generation of the event before.
    last: Option<i64>,
    changed: bool,
    dropped: Vec<Key>,
}

impl Generations {
    /// Those of a new batch: none yet.
    pub(crate) fn new(window_ms: i64) -> Self {
        Self { window_ms: window_ms.max(1), partitions: BTreeMap::new() }
    }

    /// The number of the generation of what came at a time.
    pub(crate) fn number(&self, entered: i64) -> i64 {
        entered.div_euclid(self.window_ms)
    }

    /// Asks for the list of a partition, and returns it as far as it is known.
    pub(crate) fn ask(partition: u16, reads: &mut Reads<'_>) -> List {
        List::parse(reads.look(&list_key(partition), KEPT)).unwrap_or_default()
    }

    /// An event of this generation comes: the serial of its own, and those of all that it meets.
    ///
    /// # Errors
    /// Where the stored list can't be read.
    pub(crate) fn go_to(
        &mut self,
        state: &State,
        partition: u16,
        number: i64,
    ) -> Result<(u64, Vec<u64>), String> {
        let of = match self.partitions.entry(partition) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let list = List::parse(state.field(&list_key(partition), KEPT))?;
                new.insert(Partition { list, last: None, changed: false, dropped: Vec::new() })
            }
        };
        let own = of.go_to(partition, number);
        let met = of.list.all.iter().filter(|one| one.meets(number)).map(|one| one.serial);
        Ok((own, met.collect()))
    }

    /// Writes what changed of the lists, and returns the keys of what was dropped.
    pub(crate) fn write(self, now: i64, effects: &mut Effects) -> Vec<Key> {
        let (window_ms, mut dropped) = (self.window_ms, Vec::new());
        for (partition, of) in self.partitions {
            dropped.extend(of.dropped);
            if of.changed {
                let key = list_key(partition);
                effects.set_field(&key, KEPT, of.list.text());
                let last = of.list.all.iter().map(|one| garbage(window_ms, one.number, now)).max();
                effects.expiries.extend(last.map(|last| (key, last)));
            }
        }
        dropped
    }

    /// When the server may collect a generation's versions that are written to at `now`.
    pub(crate) fn expiry(&self, number: i64, now: i64) -> i64 {
        garbage(self.window_ms, number, now)
    }
}

/// When the server may collect what was written at `now` of a generation. They are deleted by their
/// partition, as it goes on: this is for those that no partition has any more.
fn garbage(window_ms: i64, number: i64, now: i64) -> i64 {
    let end = number.saturating_add(1).saturating_mul(window_ms);
    end.max(now).saturating_add(window_ms.saturating_mul(3)).saturating_add(GARBAGE_MS)
}

impl Partition {
    fn go_to(&mut self, partition: u16, number: i64) -> u64 {
        let known = self.list.all.iter().find(|one| one.number == number).map(|one| one.serial);
        if let (Some(serial), true) = (known, self.last == Some(number)) {
            return serial;
        }
        self.last = Some(number);
        for one in &mut self.list.all {
            let idle = match one.meets(number) {
                true => 0,
                false => one.idle + u8::from(known.is_none()),
            };
            self.changed |= idle != one.idle;
            one.idle = idle;
        }
        if let Some(serial) = known {
            return serial;
        }
        self.changed = true;
        let gone = self.list.all.extract_if(.., |one| one.idle > SPARE);
        self.dropped.extend(gone.map(|one| versions_key(partition, one.serial)));
        let serial = self.list.next;
        self.list.next += 1;
        self.list.all.push(Generation { number, serial, idle: 0 });
        serial
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallyd_bolt::Write;

    fn go(state: &State, numbers: &[i64]) -> (Vec<u64>, Vec<Key>, Effects) {
        let mut generations = Generations::new(1000);
        let met = numbers.iter().map(|number| generations.go_to(state, 3, *number).unwrap().1);
        let met = met.last().unwrap();
        let mut effects = Effects::default();
        let dropped = generations.write(5, &mut effects);
        (met, dropped, effects)
    }

    #[test]
    fn a_generation_is_met_by_its_neighbours_and_goes_after_two_that_are_not() {
        let state = State::default();
        assert_eq!(go(&state, &[7]).0, [0]);
        assert_eq!(go(&state, &[7, 8, 9]).0, [1, 2]);
        // A clock that jumps once forgets nothing.
        assert_eq!(go(&state, &[7, 900, 8]).0, [0, 2]);
        let (met, dropped, effects) = go(&state, &[7, 8, 9, 10]);
        assert_eq!(met, [2, 3]);
        assert_eq!(dropped, [versions_key(3, 0)]);
        let Write::Field { value, .. } = &effects.writes[0] else { panic!("{effects:?}") };
        assert_eq!(value, b"4 8:1:1 9:2:0 10:3:0");
        assert_eq!(List::parse(Some(value)).unwrap().text().as_bytes(), value.as_slice());
        for unreadable in ["", "x", "4 8:1", "4 8:1:1:1", "4 8:1:x"] {
            assert!(List::parse(Some(unreadable.as_bytes())).is_err(), "{unreadable}");
        }
    }
}
