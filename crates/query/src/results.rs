//! What a bolt stored, as the queries see it: the boundary between them and where it is stored.

use crate::QueryError;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
};
use tallyd_bolt::{Key, memory::Memory};

/// The stored values of one bolt. A key that is not there reads as empty.
pub trait Results {
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

    /// How many members a sorted set has.
    fn size(&mut self, key: &Key) -> impl Future<Output = Result<u64, QueryError>> + Send;

    /// Up to `count` members of a sorted set with their scores, from the place `start` (0-based)
    /// on; the lowest score first where `ascending`.
    fn range(
        &mut self,
        key: &Key,
        ascending: bool,
        start: u64,
        count: u64,
    ) -> impl Future<Output = Result<Vec<(SmolStr, f64)>, QueryError>> + Send;

    /// The places (0-based) and scores of members; `None` for one that is not in the sorted set.
    fn places(
        &mut self,
        key: &Key,
        ascending: bool,
        members: &[SmolStr],
    ) -> impl Future<Output = Result<Vec<Option<(u64, f64)>>, QueryError>> + Send;

    /// For each score how many members have a better one: a lower one where `ascending`.
    fn better(
        &mut self,
        key: &Key,
        ascending: bool,
        scores: &[f64],
    ) -> impl Future<Output = Result<Vec<u64>, QueryError>> + Send;

    /// How many different values each `HyperLogLog` counted.
    fn distinct(
        &mut self,
        keys: &[Key],
    ) -> impl Future<Output = Result<Vec<u64>, QueryError>> + Send;

    /// The members of a set.
    fn members(
        &mut self,
        key: &Key,
    ) -> impl Future<Output = Result<BTreeSet<SmolStr>, QueryError>> + Send;
}

/// Results in plain maps. Nothing here waits: every answer is ready at once.
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

    async fn size(&mut self, key: &Key) -> Result<u64, QueryError> {
        Ok(self.scores.get(key).map_or(0, |scores| scores.len() as u64))
    }

    async fn range(
        &mut self,
        key: &Key,
        ascending: bool,
        start: u64,
        count: u64,
    ) -> Result<Vec<(SmolStr, f64)>, QueryError> {
        let (start, count) = (as_usize(start), as_usize(count));
        Ok(ordered(self, key, ascending).into_iter().skip(start).take(count).collect())
    }

    async fn places(
        &mut self,
        key: &Key,
        ascending: bool,
        members: &[SmolStr],
    ) -> Result<Vec<Option<(u64, f64)>>, QueryError> {
        let ordered = (0u64..).zip(ordered(self, key, ascending));
        let places: BTreeMap<SmolStr, (u64, f64)> =
            ordered.map(|(place, (member, score))| (member, (place, score))).collect();
        Ok(members.iter().map(|member| places.get(member).copied()).collect())
    }

    async fn better(
        &mut self,
        key: &Key,
        ascending: bool,
        scores: &[f64],
    ) -> Result<Vec<u64>, QueryError> {
        let all = self.scores.get(key);
        let count = |bound: f64| {
            let better = |&&score: &&f64| if ascending { score < bound } else { score > bound };
            all.map_or(0, |all| all.values().filter(better).count() as u64)
        };
        Ok(scores.iter().copied().map(count).collect())
    }

    async fn distinct(&mut self, keys: &[Key]) -> Result<Vec<u64>, QueryError> {
        let count = |key| self.distinct.get(key).map_or(0, |items| items.len() as u64);
        Ok(keys.iter().map(count).collect())
    }

    async fn members(&mut self, key: &Key) -> Result<BTreeSet<SmolStr>, QueryError> {
        Ok(self.members.get(key).cloned().unwrap_or_default())
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

fn as_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
