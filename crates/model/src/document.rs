//! Puts the counterexamples into `docs/internals/protocol.md`, between the marks that name them.

use crate::{check, safeguard::Safeguard};

/// Why the counterexamples can't be put into a text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DocumentError {
    /// There is no place for one.
    #[error("\"{0}\" is not in the text (expected it on a line of its own)")]
    MarkMissing(String),
    /// Nothing happens without a safeguard, within the bounds.
    #[error("no counterexample without \"{0}\" (expected one: give it larger bounds)")]
    NotFound(&'static str),
}

/// The text with each marked section written again.
///
/// # Errors
/// Where a mark or a counterexample is missing.
pub fn with_counterexamples(text: &str) -> Result<String, DocumentError> {
    Safeguard::ALL.iter().try_fold(text.to_owned(), |text, &safeguard| {
        let name = safeguard.name();
        let story = check::counterexample(safeguard).ok_or(DocumentError::NotFound(name))?;
        replace(&text, name, &format!("```text\n{story}\n```"))
    })
}

/// The text with what stands between a mark and the next end replaced.
fn replace(text: &str, name: &str, section: &str) -> Result<String, DocumentError> {
    let (begin, end) = (format!("<!-- counterexample: {name} -->\n"), "<!-- end -->\n");
    let missing = |mark: &str| DocumentError::MarkMissing(mark.trim_end().to_owned());
    let (before, rest) = text.split_once(&begin).ok_or_else(|| missing(&begin))?;
    let (_, after) = rest.split_once(end).ok_or_else(|| missing(end))?;
    Ok(format!("{before}{begin}{section}\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_what_stands_between_the_marks() {
        let text = "a\n<!-- counterexample: x -->\nold\n<!-- end -->\nb\n";
        let new = replace(text, "x", "new").unwrap();
        assert_eq!(new, "a\n<!-- counterexample: x -->\nnew\n<!-- end -->\nb\n");
        let missing = DocumentError::MarkMissing("<!-- counterexample: y -->".to_owned());
        assert_eq!(replace(text, "y", "new"), Err(missing));
    }
}
