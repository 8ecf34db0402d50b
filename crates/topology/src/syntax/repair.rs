//! What a line that is not TOML was meant to be, where that is plain: so that the rest of the file
//! can be checked too, and every fault of it is said at once.
//!
//! Nothing runs by a repaired text. It only leads to more faults, whose places are those of the
//! text as it was written.

use crate::syntax::line_at;
use std::ops::Range;
use tallyd_kind::fault::Fault;
use toml::de::{DeTable, DeValue, Error};

/// How often a text is read again. Each time at least one line is repaired, and mostly all are.
const ROUNDS: usize = 8;

/// The longest line, in bytes, that is looked at: nobody wrote a longer one by hand.
const LONGEST_LINE: usize = 1000;

/// What stands for a value that is missing.
const MADE_UP: &str = "\"\"";

/// A text that reads as TOML as far as it could be made to.
pub(crate) struct Repaired {
    pub text: String,
    /// What was wrong, in the places of the text that was given.
    faults: Vec<Fault>,
    /// Where values stand, there, that were made up: nothing is said of them.
    made_up: Vec<usize>,
    rounds: Vec<Vec<Edit>>,
}

/// What stands in the place of a part of the text.
struct Edit {
    at: Range<usize>,
    text: String,
    /// How many bytes stand before what was there.
    before: usize,
}

struct Fix {
    edit: Edit,
    fault: Fault,
}

impl Repaired {
    /// Repairs what can be repaired.
    pub fn of(text: &str) -> Self {
        let mut repaired = Self {
            text: text.to_owned(),
            faults: Vec::new(),
            made_up: Vec::new(),
            rounds: Vec::new(),
        };
        while repaired.rounds.len() < ROUNDS {
            let (_, errors) = DeTable::parse_recoverable(&repaired.text);
            let fixes = fixes(&repaired.text, &errors);
            if fixes.is_empty() {
                break;
            }
            repaired.apply(fixes);
        }
        repaired
    }

    fn apply(&mut self, fixes: Vec<Fix>) {
        let mut edits = Vec::new();
        for Fix { edit, fault } in fixes {
            let fault = self.moved(fault);
            if edit.text == MADE_UP {
                self.made_up.push(self.given(edit.at.start));
            }
            self.faults.push(fault);
            edits.push(edit);
        }
        for edit in edits.iter().rev() {
            self.text.replace_range(edit.at.clone(), &edit.text);
        }
        self.rounds.push(edits);
    }

    /// All faults: those of the repaired text too, in the places of the text that was given.
    pub fn with(&self, read: Vec<Fault>) -> Vec<Fault> {
        let read = read.into_iter().map(|fault| self.moved(fault));
        let read = read.filter(|fault| !self.made_up.contains(&fault.span.start));
        self.faults.iter().cloned().chain(read).collect()
    }

    fn moved(&self, fault: Fault) -> Fault {
        let range = |span: Range<usize>| self.given(span.start)..self.given(span.end);
        let beside = fault.beside.into_iter().map(|(span, label)| (range(span), label)).collect();
        Fault { span: range(fault.span), beside, ..fault }
    }

    fn given(&self, place: usize) -> usize {
        self.rounds.iter().rev().fold(place, |place, edits| before(edits, place))
    }
}

/// Where a place of the text behind some edits was in the text before them.
fn before(edits: &[Edit], place: usize) -> usize {
    // How far the text behind the edits so far has moved.
    let (mut added, mut removed) = (0, 0);
    for edit in edits {
        let begin = edit.at.start + added - removed;
        if place <= begin {
            break;
        }
        if place < begin + edit.text.len() {
            let within = (place - begin).saturating_sub(edit.before);
            return edit.at.end.min(edit.at.start + within);
        }
        (added, removed) = (added + edit.text.len(), removed + edit.at.len());
    }
    place + removed - added
}

