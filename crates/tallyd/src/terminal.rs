//! What people see on a terminal: tables and lines in which no name from an event can control the
//! terminal or turn the text around. Nothing that came from outside is printed past it, except as
//! JSON.

mod rows;
mod table;

use crate::load::Refused;
use std::{
    env,
    io::{self, IsTerminal},
};
pub use table::{Cell, Head, Table};

/// The text with everything that acts on a terminal, rather than being seen, as `\u{1b}`: control
/// characters, marks that set the direction of text, and breaks of lines.
pub fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

fn acts(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
        )
}

/// An error for people. Its lines stay lines; the faults of a topology keep their colours.
pub fn error(error: &anyhow::Error) -> String {
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return refused.to_string();
    }
    let text = format!("{error:#}");
    text.split('\n').map(safe).collect::<Vec<_>>().join("\n")
}

/// What a reader must not miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Something stands still, is gone or is full.
    Alarm,
    /// Something that waits, or is odd.
    Notice,
}

/// Whether standard output shows colours.
pub fn paints() -> bool {
    has_colors(io::stdout().is_terminal())
}

/// Whether a stream shows colours: it is a terminal that can, and nobody wants none.
pub fn has_colors(is_terminal: bool) -> bool {
    let asked = |name| env::var_os(name).filter(|value| !value.is_empty());
    is_terminal && asked("NO_COLOR").is_none() && asked("TERM").is_none_or(|term| term != "dumb")
}

/// A word of this program in a colour, where standard output shows colours.
pub fn painted(word: &str, paint: Paint) -> String {
    match (paints(), paint) {
        (false, _) => word.to_owned(),
        (true, Paint::Alarm) => format!("\x1b[1;31m{word}\x1b[0m"),
        (true, Paint::Notice) => format!("\x1b[33m{word}\x1b[0m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\u{9b}31m\r\n\u{202e}\u{2066}\u{200f}\u{7f}\u{2028}z";

    #[test]
    fn nothing_that_acts_on_a_terminal_comes_through() {
        let expected = r"a\u{1b}[2J\u{9b}31m\u{d}\u{a}\u{202e}\u{2066}\u{200f}\u{7f}\u{2028}z";
        assert_eq!(safe(HOSTILE), expected);
        for plain in ["José", "अनु", "张伟", "👩‍🚀", "שלום", "a b\u{a0}c"] {
            assert_eq!(safe(plain), plain);
        }
        let mut table = Table::new([Head::name("who"), Head::text(HOSTILE)]);
        table.add([Cell::from(HOSTILE), Cell::lines(&[HOSTILE.to_owned(), "b".to_owned()])]);
        let shown = table.to_string();
        assert!(!shown.chars().any(|c| acts(c) && c != '\n'), "{shown}");
        assert!(shown.contains(expected), "{shown}");
    }

    #[test]
    fn an_error_keeps_its_lines_and_no_more() {
        let failed = anyhow::anyhow!("first\nsecond \u{1b}]0;title\u{7}");
        assert_eq!(error(&failed), "first\nsecond \\u{1b}]0;title\\u{7}");
    }
}
