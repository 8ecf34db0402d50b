//! The page after one that was seen, on a board that moves meanwhile.

use super::{Board, Page};
use crate::{Look, QueryError, Results};
use smol_str::SmolStr;

/// How many members with one score are looked at in one round trip.
const EQUALS: u64 = 256;

impl Board {
    /// Up to `count` members below the place that a member with this stored score had, best first:
    /// whoever moved meanwhile, nobody who stands there is left out.
    ///
    /// # Errors
    /// As [`Board::page`].
    pub async fn after(
        &self,
        results: &mut impl Results,
        (stored, member): (f64, &str),
        count: u64,
    ) -> Result<Page, QueryError> {
        let look = Look { scores: vec![stored], ..self.look() };
        let seen = results.look(&self.key, &look).await?;
        let mut skip = seen.better.first().copied().unwrap_or(0);
        loop {
            // Of those with this very score, only who stands behind the member.
            let look = Look { places: skip..skip + EQUALS, ..self.look() };
            let rows = results.look(&self.key, &look).await?.rows;
            let is_seen = |(other, score): &&(SmolStr, f64)| {
                let stands_before = match self.ascending {
                    true => other.as_str() <= member,
                    false => other.as_str() >= member,
                };
                *score == stored && stands_before
            };
            let seen = rows.iter().take_while(is_seen).count() as u64;
            skip += seen;
            if seen < EQUALS {
                return self.page(results, skip, count).await;
            }
        }
    }
}