/// What can be repaired of some errors, in the order of the text; no two touch one place.
fn fixes(text: &str, errors: &[Error]) -> Vec<Fix> {
    let mut fixes: Vec<Fix> = Vec::new();
    let mut errors: Vec<(Range<usize>, &str)> =
        errors.iter().filter_map(|error| Some((error.span()?, error.message()))).collect();
    errors.sort_by_key(|(span, _)| span.start);
    for (span, message) in errors {
        let line = line_at(text, span.start);
        // What is wrong with a line as a whole explains all that is said of it.
        let is_whole = |fix: &Fix| !fix.edit.text.starts_with('"');
        let done = |fix: &Fix| line.contains(&fix.edit.at.start) && is_whole(fix);
        if fixes.last().is_some_and(done) {
            continue;
        }
        // What is repaired is shown, and with an @ it may be a password.
        let is_shown = |line: &str| !line.contains('@') && line.len() <= LONGEST_LINE;
        if !text.get(line.clone()).is_some_and(is_shown) {
            continue;
        }
        let fix = of_line(text, line.clone()).or_else(|| of_word(text, message, span));
        let last = fixes.last().map_or(0, |fix| fix.edit.at.end);
        fixes.extend(fix.filter(|fix| fix.edit.at.start >= last));
    }
    fixes
}

fn fix(at: Range<usize>, text: &str, message: String, help: String) -> Fix {
    let edit = Edit { at: at.clone(), text: text.to_owned(), before: 0 };
    Fix { edit, fault: Fault::new(message, at).help(help) }
}

/// What is wrong with a line as a whole.
fn of_line(text: &str, line: Range<usize>) -> Option<Fix> {
    let written = text.get(line.clone())?;
    let at = |part: Range<usize>| line.start + part.start..line.start + part.end;
    let opening = |c: char| matches!(c, '“' | '”' | '„' | '‘' | '’');
    if let Some(start) = written.find(opening) {
        let end = written.rfind(opening)?;
        let end = end + written.get(end..)?.chars().next()?.len_utf8();
        let inner = written.get(start..end)?.trim_matches(opening);
        if inner.contains(['"', '\\', '“', '”', '„', '‘', '’']) {
            return None;
        }
        let plain = format!("\"{inner}\"");
        let help = format!("write {plain}");
        return Some(fix(at(start..end), &plain, "curly quotes are no quotes".to_owned(), help));
    }
    let bare = written.trim_start();
    let indent = written.len() - bare.len();
    let key = bare.find(|c: char| !c.is_alphanumeric() && !"_-.".contains(c)).unwrap_or(bare.len());
    let (name, after) = bare.split_at_checked(key)?;
    let sign = indent + key + after.len() - after.trim_start().len();
    let rest = written.get(sign..)?;
    if !name.is_empty() && rest.starts_with("==") {
        let help = format!("write {name} = …");
        return Some(fix(at(sign..sign + 2), "= ", "one = is enough".to_owned(), help));
    }
    if !name.is_empty() && rest.starts_with(": ") && !rest.get(2..)?.trim().is_empty() {
        let help = format!("write {name} = {}", rest.get(2..)?.trim());
        let message = "between a key and its value stands =, not :".to_owned();
        return Some(fix(at(sign..sign + 1), " =", message, help));
    }
    let comment = written.find("//").filter(|&place| !is_quoted(written, place));
    if let Some(place) = comment.filter(|_| !written.contains('#')) {
        let help = "write # before it".to_owned();
        let message = "a comment begins with #, not with //".to_owned();
        return Some(fix(at(place..place + 2), "# ", message, help));
    }
    of_header(written.trim_end(), at)
}

/// A header that is not closed.
fn of_header(written: &str, at: impl Fn(Range<usize>) -> Range<usize>) -> Option<Fix> {
    let header = written.trim_start();
    let is_name = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    let (open, close) = if header.starts_with("[[") { ("[[", "]]") } else { ("[", "]") };
    let name = header.strip_prefix(open)?;
    let bare = name.trim_end_matches(']');
    if bare.is_empty() || !bare.chars().all(is_name) || name.len() - bare.len() >= close.len() {
        return None;
    }
    let help = format!("write {open}{bare}{close}");
    let closed = written.len() - (name.len() - bare.len());
    let begin = written.len() - header.len();
    let message = "this header is not closed".to_owned();
    let mut fix = fix(at(closed..written.len()), close, message, help);
    fix.fault.span = at(begin..written.len());
    Some(fix)
}

/// Whether a place of a line is within quotes.
fn is_quoted(line: &str, place: usize) -> bool {
    let before = line.get(..place).unwrap_or_default();
    before.matches('"').count() % 2 == 1 || before.matches('\'').count() % 2 == 1
}

