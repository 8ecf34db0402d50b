//! A moment as people write it on the command line: a time, or how long ago.

use anyhow::bail;
use jiff::{SpanRelativeTo, Timestamp, fmt::friendly::SpanParser};
use std::str::FromStr;

/// A moment, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So long before now.
    Ago(i64),
    /// So long after the beginning of 1970.
    At(i64),
}

impl When {
    /// The moment in ms since the epoch; `now` is that of the clock that is meant.
    pub fn ms(self, now: i64) -> u64 {
        let ms = match self {
            When::Ago(ms) => now.saturating_sub(ms),
            When::At(ms) => ms,
        };
        u64::try_from(ms).unwrap_or(0)
    }
}

impl FromStr for When {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(When::At(time.as_millisecond()));
        }
        let span = SpanParser::new().parse_span(text).ok();
        let ago = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
        // "2h ago" is a negative span, and means the same.
        let ms = ago.and_then(|ago| i64::try_from(ago.as_millis()).ok()?.checked_abs());
        match ms {
            Some(ms) => Ok(When::Ago(ms)),
            None => bail!(
                "not a moment (expected a time such as 2026-01-01T09:30:00Z, or how long ago, such as 2h)"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations_are_moments() {
        let now = 1_767_225_600_000;
        let cases = [
            ("2026-01-01T05:30:00+05:30", 1_767_225_600_000),
            ("2h", 1_767_218_400_000),
            ("2h ago", 1_767_218_400_000),
            ("1d 30m", 1_767_137_400_000),
            ("100000d", 0),
        ];
        for (text, ms) in cases {
            assert_eq!(text.parse::<When>().map(|when| when.ms(now)).ok(), Some(ms), "{text}");
        }
        for text in ["", "yesterday", "2", "2026-01-01", "1y"] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }
}
