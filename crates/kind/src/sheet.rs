//! The sheet that a topology is read from: its text, and the faults found so far.

use crate::fault::Fault;
use std::{cell::RefCell, ops::Range};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A value and its place.
pub type Item<'a> = Spanned<DeValue<'a>>;

/// The text that is read, and what was found wrong with it.
#[derive(Debug)]
pub struct Sheet<'t> {
    /// The text.
    pub text: &'t str,
    faults: RefCell<Vec<Fault>>,
    /// Parts of the text of which nothing is said: what they belong to is not known.
    silent: RefCell<Vec<Range<usize>>>,
}

/// A string of the file with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The string.
    pub text: String,
    /// Its bytes in the file.
    pub span: Range<usize>,
}

impl<'t> Sheet<'t> {
    /// Nothing is found wrong yet.
    pub fn new(text: &'t str) -> Self {
        Self { text, faults: RefCell::default(), silent: RefCell::default() }
    }

    /// Something is wrong.
    pub fn fault(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    /// Says nothing of a part of the text.
    pub fn silence(&self, part: Range<usize>) {
        self.silent.borrow_mut().push(part);
    }

    /// What was found wrong.
    pub fn into_faults(self) -> Vec<Fault> {
        let silent = self.silent.into_inner();
        let mut faults = self.faults.into_inner();
        faults.retain(|fault| !silent.iter().any(|part| part.contains(&fault.span.start)));
        faults
    }

    /// The place of some bytes of a string, or the whole string where it is not written as it
    /// reads (escapes, variables).
    pub fn inside(&self, word: &Word, part: Range<usize>) -> Range<usize> {
        let quoted = word.span.start + 1..word.span.end.saturating_sub(1);
        if self.text.get(quoted.clone()) == Some(&word.text) {
            quoted.start + part.start..quoted.start + part.end
        } else {
            word.span.clone()
        }
    }

    /// The line of a place, from 1.
    pub fn line(&self, span: &Range<usize>) -> usize {
        self.text.bytes().take(span.start).filter(|&byte| byte == b'\n').count() + 1
    }
}

/// The entries of a table in the order of the file.
pub fn entries<'a, 'i>(table: &'a DeTable<'i>) -> Vec<(Word, &'a Item<'i>)> {
    let mut entries: Vec<(Word, &Item<'i>)> = table
        .iter()
        .map(|(key, value)| (Word { text: key.get_ref().to_string(), span: key.span() }, value))
        .collect();
    entries.sort_by_key(|(key, _)| key.span.start);
    entries
}

/// What kind of value stands there, with an article.
pub fn found(item: &Item<'_>) -> &'static str {
    match item.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a bool",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A whole number, where it is one that fits 64 bits.
pub fn whole(item: &Item<'_>) -> Option<i64> {
    let integer = item.get_ref().as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A finite number, whole or not.
pub fn number(item: &Item<'_>) -> Option<f64> {
    let number = match item.get_ref() {
        DeValue::Float(float) => float.as_str().parse().ok()?,
        DeValue::Integer(_) => whole(item)? as f64,
        _ => return None,
    };
    f64::is_finite(number).then_some(number)
}

/// A simple value as the text that a producer would send; `None` for a list or a table.
pub fn plain_text(item: &Item<'_>) -> Option<String> {
    Some(match item.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(_) => whole(item)?.to_string(),
        DeValue::Float(float) => float.as_str().to_owned(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) | DeValue::Table(_) => return None,
    })
}
