//! Which items a learner has lately met, in 64 bytes at most.
//!
//! The first meeting with an item is slower and more often wrong than later ones; without that,
//! every new chapter looks like fatigue. Two Bloom filters (Bloom 1970) take turns: when one is
//! filled to [`FULL`] bits, the older is emptied and takes over, so that the last 60 items at the
//! least are remembered. Of a learner's first 50 items about 4 % are taken for met ones, of ever
//! new ones about 20 %.

use xxhash_rust::xxh3::xxh3_64;

/// The bytes of one filter.
const BYTES: usize = 32;
/// A filter with so many of its 256 bits set is full: its next false positive has a
/// probability of (96/256)².
const FULL: u32 = 96;

/// The items that a learner has met.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Met {
    pub(crate) newer: [u8; BYTES],
    pub(crate) older: [u8; BYTES],
}

impl Met {
    /// Puts the items behind other bytes: the newer filter, and the older one if it holds any.
    pub(crate) fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.newer);
        if self.older != [0; BYTES] {
            bytes.extend(self.older);
        }
    }

    /// The items that these bytes hold; `None` where they are something else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes.as_chunks::<BYTES>() {
            (&[newer], []) => Some(Self { newer, older: [0; BYTES] }),
            (&[newer, older], []) if older != [0; BYTES] => Some(Self { newer, older }),
            _ => None,
        }
    }

    /// Notes a meeting. True if there was one before.
    pub(crate) fn note(&mut self, item: &str) -> bool {
        let [low, high, ..] = xxh3_64(item.as_bytes()).to_le_bytes();
        let holds = |filter: &[u8; BYTES]| bit(filter, low) && bit(filter, high);
        let met = holds(&self.newer) || holds(&self.older);
        if !holds(&self.newer) {
            if self.newer.iter().map(|byte| byte.count_ones()).sum::<u32>() >= FULL {
                self.older = std::mem::replace(&mut self.newer, [0; BYTES]);
            }
            set(&mut self.newer, low);
            set(&mut self.newer, high);
        }
        met
    }
}

fn bit(filter: &[u8; BYTES], place: u8) -> bool {
    filter.get(usize::from(place / 8)).is_some_and(|byte| byte & (1 << (place % 8)) != 0)
}

fn set(filter: &mut [u8; BYTES], place: u8) {
    if let Some(byte) = filter.get_mut(usize::from(place / 8)) {
        *byte |= 1 << (place % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_met_is_what_its_bytes_say(
            newer in prop::array::uniform32(any::<u8>()),
            older in prop_oneof![Just([0; BYTES]), prop::array::uniform32(any::<u8>())],
        ) {
            let met = Met { newer, older };
            let mut bytes = Vec::new();
            met.put(&mut bytes);
            prop_assert_eq!(Met::decode(&bytes), Some(met));
            prop_assert_eq!(Met::decode(&bytes[1..]), None);
            prop_assert_eq!(Met::decode(&[&newer[..], &[0; BYTES]].concat()), None);
        }

        #[test]
        fn what_was_just_met_is_known(items in prop::collection::vec("[a-z]{1,3}", 1..400)) {
            let mut met = Met::default();
            for item in items {
                met.note(&item);
                prop_assert!(met.note(&item));
            }
        }
    }

    #[test]
    fn new_items_are_seldom_taken_for_met_ones_and_lately_met_ones_never_for_new() {
        let mut met = Met::default();
        let mistaken = (0..2000).filter(|i| met.note(&i.to_string())).count();
        assert!((20..400).contains(&mistaken), "{mistaken} of 2000");
        assert!((1960..2000).all(|i| met.note(&i.to_string())));
    }
}
