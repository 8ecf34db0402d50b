//! Leaderboards: which boards there are, and who stands where (`ranks`).

use crate::{QueryError, catalog::named, when::as_named};
use smol_str::SmolStr;
use tallyd_bolt::{
    Key,
    calendar::{Calendar, Window},
};
use tallyd_leaderboard::{Options, PeriodOptions, Ties, board_key, group};

mod after;
mod ranks;

pub use ranks::{MOST_MEMBERS, MOST_ROWS, Members, Page, Standing, Within};

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
    /// When it goes, in ms since the epoch. `None`: never.
    pub gone: Option<i64>,
    key: Key,
    ascending: bool,
    ties: Ties,
    places: Option<u8>,
}

impl Board {
    /// The board of a group, from the values of its fields in any order (none: everyone), in the
    /// period of this name (or of the same length: `1d` is `day`) that holds a time. Where no name is
    /// given, it is the first period that the topology lists.
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
        let asked = as_named(period.unwrap_or(first), periods.iter().map(|(name, _)| *name));
        let period = named("period", asked, periods)?;
        let window = calendar.window(period.length, at);
        let key = board_key(period, &window.label, &group(&values));
        let (ascending, ties, places) = (options.ascending(), options.ties, options.places);
        let (closes, gone) = (period.lasting.closes(&window), period.lasting.expiry(&window));
        let period = period.name.clone();
        Ok(Self { period, window, closes, gone, key, ascending, ties, places })
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
