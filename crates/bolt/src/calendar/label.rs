//! Windows by their labels.

use super::{Calendar, Length, Window};
use jiff::{
    civil::{Date, DateTime, ISOWeekDate, Weekday},
    tz::TimeZone,
};

impl Calendar {
    /// The window of this length that has a label; `None` where no such window has it.
    #[must_use]
    pub fn labelled(&self, length: Length, label: &str) -> Option<Window> {
        let day = |date: Date| Some(date.to_zoned(self.zone.clone()).ok()?.timestamp());
        let start = match length {
            Length::All => return Some(self.window(length, 0)).filter(|all| all.label == label),
            Length::Day => day(label.parse().ok()?)?,
            Length::Month => day(format!("{label}-01").parse().ok()?)?,
            Length::Week => {
                let (year, week) = label.split_once("-W")?;
                let (year, week) = (year.parse().ok()?, week.parse().ok()?);
                day(ISOWeekDate::new(year, week, Weekday::Monday).ok()?.date())?
            }
            Length::Millis(_) => {
                let formats = ["%Y-%m-%dT%H%MZ", "%Y-%m-%dT%H%M%SZ"];
                let time = formats.iter().find_map(|format| DateTime::strptime(format, label).ok());
                time?.to_zoned(TimeZone::UTC).ok()?.timestamp()
            }
        };
        Some(self.window(length, start.as_millisecond())).filter(|window| window.label == label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ZONES: [&str; 5] =
        ["UTC", "Asia/Kolkata", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo"];
    const LENGTHS: [Length; 7] = [
        Length::All,
        Length::Millis(1_000),
        Length::Millis(3_600_000),
        Length::Millis(6 * 3_600_000),
        Length::Day,
        Length::Week,
        Length::Month,
    ];

    proptest! {
        #[test]
        fn every_window_is_found_by_its_label(
            time in 0i64..4_102_444_800_000, zone in 0..ZONES.len(), length in 0..LENGTHS.len(),
        ) {
            let (calendar, length) = (Calendar::new(ZONES[zone]).unwrap(), LENGTHS[length]);
            let window = calendar.window(length, time);
            prop_assert_eq!(calendar.labelled(length, &window.label), Some(window));
        }

        #[test]
        fn any_text_is_a_label_or_none(text in ".{0,20}", length in 0..LENGTHS.len()) {
            let calendar = Calendar::new("Europe/Berlin").unwrap();
            let found = calendar.labelled(LENGTHS[length], &text);
            prop_assert!(found.is_none_or(|window| window.label == text));
        }
    }

    #[test]
    fn what_is_no_label_of_a_length_is_none() {
        let calendar = Calendar::new("UTC").unwrap();
        for (length, label) in [
            (Length::All, "2026"),
            (Length::Day, "2026-02-30"),
            (Length::Day, "2026-1-31"),
            (Length::Month, "2026-13"),
            (Length::Week, "2026-W54"),
            (Length::Week, "2026-W5"),
            (Length::Week, "2026-01-31"),
            (Length::Millis(3_600_000), "2026-01-31T0430Z"),
            (Length::Millis(3_600_000), "2026-01-31"),
        ] {
            assert_eq!(calendar.labelled(length, label), None, "{label}");
        }
    }
}
