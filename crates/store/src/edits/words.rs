//! Words of refusals: what was given, and what there is.

use smol_str::SmolStr;

/// The most characters of what was given that a refusal repeats.
const SHOWN: usize = 40;

/// What was given, cut where it is long.
pub(super) fn short(text: &str) -> SmolStr {
    text.chars().take(SHOWN).collect()
}

/// What there is to choose from: `a, b or c`; `none` where there is nothing.
pub(super) fn either(names: &[SmolStr]) -> String {
    let names: Vec<&str> = names.iter().map(SmolStr::as_str).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((only, _)) => (*only).to_owned(),
        None => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_joined_and_long_texts_cut() {
        let of = |names: &[&str]| either(&names.iter().map(|n| (*n).into()).collect::<Vec<_>>());
        let shown = [of(&[]), of(&["a"]), of(&["a", "b"]), of(&["a", "b", "c"])];
        assert_eq!(shown, ["none", "a", "a or b", "a, b or c"]);
        assert_eq!(short(&"ü".repeat(99)), "ü".repeat(SHOWN));
    }
}
