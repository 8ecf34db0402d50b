//! The page after one that was seen, on a board that moves meanwhile.

use super::{Board, Page};
use crate::{Look, QueryError, Ranked};
use smol_str::SmolStr;

/// How many members with one score are looked at in one round trip.
const EQUALS: u64 = 256;
/// How often a page is read again because the board moved under it.
const TRIES: usize = 4;

impl Board {
    /// Up to `count` members below the place that a member with this stored score had, best first:
    /// whoever moved meanwhile, nobody who stands there is left out.
    ///
    /// # Errors
    /// As [`Board::page`].
    pub async fn after(
        &self,
        results: &mut impl Ranked,
        (stored, member): (f64, &str),
        count: u64,
    ) -> Result<Page, QueryError> {
        let mut page = Page { size: 0, standings: Vec::new() };
        for _ in 0..TRIES {
            let better = self.better(results, stored).await?;
            let equals = self.equals(results, (stored, member), better).await?;
            page = self.page(results, better + equals, count).await?;
            // Whoever came or went above meanwhile has moved all places.
            if self.better(results, stored).await? == better {
                break;
            }
        }
        Ok(page)
    }

    /// How many stand above a stored score.
    async fn better(&self, results: &mut impl Ranked, stored: f64) -> Result<u64, QueryError> {
        let look = Look { scores: vec![stored], ..self.look() };
        Ok(results.look(&self.key, &look).await?.better.first().copied().unwrap_or(0))
    }

    /// How many of those with this very score, the first of whom stands after `better` others, stand
    /// no further behind than the member.
    async fn equals(
        &self,
        results: &mut impl Ranked,
        (stored, member): (f64, &str),
        better: u64,
    ) -> Result<u64, QueryError> {
        let mut equals = 0;
        loop {
            let from = better + equals;
            let look = Look { places: from..from + EQUALS, ..self.look() };
            let rows = results.look(&self.key, &look).await?.rows;
            let is_seen = |(other, score): &&(SmolStr, f64)| {
                let stands_before = match self.ascending {
                    true => other.as_str() <= member,
                    false => other.as_str() >= member,
                };
                *score == stored && stands_before
            };
            let seen = rows.iter().take_while(is_seen).count() as u64;
            equals += seen;
            if seen < EQUALS {
                return Ok(equals);
            }
        }
    }
}
