//! What is a moment, and when it is.

use super::*;

fn ms(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

#[test]
fn every_form_is_a_moment_in_the_time_zone() {
    let calendar = Calendar::new("Europe/Berlin").unwrap();
    // The clocks were set back on 2026-10-25.
    let now = ms("2026-10-26T08:00:00Z");
    let cases = [
        ("now", "2026-10-26T08:00:00Z", None),
        ("2h", "2026-10-26T06:00:00Z", None),
        ("-2h", "2026-10-26T06:00:00Z", None),
        ("2h ago", "2026-10-26T06:00:00Z", None),
        // By the calendar: the same time two days ago, when the clocks were an hour ahead.
        ("-2d", "2026-10-24T07:00:00Z", None),
        ("1d 30m", "2026-10-25T07:30:00Z", None),
        ("1mo", "2026-09-26T07:00:00Z", None),
        ("today", "2026-10-25T23:00:00Z", Some("2026-10-26T22:59:59.999Z")),
        ("Yesterday", "2026-10-24T22:00:00Z", Some("2026-10-25T22:59:59.999Z")),
        ("2026-01-31", "2026-01-30T23:00:00Z", Some("2026-01-31T22:59:59.999Z")),
        ("2026-01", "2025-12-31T23:00:00Z", Some("2026-01-31T22:59:59.999Z")),
        ("2026-W05", "2026-01-25T23:00:00Z", Some("2026-02-01T22:59:59.999Z")),
        ("2026-01-31T09:30", "2026-01-31T08:30:00Z", None),
        ("2026-01-31 09:30:15", "2026-01-31T08:30:15Z", None),
        ("2026-01-31T09:30:00Z", "2026-01-31T09:30:00Z", None),
        ("2026-01-01T05:30:00+05:30", "2026-01-01T00:00:00Z", None),
        ("2026-01-31T0430Z", "2026-01-31T04:30:00Z", None),
        ("2026-01-31T043015Z", "2026-01-31T04:30:15Z", None),
        ("1767225600000", "2026-01-01T00:00:00Z", None),
        ("7000000d", "-009999-01-02T01:59:59Z", None),
    ];
    for (text, first, last) in cases {
        let when: When = text.parse().unwrap();
        let found = (when.first(now, &calendar), when.last(now, &calendar));
        assert_eq!(found, (ms(first), ms(last.unwrap_or(first))), "{text}");
    }
}

#[test]
fn what_is_no_moment_is_refused_with_what_is() {
    for text in ["", "yesteday", "2x", "2026-13-01", "2026-02-30", "31.01.2026", "+2h", "-"] {
        let said = text.parse::<When>().unwrap_err().to_string();
        assert!(said.contains("today") && said.contains("2h"), "{text}: {said}");
    }
    assert!("2".parse::<When>().unwrap_err().to_string().contains("2h or 2d"));
    let seconds = "1767225600".parse::<When>().unwrap_err().to_string();
    assert!(seconds.contains("seconds"), "{seconds}");
}

#[test]
fn a_window_is_found_by_its_length() {
    let windows = || ["1m", "1h", "1d", "1w", "1mo", "all"].into_iter();
    for (asked, name) in [
        ("1h", "1h"),
        ("60m", "1h"),
        ("hour", "1h"),
        ("24h", "1d"),
        ("day", "1d"),
        ("7d", "1w"),
        ("month", "1mo"),
        ("all", "all"),
        // None is as long: the one who looks it up says which there are.
        ("2h", "2h"),
        ("30d", "30d"),
        ("0s", "0s"),
    ] {
        assert_eq!(as_named(asked, windows()), name, "{asked}");
    }
    assert_eq!(as_named("1d", ["hour", "day"].into_iter()), "day");
}
