//! Tumbling windows and calendar periods: where one begins and ends, and what it is called.

mod clock;
mod label;

use jiff::{
    Timestamp, Zoned,
    civil::Weekday,
    tz::{TimeZone, TimeZoneDatabase},
};
use smol_str::{SmolStr, ToSmolStr, format_smolstr};

/// How long a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Length {
    /// So many milliseconds, a length that divides a day. It begins at a multiple of the length,
    /// counted on the clock of the time zone: an hour begins when that clock shows a full hour.
    /// Where the clocks change, the window in which they do is shorter or longer.
    Millis(i64),
    /// A day of the time zone.
    Day,
    /// A week of the time zone; it begins on Monday.
    Week,
    /// A month of the time zone.
    Month,
    /// All time.
    All,
}

/// One window.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Its name in keys: `all`, `2026-01` (month), `2026-W01` (ISO week), `2026-01-31` (day), or
    /// the UTC time of its begin, written so that it holds no `:`, such as `2026-01-31T0430Z` or,
    /// where it does not begin at a full minute, `2026-01-31T043015Z`.
    pub label: SmolStr,
    /// Its first millisecond.
    pub start: i64,
    /// The first millisecond after it; `i64::MAX` for all time.
    pub end: i64,
}

/// The clock and calendar of a topology's time zone.
#[derive(Clone, Debug)]
pub struct Calendar {
    zone: TimeZone,
}

/// A name that is no IANA time zone.
#[derive(Debug, thiserror::Error)]
#[error("unknown time zone \"{0}\" (expected an IANA name, such as Asia/Kolkata or UTC)")]
pub struct UnknownTimeZone(String);

impl Calendar {
    /// The calendar of an IANA time zone, from the time zone data built into the program: every
    /// worker has the same.
    ///
    /// # Errors
    /// Where there is no zone of this name.
    pub fn new(zone: &str) -> Result<Self, UnknownTimeZone> {
        match TimeZoneDatabase::bundled().get(zone) {
            Ok(zone) => Ok(Self { zone }),
            Err(_) => Err(UnknownTimeZone(zone.to_owned())),
        }
    }

    /// Its time zone.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The window of this length that holds a time, in ms since the epoch.
    #[must_use]
    pub fn window(&self, length: Length, time: i64) -> Window {
        match length {
            Length::All => Window { label: "all".into(), start: 0, end: i64::MAX },
            Length::Millis(length) => self.fixed(length.max(1), time),
            Length::Day | Length::Week | Length::Month => {
                self.calendar(length, clock::timestamp(time))
            }
        }
    }

    fn fixed(&self, length: i64, time: i64) -> Window {
        let (start, end) = clock::bounds(&self.zone, length, time);
        let begin = clock::timestamp(start);
        let full_minute = start.rem_euclid(60_000) == 0;
        let format = if full_minute { "%Y-%m-%dT%H%MZ" } else { "%Y-%m-%dT%H%M%SZ" };
        let label = begin.strftime(format).to_smolstr();
        Window { label, start, end }
    }

    fn calendar(&self, length: Length, at: Timestamp) -> Window {
        let date = at.to_zoned(self.zone.clone()).date();
        let (first, next) = match length {
            Length::Week => {
                let days = i64::from(date.weekday().since(Weekday::Monday));
                let first = date.saturating_sub(jiff::Span::new().days(days));
                (first, first.saturating_add(jiff::Span::new().weeks(1)))
            }
            Length::Month => {
                let first = date.first_of_month();
                (first, first.saturating_add(jiff::Span::new().months(1)))
            }
            _ => (date, date.saturating_add(jiff::Span::new().days(1))),
        };
        let label = match length {
            Length::Week => {
                let week = first.iso_week_date();
                format_smolstr!("{:04}-W{:02}", week.year(), week.week())
            }
            Length::Month => first.strftime("%Y-%m").to_smolstr(),
            _ => first.strftime("%Y-%m-%d").to_smolstr(),
        };
        let begin = |date: jiff::civil::Date| {
            date.to_zoned(self.zone.clone())
                .map_or(i64::MAX, |z: Zoned| z.timestamp().as_millisecond())
        };
        Window { label, start: begin(first), end: begin(next) }
    }
}

#[cfg(test)]
mod tests;
