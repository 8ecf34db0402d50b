//! From text to a tree of TOML values with their places, and the faults of the syntax.

pub(crate) mod repair;

use std::ops::Range;
use tallyd_kind::{fault::Fault, sheet::Sheet};
use toml::de::DeTable;

/// The tree of the file. Where the syntax is broken there is none: what could not be repaired
/// ([`repair`]) is not guessed at. A key or table that stands twice is a fault, but the rest can be read.
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
                if is_header {
                    let line = line_at(sheet.text, fault.span.start);
                    let rest = sheet.text.get(line.end..).unwrap_or_default();
                    let length = rest.find("\n[").unwrap_or(rest.len());
                    sheet.silence(line.end..line.end + length);
                }
                sheet.fault(fault);
                twice = is_header.then_some(part);
            }
            continue;
        }
        readable = false;
        let line = sheet.line(&span);
        if line != last_line {
            sheet.fault(not_toml(error.message(), span));
        }
        last_line = line;
    }
    readable.then(|| tree.into_inner())
}

/// The fault of a text in another format.
pub(crate) fn other_format(text: &str) -> Option<Fault> {
    let begin = text.len() - text.trim_start().len();
    let name = if text.trim_start().starts_with('{') {
        "JSON"
    } else if !text.contains('=') && text.lines().any(|line| line.trim_end().ends_with(':')) {
        "YAML"
    } else {
        return None;
    };
    let message = format!("this looks like {name}: a topology is a TOML file");
    let help = "write name = \"NAME\", then [source.NAME] and so on, as docs/topology.md says";
    Some(Fault::new(message, begin..line_at(text, begin).end).help(help))
}

/// The fault of a line that can't be read, nor repaired.
fn not_toml(message: &str, span: Range<usize>) -> Fault {
    let begins = |with: &str| message.starts_with(with);
    let help = if begins("string values must be quoted") {
        "write text in quotes"
    } else if begins("missing comma") {
        "write a comma before it"
    } else if begins("invalid basic string") || begins("invalid literal string") {
        "close the text with the quote that it begins with"
    } else {
        return Fault::new(format!("this is not TOML: {message}"), span);
    };
    Fault::new(format!("this is not TOML: {message}"), span).help(help)
}

/// The line of a place, without its end.
fn line_at(text: &str, place: usize) -> Range<usize> {
    let place = text.floor_char_boundary(place);
    let start = text.get(..place).and_then(|t| t.rfind('\n')).map_or(0, |n| n + 1);
    let length = text.get(start..).and_then(|rest| rest.lines().next()).map_or(0, str::len);
    start..start + length
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
    let at = line_at(text, span.start);
    let (start, line) = (at.start, text.get(at).unwrap_or_default().trim());
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
