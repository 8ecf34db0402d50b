//! Who stands where on a board: pages of it, members, and those around one.
//!
//! The rows of an answer, their ranks and the board's size are of one moment: they are read in one
//! transaction. What a rank needs besides (how many members are better than the first of the rows,
//! where ties reach beyond them) is asked in a second one, which reads the rows again. A board that
//! changes in just these scores is looked at again, [`LOOKS`] times at most; then the ranks may be
//! a round trip younger than the scores.

use super::Board;
use crate::{Look, QueryError, Ranked, Seen};
use smol_str::SmolStr;
use std::{collections::HashSet, ops::Range};
use tallyd_aggregate::Figure;
use tallyd_leaderboard::{
    Ties,
    composite::{self, GREATEST, Span},
};

/// The most rows of one answer.
pub const MOST_ROWS: u64 = 10_000;

/// The most members that one question may name.
pub const MOST_MEMBERS: u64 = 1_000;

/// How often a board is looked at again that changes meanwhile.
const LOOKS: usize = 4;

/// How many rows more than wanted are read at both ends, because the member may move meanwhile.
const SLACK: u64 = 16;

/// How many rows are read at once to count different scores: about a millisecond of Redis.
const PIECE: u64 = 1_000;

/// A member's place on a board.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Who.
    pub member: SmolStr,
    /// From 1, by the board's ties: of two with one score `first` gives different ranks, `shared`
    /// one rank and leaves the next out (1, 2, 2, 4), and `dense` leaves none out (1, 2, 2, 3).
    pub rank: u64,
    /// How many members stand above: with `shared` and `dense`, those with a better score.
    pub above: u64,
    /// The score: a decimal of a decimal field, else whole where it is.
    pub score: Figure,
    /// From when to when, in ms since the epoch, the score may have been reached, as exactly as
    /// the board holds it; only with `ties = "first"`, and not where the score leaves no room.
    pub reached: Option<(i64, i64)>,
    /// The score as the board stores it: with it and the member the place can be found again.
    pub stored: f64,
}

/// A part of a board.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// How many members the board has.
    pub size: u64,
    /// The part, best first.
    pub standings: Vec<Standing>,
}

/// Members of a given set.
#[derive(Clone, Debug, PartialEq)]
pub struct Members {
    /// How many members the board has.
    pub size: u64,
    /// Those of the set that are on the board, best first.
    pub found: Vec<Within>,
    /// Those that are not, in the order in which they were given.
    pub missing: Vec<SmolStr>,
}

/// A member's place on a board, and within a set of members.
#[derive(Clone, Debug, PartialEq)]
pub struct Within {
    /// The rank in the set, by the board's ties.
    pub rank: u64,
    /// The place on the board.
    pub standing: Standing,
}

/// What stands above a score.
#[derive(Clone, Copy, Debug, Default)]
struct Above {
    members: u64,
    /// How many different scores they have; only counted for dense ranks.
    scores: u64,
}

impl Standing {
    /// How many of the others on a board of this size, in percent, do not stand above: 100 for
    /// the first, and for one who is alone.
    #[must_use]
    pub fn percentile(&self, size: u64) -> f64 {
        let others = size.saturating_sub(1);
        if others == 0 {
            return 100.0;
        }
        100.0 * others.saturating_sub(self.above) as f64 / others as f64
    }
}

impl Board {
    /// How many members it has.
    ///
    /// # Errors
    /// Where the results can't be read.
    pub async fn size(&self, results: &mut impl Ranked) -> Result<u64, QueryError> {
        Ok(results.look(&self.key, &Look::default()).await?.size)
    }

    /// Up to `count` members, best first, after the first `skip`.
    ///
    /// # Errors
    /// Where more than [`MOST_ROWS`] are asked for, or the results can't be read.
    pub async fn page(
        &self,
        results: &mut impl Ranked,
        skip: u64,
        count: u64,
    ) -> Result<Page, QueryError> {
        at_most(MOST_ROWS, count, "rows")?;
        let wanted = skip..skip.saturating_add(count);
        let read = self.with_start(&wanted);
        let look = Look { places: read.clone(), ..self.look() };
        let (seen, counted) =
            self.settled(results, look, |seen| self.uncounted(&read, &seen.rows)).await?;
        Ok(self.cut(seen, &counted, &read, &wanted))
    }

