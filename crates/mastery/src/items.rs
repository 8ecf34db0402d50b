//! What a learner has answered to the items of a concept that came last, in 2 bytes each.
//!
//! An item that is met again is answered better, the more so if it was right before. Of all the
//! items that a learner ever met only [`KEPT`] a concept are kept: whose concepts have more, and who
//! come back to one after so many others, are taken to meet it for the first time.

use xxhash_rust::xxh3::xxh3_64;

/// How many items of a concept are kept.
pub(crate) const KEPT: usize = 4;
/// The bits of an item's hash. Of ever new items one in 128 is taken for one that was met.
const HASH_BITS: u32 = 9;
/// Right and wrong answers count up to this each.
const MOST: u16 = 7;

/// What was answered to one item before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Before {
    /// How often right, up to 7.
    pub right: u16,
    /// How often wrong, up to 7.
    pub wrong: u16,
    /// Whether the latest was right.
    pub last: bool,
}

impl Before {
    /// Whether it was met at all.
    pub fn met(self) -> bool {
        self.right + self.wrong > 0
    }
}

/// The items that were answered last, the latest first. A place without answers is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Items([u16; KEPT]);

impl Items {
    /// What was answered to an item before; nothing where it is not among those kept.
    pub fn before(&self, item: &str) -> Before {
        let wanted = hash(item);
        let found = self.0.iter().copied().find(|&place| is(place, wanted));
        found.map_or(Before::default(), unpack)
    }

    /// Notes an answer. The item becomes the latest; the earliest goes where there is no room.
    pub fn note(&mut self, item: &str, correct: bool) {
        let wanted = hash(item);
        let before = self.before(item);
        let count = |count: u16, more: bool| (count + u16::from(more)).min(MOST);
        let (right, wrong) = (count(before.right, correct), count(before.wrong, !correct));
        let others = self.0.into_iter().filter(|&place| taken(place) && !is(place, wanted));
        let latest = wanted << 7 | right << 4 | wrong << 1 | u16::from(correct);
        let mut all = std::iter::once(latest).chain(others);
        self.0 = std::array::from_fn(|_| all.next().unwrap_or_default());
    }

    /// Puts the items behind other bytes, lowest byte first.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.0.iter().filter(|&&place| taken(place)).flat_map(|p| p.to_le_bytes()));
    }

    /// Reads what [`Items::encode`] wrote; `None` where it is something else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (pairs, rest) = bytes.as_chunks::<2>();
        if !rest.is_empty() || pairs.len() > KEPT {
            return None;
        }
        let mut places = pairs.iter().map(|pair| u16::from_le_bytes(*pair));
        let items = Self(std::array::from_fn(|_| places.next().unwrap_or_default()));
        let all = items.0.iter().take(pairs.len());
        let alone = |(at, place): (usize, &u16)| {
            taken(*place) && items.0.iter().take(at).all(|other| !is(*other, *place >> 7))
        };
        all.enumerate().all(alone).then_some(items)
    }
}

fn hash(item: &str) -> u16 {
    (xxh3_64(item.as_bytes()) >> (u64::BITS - HASH_BITS)) as u16
}

/// Whether a place holds an item.
fn taken(place: u16) -> bool {
    unpack(place).met()
}

/// Whether a place holds the item of this hash.
fn is(place: u16, hash: u16) -> bool {
    taken(place) && place >> 7 == hash
}

fn unpack(place: u16) -> Before {
    Before { right: place >> 4 & MOST, wrong: place >> 1 & MOST, last: place & 1 == 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn answers_to_an_item_are_counted_until_four_others_came() {
        let mut items = Items::default();
        assert!(!items.before("a").met());
        for correct in [true, false, true] {
            items.note("a", correct);
        }
        let a = Before { right: 2, wrong: 1, last: true };
        for other in ["b", "c", "d"] {
            items.note(other, false);
        }
        assert_eq!(items.before("a"), a);
        assert_eq!(items.before("d"), Before { right: 0, wrong: 1, last: false });
        items.note("e", true);
        assert_eq!(items.before("a"), Before::default());
        for _ in 0..20 {
            items.note("e", true);
        }
        assert_eq!(items.before("e"), Before { right: 7, wrong: 0, last: true });
    }

    proptest! {
        #[test]
        fn bytes_read_back(answers in prop::collection::vec(("[a-z]{0,3}", any::<bool>()), 0..40)) {
            let mut items = Items::default();
            for (item, correct) in answers {
                items.note(&item, correct);
                let before = items.before(&item);
                prop_assert!(before.met() && before.last == correct);
            }
            let mut bytes = Vec::new();
            items.encode(&mut bytes);
            prop_assert!(bytes.len() <= 2 * KEPT);
            prop_assert_eq!(Items::decode(&bytes), Some(items));
        }
    }

    #[test]
    fn new_items_are_seldom_taken_for_met_ones() {
        let mut items = Items::default();
        let mut mistaken = 0;
        for number in 0..10_000 {
            let item = number.to_string();
            mistaken += u32::from(items.before(&item).met());
            items.note(&item, true);
        }
        assert!((30..130).contains(&mistaken), "{mistaken} of 10,000");
    }
}
