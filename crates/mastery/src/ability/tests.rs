//! What is stored of an ability, and what is refused.

use super::*;
use proptest::prelude::*;

fn overall(ability: &Ability) -> Vec<u8> {
    let mut bytes = Vec::new();
    ability.put_overall(&mut bytes);
    bytes
}

fn in_concept(ability: &Ability) -> Vec<u8> {
    let mut bytes = Vec::new();
    ability.put_in_concept(&mut bytes);
    bytes
}

fn read_overall(mut bytes: &[u8]) -> Option<Ability> {
    Ability::take_overall(&mut bytes).filter(|_| bytes.is_empty())
}

fn read_in_concept(mut bytes: &[u8], last: u32) -> Option<Ability> {
    let ability = Ability::split_in_concept(&mut bytes)?;
    Ability::in_concept(ability, last).filter(|_| bytes.is_empty())
}

fn practised() -> Ability {
    let mut ability = Ability {
        answers: 3,
        correct: 2,
        level: 500_000_000_000,
        variance: Variance::nearest(0.75),
        last: 1_767_225_600,
        recent: 200 * SHARE_STEP,
        wrong: 1,
        items: Items::default(),
    };
    ability.items.note("q1", true);
    ability.items.note("q9", false);
    ability
}

#[test]
fn an_ability_takes_few_bytes() {
    let mut ability = practised();
    assert_eq!((overall(&ability).len(), in_concept(&ability).len()), (14, 12));
    let lengths = (1..=5).map(|item| {
        ability.items.note(&format!("other {item}"), true);
        in_concept(&ability).len()
    });
    assert_eq!(lengths.collect::<Vec<_>>(), [13, 15, 15, 15, 15]);
    assert_eq!(in_concept(&Ability::default()).len(), 9);
}

#[test]
fn what_is_no_ability_is_refused() {
    let ability = practised();
    let (in_all, here) = (overall(&ability), in_concept(&ability));
    assert_eq!(
        read_overall(&in_all),
        Some(Ability { wrong: 0, items: Items::default(), ..ability })
    );
    assert_eq!(read_in_concept(&here, ability.last), Some(ability));
    for cut in 0..in_all.len() {
        assert_eq!(read_overall(&in_all[..cut]), None, "{cut}");
    }
    for cut in 0..here.len() {
        assert_eq!(read_in_concept(&here[..cut], 0), None, "{cut}");
    }
    let changed = |change: fn(&mut Ability)| {
        let mut other = ability;
        change(&mut other);
        (read_overall(&overall(&other)), read_in_concept(&in_concept(&other), other.last))
    };
    assert_eq!(changed(|a| a.level = LIMIT + LEVEL_UNIT), (None, None));
    assert_eq!(changed(|a| a.level = -LIMIT - LEVEL_UNIT), (None, None));
    // Too many answers, more right ones than answers, five items, an item twice.
    let many = [&[0xff; 9][..], &[1]].concat();
    assert_eq!(read_overall(&[&many, &in_all[1..]].concat()), None);
    assert_eq!(read_in_concept(&[&many, &here[1..]].concat(), 0), None);
    assert_eq!(read_overall(&[&[3, 4][..], &in_all[2..]].concat()), None);
    let lowest = |byte: u8| [&here[..8], &[here[8] & 0x0f | byte << 4], &here[9..]].concat();
    assert_eq!(read_in_concept(&lowest(2), 0).map(|a| a.answers), Some(3));
    assert_eq!(read_in_concept(&[lowest(5), vec![0; 9]].concat(), 0), None);
    let bits = 2 | 0b101 << 3 | 0b110 << 14;
    assert_eq!(Items::of_bits(bits), None);
}

#[test]
fn nothing_in_memory_is_finer_than_what_is_stored() {
    let mut ability = Ability::unknown(1.0);
    for number in 0u32..100 {
        let correct = number.is_multiple_of(3);
        ability.move_level(0.1 / 3.0);
        ability.move_share_in_concept(0.6, correct, 0.2);
        ability.count(correct, 1_767_225_601 + number);
        assert_eq!(read_in_concept(&in_concept(&ability), ability.last), Some(ability));
    }
    assert_eq!((ability.answers, ability.correct, ability.last % TIME_STEP), (100, 34, 0));
    ability.answers = MOST_ANSWERS;
    ability.count(true, 0);
    assert_eq!((ability.answers, ability.correct), (MOST_ANSWERS, 35));
    (0..40).for_each(|_| ability.move_share_in_concept(0.5, false, 0.2));
    assert_eq!((ability.wrong, ability.recent < 4 * SHARE_STEP), (MOST_WRONG, true));
}

proptest! {
    #[test]
    fn bytes_read_back(
        counts in any::<(u32, u32, u8, u32)>(),
        recent in any::<u16>(),
        level in -LIMIT / LEVEL_UNIT..=LIMIT / LEVEL_UNIT,
        items in prop::collection::vec(("[a-f]", any::<bool>()), 0..9),
        variance in 0.0f64..31.0,
    ) {
        let (a, b, wrong, last) = counts;
        let mut ability = Ability {
            answers: a.max(b).into(),
            correct: a.min(b).into(),
            level: level * LEVEL_UNIT,
            variance: Variance::nearest(variance),
            last: last / TIME_STEP * TIME_STEP,
            recent,
            ..Ability::default()
        };
        prop_assert_eq!(read_overall(&overall(&ability)), Some(ability));
        (ability.recent, ability.wrong) = (recent / SHARE_STEP * SHARE_STEP, wrong % 16);
        for (item, right) in items {
            ability.items.note(&item, right);
        }
        prop_assert_eq!(read_in_concept(&in_concept(&ability), ability.last), Some(ability));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Some(ability) = read_overall(&bytes) {
            prop_assert_eq!(overall(&ability), &bytes[..]);
        }
        if let Some(ability) = read_in_concept(&bytes, 0) {
            prop_assert_eq!(in_concept(&ability), &bytes[..]);
        }
    }
}