    /// A member with those just above and below: always `count` rows, or all of a smaller board,
    /// with the member in their middle as far as the board's ends allow. No rows for one who is
    /// not on the board.
    ///
    /// # Errors
    /// Where more than [`MOST_ROWS`] are asked for, or the results can't be read.
    pub async fn around(
        &self,
        results: &mut impl Ranked,
        member: &str,
        count: u64,
    ) -> Result<Page, QueryError> {
        at_most(MOST_ROWS, count, "rows")?;
        let look = Look { members: vec![member.into()], ..self.look() };
        let seen = results.look(&self.key, &look).await?;
        let Some(mut wanted) = middle(&seen, count) else {
            return Ok(Page { size: seen.size, standings: Vec::new() });
        };
        let (mut slack, mut looks) = (SLACK, 0);
        loop {
            let wide = wanted.start.saturating_sub(slack)..wanted.end.saturating_add(slack);
            let read = self.with_start(&wide);
            let look = Look { places: read.clone(), ..look.clone() };
            let (seen, counted) =
                self.settled(results, look, |seen| self.uncounted(&read, &seen.rows)).await?;
            let Some(now) = middle(&seen, count) else {
                return Ok(Page { size: seen.size, standings: Vec::new() });
            };
            // The first row that was read is whole only at the top: ties may reach above it.
            let holds = (read.start == 0 || read.start < now.start) && now.end <= read.end;
            if holds || looks == LOOKS {
                return Ok(self.cut(seen, &counted, &read, &now));
            }
            (wanted, slack, looks) = (now, slack * 4, looks + 1);
        }
    }

    /// The places of these members, and their ranks among themselves; one that is named twice
    /// counts once.
    ///
    /// # Errors
    /// Where there are more than [`MOST_MEMBERS`], or the results can't be read.
    pub async fn of_members(
        &self,
        results: &mut impl Ranked,
        members: &[SmolStr],
    ) -> Result<Members, QueryError> {
        let mut known = HashSet::new();
        let members: Vec<SmolStr> =
            members.iter().filter(|member| known.insert(*member)).cloned().collect();
        at_most(MOST_MEMBERS, members.len() as u64, "members")?;
        let look = Look { members: members.clone(), ..self.look() };
        let (seen, counted) = self.settled(results, look, |seen| self.scores(seen)).await?;
        let (mut rows, mut missing) = (Vec::new(), Vec::new());
        for (member, place) in members.into_iter().zip(seen.members) {
            match place {
                Some((place, stored)) => rows.push((place, member, stored)),
                None => missing.push(member),
            }
        }
        rows.sort_by_key(|(place, ..)| *place);
        let stored: Vec<f64> = rows.iter().map(|(.., stored)| *stored).collect();
        let within = self.climb(0, Above::default(), &stored);
        let found = rows.into_iter().zip(within).map(|((place, member, stored), within)| {
            let alone = Above { members: place, scores: 0 };
            let above = of_score(&counted, stored).unwrap_or(alone);
            Within { rank: self.rank(within), standing: self.standing(member, above, stored) }
        });
        Ok(Members { size: seen.size, found: found.collect(), missing })
    }

    /// The place of a member, with the board's size; `None` for one who is not on the board.
    ///
    /// # Errors
    /// Where the results can't be read.
    pub async fn of(
        &self,
        results: &mut impl Ranked,
        member: &str,
    ) -> Result<Option<(Standing, u64)>, QueryError> {
        let mut members = self.of_members(results, &[member.into()]).await?;
        Ok(members.found.pop().map(|found| (found.standing, members.size)))
    }

    pub(super) fn look(&self) -> Look {
        Look { ascending: self.ascending, ..Look::default() }
    }

    /// The places to read for some: with the row before them, from which it is seen whether the
    /// first of them shares its rank, or from the top where that is near and all is counted.
    fn with_start(&self, wanted: &Range<u64>) -> Range<u64> {
        let start = match self.ties {
            Ties::First => wanted.start,
            Ties::Dense if wanted.end <= PIECE => 0,
            Ties::Dense | Ties::Shared => wanted.start.saturating_sub(1),
        };
        start..wanted.end
    }

    /// The scores among rows of which it has to be counted what stands above.
    fn uncounted(&self, read: &Range<u64>, rows: &[(SmolStr, f64)]) -> Vec<f64> {
        match (self.ties, rows) {
            (Ties::First, _) | (_, []) => Vec::new(),
            _ if read.start == 0 => Vec::new(),
            (Ties::Dense, [(_, first), ..]) => vec![*first],
            (Ties::Shared, [(_, first), (_, second), ..]) if first == second => vec![*first],
            (Ties::Shared, _) => Vec::new(),
        }
    }

    /// The scores of members of which it has to be counted what stands above, best first.
    fn scores(&self, seen: &Seen) -> Vec<f64> {
        if self.ties == Ties::First {
            return Vec::new();
        }
        let mut found: Vec<(u64, f64)> = seen.members.iter().copied().flatten().collect();
        found.sort_by_key(|(place, _)| *place);
        let mut scores: Vec<f64> = found.into_iter().map(|(_, stored)| stored).collect();
        scores.dedup();
        scores
    }

