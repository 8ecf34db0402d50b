//! Places on leaderboards.

use crate::{QueryError, Results, catalog::named};
use smol_str::SmolStr;
use tallyd_bolt::{
    Key,
    calendar::{Calendar, Window},
};
use tallyd_leaderboard::{
    Options, PeriodOptions, Ties, board_key,
    composite::{Span, decode},
    group,
};

/// One board of one group in one period.
#[derive(Clone, Debug)]
pub struct Board {
    /// The period's name.
    pub period: SmolStr,
    /// When the period begins and ends.
    pub window: Window,
    /// From which arrival on events are too late for it, in ms since the epoch: once all that
    /// arrived before are processed it is final. `None`: it never is.
    pub closes: Option<i64>,
    key: Key,
    ascending: bool,
    ties: Ties,
}

/// A member's place on a board.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Who.
    pub member: SmolStr,
    /// From 1. Two with one score have different ranks with `ties = "first"`, and the same one
    /// with `"shared"`, after which ranks are left out.
    pub rank: u64,
    /// The score.
    pub score: f64,
    /// When the score was reached, in ms since the epoch, as exactly as the board holds it; only
    /// with `ties = "first"`.
    pub reached: Option<i64>,
}

impl Board {
    /// The board of a group, from the values of its fields in any order (none: everyone), in the
    /// period of this name that holds a time. Where no name is given, it is the first period that
    /// the topology lists.
    ///
    /// # Errors
    /// Where the leaderboard has no such board or period.
    pub fn new(
        options: &Options,
        calendar: &Calendar,
        by: &[(SmolStr, SmolStr)],
        period: Option<&str>,
        at: i64,
    ) -> Result<Self, QueryError> {
        let values = ordered(options, by)?;
        let periods: Vec<(&str, &PeriodOptions)> =
            options.periods.iter().map(|period| (period.name.as_str(), period)).collect();
        let first = periods.first().map_or("", |(name, _)| name);
        let period = named("period", period.unwrap_or(first), periods)?;
        let window = calendar.window(period.length, at);
        let key = board_key(period, &window.label, &group(&values));
        let (ascending, ties) = (options.ascending(), options.ties);
        let (period, closes) = (period.name.clone(), period.lasting.closes(&window));
        Ok(Self { period, window, closes, key, ascending, ties })
    }

    /// How many members it has.
    ///
    /// # Errors
    /// Where the results can't be read.
    pub async fn size(&self, results: &mut impl Results) -> Result<u64, QueryError> {
        results.size(&self.key).await
    }

    /// Up to `count` members, best first, after the first `skip`.
    ///
    /// # Errors
    /// Where the results can't be read.
    pub async fn page(
        &self,
        results: &mut impl Results,
        skip: u64,
        count: u64,
    ) -> Result<Vec<Standing>, QueryError> {
        let rows = results.range(&self.key, self.ascending, skip, count).await?;
        let Some((_, best)) = rows.first() else { return Ok(Vec::new()) };
        let mut rank = match self.ties {
            Ties::First => skip + 1,
            Ties::Shared => 1 + self.better(results, *best).await?,
        };
        let mut last = *best;
        let mut page = Vec::with_capacity(rows.len());
        for (place, (member, stored)) in (skip..).zip(rows) {
            if self.ties == Ties::First || stored != last {
                rank = place + 1;
            }
            last = stored;
            page.push(self.standing(member, rank, stored));
        }
        Ok(page)
    }

    /// The places of these members, best first; who is not on the board is left out.
    ///
    /// # Errors
    /// Where the results can't be read.
    pub async fn of_members(
        &self,
        results: &mut impl Results,
        members: &[SmolStr],
    ) -> Result<Vec<Standing>, QueryError> {
        let places = results.places(&self.key, self.ascending, members).await?;
        let found = members.iter().zip(places);
        let mut found: Vec<(u64, f64, &SmolStr)> =
            found.filter_map(|(m, place)| place.map(|(place, score)| (place, score, m))).collect();
        found.sort_by_key(|(place, ..)| *place);
        let scores: Vec<f64> = found.iter().map(|(_, score, _)| *score).collect();
        let above: Vec<u64> = match self.ties {
            Ties::First => found.iter().map(|(place, ..)| *place).collect(),
            Ties::Shared => results.better(&self.key, self.ascending, &scores).await?,
        };
        let ranked = found.into_iter().zip(above);
        let ranked =
            ranked.map(|((_, score, m), above)| self.standing(m.clone(), above + 1, score));
        Ok(ranked.collect())
    }

    /// The place of a member; `None` for one who is not on the board.
    ///
    /// # Errors
    /// Where the results can't be read.
    pub async fn of(
        &self,
        results: &mut impl Results,
        member: &str,
    ) -> Result<Option<Standing>, QueryError> {
        Ok(self.of_members(results, &[member.into()]).await?.pop())
    }

    /// A member and up to `reach` others above and below; empty for one who is not on the board.
    ///
    /// # Errors
    /// Where the results can't be read.
    pub async fn around(
        &self,
        results: &mut impl Results,
        member: &str,
        reach: u64,
    ) -> Result<Vec<Standing>, QueryError> {
        let places = results.places(&self.key, self.ascending, &[member.into()]).await?;
        let Some((place, _)) = places.into_iter().flatten().next() else { return Ok(Vec::new()) };
        let first = place.saturating_sub(reach);
        self.page(results, first, place - first + 1 + reach).await
    }

    async fn better(&self, results: &mut impl Results, score: f64) -> Result<u64, QueryError> {
        let counts = results.better(&self.key, self.ascending, &[score]).await?;
        Ok(counts.first().copied().unwrap_or(0))
    }

    fn standing(&self, member: SmolStr, rank: u64, stored: f64) -> Standing {
        match self.ties {
            Ties::First => {
                let (score, reached) = decode(stored, Span::of(&self.window), self.ascending);
                Standing { member, rank, score: score as f64, reached: Some(reached) }
            }
            Ties::Shared => Standing { member, rank, score: stored, reached: None },
        }
    }
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
        // The size was read at another moment than the rank.
        100.0 * size.saturating_sub(self.rank) as f64 / others as f64
    }
}

/// The values of a board's fields in the order of its key.
fn ordered<'a>(
    options: &'a Options,
    by: &'a [(SmolStr, SmolStr)],
) -> Result<Vec<(&'a str, &'a str)>, QueryError> {
    let board = options.boards.iter().find(|board| {
        board.len() == by.len()
            && board.iter().all(|field| by.iter().any(|(name, _)| *name == field.name))
    });
    let name = |names: Vec<&str>| {
        if names.is_empty() { "everyone".to_owned() } else { names.join("+") }
    };
    let board = board.ok_or_else(|| QueryError::Unknown {
        kind: "board by",
        name: name(by.iter().map(|(name, _)| name.as_str()).collect()),
        known: options
            .boards
            .iter()
            .map(|board| name(board.iter().map(|field| field.name.as_str()).collect()))
            .collect(),
    })?;
    let value = |field: &'a tallyd_bolt::FieldRef| {
        by.iter().find(|(name, _)| *name == field.name).map(|(n, v)| (n.as_str(), v.as_str()))
    };
    Ok(board.iter().filter_map(value).collect())
}
