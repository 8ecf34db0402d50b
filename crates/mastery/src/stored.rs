//! What is stored of a learner, and where.
//!
//! One field a learner, in a hash that all learners of a partition share: a key of its own would
//! cost Redis as much as the abilities do. It holds the overall ability and those in the first
//! [`FULL`] concepts that the learner practised. Who practises more has fields in up to [`PAGES`]
//! further hashes, by the hash of the concept's name, so that an answer never rewrites them all.

use crate::{Ability, page::Page};
use smol_str::{SmolStr, format_smolstr};
use tallyd_bolt::Key;
use tallyd_event::partition_of;
use xxhash_rust::xxh3::xxh3_64;

/// How many concepts stand in a learner's own field.
pub(crate) const FULL: usize = 32;
/// In how many hashes further ones stand.
pub(crate) const PAGES: u16 = 7;
/// No field with [`FULL`] concepts is shorter: the overall ability, and records of 11 bytes.
const FULL_BYTES: usize = 14 + FULL * 11;
/// The field of [`names_key`] that holds how many concepts have a number.
pub const COUNT: &str = "count";

/// The hash of the learners of a partition.
#[must_use]
pub fn learners_key(partition: u16) -> Key {
    Key::new(&["learners", &format_smolstr!("{partition}")])
}

/// One of the hashes of what a partition's learners have beyond [`learners_key`].
#[must_use]
pub(crate) fn more_key(page: u16, partition: u16) -> Key {
    Key::new(&["more", &format_smolstr!("{page}"), &format_smolstr!("{partition}")])
}

/// All of them.
pub fn more_keys(partition: u16) -> impl Iterator<Item = Key> {
    (0..PAGES).map(move |page| more_key(page, partition))
}

/// The hash of the numbers that concepts have in a partition, by their names.
#[must_use]
pub fn numbers_key(partition: u16) -> Key {
    Key::new(&["numbers", &format_smolstr!("{partition}")])
}

/// The hash of the names of concepts, by their numbers in a partition.
#[must_use]
pub fn names_key(partition: u16) -> Key {
    Key::new(&["names", &format_smolstr!("{partition}")])
}

/// The hashes of a partition that nearly every answer looks at. They are spelt once.
#[derive(Clone, Debug)]
pub(crate) struct Hashes {
    pub learners: Key,
    pub numbers: Key,
    pub names: Key,
}

impl Hashes {
    /// Those of each partition.
    pub fn all(partitions: u16) -> Vec<Self> {
        let of = |partition| Self {
            learners: learners_key(partition),
            numbers: numbers_key(partition),
            names: names_key(partition),
        };
        (0..partitions).map(of).collect()
    }

    /// Those of a learner's partition, and which one it is.
    pub fn of<'a>(all: &'a [Self], learner: &str) -> (u16, &'a Self) {
        let partition = partition_of([learner], all.len() as u16);
        #[expect(clippy::indexing_slicing, reason = "there are some for each partition")]
        (partition, &all[usize::from(partition)])
    }
}

/// Every field that may hold something of a learner, with its hash. Whoever deletes one deletes all
/// of them, in one commit.
#[must_use]
pub fn learner_fields(learner: &str, partitions: u16) -> Vec<(Key, SmolStr)> {
    let partition = partition_of([learner], partitions);
    let keys = std::iter::once(learners_key(partition)).chain(more_keys(partition));
    keys.map(|key| (key, learner.into())).collect()
}

/// The page of a concept that finds no room in a learner's own field.
pub(crate) fn page_of(concept: &str) -> u16 {
    (xxh3_64(concept.as_bytes()) % u64::from(PAGES)) as u16
}

/// What stands in a learner's own field.
#[derive(Clone, Debug)]
pub(crate) struct Own<'a> {
    pub overall: Ability,
    pub page: Page<'a>,
}

impl<'a> Own<'a> {
    /// `None` where the bytes are something else.
    pub fn read(mut bytes: &'a [u8]) -> Option<Self> {
        let overall = Ability::take_overall(&mut bytes)?;
        Some(Self { overall, page: Page::of_records(bytes, overall.last)? })
    }

    /// The bytes that [`Own::read`] reads.
    pub fn encode(&self, room: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(room);
        self.overall.put_overall(&mut bytes);
        self.page.put_records(self.overall.last, &mut bytes);
        bytes
    }
}

/// Whether the field of these bytes may have no room for another concept.
pub(crate) fn may_be_full(own: &[u8]) -> bool {
    own.len() >= FULL_BYTES
}

/// The overall ability and those in concepts, by their numbers, that a field of [`learners_key`] holds.
///
/// # Errors
/// Where it holds something else.
pub fn read_own(bytes: &[u8]) -> Result<(Ability, Vec<(u32, Ability)>), NoAbilities> {
    let own = Own::read(bytes);
    own.and_then(|own| Some((own.overall, own.page.all()?))).ok_or(NoAbilities(bytes.len()))
}

/// The abilities in concepts, by their numbers, that a field of [`more_keys`] holds.
///
/// # Errors
/// Where it holds something else.
pub fn read_more(bytes: &[u8]) -> Result<Vec<(u32, Ability)>, NoAbilities> {
    Page::read(bytes).and_then(|page| page.all()).ok_or(NoAbilities(bytes.len()))
}

/// Stored bytes are no abilities.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {0} bytes stored are no abilities")]
pub struct NoAbilities(pub usize);

#[cfg(test)]
mod tests;
