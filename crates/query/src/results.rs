//! What a bolt stored, as the queries see it: the boundary between them and where it is stored.

use crate::QueryError;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    ops::Range,
};
use tallyd_bolt::{Key, memory::Memory};

/// What is asked of a sorted set.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Whether the lowest score is the best, and stands at place 0.
    pub ascending: bool,
    /// The places (0-based) of which members and scores are wanted.
    pub places: Range<u64>,
    /// The members of which places and scores are wanted.
    pub members: Vec<SmolStr>,
    /// The scores of which it is wanted how many members have a better one.
    pub scores: Vec<f64>,
}

/// What was seen of a sorted set in one moment, in the order in which it was asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// How many members it has.
    pub size: u64,
    /// The members at [`Look::places`], with their scores; those that there are.
    pub rows: Vec<(SmolStr, f64)>,
    /// The place and score of each of [`Look::members`]; `None` for one that is not there.
    pub members: Vec<Option<(u64, f64)>>,
    /// How many members have a better score than each of [`Look::scores`].
    pub better: Vec<u64>,
}

/// The sorted sets of one bolt. A key that is not there reads as empty.
pub trait Ranked {
    /// What a sorted set holds, all of one moment.
    fn look(
        &mut self,
        key: &Key,
        look: &Look,
    ) -> impl Future<Output = Result<Seen, QueryError>> + Send;

    /// The scores of up to `count` members that are worse than a score (`None`: of all), the best
    /// first; the lowest is the best where `ascending`.
    fn worse(
        &mut self,
        key: &Key,
        ascending: bool,
        than: Option<f64>,
        count: u64,
    ) -> impl Future<Output = Result<Vec<f64>, QueryError>> + Send;
}

/// The stored values of one bolt. A key that is not there reads as empty.
pub trait Results: Ranked {
    /// All fields of a hash.
    fn hash(
        &mut self,
        key: &Key,
    ) -> impl Future<Output = Result<BTreeMap<SmolStr, Vec<u8>>, QueryError>> + Send;

    /// The same fields of each of several hashes: a row for each, in their order.
    fn fields(
        &mut self,
        keys: &[Key],
        names: &[SmolStr],
    ) -> impl Future<Output = Result<Vec<Vec<Option<Vec<u8>>>>, QueryError>> + Send;

    /// How many different values each `HyperLogLog` counted.
    fn distinct(
        &mut self,
        keys: &[Key],
    ) -> impl Future<Output = Result<Vec<u64>, QueryError>> + Send;

    /// How many members each set has.
    fn sizes(&mut self, keys: &[Key]) -> impl Future<Output = Result<Vec<u64>, QueryError>> + Send;

    /// The members of each set.
    fn members(
        &mut self,
        keys: &[Key],
    ) -> impl Future<Output = Result<Vec<BTreeSet<SmolStr>>, QueryError>> + Send;
}

/// Results in plain maps. Nothing here waits: every answer is ready at once.
impl Ranked for &Memory {
    async fn look(&mut self, key: &Key, look: &Look) -> Result<Seen, QueryError> {
        let ordered = ordered(self, key, look.ascending);
        let (start, end) = (as_usize(look.places.start), as_usize(look.places.end));
        let place = |name: &SmolStr| {
            let mut all = (0u64..).zip(&ordered);
            all.find_map(|(place, (member, score))| (member == name).then_some((place, *score)))
        };
        let better = |bound: &f64| {
            let is_better =
                |score: f64| if look.ascending { score < *bound } else { score > *bound };
            ordered.iter().filter(|(_, score)| is_better(*score)).count() as u64
        };
        Ok(Seen {
            size: ordered.len() as u64,
            rows: ordered.iter().take(end).skip(start).cloned().collect(),
            members: look.members.iter().map(place).collect(),
            better: look.scores.iter().map(better).collect(),
        })
    }

    async fn worse(
        &mut self,
        key: &Key,
        ascending: bool,
        than: Option<f64>,
        count: u64,
    ) -> Result<Vec<f64>, QueryError> {
        let scores = ordered(self, key, ascending).into_iter().map(|(_, score)| score);
        let is_worse = |score: &f64| {
            than.is_none_or(|than| if ascending { *score > than } else { *score < than })
        };
        Ok(scores.filter(is_worse).take(as_usize(count)).collect())
    }
}

impl Results for &Memory {
    async fn hash(&mut self, key: &Key) -> Result<BTreeMap<SmolStr, Vec<u8>>, QueryError> {
        Ok(self.hashes.get(key).cloned().unwrap_or_default())
    }

    async fn fields(
        &mut self,
        keys: &[Key],
        names: &[SmolStr],
    ) -> Result<Vec<Vec<Option<Vec<u8>>>>, QueryError> {
        let field = |key, name| self.hashes.get(key).and_then(|hash| hash.get(name)).cloned();
        Ok(keys.iter().map(|key| names.iter().map(|name| field(key, name)).collect()).collect())
    }

    async fn distinct(&mut self, keys: &[Key]) -> Result<Vec<u64>, QueryError> {
        let count = |key| self.distinct.get(key).map_or(0, |items| items.len() as u64);
        Ok(keys.iter().map(count).collect())
    }

    async fn sizes(&mut self, keys: &[Key]) -> Result<Vec<u64>, QueryError> {
        let size = |key| self.members.get(key).map_or(0, |set| set.len() as u64);
        Ok(keys.iter().map(size).collect())
    }

    async fn members(&mut self, keys: &[Key]) -> Result<Vec<BTreeSet<SmolStr>>, QueryError> {
        let set = |key| self.members.get(key).cloned().unwrap_or_default();
        Ok(keys.iter().map(set).collect())
    }
}

/// A sorted set as Redis orders it: by score, equal ones by the bytes of their names.
fn ordered(memory: &Memory, key: &Key, ascending: bool) -> Vec<(SmolStr, f64)> {
    let set = memory.scores.get(key).into_iter().flatten();
    let mut set: Vec<(SmolStr, f64)> = set.map(|(m, &score)| (m.clone(), score)).collect();
    // Stable over a map that is in the order of names already.
    set.sort_by(|a, b| a.1.total_cmp(&b.1));
    if !ascending {
        set.reverse();
    }
    set
}

/// As a number of things in memory.
pub(crate) fn as_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
