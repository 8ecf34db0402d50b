//! The bytes that `docs/keys.md` shows, and how many they are.

use super::*;
use crate::{Abilities, Difficulty, Parameters, Taken};

/// Answers of a learner to so many concepts, in each so many to as many questions, `apart` seconds
/// one after the other.
fn practised(concepts: u32, answers: u32, apart: u32) -> Vec<u8> {
    let (parameters, mut at) = (Parameters::default(), 1_767_225_600);
    let unknown = Abilities::unknown(&parameters);
    let mut own = Own { overall: unknown.overall, page: Page::default() };
    for answer in 0..answers {
        for number in 0..concepts {
            let found = own.page.find(number).unwrap();
            let concept = found.unwrap_or(unknown.concept);
            let abilities = Abilities { overall: own.overall, concept };
            let expected = abilities.expect(&Difficulty::default());
            let item = format!("{number} {}", answer);
            let correct = (answer + number) % 3 > 0;
            let taken = Taken { item: &item, correct, at, everyone: 0.6 };
            let after = abilities.learn(expected, taken, &parameters);
            own.overall = after.overall;
            own.page.set(number, after.concept, found.is_none());
            at += apart;
        }
    }
    own.encode(0)
}

#[test]
fn the_bytes_are_as_documented() {
    let bytes = practised(2, 3, 30);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let page = include_str!("../../../../docs/keys.md");
    assert!(page.contains(&hex), "docs/keys.md lacks\n{hex}");
    let (overall, concepts) = read_own(&bytes).unwrap();
    assert_eq!((overall.answers, overall.correct, concepts.len()), (6, 4, 2));
}

/// What Redis's allocator hands out for a string: these and a head of up to 6 bytes.
#[test]
fn a_learner_takes_as_few_bytes_as_documented() {
    let lengths = [(20, 3, 30), (20, 3, 40_000), (20, 12, 7_000), (32, 12, 7_000)];
    let lengths =
        lengths.map(|(concepts, answers, apart)| practised(concepts, answers, apart).len());
    assert_eq!(lengths, [314, 349, 376, 604]);
}

#[test]
fn a_field_with_all_the_concepts_that_find_room_is_never_taken_for_one_with_room() {
    assert!(may_be_full(&practised(FULL as u32, 1, 0)));
    assert!(!may_be_full(&practised(20, 3, 30)));
}

#[test]
fn every_field_of_a_learner_is_told_once() {
    let fields = learner_fields("u:7", 16);
    let partition = partition_of(["u:7"], 16);
    assert_eq!(fields.len(), 1 + usize::from(PAGES));
    assert!(fields.iter().all(|(_, field)| field == "u:7"));
    let mut keys: Vec<String> = fields.iter().map(|(key, _)| key.as_str().to_owned()).collect();
    assert_eq!(keys[0], format!("learners:{partition}"));
    assert_eq!(keys[7], format!("more:6:{partition}"));
    keys.dedup();
    assert_eq!(keys.len(), fields.len());
    assert!((0..100).map(|n| page_of(&n.to_string())).all(|page| page < PAGES));
}

#[test]
fn what_is_no_field_of_a_learner_is_refused() {
    let bytes = practised(2, 1, 30);
    assert_eq!(read_own(&bytes[..9]), Err(NoAbilities(9)));
    let spoilt = [&bytes[..bytes.len() - 1], &[0xff]].concat();
    assert_eq!(read_own(&spoilt), Err(NoAbilities(spoilt.len())));
    assert_eq!(read_more(&[0; 4]), Ok(Vec::new()), "a page without records");
    let reason = read_more(b"nothing").unwrap_err().to_string();
    assert_eq!(reason, "the 7 bytes stored are no abilities");
}