    /// What is seen, with what stands above the scores that `uncounted` finds in it.
    async fn settled(
        &self,
        results: &mut impl Ranked,
        look: Look,
        uncounted: impl Fn(&Seen) -> Vec<f64>,
    ) -> Result<(Seen, Vec<(f64, Above)>), QueryError> {
        let mut seen = results.look(&self.key, &look).await?;
        let mut looks = 0;
        loop {
            let scores = uncounted(&seen);
            if scores.is_empty() {
                return Ok((seen, Vec::new()));
            }
            let different = match self.ties {
                Ties::Dense => self.different(results, &scores).await?,
                Ties::First | Ties::Shared => vec![0; scores.len()],
            };
            let look = Look { scores: scores.clone(), ..look.clone() };
            let again = results.look(&self.key, &look).await?;
            let above = again.better.iter().zip(different);
            let above = above.map(|(&members, scores)| Above { members, scores });
            let counted: Vec<(f64, Above)> = scores.into_iter().zip(above).collect();
            if uncounted(&again).iter().all(|score| of_score(&counted, *score).is_some()) {
                return Ok((again, counted));
            }
            if looks == LOOKS {
                return Ok((seen, counted));
            }
            (seen, looks) = (again, looks + 1);
        }
    }

    /// How many different scores are better than each of these, which are in order, best first.
    /// Reads the board from its top, but of members with one score only those that one piece holds.
    async fn different(
        &self,
        results: &mut impl Ranked,
        scores: &[f64],
    ) -> Result<Vec<u64>, QueryError> {
        let mut counts = Vec::with_capacity(scores.len());
        let mut wanted = scores.iter().peekable();
        let (mut found, mut last) = (0, None);
        while wanted.peek().is_some() {
            let piece = results.worse(&self.key, self.ascending, last, PIECE).await?;
            for score in &piece {
                let is_better =
                    |than: f64| if self.ascending { *score < than } else { *score > than };
                while wanted.next_if(|than| !is_better(**than)).is_some() {
                    counts.push(found);
                }
                if last != Some(*score) {
                    (found, last) = (found + 1, Some(*score));
                }
            }
            if (piece.len() as u64) < PIECE {
                counts.extend(wanted.by_ref().map(|_| found));
            }
        }
        Ok(counts)
    }

    /// The standings at the places that are wanted, of what was read.
    fn cut(
        &self,
        seen: Seen,
        counted: &[(f64, Above)],
        read: &Range<u64>,
        wanted: &Range<u64>,
    ) -> Page {
        let stored: Vec<f64> = seen.rows.iter().map(|(_, stored)| *stored).collect();
        let first = stored.first().and_then(|first| of_score(counted, *first));
        let first = first.unwrap_or(Above { members: read.start, scores: 0 });
        let above = self.climb(read.start, first, &stored);
        let rows = (read.start..).zip(seen.rows).zip(above);
        let rows = rows.filter(|((place, _), _)| wanted.contains(place));
        let standing = |((_, (member, stored)), above)| self.standing(member, above, stored);
        Page { size: seen.size, standings: rows.map(standing).collect() }
    }

    /// What stands above each of some rows, from what stands above the first, which is at a place.
    fn climb(&self, place: u64, first: Above, rows: &[f64]) -> Vec<Above> {
        let (mut above, mut last) = (first, rows.first().copied());
        let next = |(place, stored): (u64, &f64)| {
            if self.ties == Ties::First {
                above = Above { members: place, scores: 0 };
            } else if last != Some(*stored) {
                above = Above { members: place, scores: above.scores + 1 };
                last = Some(*stored);
            }
            above
        };
        (place..).zip(rows).map(next).collect()
    }

    fn rank(&self, above: Above) -> u64 {
        match self.ties {
            Ties::Dense => above.scores + 1,
            Ties::First | Ties::Shared => above.members + 1,
        }
    }

    fn standing(&self, member: SmolStr, above: Above, stored: f64) -> Standing {
        let (rank, span) = (self.rank(above), Span::of(&self.window));
        let (score, reached) = match self.ties {
            Ties::First => (stored.floor(), composite::reached(stored, span, self.ascending)),
            Ties::Dense | Ties::Shared => (stored, None),
        };
        let reached = reached.map(|range| range.into_inner());
        let is_whole = score.fract() == 0.0 && score.abs() <= GREATEST as f64;
        let score = match self.places {
            Some(places) => Figure::Decimal(score as i128, places),
            None if is_whole => Figure::Int(score as i128),
            None => Figure::Float(score),
        };
        Standing { member, rank, above: above.members, score, reached, stored }
    }
}

/// The places of so many rows with the one member that was looked for in their middle; `None`
/// where it is not there.
fn middle(seen: &Seen, count: u64) -> Option<Range<u64>> {
    let (place, _) = seen.members.iter().copied().flatten().next()?;
    let count = count.clamp(1, seen.size.max(1));
    let start = place.saturating_sub((count - 1) / 2).min(seen.size.saturating_sub(count));
    Some(start..start + count)
}

fn of_score(counted: &[(f64, Above)], score: f64) -> Option<Above> {
    counted.iter().find(|(of, _)| *of == score).map(|(_, above)| *above)
}

fn at_most(most: u64, given: u64, what: &'static str) -> Result<(), QueryError> {
    if given > most { Err(QueryError::TooMany { what, given, most }) } else { Ok(()) }
}
