//! How long something goes on, as one says it on a command line.

use std::time::Duration;

/// Reads a duration such as `20s`, `10m` or `1h`; a bare number is seconds.
///
/// # Errors
/// Says what was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{text}\" is not a duration (expected such as 20s, 10m or 1h)");
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(number.len()..) {
        Some("s" | "") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        _ => return Err(wrong()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seconds_minutes_and_hours() {
        let seconds = |text| duration(text).map(|time| time.as_secs());
        assert_eq!(seconds("20s"), Ok(20));
        assert_eq!(seconds("20"), Ok(20));
        assert_eq!(seconds("10m"), Ok(600));
        assert_eq!(seconds("1h"), Ok(3600));
        for wrong in ["", "s", "-1s", "1d", "1.5h", "9999999999999999999h", "9999999999999999h"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
