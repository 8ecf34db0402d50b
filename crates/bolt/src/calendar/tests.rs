//! Where windows begin and end, on days when clocks change too.

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

/// The windows of a length from one time to another, as (label, hours).
fn windows(zone: &str, length: i64, from: &str, to: &str) -> Vec<(String, f64)> {
    let calendar = Calendar::new(zone).unwrap();
    let (mut next, end, mut all) = (ms(from), ms(to), Vec::new());
    while next < end {
        let window = calendar.window(Length::Millis(length), next);
        assert_eq!(window.start, next, "{zone} {length}");
        all.push((window.label.to_string(), (window.end - window.start) as f64 / HOUR as f64));
        next = window.end;
    }
    assert_eq!(next, end, "{zone} {length}");
    all
}

const HOUR: i64 = 3_600_000;

#[test]
fn windows_are_longer_or_shorter_where_clocks_change() {
    type Expected = &'static [(&'static str, f64)];
    let cases: [(&str, i64, &str, &str, Expected); 8] = [
        // 03:00 becomes 02:00 in Berlin: the hour from 02:00 comes twice, longer windows once.
        (
            "Europe/Berlin",
            HOUR,
            "2026-10-24T23:00:00Z",
            "2026-10-25T03:00:00Z",
            &[
                ("2026-10-24T2300Z", 1.0),
                ("2026-10-25T0000Z", 1.0),
                ("2026-10-25T0100Z", 1.0),
                ("2026-10-25T0200Z", 1.0),
            ],
        ),
        (
            "Europe/Berlin",
            2 * HOUR,
            "2026-10-24T22:00:00Z",
            "2026-10-25T05:00:00Z",
            &[("2026-10-24T2200Z", 2.0), ("2026-10-25T0000Z", 3.0), ("2026-10-25T0300Z", 2.0)],
        ),
        (
            "Europe/Berlin",
            6 * HOUR,
            "2026-10-24T22:00:00Z",
            "2026-10-25T23:00:00Z",
            &[
                ("2026-10-24T2200Z", 7.0),
                ("2026-10-25T0500Z", 6.0),
                ("2026-10-25T1100Z", 6.0),
                ("2026-10-25T1700Z", 6.0),
            ],
        ),
        // 02:00 becomes 03:00: a window that would begin at 02:00 begins at 03:00.
        (
            "Europe/Berlin",
            2 * HOUR,
            "2026-03-28T23:00:00Z",
            "2026-03-29T04:00:00Z",
            &[("2026-03-28T2300Z", 2.0), ("2026-03-29T0100Z", 1.0), ("2026-03-29T0200Z", 2.0)],
        ),
        (
            "Europe/Berlin",
            12 * HOUR,
            "2026-03-28T23:00:00Z",
            "2026-03-29T22:00:00Z",
            &[("2026-03-28T2300Z", 11.0), ("2026-03-29T1000Z", 12.0)],
        ),
        // The day begins at 01:00, and the evening before is not part of it.
        (
            "Africa/Cairo",
            8 * HOUR,
            "2026-04-23T14:00:00Z",
            "2026-04-24T05:00:00Z",
            &[("2026-04-23T1400Z", 8.0), ("2026-04-23T2200Z", 7.0)],
        ),
        // 02:00 becomes 01:30: the half hour comes twice, and the hour is longer.
        (
            "Australia/Lord_Howe",
            HOUR,
            "2026-04-04T14:00:00Z",
            "2026-04-04T16:30:00Z",
            &[("2026-04-04T1400Z", 1.5), ("2026-04-04T1530Z", 1.0)],
        ),
        // 03:00 becomes 01:00: between 02:00 and 04:00 lie two windows, each begun at 02:00.
        (
            "Antarctica/Troll",
            2 * HOUR,
            "2026-10-24T22:00:00Z",
            "2026-10-25T04:00:00Z",
            &[("2026-10-24T2200Z", 2.0), ("2026-10-25T0000Z", 2.0), ("2026-10-25T0200Z", 2.0)],
        ),
    ];
    for (zone, length, from, to, expected) in cases {
        let expected: Vec<(String, f64)> =
            expected.iter().map(|&(label, hours)| (label.to_owned(), hours)).collect();
        assert_eq!(windows(zone, length, from, to), expected, "{zone} {length}");
    }
}

