//! Lengths of time, sizes and times as a topology file writes them. Knows nothing of the file.

use crate::hints;
use jiff::{SpanRelativeTo, Timestamp, fmt::friendly::SpanParser};
use std::borrow::Cow;
use tallyd_event::{FieldType, Value};

/// The longest length of time that a topology may say: 100 years.
const MAX_DURATION_MS: i64 = 36_500 * DAY_MS;

/// A second, in ms.
pub const SECOND_MS: i64 = 1000;
/// A minute, in ms.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// An hour, in ms.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// A day of 24 hours, in ms.
pub const DAY_MS: i64 = 24 * HOUR_MS;

const UNITS: [(&str, i64); 5] =
    [("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS), ("s", SECOND_MS), ("ms", 1)];

/// Why a text is no such value, and the fix.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Why.
    pub reason: String,
    /// The fix.
    pub help: Cow<'static, str>,
}

const DURATION_HELP: &str =
    "write a number and a unit, such as \"500ms\", \"30s\", \"5m\", \"24h\", \"7d\" or \"4w\"";

/// A length of time in ms, from text such as `500ms`, `1h30m` or `4w`. Months and years have no
/// fixed length and are refused.
pub fn duration_ms(text: &str) -> Result<i64, Unreadable> {
    let refuse = |reason: String, help: &'static str| Err(Unreadable { reason, help: help.into() });
    let Ok(span) = SpanParser::new().parse_span(text) else {
        let reason = format!("\"{text}\" is not a duration");
        let help = match hints::duration(text) {
            Some(meant) => format!("did you mean \"{meant}\"?").into(),
            None => DURATION_HELP.into(),
        };
        return Err(Unreadable { reason, help });
    };
    if span.get_months() != 0 || span.get_years() != 0 {
        let help = "write it in days or weeks, such as \"30d\" or \"365d\"";
        return refuse(format!("\"{text}\": months and years have no fixed length"), help);
    }
    let Ok(duration) = span.to_duration(SpanRelativeTo::days_are_24_hours()) else {
        return refuse(format!("\"{text}\" is not a duration"), DURATION_HELP);
    };
    if duration.subsec_nanos() % 1_000_000 != 0 {
        return refuse(format!("\"{text}\" is not a whole number of ms"), DURATION_HELP);
    }
    match i64::try_from(duration.as_millis()) {
        Ok(ms @ 1..=MAX_DURATION_MS) => Ok(ms),
        _ => refuse(format!("\"{text}\" is out of range (1ms to 36500d)"), DURATION_HELP),
    }
}

/// A length of time as [`duration_ms`] reads it, in the largest unit that holds it exactly.
pub fn duration_text(ms: i64) -> String {
    let fits = UNITS.iter().find(|(_, unit)| ms % unit == 0);
    fits.map_or_else(|| format!("{ms}ms"), |(name, unit)| format!("{}{name}", ms / unit))
}

/// A number of bytes, from text such as `256MiB` or `10 MB`.
pub fn size_bytes(text: &str) -> Result<u64, Unreadable> {
    const SIZES: [(&str, u64); 7] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("kB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("B", 1),
    ];
    let parsed = SIZES.iter().find_map(|(unit, bytes)| {
        let number = text.trim().strip_suffix(unit)?.trim_end().replace('_', "");
        number.parse::<u64>().ok()?.checked_mul(*bytes)
    });
    parsed.ok_or_else(|| Unreadable {
        reason: format!("\"{text}\" is not a size"),
        help:
            "write a whole number and a unit (B, kB, MB, GB, KiB, MiB or GiB), such as \"256MiB\""
                .into(),
    })
}

/// A time in ms since the epoch, from RFC 3339 or ms as text.
pub fn time_ms(text: &str) -> Result<i64, Unreadable> {
    match Value::from_text(text.as_bytes(), FieldType::Time) {
        Ok(Value::Int(ms)) => Ok(ms),
        _ => Err(Unreadable {
            reason: format!("\"{text}\" is not a time"),
            help: "write RFC 3339 with an offset, such as 2026-01-01T09:30:00Z, or ms since 1970"
                .into(),
        }),
    }
}

/// A time as RFC 3339 in UTC.
pub fn time_text(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms} ms"), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        let cases = [
            ("500ms", 500, "500ms"),
            ("90s", 90_000, "90s"),
            ("60s", 60_000, "1m"),
            ("1h30m", 5_400_000, "90m"),
            ("24h", DAY_MS, "1d"),
            ("4w", 28 * DAY_MS, "28d"),
        ];
        for (text, ms, canonical) in cases {
            assert_eq!(duration_ms(text), Ok(ms), "{text}");
            assert_eq!(duration_text(ms), canonical);
        }
        for text in ["", "5", "-5s", "5s ago", "0s", "1y", "2mo", "5x", "99999d", "1.5ms", "∞s"] {
            assert!(duration_ms(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read() {
        let cases = [("256MiB", 256 << 20), ("1_000 kB", 1_000_000), ("7B", 7)];
        for (text, bytes) in cases {
            assert_eq!(size_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "-1MiB", "1.5MiB", "99999999999999GiB", "5", "5 Mb"] {
            assert!(size_bytes(text).is_err(), "{text}");
        }
    }
}
