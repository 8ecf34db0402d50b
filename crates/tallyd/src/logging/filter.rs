//! What is logged, by `TALLYD_LOG`. A word that nothing answers to is said: the library takes it
//! for the name of a part, and then nothing is logged at all.

use tracing_subscriber::EnvFilter;

/// Says what is logged.
pub const VARIABLE: &str = "TALLYD_LOG";
/// What is logged where nothing else is asked for.
const USUAL: &str = "info";
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
/// The crates that log.
const PARTS: [&str; 3] = ["tallyd", "tallyd_runtime", "tallyd_serve"];

/// What is logged, and what of the words asked for is a mistake. The others hold.
pub fn read(asked: &str) -> (EnvFilter, Vec<String>) {
    let words = asked.split(',').map(str::trim).filter(|word| !word.is_empty());
    let (mut right, mut mistakes) = (Vec::new(), Vec::new());
    for word in words {
        match mistake(word) {
            None => right.push(word),
            Some(reason) => mistakes.push(format!(
                "{VARIABLE}: {reason} (expected one of {}, or a part and a level, such as \
                 tallyd_runtime=debug)",
                LEVELS.join(", ")
            )),
        }
    }
    let right = if right.is_empty() { USUAL.to_owned() } else { right.join(",") };
    let filter = EnvFilter::try_new(right).unwrap_or_else(|error| {
        mistakes.push(format!("{VARIABLE}: {error}"));
        EnvFilter::new(USUAL)
    });
    (filter, mistakes)
}

fn mistake(word: &str) -> Option<String> {
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    let is_part = |word: &str| PARTS.contains(&word.split("::").next().unwrap_or_default());
    match word.split_once('=') {
        None if is_level(word) || is_part(word) => None,
        None => Some(format!("\"{word}\" is no level")),
        Some((part, _)) if !is_part(part) => Some(format!("nothing logs as \"{part}\"")),
        Some((_, level)) if !is_level(level) => Some(format!("\"{level}\" is no level")),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_right_holds_and_the_rest_is_said() {
        let cases = [
            ("", "info", None),
            ("debug", "debug", None),
            ("WARN", "warn", None),
            ("tallyd_runtime=debug", "tallyd_runtime=debug", None),
            ("warn,tallyd_runtime::worker=trace", "tallyd_runtime::worker=trace,warn", None),
            ("debgu", "info", Some("\"debgu\" is no level (expected one of error, warn,")),
            ("tallyd_runtime=debgu", "info", Some("\"debgu\" is no level")),
            ("tallyd_stoer=debug, warn", "warn", Some("nothing logs as \"tallyd_stoer\"")),
        ];
        for (asked, logged, said) in cases {
            let (filter, mistakes) = read(asked);
            assert_eq!(filter.to_string(), logged, "{asked}");
            assert_eq!(mistakes.len(), usize::from(said.is_some()), "{asked}: {mistakes:?}");
            let said = said.unwrap_or_default();
            assert!(mistakes.iter().all(|mistake| mistake.contains(said)), "{mistakes:?}");
        }
    }
}
