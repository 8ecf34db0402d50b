//! What a learner has answered to the items of a concept that came last, in 11 bits each.
//!
//! An item that is met again is answered better, the more so if it was right before. Of all the
//! items that a learner ever met only [`KEPT`] a concept are kept: whose concepts have more, and who
//! come back to one after so many others, are taken to meet it for the first time.

use xxhash_rust::xxh3::xxh3_64;

/// How many items of a concept are kept.
pub(crate) const KEPT: usize = 4;
/// The bits of an item's hash. Of ever new items one in 128 is taken for one that was met.
const HASH_BITS: u32 = 9;
/// The bits beside it: whether the latest answer was right, and whether there were others too.
const STATE_BITS: u32 = 2;
/// The bits of an item.
const BITS: u32 = HASH_BITS + STATE_BITS;
/// The bits before the items: how many there are.
const LENGTH_BITS: u32 = 3;
/// Set in a place that holds an item.
const TAKEN: u16 = 1 << BITS;

/// What was answered to one item before. How often makes no difference to what it tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Before {
    /// Whether it was ever right.
    pub right: bool,
    /// Whether it was ever wrong.
    pub wrong: bool,
    /// Whether the latest was right.
    pub last: bool,
}

impl Before {
    /// Whether it was met at all.
    pub fn met(self) -> bool {
        self.right || self.wrong
    }
}

/// The items that were answered last, the latest first. Places behind them are 0.
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
        let both = if correct { before.wrong } else { before.right };
        let others = self.0.into_iter().filter(|&place| place > 0 && !is(place, wanted));
        let state = u16::from(both) << 1 | u16::from(correct);
        let latest = TAKEN | wanted << STATE_BITS | state;
        let mut all = std::iter::once(latest).chain(others);
        self.0 = std::array::from_fn(|_| all.next().unwrap_or_default());
    }

    /// How many there are and then each, the latest lowest; and how many bits that is.
    pub fn bits(&self) -> (u64, u32) {
        let (mut bits, mut length, mut items) = (0, LENGTH_BITS, 0);
        for place in self.0.iter().take_while(|place| **place > 0) {
            bits |= u64::from(place & !TAKEN) << length;
            (length, items) = (length + BITS, items + 1);
        }
        (bits | items, length)
    }

    /// How many bits [`Items::bits`] gives where its lowest ones are these; `None` where they are
    /// none of it.
    pub fn length(lowest: u8) -> Option<u32> {
        let items = u32::from(lowest & ((1 << LENGTH_BITS) - 1));
        (items as usize <= KEPT).then_some(LENGTH_BITS + items * BITS)
    }

    /// Reads what [`Items::bits`] gave; `None` where it is something else.
    pub fn of_bits(bits: u64) -> Option<Self> {
        let items = ((Self::length(bits as u8)? - LENGTH_BITS) / BITS) as usize;
        let mut rest = bits >> LENGTH_BITS;
        let mut places = [0; KEPT];
        for at in 0..items {
            let place = TAKEN | rest as u16 & (TAKEN - 1);
            let hash = unpacked_hash(place);
            if places.iter().take(at).any(|earlier| is(*earlier, hash)) {
                return None;
            }
            *places.get_mut(at)? = place;
            rest >>= BITS;
        }
        (rest == 0).then_some(Self(places))
    }
}

fn hash(item: &str) -> u16 {
    (xxh3_64(item.as_bytes()) >> (u64::BITS - HASH_BITS)) as u16
}

fn unpacked_hash(place: u16) -> u16 {
    (place & !TAKEN) >> STATE_BITS
}

/// Whether a place holds the item of this hash.
fn is(place: u16, hash: u16) -> bool {
    place > 0 && unpacked_hash(place) == hash
}

fn unpack(place: u16) -> Before {
    let (both, last) = (place & 2 > 0, place & 1 > 0);
    Before { right: last || both, wrong: !last || both, last }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn answers_to_an_item_are_kept_until_four_others_came() {
        let mut items = Items::default();
        assert!(!items.before("a").met());
        items.note("a", true);
        assert_eq!(items.before("a"), Before { right: true, wrong: false, last: true });
        items.note("a", false);
        let a = Before { right: true, wrong: true, last: false };
        for other in ["b", "c", "d"] {
            items.note(other, false);
        }
        assert_eq!(items.before("a"), a);
        assert_eq!(items.before("d"), Before { right: false, wrong: true, last: false });
        items.note("e", true);
        assert_eq!(items.before("a"), Before::default());
        items.note("d", true);
        items.note("d", true);
        assert_eq!(items.before("d"), Before { right: true, wrong: true, last: true });
    }

    proptest! {
        #[test]
        fn bits_read_back(answers in prop::collection::vec(("[a-z]{0,3}", any::<bool>()), 0..40)) {
            let mut items = Items::default();
            for (item, correct) in answers {
                items.note(&item, correct);
                let before = items.before(&item);
                prop_assert!(before.met() && before.last == correct);
                let told = if correct { before.right } else { before.wrong };
                prop_assert!(told);
            }
            let (bits, length) = items.bits();
            prop_assert!(length <= 47 && bits >> length == 0);
            prop_assert_eq!(Items::length(bits as u8), Some(length));
            prop_assert_eq!(Items::of_bits(bits), Some(items));
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
