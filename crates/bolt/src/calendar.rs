//! Tumbling windows and calendar periods: where one begins and ends, and what it is called.

use jiff::{
    Timestamp, Zoned,
    civil::Weekday,
    tz::{TimeZone, TimeZoneDatabase},
};
use smol_str::{SmolStr, ToSmolStr, format_smolstr};

/// How long a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Length {
    /// So many milliseconds, at most a day. It begins at a multiple of the length, counted on the
    /// clock of the time zone: an hour begins when that clock shows a full hour.
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

    /// The window of this length that holds a time, in ms since the epoch.
    #[must_use]
    pub fn window(&self, length: Length, time: i64) -> Window {
        let at = Timestamp::from_millisecond(time).unwrap_or(Timestamp::UNIX_EPOCH);
        match length {
            Length::All => Window { label: "all".into(), start: 0, end: i64::MAX },
            Length::Millis(length) => self.fixed(length.max(1), time, at),
            Length::Day | Length::Week | Length::Month => self.calendar(length, at),
        }
    }

    fn fixed(&self, length: i64, time: i64, at: Timestamp) -> Window {
        let offset = i64::from(self.zone.to_offset(at).seconds()) * 1000;
        let start = time - (time + offset).rem_euclid(length);
        let begin = Timestamp::from_millisecond(start).unwrap_or(Timestamp::UNIX_EPOCH);
        let full_minute = start.rem_euclid(60_000) == 0;
        let format = if full_minute { "%Y-%m-%dT%H%MZ" } else { "%Y-%m-%dT%H%M%SZ" };
        let label = begin.strftime(format).to_smolstr();
        Window { label, start, end: start.saturating_add(length) }
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn windows_begin_where_the_time_zone_says() {
        let cases = [
            (
                "Asia/Kolkata",
                Length::Day,
                "2026-01-01T18:30:00Z",
                "2026-01-02",
                "2026-01-01T18:30:00Z",
                "2026-01-02T18:30:00Z",
            ),
            (
                "Asia/Kolkata",
                Length::Day,
                "2026-01-01T18:29:59.999Z",
                "2026-01-01",
                "2025-12-31T18:30:00Z",
                "2026-01-01T18:30:00Z",
            ),
            (
                "UTC",
                Length::Week,
                "2026-01-01T00:00:00Z",
                "2026-W01",
                "2025-12-29T00:00:00Z",
                "2026-01-05T00:00:00Z",
            ),
            (
                "UTC",
                Length::Week,
                "2027-01-01T00:00:00Z",
                "2026-W53",
                "2026-12-28T00:00:00Z",
                "2027-01-04T00:00:00Z",
            ),
            (
                "Asia/Kolkata",
                Length::Month,
                "2026-01-31T18:30:00Z",
                "2026-02",
                "2026-01-31T18:30:00Z",
                "2026-02-28T18:30:00Z",
            ),
            (
                "Asia/Kolkata",
                Length::Millis(3_600_000),
                "2026-01-01T04:40:00Z",
                "2026-01-01T0430Z",
                "2026-01-01T04:30:00Z",
                "2026-01-01T05:30:00Z",
            ),
            (
                "UTC",
                Length::Millis(15_000),
                "2026-01-01T04:40:17Z",
                "2026-01-01T044015Z",
                "2026-01-01T04:40:15Z",
                "2026-01-01T04:40:30Z",
            ),
            // A day of 23 hours, and one of 25.
            (
                "Europe/Berlin",
                Length::Day,
                "2026-03-29T12:00:00Z",
                "2026-03-29",
                "2026-03-28T23:00:00Z",
                "2026-03-29T22:00:00Z",
            ),
            (
                "Europe/Berlin",
                Length::Day,
                "2026-10-25T12:00:00Z",
                "2026-10-25",
                "2026-10-24T22:00:00Z",
                "2026-10-25T23:00:00Z",
            ),
        ];
        for (zone, length, at, label, start, end) in cases {
            let window = Calendar::new(zone).unwrap().window(length, ms(at));
            let expected = Window { label: label.into(), start: ms(start), end: ms(end) };
            assert_eq!(window, expected, "{zone} {length:?} {at}");
        }
    }

    #[test]
    fn an_unknown_zone_is_named() {
        let error = Calendar::new("Asia/Calcuta").unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown time zone \"Asia/Calcuta\" (expected an IANA name, such as Asia/Kolkata or UTC)"
        );
    }

    proptest! {
        #[test]
        fn a_time_lies_in_its_window(time in 0i64..253_402_000_000_000, pick in 0usize..7) {
            let lengths = [Length::Millis(1000), Length::Millis(60_000), Length::Millis(3_600_000), Length::Day, Length::Week, Length::Month, Length::All];
            for zone in ["UTC", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"] {
                let window = Calendar::new(zone).unwrap().window(lengths[pick], time);
                prop_assert!(window.start <= time && time < window.end, "{zone} {window:?}");
            }
        }
    }
}
