//! Pages against plain maps.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn answered(times: u8, at: u32) -> Ability {
    let mut ability = Ability::unknown(1.0);
    for time in 0..=times {
        ability.move_level(0.25);
        ability.items.note(&time.to_string(), time.is_multiple_of(2));
        ability.move_share_in_concept(0.5, time.is_multiple_of(2), 0.2);
        ability.count(time.is_multiple_of(2), at);
    }
    ability
}

proptest! {
    /// In batches of some answers each, between which the page is stored and read again.
    #[test]
    fn a_page_holds_what_was_put_there_whatever_the_order_and_the_batches(
        answers in prop::collection::vec((0u32..400, 0u8..5, any::<u32>(), prop::bool::weighted(0.3)), 0..60),
    ) {
        let mut expected: BTreeMap<u32, Ability> = BTreeMap::new();
        let mut stored = Page::default().encode();
        let mut page = Page::read(&stored).unwrap();
        for (number, times, at, ends) in answers {
            let found = page.find(number).unwrap();
            prop_assert_eq!(found, expected.get(&number).copied());
            // No answer makes the last one earlier.
            let ability = answered(times, at.max(found.map_or(0, |before| before.last)));
            page.set(number, ability, found.is_none());
            expected.insert(number, ability);
            prop_assert_eq!(page.len(), expected.len());
            if ends {
                let bytes = page.encode();
                stored = bytes;
                page = Page::read(&stored).unwrap();
            }
        }
        let bytes = page.encode();
        let read = Page::read(&bytes).unwrap();
        prop_assert_eq!(read.all(), Some(expected.clone().into_iter().collect()));
        // The same bytes, however it came to be.
        let mut at_once = Page::default();
        expected.into_iter().for_each(|(number, ability)| at_once.set(number, ability, true));
        prop_assert_eq!(at_once.encode(), bytes);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), number: u32) {
        if let Some(mut page) = Page::read(&bytes) {
            let _ = (page.find(number), page.all());
            page.set(number, answered(1, 80), true);
            let _ = page.encode();
        }
    }
}

#[test]
fn what_is_no_page_is_refused() {
    let mut page = Page::default();
    [3, 7, 300].into_iter().for_each(|number| page.set(number, answered(3, 8 * number), true));
    let bytes = page.encode();
    let starts = [4, 4 + 18, 4 + 36];
    for cut in 0..bytes.len() {
        let whole = starts.contains(&cut);
        assert_eq!(Page::read(&bytes[..cut]).is_some(), whole, "{cut}");
    }
    // A number twice; an answer before the time began; records of something else.
    let twice = [&bytes[..4 + 18], &[0], &bytes[4 + 19..]].concat();
    assert!(Page::read(&twice).is_none());
    let early = [&[0; 4], &bytes[4..]].concat();
    assert!(Page::read(&early).is_none());
    assert!(Page::read(b"what else").is_none());
}