/// A value that is a word without quotes, or a text that is not closed.
fn of_word(text: &str, message: &str, span: Range<usize>) -> Option<Fix> {
    let line = line_at(text, span.start);
    if message.starts_with("invalid basic string") || message.starts_with("invalid literal string")
    {
        return of_open_text(text, line);
    }
    if message.starts_with("missing assignment") {
        return of_colon(text, &line, span.start);
    }
    let of_value = ["string values must be quoted", "unexpected key or value", "invalid "];
    let of_key = ["invalid key", "invalid unquoted key"];
    let begins = |with: &[&str]| with.iter().any(|with| message.starts_with(with));
    if !begins(&of_value) || begins(&of_key) {
        return None;
    }
    let written = text.get(line.clone())?.trim_end();
    if written.ends_with('=') && message.starts_with("string values must be quoted") {
        let end = line.start + written.len();
        let help = "write one, or leave the key out".to_owned();
        let mut fix = fix(end..end, MADE_UP, "this key has no value".to_owned(), help);
        fix.fault.span = line.start + written.len() - written.trim_start().len()..end;
        return Some(fix);
    }
    let begin = word_begin(text, &line, span.start)?;
    let word = word(text.get(begin..line.end)?)?;
    let at = begin..begin + word.len();
    let quoted = format!("\"{word}\"");
    let lower = word.to_ascii_lowercase();
    let truth = match lower.as_str() {
        "yes" | "on" | "true" => Some("true"),
        "no" | "off" | "false" => Some("false"),
        "null" | "nil" | "none" | "undefined" => {
            let message = format!("TOML has no {word}");
            return Some(fix(at, MADE_UP, message, "leave the key out".to_owned()));
        }
        _ => None,
    };
    let is_read = |word: &str| DeValue::parse(word).is_ok();
    if truth.is_none() && is_read(word) {
        return None;
    }
    if let Some(truth) = truth {
        let message = format!("{word} is neither true nor false");
        return Some(fix(at, truth, message, format!("write {truth}")));
    }
    let mut fix = fix(at, &quoted, format!("{word} needs quotes"), format!("write {quoted}"));
    fix.edit.before = 1;
    Some(fix)
}

/// A colon between a key and its value, in a table of one line.
fn of_colon(text: &str, line: &Range<usize>, place: usize) -> Option<Fix> {
    let before = text.get(line.start..place)?.trim_end();
    let key = before.strip_suffix(':')?.rsplit(['{', ',']).next()?.trim();
    let at = line.start + before.len() - 1;
    let message = "between a key and its value stands =, not :".to_owned();
    Some(fix(at..at + 1, " =", message, format!("write {key} = …")))
}

/// Where the value begins in which an error stands: behind the last `=`, `[`, `{` or `,` that is
/// in no brackets of a function.
fn word_begin(text: &str, line: &Range<usize>, place: usize) -> Option<usize> {
    let before = text.get(line.start..place)?;
    let mut depth = 0_usize;
    let mut begin = None;
    for (at, c) in before.char_indices().filter(|(at, _)| !is_quoted(before, *at)) {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '=' | '[' | '{' | ',' if depth == 0 => begin = Some(at + 1),
            _ => {}
        }
    }
    let begin = line.start + begin.unwrap_or(0);
    let blank = text.get(begin..line.end)?;
    Some(begin + blank.len() - blank.trim_start().len())
}

/// The word that a text begins with: a name, a length, a function.
fn word(text: &str) -> Option<&str> {
    let mut depth = 0_usize;
    let end = text.find(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        matches!(c, ']' | '}' | '#' | '=' | '"' | '\'') || (c == ',' && depth == 0)
    });
    let (word, after) = text.split_at_checked(end.unwrap_or(text.len()))?;
    let word = word.trim_end();
    let is_word = word.starts_with(|c: char| c.is_alphanumeric() || c == '_')
        && word.chars().all(|c| c.is_alphanumeric() || "_-.:/()*+,% ".contains(c));
    // A word before `=` is a key, and one before a quote is what nobody can tell.
    (is_word && !after.starts_with(['=', '"', '\''])).then_some(word)
}

/// A text that begins with a quote and is not closed on its line.
fn of_open_text(text: &str, line: Range<usize>) -> Option<Fix> {
    let written = text.get(line.clone())?.trim_end();
    let (_, value) = written.split_once('=')?;
    let value = value.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inner = value.get(1..)?;
    if inner.contains(['"', '\'', '\\', '#', ',', ']', '}']) {
        return None;
    }
    let begin = line.start + written.len() - value.len();
    let end = line.start + written.len();
    let help = format!("write {value}{quote}");
    let mut fix = fix(end..end, &quote.to_string(), "this text has no end quote".to_owned(), help);
    fix.fault.span = begin..end;
    Some(fix)
}
