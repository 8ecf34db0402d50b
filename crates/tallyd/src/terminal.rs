//! What people see on a terminal: tables and lines in which no name from an event can control the
//! terminal or turn the text around. Nothing that came from outside is printed past it, except as
//! JSON.

use crate::load::Refused;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use std::fmt;

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

/// A table for people.
pub struct Table(comfy_table::Table);

impl Table {
    /// A table with this header and no rows.
    pub fn new<'a>(header: impl IntoIterator<Item = &'a str>) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY).set_header(header.into_iter().map(safe));
        Self(table)
    }

    /// Puts a row below the others.
    pub fn add(&mut self, cells: impl IntoIterator<Item = impl Into<Cell>>) {
        self.0.add_row(cells.into_iter().map(|cell| cell.into().0));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A cell of a table.
pub struct Cell(String);

impl Cell {
    /// A cell of several lines.
    pub fn lines(lines: &[String]) -> Self {
        Self(lines.iter().map(|line| safe(line)).collect::<Vec<_>>().join("\n"))
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self(safe(text.as_ref()))
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
        let mut table = Table::new(["who", HOSTILE]);
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
