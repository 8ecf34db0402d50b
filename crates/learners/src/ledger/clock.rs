//! When windows and periods begin and end on the wall clock of a time zone.

use jiff::civil::Weekday;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan, Zoned};

/// How long a window or period is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// All time.
    All,
    /// From midnight to midnight.
    Day,
    /// So many ms, counted on the wall clock: an hour begins when it shows a full hour.
    Millis(i64),
    /// From the first to the first.
    Month,
    /// From Monday to Monday.
    Week,
}

/// A name that is no IANA time zone.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("unknown time zone \"{0}\" (expected an IANA name, such as Asia/Kolkata or UTC)")]
pub struct UnknownTimeZone(String);

/// The begins and ends of one length in one zone.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    length: Length,
    zone: TimeZone,
    /// The day, week or month that was asked for last: looking at a calendar takes long.
    page: Option<(i64, i64)>,
}

impl Clock {
    pub(crate) fn new(length: Length, zone: &str) -> Result<Self, UnknownTimeZone> {
        match TimeZoneDatabase::bundled().get(zone) {
            Ok(zone) => Ok(Self { length, zone, page: None }),
            Err(_) => Err(UnknownTimeZone(zone.to_owned())),
        }
    }

    /// The first millisecond of what holds a time, and the first after it.
    pub(crate) fn around(&mut self, time: i64) -> (i64, i64) {
        match self.length {
            Length::All => (0, i64::MAX),
            Length::Millis(length) => {
                let at = Timestamp::from_millisecond(time).unwrap_or_default();
                let ahead = i64::from(self.zone.to_offset(at).seconds()) * 1000;
                let start = (time + ahead).div_euclid(length) * length - ahead;
                (start, start + length)
            }
            length => match self.page {
                Some((start, end)) if start <= time && time < end => (start, end),
                _ => {
                    let page = self.turn(length, time);
                    self.page = Some(page);
                    page
                }
            },
        }
    }

    /// What the day, week, month or all time is called that begins at a time. Of any other length, when
    /// it begins.
    pub(crate) fn label(&self, start: i64) -> String {
        let first = Timestamp::from_millisecond(start).unwrap_or_default();
        let first = first.to_zoned(self.zone.clone());
        match self.length {
            Length::All => "all".to_owned(),
            Length::Day => first.strftime("%Y-%m-%d").to_string(),
            Length::Millis(_) => start.to_string(),
            Length::Month => first.strftime("%Y-%m").to_string(),
            Length::Week => first.strftime("%G-W%V").to_string(),
        }
    }

    fn turn(&self, length: Length, time: i64) -> (i64, i64) {
        let at = Timestamp::from_millisecond(time).unwrap_or_default();
        let mut first = at.to_zoned(self.zone.clone());
        let days = match length {
            Length::Month => i64::from(first.days_in_month()),
            Length::Week => 7,
            _ => 1,
        };
        let is_first = |day: &Zoned| match length {
            Length::Month => day.day() == 1,
            Length::Week => day.weekday() == Weekday::Monday,
            _ => true,
        };
        while !is_first(&first) {
            first = after(&first, -1);
        }
        (midnight(&first), midnight(&after(&first, days)))
    }
}

fn after(day: &Zoned, days: i64) -> Zoned {
    day.saturating_add(days.days())
}

fn midnight(day: &Zoned) -> i64 {
    day.start_of_day().map_or(i64::MAX, |begin| begin.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(length: Length, zone: &str, time: &str) -> (String, String) {
        let time: Timestamp = time.parse().unwrap();
        let (start, end) = Clock::new(length, zone).unwrap().around(time.as_millisecond());
        let text = |ms| Timestamp::from_millisecond(ms).unwrap().to_string();
        (text(start), text(end))
    }

    #[test]
    fn begins_and_ends_follow_the_wall_clock() {
        let hour = Length::Millis(3_600_000);
        let cases = [
            (
                hour,
                "Asia/Kolkata",
                "2026-01-01T00:00:00Z",
                "2025-12-31T23:30:00Z",
                "2026-01-01T00:30:00Z",
            ),
            (
                Length::Day,
                "Asia/Kolkata",
                "2025-12-31T18:30:00Z",
                "2025-12-31T18:30:00Z",
                "2026-01-01T18:30:00Z",
            ),
            (
                Length::Day,
                "Asia/Kolkata",
                "2025-12-31T18:29:59Z",
                "2025-12-30T18:30:00Z",
                "2025-12-31T18:30:00Z",
            ),
            (
                Length::Week,
                "UTC",
                "2026-01-01T12:00:00Z",
                "2025-12-29T00:00:00Z",
                "2026-01-05T00:00:00Z",
            ),
            (
                Length::Month,
                "UTC",
                "2024-02-29T12:00:00Z",
                "2024-02-01T00:00:00Z",
                "2024-03-01T00:00:00Z",
            ),
            // A day of 23 hours, and the week that it is in.
            (
                Length::Day,
                "Europe/Berlin",
                "2026-03-29T12:00:00Z",
                "2026-03-28T23:00:00Z",
                "2026-03-29T22:00:00Z",
            ),
            (
                Length::Week,
                "Europe/Berlin",
                "2026-03-29T12:00:00Z",
                "2026-03-22T23:00:00Z",
                "2026-03-29T22:00:00Z",
            ),
        ];
        for (length, zone, time, start, end) in cases {
            let expected = (start.to_owned(), end.to_owned());
            assert_eq!(around(length, zone, time), expected, "{length:?} {zone} {time}");
        }
    }

    #[test]
    fn what_is_called_by_its_first_day() {
        let label = |length, time: &str| {
            let time: Timestamp = time.parse().unwrap();
            let mut clock = Clock::new(length, "Asia/Kolkata").unwrap();
            let (start, _) = clock.around(time.as_millisecond());
            clock.label(start)
        };
        // The first week of 2026 began in December.
        let new_year = "2025-12-31T18:30:00Z";
        assert_eq!(label(Length::Day, new_year), "2026-01-01");
        assert_eq!(label(Length::Week, new_year), "2026-W01");
        assert_eq!(label(Length::Month, "2025-12-31T18:29:59Z"), "2025-12");
        assert_eq!(label(Length::All, new_year), "all");
    }

    #[test]
    fn a_page_is_turned_when_the_time_leaves_it() {
        let mut clock = Clock::new(Length::Day, "UTC").unwrap();
        let day = 86_400_000;
        for time in [0, day - 1, day, 0, 5 * day + 1] {
            assert_eq!(clock.around(time), (time / day * day, (time / day + 1) * day));
        }
        assert_eq!(Clock::new(Length::All, "UTC").unwrap().around(5), (0, i64::MAX));
    }

    #[test]
    fn an_unknown_zone_is_refused() {
        let refused = Clock::new(Length::Day, "Mars/Olympus").unwrap_err();
        let text = "unknown time zone \"Mars/Olympus\" (expected an IANA name, such as Asia/Kolkata or UTC)";
        assert_eq!(refused.to_string(), text);
    }
}
