//! Lengths of time as people write them on the command line.

use jiff::{SpanRelativeTo, fmt::friendly::SpanParser};
use std::time::Duration;

/// The longest: what is longer is a mistake.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// A length of time such as `10s`, `500ms`, `1h30m` or `7d`. A number alone is in seconds.
///
/// # Errors
/// Says what was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    let read = match text.parse::<u32>() {
        Ok(seconds) => Some(Duration::from_secs(seconds.into())),
        Err(_) => span(text),
    };
    let read = read.filter(|duration| *duration <= LONGEST);
    read.ok_or_else(|| {
        format!("\"{text}\" is not a length of time (expected such as 10s, 500ms, 5m, 1h30m or 7d)")
    })
}

fn span(text: &str) -> Option<Duration> {
    // "5s ago" is a moment, and "+5s" nothing that anybody means.
    let begins = text.starts_with(|c: char| c.is_ascii_digit());
    let span = SpanParser::new().parse_span(text).ok().filter(|_| begins)?;
    let fixed = span.get_months() == 0 && span.get_years() == 0;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok().filter(|_| fixed)?;
    Duration::try_from(duration).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_number_and_a_unit() {
        let cases = [
            ("20s", 20_000),
            ("20", 20_000),
            ("0", 0),
            ("10m", 600_000),
            ("1h", 3_600_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("250ms", 250),
            ("2 days", 172_800_000),
        ];
        for (text, ms) in cases {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        let wrong = ["", "s", "-1s", "+1s", "5s ago", "1y", "2mo", "5x", "today", "9999999999h"];
        for text in wrong {
            let said = duration(text).unwrap_err();
            assert!(said.contains(text) && said.contains("10s"), "{said}");
        }
    }
}
