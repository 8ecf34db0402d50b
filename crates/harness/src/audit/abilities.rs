//! What the bolts of testprep keep of each learner, against the answers that were sent.

use super::{Findings, ask, scan};
use crate::{Deployment, HarnessError, probe};
use redis::from_redis_value;
use std::collections::{BTreeMap, HashMap, hash_map::Entry};
use tallyd_bolt::Key;
use tallyd_event::partition_of;
use tallyd_learners::{Kept, Ledger, Tally};
use tallyd_topology::bolts::{fatigue, mastery};

/// Answers, and how many of them were right.
type Counts = (u64, u64);

/// Compares the counts of every learner, and that nothing is kept of anybody else.
pub(super) async fn compare(
    open: &mut Deployment,
    ledger: &Ledger,
    findings: &mut Findings,
) -> Result<(), HarnessError> {
    let partitions = open.topology.partitions;
    let mut names: HashMap<u16, HashMap<String, String>> = HashMap::new();
    for (user, count) in &ledger.learners {
        let of_fatigue = stored(open, "fatigue", fatigue::learner_fields(user, partitions)).await?;
        let found = of_fatigue.into_iter().flatten().next();
        let found = found.map(|bytes| fatigue::Reading::of(&bytes).map(|of| of.answers));
        // Of one who was forgotten or renamed and has not answered since, nothing is kept.
        let is_known = count.is_known();
        let answers = count.latest.all().map(|latest| is_known.then_some(Ok(latest.answers)));
        let what = || format!("fatigue of {user}: answers");
        findings.compare(what, &one_of(answers, &found), &found);

        let partition = partition_of([&**user], partitions);
        let of_partition = match names.entry(partition) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let key = open.keys.bolt("mastery", &mastery::names_key(partition));
                let all = from_redis_value(ask(open, |p| p.cmd("HGETALL").arg(&key)).await?)?;
                new.insert(all)
            }
        };
        let of_mastery = stored(open, "mastery", mastery::learner_fields(user, partitions)).await?;
        if !is_known {
            let left = of_mastery.iter().flatten().count();
            findings.compare(|| format!("mastery of {user}: fields"), &0, &left);
            continue;
        }
        let found = counts(&of_mastery, of_partition);
        let (total, concepts) = found.unwrap_or_default();
        let what = || format!("mastery of {user}: overall");
        findings.compare(what, &one_of(tallies(&count.total), &total), &total);
        let what = || format!("mastery of {user}: concepts");
        findings.compare(what, &count.concepts.len(), &concepts.len());
        for (concept, kept) in &count.concepts {
            let what = || format!("mastery of {user}: {concept}");
            let found = concepts.get(&**concept).copied();
            findings.compare(what, &one_of(tallies(kept).map(Some), &found), &found);
        }
    }
    for bolt in ["fatigue", "mastery"] {
        let mut others = Vec::new();
        for key in scan(open, &format!("bolt:{bolt}:learners:*")).await? {
            let of_key: Vec<String> =
                from_redis_value(ask(open, |p| p.cmd("HKEYS").arg(&key)).await?)?;
            let is_other = |name: &String| {
                let learner = ledger.learners.get(name.as_str());
                name != probe::LEARNER && learner.is_none_or(|of| !of.is_known())
            };
            others.extend(of_key.into_iter().filter(is_other));
        }
        findings.compare(|| format!("learners of {bolt} who sent nothing"), &Vec::new(), &others);
    }
    Ok(())
}

/// The counts that there may be.
fn tallies(kept: &Kept<Tally>) -> impl Iterator<Item = Counts> {
    kept.all().map(|tally| (tally.answers, tally.right))
}

/// Of what there may be the one that was found, else the first.
fn one_of<T: PartialEq + Default>(may_be: impl Iterator<Item = T>, found: &T) -> T {
    let mut all: Vec<T> = may_be.collect();
    let place = all.iter().position(|of| of == found).unwrap_or(0);
    if all.is_empty() { T::default() } else { all.swap_remove(place) }
}

/// What stands in these fields of a bolt's hashes.
async fn stored(
    open: &mut Deployment,
    bolt: &str,
    fields: Vec<(Key, impl AsRef<str>)>,
) -> Result<Vec<Option<Vec<u8>>>, HarnessError> {
    let mut values = Vec::with_capacity(fields.len());
    for (key, field) in fields {
        let key = open.keys.bolt(bolt, &key);
        let value = ask(open, |p| p.cmd("HGET").arg(&key).arg(field.as_ref())).await?;
        values.push(from_redis_value(value)?);
    }
    Ok(values)
}

/// The counts of a learner: in all, and by concept. `None` where something is stored that is none of
/// the bolt's.
fn counts(
    fields: &[Option<Vec<u8>>],
    names: &HashMap<String, String>,
) -> Option<(Counts, BTreeMap<String, Counts>)> {
    let (own, more) = fields.split_first()?;
    let (overall, mut concepts) = mastery::read_own(own.as_ref()?).ok()?;
    for page in more.iter().flatten() {
        concepts.extend(mastery::read_more(page).ok()?);
    }
    let of = |ability: &mastery::Ability| (ability.answers, ability.correct);
    let named = concepts
        .iter()
        .map(|(number, ability)| Some((names.get(&number.to_string())?.clone(), of(ability))));
    Some((of(&overall), named.collect::<Option<_>>()?))
}
