//! From text to a tree of TOML values with their places, and the faults of the syntax.

use crate::{fault::Fault, sheet::Sheet};
use std::ops::Range;
use toml::de::DeTable;

/// The tree of the file. Where the syntax is broken there is none: what a broken file means is
/// not guessed at. A key or table that stands twice is a fault, but the rest can be read.
pub(crate) fn tree<'t>(sheet: &Sheet<'t>) -> Option<DeTable<'t>> {
    let (tree, errors) = DeTable::parse_recoverable(sheet.text);
    let mut readable = true;
    let mut last_line = 0;
    let mut twice = None;
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        if error.message() == "duplicate key" {
            // What stands in a table that is there twice would be reported key by key.
            let part = part(sheet.text, span.start);
            if twice.as_ref() != Some(&part) {
                let (fault, is_header) = stands_twice(sheet.text, span);
                sheet.fault(fault);
                twice = is_header.then_some(part);
            }
            continue;
        }
        readable = false;
        let line = sheet.line(&span);
        if line != last_line {
            sheet.fault(not_toml(sheet.text, error.message(), span));
        }
        last_line = line;
    }
    readable.then(|| tree.into_inner())
}

/// The fault of a line that can't be read. A word without quotes, which the parser takes for the
/// beginning of a number, is called what it is.
fn not_toml(text: &str, message: &str, span: Range<usize>) -> Fault {
    let start = text.get(..span.start).and_then(|t| t.rfind('\n')).map_or(0, |n| n + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let unquoted = line.split_once('=').and_then(|(_, value)| {
        let word = value.split('#').next().unwrap_or_default().trim();
        let is_word = word.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && word.chars().all(|c| c.is_alphanumeric() || "_-.:/()".contains(c));
        let at = word.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
        is_word.then_some((word, at))
    });
    match unquoted {
        Some((word, at)) => Fault::new(format!("{word} needs quotes"), at..at + word.len())
            .help(format!("write \"{word}\"")),
        None => Fault::new(format!("this is not TOML: {message}"), span),
    }
}

/// The number of table headers up to a place: which part of the file it is in.
fn part(text: &str, place: usize) -> usize {
    let end = text.get(place..).and_then(|rest| rest.find('\n')).map_or(text.len(), |n| place + n);
    text.get(..end)
        .unwrap_or(text)
        .lines()
        .filter(|line| line.trim_start().starts_with('['))
        .count()
}

fn stands_twice(text: &str, span: Range<usize>) -> (Fault, bool) {
    let start = text.get(..span.start).and_then(|t| t.rfind('\n')).map_or(0, |n| n + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default().trim();
    let name = text.get(span.clone()).unwrap_or_default();
    if !line.starts_with('[') {
        let help = "each key stands once in its table: take one away";
        return (Fault::new(format!("key \"{name}\" is given twice"), span).help(help), false);
    }
    let header = line.split('#').next().unwrap_or(line).trim();
    let fault = Fault::new(format!("table {header} stands twice"), span)
        .help("two sources, bolts or sinks can't have one name: rename one, or join the two");
    let first = text.get(..start).and_then(|before| before.find(header));
    match first {
        Some(at) => (fault.beside(at..at + header.len(), "it stands here first"), true),
        None => (fault, true),
    }
}
