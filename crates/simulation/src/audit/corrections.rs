//! The board and the figures of the latest answers: of each question of a learner one counts.

use super::{Audit, Ledger, text};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tallyd_bolt::{Key, memory::Memory};
use tallyd_runtime::store::Counts;

impl Audit<'_> {
    /// In plans without edits: what those take away can't be taken back once more.
    pub(super) fn corrections(&mut self, ledger: &Ledger) {
        if self.world.topology.node("corrected").is_some() && ledger.edits.is_empty() {
            self.versions(ledger);
            self.standing(ledger);
            self.asked(ledger);
        }
    }

    /// Of each version that counts, and of each that is taken back, the others know once.
    fn versions(&mut self, ledger: &Ledger) {
        let emitted = ledger.distinct - ledger.outdated + ledger.replaced;
        let (events, duplicates) = (ledger.distinct, ledger.outdated);
        let corrected = Counts { events, emitted, duplicates, ..Counts::default() };
        let behind = Counts { events: emitted, ..Counts::default() };
        for (name, expected) in [("corrected", corrected), ("standing", behind), ("asked", behind)]
        {
            self.compare(name, &expected, &self.counted(name));
        }
    }

    /// The sum of each learner's points.
    fn standing(&mut self, ledger: &Ledger) {
        let mut expected: BTreeMap<String, i64> = BTreeMap::new();
        for ((user, _), (_, answer)) in &ledger.latest {
            *expected.entry(user.clone()).or_default() += answer.points;
        }
        let board = Key::new(&["board", "all", "all", "everyone"]);
        let found = self.memory("standing").scores.remove(&board).unwrap_or_default();
        let found = found.iter().map(|(name, score)| (name.to_string(), *score as i64)).collect();
        self.compare("points of the latest answers", &expected, &found);
    }

    /// The figures by concept: of one without answers there are none.
    fn asked(&mut self, ledger: &Ledger) {
        let mut expected: BTreeMap<String, (u64, u64, i64)> = BTreeMap::new();
        for (_, answer) in ledger.latest.values() {
            let of = expected.entry(format!("concept={}", answer.concept)).or_default();
            *of = (of.0 + 1, of.1 + u64::from(answer.correct), of.2 + answer.points);
        }
        let Memory { hashes, members, .. } = self.memory("asked");
        let number = |hash: &BTreeMap<SmolStr, Vec<u8>>, name: &str| {
            hash.get(name).and_then(|bytes| text(bytes).parse::<i64>().ok()).unwrap_or(i64::MIN)
        };
        let figures = |(key, hash): (&Key, &BTreeMap<SmolStr, Vec<u8>>)| {
            let group = key.as_str().rsplit(':').next()?.to_owned();
            let (answers, right) = (number(hash, "answers"), number(hash, "right"));
            Some((group, (answers as u64, right as u64, number(hash, "points"))))
        };
        let windows = hashes.iter().filter(|(key, _)| key.as_str().starts_with("window:"));
        let found = windows.filter_map(figures).collect();
        self.compare("figures of the latest answers", &expected, &found);
        let groups = members.get(&Key::new(&["groups", "all", "all"])).cloned().unwrap_or_default();
        let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
        self.compare("concepts of the latest answers", &expected.into_keys().collect(), &groups);
    }
}