/// Every length that a window may have, up to half a day.
fn lengths() -> Vec<i64> {
    (1..=43_200).filter(|seconds| 86_400 % seconds == 0).map(|seconds| seconds * 1000).collect()
}

/// Every way in which the clocks of any zone change in five years: once of each kind, which is the
/// distance from UTC before and after and what the clocks show.
fn changes() -> Vec<(TimeZone, i64)> {
    let (from, to) = (ms("2024-01-01T00:00:00Z"), ms("2029-01-01T00:00:00Z"));
    let database = TimeZoneDatabase::bundled();
    let (mut kinds, mut changes) = (std::collections::HashSet::new(), Vec::new());
    for name in database.available() {
        let zone = database.get(name.as_str()).unwrap();
        for change in zone.following(clock::timestamp(from)) {
            let at = change.timestamp().as_millisecond();
            if at >= to {
                break;
            }
            let offset = |time| i64::from(zone.to_offset(clock::timestamp(time)).seconds());
            let (before, after) = (offset(at - 1), offset(at));
            if kinds.insert((before, after, (at / 1000 + before).rem_euclid(86_400))) {
                changes.push((zone.clone(), at));
            }
        }
    }
    changes
}

#[test]
fn windows_partition_time_in_every_zone() {
    let changes = changes();
    assert!(changes.len() > 30, "{}", changes.len());
    for (zone, at) in &changes {
        let local =
            |time: i64| time + i64::from(zone.to_offset(clock::timestamp(time)).seconds()) * 1000;
        for length in lengths() {
            let bounds = |time| clock::bounds(zone, length, time);
            let place = |time| format!("{:?} {length} ms at {time}", zone.iana_name());
            for time in [at - length, at - 1, *at, at + length / 2, at + length, at + 2 * HOUR] {
                let (start, end) = bounds(time);
                assert!(start <= time && time < end, "{}", place(time));
                // No overlap and no hole.
                assert_eq!(bounds(start), (start, end), "{}", place(time));
                assert_eq!(bounds(end - 1), (start, end), "{}", place(time));
                assert_eq!(bounds(end).0, end, "{}", place(time));
                assert_eq!(bounds(start - 1).1, start, "{}", place(time));
                // On a multiple of the length, or where the clocks skip one.
                let skips = local(start - 1).div_euclid(length) < local(start).div_euclid(length);
                let jumps = start == *at && local(start) - local(start - 1) > 1;
                let is_multiple = local(start).rem_euclid(length) == 0;
                assert!(is_multiple || (jumps && skips), "{}", place(time));
            }
        }
    }
}

#[test]
fn windows_are_of_their_length_where_clocks_do_not_change() {
    let database = TimeZoneDatabase::bundled();
    for name in database.available() {
        let zone = database.get(name.as_str()).unwrap();
        for at in ["2024-02-01T11:11:11Z", "2026-12-05T03:33:33Z", "2028-07-11T22:22:22Z"].map(ms) {
            let offset = i64::from(zone.to_offset(clock::timestamp(at)).seconds()) * 1000;
            for length in [60_000, HOUR, 6 * HOUR, 12 * HOUR] {
                let start = at - (at + offset).rem_euclid(length);
                let expected = (start, start + length);
                assert_eq!(clock::bounds(&zone, length, at), expected, "{name} {length} {at}");
            }
        }
    }
}

#[test]
fn the_last_hours_of_the_calendar_have_windows() {
    for zone in ["UTC", "Asia/Kolkata", "America/New_York"] {
        let calendar = Calendar::new(zone).unwrap();
        let last = 253_402_300_799_999;
        let window = calendar.window(Length::Millis(6 * HOUR), last);
        assert!(window.start <= last && last < window.end, "{window:?}");
        assert!(window.label.starts_with("9999-12-3"), "{window:?}");
    }
}
