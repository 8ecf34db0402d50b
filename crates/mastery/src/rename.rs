//! A learner gets another name: of two learners who become one, the ability with more answers stays,
//! the overall one and in each concept.

use crate::{
    Abilities, Ability, COUNT, learner_fields, learners_key, names_key, numbers_key, read_more,
    stored::{Hashes, Own},
    working::Learners,
};
use smol_str::{SmolStr, ToSmolStr};
use tallyd_bolt::{
    EditAt, EditStep, Reads, State,
    bytes::{count, put_count},
    rename,
};
use tallyd_event::Edit;

/// What is handed over of a learner.
struct Handed {
    overall: Ability,
    /// By concept.
    concepts: Vec<(SmolStr, Ability)>,
}

/// Asks for what is kept of the member of an edit, and how its partition numbers concepts.
pub(crate) fn ask(edit: &Edit, at: EditAt, reads: &mut Reads<'_>) {
    let (names, numbers) = (names_key(at.partition), numbers_key(at.partition));
    if let Some(handed) = Handed::of(edit) {
        reads.field(&names, COUNT);
        handed.concepts.iter().for_each(|(concept, _)| reads.field(&numbers, concept));
    }
    for (key, field) in learner_fields(&edit.member, at.partitions) {
        let is_own = key == learners_key(at.partition);
        let known = reads.look(&key, &field).and_then(|bytes| abilities(is_own, bytes));
        if edit.handed.is_none() {
            let known = known.into_iter().flatten();
            known.for_each(|(number, _)| reads.field(&names, &number.to_smolstr()));
        }
    }
}

/// What the edit changes: the learner is handed over, or one who was comes in. `of`: the
/// abilities of whom nothing is known, and the hashes of each partition.
pub(crate) fn steps(
    edit: &Edit,
    at: EditAt,
    of: (Abilities, &[Hashes]),
    state: &State,
) -> Vec<EditStep> {
    let step = match Handed::of(edit) {
        Some(handed) => adopt(edit, of, (handed, state)),
        None => hand_over(edit, at, state),
    };
    step.into_iter().collect()
}

fn hand_over(edit: &Edit, at: EditAt, state: &State) -> Option<EditStep> {
    let own = Own::read(state.field(&learners_key(at.partition), &edit.member)?)?;
    let (mut step, mut concepts) = (EditStep { changed: 1, ..EditStep::default() }, Vec::new());
    for (key, field) in learner_fields(&edit.member, at.partitions) {
        let Some(bytes) = state.field(&key, &field) else { continue };
        for (number, ability) in abilities(key == learners_key(at.partition), bytes)? {
            let name = state.field(&names_key(at.partition), &number.to_smolstr())?;
            concepts.push((String::from_utf8_lossy(name).into(), ability));
        }
        step.effects.remove_field(&key, &field);
    }
    let handed = Handed { overall: own.overall, concepts };
    rename::hand_over(edit, at, &handed.encode(), &mut step);
    Some(step)
}

fn adopt(
    edit: &Edit,
    (unknown, hashes): (Abilities, &[Hashes]),
    (handed, state): (Handed, &State),
) -> Option<EditStep> {
    let mut learners = Learners::new(state, unknown, hashes);
    for (concept, comes) in handed.concepts {
        let (places, stood) = learners.abilities(&edit.member, &concept).ok()?;
        let overall = stronger(stood.overall, handed.overall);
        // Times in concepts are stored as distances from the latest of all.
        let last = stood.overall.last.max(handed.overall.last);
        let overall = Ability { last, ..overall };
        learners
            .set_abilities(places, Abilities { overall, concept: stronger(stood.concept, comes) });
    }
    let mut step = EditStep { changed: 1, ..EditStep::default() };
    learners.write(&mut step.effects);
    Some(step)
}

/// The ability that rests on more answers; of equal ones the one that is there.
fn stronger(stood: Ability, comes: Ability) -> Ability {
    if comes.answers > stood.answers { comes } else { stood }
}

/// The abilities in concepts, by their numbers, that a field holds, which is a learner's own or another
/// one.
fn abilities(is_own: bool, bytes: &[u8]) -> Option<Vec<(u32, Ability)>> {
    match is_own {
        true => Own::read(bytes)?.page.all(),
        false => read_more(bytes).ok(),
    }
}

impl Handed {
    fn of(edit: &Edit) -> Option<Self> {
        Self::read(&rename::handed_over(edit)?)
    }

    /// The overall ability, and of each concept its name, the time of the last answer and the ability,
    /// both in as many bytes as stand before them.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.overall.put_overall(&mut bytes);
        for (concept, ability) in &self.concepts {
            let mut of_concept = Vec::new();
            ability.put_in_concept(&mut of_concept);
            put_count(&mut bytes, concept.len() as u64);
            bytes.extend(concept.as_bytes());
            put_count(&mut bytes, ability.last.into());
            put_count(&mut bytes, of_concept.len() as u64);
            bytes.extend(of_concept);
        }
        bytes
    }

    fn read(mut rest: &[u8]) -> Option<Self> {
        let overall = Ability::take_overall(&mut rest)?;
        let mut concepts = Vec::new();
        while !rest.is_empty() {
            let concept = std::str::from_utf8(split(&mut rest)?).ok()?.into();
            let last = u32::try_from(count(&mut rest)?).ok()?;
            concepts.push((concept, Ability::in_concept(split(&mut rest)?, last)?));
        }
        Some(Self { overall, concepts })
    }
}

/// Takes bytes off that stand behind their number.
fn split<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(count(rest)?).ok()?;
    let (bytes, others) = rest.split_at_checked(length)?;
    *rest = others;
    Some(bytes)
}
