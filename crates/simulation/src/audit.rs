//! The audit: the ledger against what the simulated server holds, to the last figure.

mod boards;
mod corrections;
mod gaps;

use crate::{
    bolts,
    ledger::{Ledger, WINDOW_S},
    world::{OVERWRITTEN, World},
};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use tallyd_bolt::{Key, memory::Memory};
use tallyd_event::partition_of;
use tallyd_runtime::store::{Counts, Rejected};
use tallyd_topology::NodeKind;

/// Every figure that is not as it must be, in words.
pub(crate) struct Audit<'a> {
    world: &'a World,
    differences: Vec<String>,
}

/// Compares, and returns what differs.
pub(crate) fn differences(world: &World, ledger: &Ledger) -> Vec<String> {
    let mut audit = Audit { world, differences: Vec::new() };
    audit.counts(ledger);
    audit.dead(ledger);
    audit.concepts(ledger);
    audit.users(ledger);
    audit.boards(ledger);
    audit.corrections(ledger);
    audit.edits(ledger);
    audit.halts();
    audit.gaps(ledger);
    audit.streams();
    audit.differences
}

impl Audit<'_> {
    fn compare<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, expected: &T, found: &T) {
        if expected != found {
            self.differences.push(format!("{what}: expected {expected:?}, found {found:?}"));
        }
    }

    fn memory(&self, name: &str) -> Memory {
        let place = self.world.topology.node(name).map(|(place, _)| place);
        place.and_then(|place| self.world.bolts.get(&place)).cloned().unwrap_or_default()
    }

    fn counts(&mut self, ledger: &Ledger) {
        let Ledger { distinct, duplicates, malformed, poisoned, lost, .. } = *ledger;
        let events = distinct + duplicates;
        let expected = [
            ("answers", events, events, 0, malformed),
            ("unique", events, distinct, duplicates, 0),
            ("concepts", distinct, 0, 0, 0),
            ("points", distinct, 0, 0, poisoned),
            ("latest", distinct, 0, 0, 0),
            ("mastery", distinct, distinct, 0, 0),
            ("predicted", distinct, 0, 0, 0),
        ];
        for (name, events, emitted, duplicates, dead) in expected {
            let found = self.counted(name);
            let lost = if name == "answers" { lost } else { 0 };
            let late = ledger.late.get(name).copied().unwrap_or_default();
            let expected = Counts { events, emitted, duplicates, dead, late, lost };
            self.compare(name, &expected, &found);
        }
    }

    /// What a node says that it counted.
    fn counted(&self, name: &str) -> Counts {
        let place = self.world.topology.node(name).map_or(usize::MAX, |(place, _)| place);
        let mut found = Counts::default();
        let of_node = self.world.cursors.iter().filter(|((node, _), _)| *node == place);
        of_node.for_each(|(_, cursor)| found.add(&cursor.counts));
        found
    }

    fn dead(&mut self, ledger: &Ledger) {
        let mut found: BTreeMap<(String, String), u64> = BTreeMap::new();
        for (place, letter) in self.world.dead.iter().filter(|(_, l)| l.kind != Rejected::WrongType)
        {
            let node = self.world.topology.nodes.get(*place).map(|node| node.name.to_string());
            *found.entry((node.unwrap_or_default(), letter.reason.clone())).or_default() += 1;
        }
        let poisoned = format!("the bolt panicked: {}", bolts::MESSAGE);
        let mut expected = BTreeMap::from([
            (("answers".to_owned(), "field \"user\" is missing".to_owned()), ledger.malformed),
            ((bolts::PANICKING.to_owned(), poisoned), ledger.poisoned),
        ]);
        expected.retain(|_, count| *count > 0);
        self.compare("dead letters", &expected, &found);
    }

    fn concepts(&mut self, ledger: &Ledger) {
        let memory = self.memory("concepts");
        self.compare("concepts", &ledger.concepts.len(), &memory.hashes.len());
        for (name, concept) in &ledger.concepts {
            let group = format!("concept={name}");
            let hash = memory.hashes.get(&Key::new(&["window", "all", "all", &group]));
            let expected = [
                ("answers", concept.answers.to_string()),
                ("right", concept.right.to_string()),
                ("time", concept.ms.to_string()),
                ("slowest", concept.slowest.to_string()),
                ("learners", concept.users.len().to_string()),
            ];
            for (field, expected) in expected {
                let found = hash.and_then(|hash| hash.get(field)).map(|bytes| text(bytes));
                self.compare(&format!("{name} {field}"), &Some(expected), &found);
            }
        }
    }

    fn users(&mut self, ledger: &Ledger) {
        let board = Key::new(&["board", "all", "all", "everyone"]);
        let [points, latest] = ["points", "latest"].map(|name| self.memory(name));
        let [points, latest] =
            [points, latest].map(|memory| memory.scores.get(&board).cloned().unwrap_or_default());
        let [fatigue, mastery, predicted, unique] =
            ["fatigue", "mastery", "predicted", "unique"].map(|name| self.memory(name));
        let shown = || ledger.users.iter().filter(|(name, _)| !ledger.hidden.contains(*name));
        let on_board = shown().filter(|(_, user)| user.points.is_some()).count();
        self.compare("members on the board", &on_board, &points.len());
        let on_latest = shown().filter(|(_, user)| user.last.is_some()).count();
        self.compare("members of the latest", &on_latest, &latest.len());
        let hidden = ["points", "latest"].map(|name| hidden_scores(&self.memory(name), "everyone"));
        let [mut all_points, mut all_latest] = hidden;
        for name in ledger.users.keys().filter(|name| !ledger.hidden.contains(*name)) {
            let left = (all_points.remove(name.as_str()), all_latest.remove(name.as_str()));
            self.compare(&format!("{name} hidden"), &(None, None), &left);
        }
        for name in &ledger.hidden {
            let shown = (points.get(name.as_str()), latest.get(name.as_str()));
            self.compare(&format!("{name} shown"), &(None, None), &shown);
        }
        all_points.extend(points);
        all_latest.extend(latest);
        let (points, latest) = (all_points, all_latest);
        self.identities(ledger, &unique);
        for (name, user) in &ledger.users {
            let score = |score: Option<&f64>| score.map(|&score| score as i64);
            self.compare(&format!("{name} points"), &user.points, &score(points.get(&**name)));
            let last = score(latest.get(&**name));
            self.compare(&format!("{name} last points"), &user.last, &last);
            // Of one who was forgotten or renamed and has not answered since, nothing is kept.
            let is_known = user.total.all().any(|total| total.answers > 0);
            let predictions = (user.predicted > 0).then(|| user.predicted.to_string());
            let field = |memory: &Memory, key: Key, field: &str| {
                memory.hashes.get(&key).and_then(|hash| hash.get(field)).map(|bytes| text(bytes))
            };
            let partition = partition_of([&**name], self.world.topology.partitions).to_string();
            let learners = Key::new(&["learners", &partition]);
            let of = |memory: &Memory| memory.hashes.get(&learners)?.get(name.as_str()).cloned();
            match self.world.overwritten(name) {
                None => {
                    let what = format!("{name} fatigue answers");
                    let found = of(&fatigue).map(|bytes| counts(&bytes).0);
                    let may_be = user.latest.all().map(|of| is_known.then_some(of.answers));
                    self.compare(&what, &one_of(may_be, &found), &found);
                }
                Some(gone) => {
                    let what = format!("{name} fatigue answers, overwritten or refused");
                    let found = gone + self.refused(name);
                    let answers = user.total.all().map(|total| total.answers);
                    self.compare(&what, &one_of(answers, &found), &found);
                }
            }
            let group = format!("learner={name}");
            let found = field(&predicted, Key::new(&["window", "all", "all", &group]), "answers");
            self.compare(&format!("{name} predicted answers"), &predictions, &found);
            let found = of(&mastery).map(|bytes| counts(&bytes));
            let may_be = user.total.all().map(|of| is_known.then_some((of.answers, of.right)));
            self.compare(&format!("{name} overall"), &one_of(may_be, &found), &found);
        }
    }

    /// Each edit was done once in each partition of each bolt, and so was what it handed over. It leaves
    /// nothing behind.
    fn edits(&mut self, ledger: &Ledger) {
        let nodes = self.world.topology.nodes.iter().enumerate();
        let bolts = nodes.filter(|(_, node)| matches!(node.kind, NodeKind::Bolt(_)));
        let bolts: Vec<(usize, u64)> =
            bolts.map(|(place, n)| (place, n.partitions.into())).collect();
        let expected: BTreeMap<(SmolStr, usize), u64> = ledger
            .edits
            .iter()
            .flat_map(|id| bolts.iter().map(move |(place, of)| ((SmolStr::from(id), *place), *of)))
            .map(|(of, all)| {
                let handed = self.world.handed.get(&of).copied().unwrap_or_default();
                (of, all + handed)
            })
            .collect();
        self.compare("edits by bolt", &expected, &self.world.edits);
        let counted = |memory: &Memory| {
            memory.hashes.keys().filter(|key| key.as_str().starts_with("edits:")).count()
        };
        let left: usize = self.world.bolts.values().map(counted).sum();
        self.compare("copies of edits that are still counted", &0, &left);
    }

    /// How many answers of a learner are dead letters of the bolt whose key was overwritten.
    fn refused(&self, learner: &str) -> u64 {
        let dead = self.world.dead.iter().filter(|(place, letter)| {
            let node = self.world.topology.nodes.get(*place);
            let user = (b"user".to_vec(), learner.as_bytes().to_vec());
            node.is_some_and(|node| node.name == OVERWRITTEN)
                && letter.kind == Rejected::WrongType
                && letter.fields.contains(&user)
        });
        dead.count() as u64
    }

    /// Only what wrote to a key that was overwritten was ever halted.
    fn halts(&mut self) {
        let concerned: Vec<u16> = self.world.overwritten_partitions().collect();
        let halted = self.world.ever_halted().iter();
        let others = halted.filter(|(_, p)| !concerned.contains(p)).copied().collect();
        self.compare("partitions that were halted for others", &Vec::new(), &others);
    }

    /// What can still be met is kept, and nothing is that was not counted.
    fn identities(&mut self, ledger: &Ledger, unique: &Memory) {
        let mut found: BTreeMap<i64, u64> = BTreeMap::new();
        for (key, log) in &unique.logs {
            let second = key.as_str().rsplit(':').next().and_then(|second| second.parse().ok());
            *found.entry(second.unwrap_or_default()).or_default() += log.len() as u64;
        }
        let met = |second: &i64| (*second - ledger.last_second).abs() <= WINDOW_S;
        let gone = |second: &i64| !met(second) && !found.contains_key(second);
        let mut expected = ledger.seconds.clone();
        expected.retain(|second, _| !gone(second));
        // Each partition deletes its logs on its own, so a log that is met no longer may be there in part.
        for (second, count) in &mut expected {
            let left = found.get(second).copied().unwrap_or_default();
            if !met(second) {
                *count = left.min(*count);
            }
        }
        self.compare("identities by second", &expected, &found);
    }

    fn streams(&mut self) {
        // Of what the plan in force reads: a bolt that was left out leaves what it has not read.
        let slots = self.world.topology.nodes.iter().enumerate();
        let slots = slots.filter(|(place, _)| self.world.is_in_force(*place));
        let slots = slots.flat_map(|(place, n)| (0..n.partitions).map(move |p| (place, p)));
        let read: BTreeSet<String> = slots.filter_map(|slot| self.world.input(slot)).collect();
        let streams = read.iter().filter_map(|name| self.world.streams.get(name));
        let kept: usize = streams.map(|stream| stream.entries.len()).sum();
        self.compare("processed entries that streams keep", &0, &kept);
        self.compare("halted partitions", &BTreeMap::new(), &self.world.halted);
    }
}

/// The scores of the hidden members of a board of a bolt.
fn hidden_scores(memory: &Memory, group: &str) -> BTreeMap<SmolStr, f64> {
    let hash = memory.hashes.get(&Key::new(&["hidden", "all", "all", group])).cloned();
    let score = |bytes: Vec<u8>| text(&bytes).parse().unwrap_or(f64::NAN);
    hash.into_iter().flatten().map(|(name, bytes)| (name, score(bytes))).collect()
}

/// Of what there may be the one that was found, else the first.
fn one_of<T: PartialEq + Default>(may_be: impl Iterator<Item = T>, found: &T) -> T {
    let mut all: Vec<T> = may_be.collect();
    let place = all.iter().position(|of| of == found).unwrap_or(0);
    if all.is_empty() { T::default() } else { all.swap_remove(place) }
}

/// The two counts that a learner's field begins with, each as LEB128: the answers and, of mastery, the
/// right ones.
fn counts(bytes: &[u8]) -> (u64, u64) {
    let numbers = bytes.chunk_by(|byte, _| *byte >= 0x80);
    let number = |of: &[u8]| of.iter().rev().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f));
    let mut numbers = numbers.map(number);
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
