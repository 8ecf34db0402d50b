//! A board whose members are spread over several shards, each member in one of them: read from all,
//! and put together as if it were in one.
//!
//! A shard answers from one moment, but not all from the same one: a board that changes meanwhile may
//! be a round trip old in one part of it, as it may be between two pages.

use crate::{Look, QueryError, Ranked, Seen, results::as_usize};
use smol_str::SmolStr;
use std::cmp::Ordering;
use tallyd_bolt::Key;

/// How many members with one score are read at once, where names decide who stands first.
const EQUALS: u64 = 256;

/// The sorted sets of a bolt in each shard.
pub struct Shards<R>(pub Vec<R>);

/// A member that was found: the shard that has it, its place there, and its score.
struct Found<'a> {
    member: &'a str,
    shard: usize,
    place: u64,
    score: f64,
}

impl<R: Ranked + Send> Ranked for Shards<R> {
    async fn look(&mut self, key: &Key, look: &Look) -> Result<Seen, QueryError> {
        // The first of all are among the first of each.
        let places = if look.places.is_empty() { 0..0 } else { 0..look.places.end };
        let of_each = Look { places, ..look.clone() };
        let mut all = Seen {
            members: vec![None; look.members.len()],
            better: vec![0; look.scores.len()],
            ..Seen::default()
        };
        let mut owners = vec![None; look.members.len()];
        for (number, shard) in self.0.iter_mut().enumerate() {
            let seen = shard.look(key, &of_each).await?;
            all.size += seen.size;
            all.rows.extend(seen.rows);
            all.better.iter_mut().zip(seen.better).for_each(|(all, its)| *all += its);
            for (owner, its) in owners.iter_mut().zip(seen.members) {
                *owner = owner.or(its.map(|(place, score)| (number, place, score)));
            }
        }
        all.rows.sort_by(|one, other| order(look.ascending, (&one.0, one.1), (&other.0, other.1)));
        let (skipped, wanted) = (as_usize(look.places.start), as_usize(look.places.end));
        all.rows.truncate(wanted);
        all.rows.drain(..skipped.min(all.rows.len()));
        for ((found, owner), member) in all.members.iter_mut().zip(owners).zip(&look.members) {
            let Some((shard, place, score)) = owner else { continue };
            let own = Found { member, shard, place, score };
            *found = Some((self.place(key, look.ascending, &own).await?, score));
        }
        Ok(all)
    }

    async fn worse(
        &mut self,
        key: &Key,
        ascending: bool,
        than: Option<f64>,
        count: u64,
    ) -> Result<Vec<f64>, QueryError> {
        let mut scores = Vec::new();
        for shard in &mut self.0 {
            scores.extend(shard.worse(key, ascending, than, count).await?);
        }
        scores.sort_by(|one, other| order(ascending, ("", *one), ("", *other)));
        scores.truncate(as_usize(count));
        Ok(scores)
    }
}

impl<R: Ranked + Send> Shards<R> {
    /// The place of a member on the whole board: its place in its shard, and how many stand above it
    /// in each of the others.
    async fn place(
        &mut self,
        key: &Key,
        ascending: bool,
        own: &Found<'_>,
    ) -> Result<u64, QueryError> {
        let mut place = own.place;
        for (number, shard) in self.0.iter_mut().enumerate() {
            if number != own.shard {
                place += above(shard, key, ascending, own).await?;
            }
        }
        Ok(place)
    }
}

/// How many members of a shard stand above one of another: those with a better score, and of those
/// with the same one, which come next there, the ones whose names come first.
async fn above(
    shard: &mut impl Ranked,
    key: &Key,
    ascending: bool,
    own: &Found<'_>,
) -> Result<u64, QueryError> {
    let look = Look { ascending, scores: vec![own.score], ..Look::default() };
    let mut above = shard.look(key, &look).await?.better.first().copied().unwrap_or(0);
    loop {
        let look = Look { ascending, places: above..above + EQUALS, ..Look::default() };
        let rows = shard.look(key, &look).await?.rows;
        let stands_above = |row: &&(SmolStr, f64)| {
            order(ascending, (&row.0, row.1), (own.member, own.score)) == Ordering::Less
        };
        let more = rows.iter().take_while(stands_above).count() as u64;
        above += more;
        if more < EQUALS {
            return Ok(above);
        }
    }
}

/// Which of two stands first, as Redis orders a sorted set: by score, equal ones by the bytes of their
/// names.
fn order(ascending: bool, one: (&str, f64), other: (&str, f64)) -> Ordering {
    // A score of -0 is that of 0.
    let by_score = (one.1 + 0.0).total_cmp(&(other.1 + 0.0));
    let order = by_score.then_with(|| one.0.cmp(other.0));
    if ascending { order } else { order.reverse() }
}
