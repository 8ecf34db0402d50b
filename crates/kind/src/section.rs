//! One table of the file against the keys that it may have.

use crate::{
    fault::{Fault, did_you_mean},
    hints,
    key_spec::{Default, KeySpec, Kind},
    sheet::{Item, Sheet, Word, entries, found, number, whole},
    units::{self, Unreadable},
};
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// A table, what it is called in messages, and its keys.
#[derive(Clone)]
pub struct Section<'a> {
    /// The sheet that it stands on.
    pub sheet: &'a Sheet<'a>,
    /// Such as `bolt "points"`.
    pub what: String,
    /// Where it begins: its name or header.
    pub place: Range<usize>,
    table: &'a DeTable<'a>,
    keys: Vec<KeySpec>,
    /// Only some of its keys are known: none is reported as one that it may not have.
    is_lenient: bool,
}

impl<'a> Section<'a> {
    /// Opens a table; a key that it may not have is a fault.
    pub fn open(
        sheet: &'a Sheet<'a>,
        what: String,
        place: Range<usize>,
        table: &'a DeTable<'a>,
        keys: Vec<KeySpec>,
    ) -> Self {
        for (key, item) in entries(table) {
            if !keys.iter().any(|spec| spec.name == key.text) {
                let help = hints::unknown_key(&key.text, item, &keys);
                let message = format!("{what} has no key \"{}\"", key.text);
                sheet.fault(Fault::new(message, key.span).help(help));
            }
        }
        Self { is_lenient: false, ..Self::lenient(sheet, what, place, table, keys) }
    }

    /// Opens a table of which only some keys are known: it may have others.
    pub fn lenient(
        sheet: &'a Sheet<'a>,
        what: String,
        place: Range<usize>,
        table: &'a DeTable<'a>,
        keys: Vec<KeySpec>,
    ) -> Self {
        Self { sheet, what, place, table, keys, is_lenient: true }
    }

    /// Opens a value that must be a table.
    pub fn of(
        sheet: &'a Sheet<'a>,
        what: String,
        place: Range<usize>,
        item: &'a Item<'a>,
        keys: Vec<KeySpec>,
    ) -> Option<Self> {
        let table = table_of(sheet, &what, item)?;
        Some(Self::open(sheet, what, place, table, keys))
    }

    /// The value as it is written in the file.
    pub fn written(&self, key: &str) -> Option<&'a Item<'a>> {
        self.table.get(key)
    }

    /// The value, or its default. A required key that is missing is a fault.
    fn value(&self, key: &str) -> Option<(Item<'_>, &KeySpec)> {
        let spec = self.keys.iter().find(|spec| spec.name == key)?;
        if let Some(item) = self.written(key) {
            return Some((item.clone(), spec));
        }
        match &spec.default {
            Default::Required => {
                if !self.is_misspelt(key) {
                    let help = format!("add {key} = {}", spec.kind.example());
                    let message = format!("{} lacks \"{key}\"", self.what);
                    self.sheet.fault(Fault::new(message, self.place.clone()).help(help));
                }
                None
            }
            Default::Absent(_) => None,
            Default::Value(text) => {
                let value = DeValue::parse(text).ok()?;
                Some((value, spec))
            }
        }
    }

    /// Whether a key that there is not is probably this one: then it is reported, and that this
    /// one is missing would be said twice.
    fn is_misspelt(&self, key: &str) -> bool {
        let names = || self.keys.iter().map(|spec| spec.name);
        !self.is_lenient
            && self.table.iter().any(|(given, _)| {
                let given = given.get_ref();
                !names().any(|name| name == given) && hints::key(given, &self.keys) == Some(key)
            })
    }

    fn wrong_kind(&self, spec: &KeySpec, item: &Item<'_>) {
        let fault = wrong_kind(spec.name, &spec.kind.wanted(), item);
        self.sheet.fault(match hints::nearly(&spec.kind, item) {
            Some(help) => fault.help(help),
            None => fault,
        });
    }

    /// A text.
    pub fn text(&self, key: &str) -> Option<Word> {
        let (item, spec) = self.value(key)?;
        let word = word(&item);
        if word.is_none() {
            self.wrong_kind(spec, &item);
        }
        word
    }

    /// True or false.
    pub fn bool(&self, key: &str) -> Option<bool> {
        let (item, spec) = self.value(key)?;
        let truth = item.get_ref().as_bool();
        if truth.is_none() {
            self.wrong_kind(spec, &item);
        }
        truth
    }

    /// A whole number within the bounds of its key.
    pub fn int(&self, key: &str) -> Option<i64> {
        let (item, spec) = self.value(key)?;
        let Kind::Int(min, max) = spec.kind else { return None };
        let Some(number) = whole(&item) else {
            self.wrong_kind(spec, &item);
            return None;
        };
        if (min..=max).contains(&number) {
            return Some(number);
        }
        self.out_of_range(spec, &item, &number.to_string());
        None
    }

    /// A number within the bounds of its key.
    pub fn number(&self, key: &str) -> Option<f64> {
        let (item, spec) = self.value(key)?;
        let Kind::Number(min, max) = spec.kind else { return None };
        let Some(number) = number(&item) else {
            self.wrong_kind(spec, &item);
            return None;
        };
        if (min..=max).contains(&number) {
            return Some(number);
        }
        self.out_of_range(spec, &item, &number.to_string());
        None
    }

    fn out_of_range(&self, spec: &KeySpec, item: &Item<'_>, given: &str) {
        let message = format!("\"{}\": {given} is out of range", spec.name);
        let help = format!("it must be {}", spec.kind.wanted());
        self.sheet.fault(Fault::new(message, item.span()).help(help));
    }

    /// A length of time within bounds, in ms.
    pub fn duration_within(&self, key: &str, bounds: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let word = self.text(key)?;
        let ms = self.read(&word, units::duration_ms)?;
        if bounds.contains(&ms) {
            return Some(ms);
        }
        let text = units::duration_text;
        let message = format!("\"{key}\": {} is out of range", word.text);
        let help = format!("it must be {} to {}", text(*bounds.start()), text(*bounds.end()));
        self.sheet.fault(Fault::new(message, word.span).help(help));
        None
    }

    /// A number of bytes: a size such as `256MiB`.
    pub fn size(&self, key: &str) -> Option<u64> {
        let word = self.text(key)?;
        self.read(&word, units::size_bytes)
    }

    /// One of the words of its key.
    pub fn choice(&self, key: &str) -> Option<Word> {
        let word = self.text(key)?;
        let spec = self.keys.iter().find(|spec| spec.name == key)?;
        let Kind::Choice(words) = spec.kind else { return None };
        if words.contains(&word.text.as_str()) {
            return Some(word);
        }
        let message = format!("\"{key}\" can't be \"{}\"", word.text);
        let help = did_you_mean(&word.text, words.iter().copied(), "it may be");
        self.sheet.fault(Fault::new(message, word.span).help(help));
        None
    }

    /// Either of some words, or a length of time in ms.
    pub fn retain(&self, key: &str) -> Option<Result<i64, String>> {
        let (item, spec) = self.value(key)?;
        let Kind::Retain(words) = spec.kind else { return None };
        let Some(word) = word(&item) else {
            self.wrong_kind(spec, &item);
            return None;
        };
        if words.contains(&word.text.as_str()) {
            return Some(Err(word.text));
        }
        let may_be = format!(
            "or say {}",
            words.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(" or ")
        );
        match units::duration_ms(&word.text) {
            Ok(ms) => Some(Ok(ms)),
            Err(unreadable) => {
                let help = format!("{}; {may_be}", unreadable.help);
                self.sheet.fault(Fault::new(unreadable.reason, word.span).help(help));
                None
            }
        }
    }

    /// A length of time in ms, which may be 0; `Some(None)` is for ever.
    pub fn grace(&self, key: &str) -> Option<Option<i64>> {
        let (item, spec) = self.value(key)?;
        if whole(&item) == Some(0) {
            return Some(Some(0));
        }
        match word(&item) {
            None => {
                self.wrong_kind(spec, &item);
                None
            }
            Some(word) if word.text == "forever" => Some(None),
            Some(word) if matches!(word.text.as_str(), "0" | "0s") => Some(Some(0)),
            Some(word) => self.read(&word, units::duration_ms).map(Some),
        }
    }

    /// A time, in ms since the epoch: a date and time of TOML, RFC 3339 as text, or ms.
    pub fn time(&self, key: &str) -> Option<i64> {
        let (item, spec) = self.value(key)?;
        let text = match item.get_ref() {
            DeValue::Datetime(time) => time.to_string(),
            DeValue::Integer(digits) => {
                whole(&item).map_or_else(|| digits.as_str().to_owned(), |number| number.to_string())
            }
            DeValue::String(text) => text.to_string(),
            _ => {
                self.wrong_kind(spec, &item);
                return None;
            }
        };
        self.read(&Word { text, span: item.span() }, units::time_ms)
    }

    /// The elements of a list.
    pub fn list(&self, key: &str) -> Option<Vec<Item<'_>>> {
        let (item, spec) = self.value(key)?;
        match item.get_ref() {
            DeValue::Array(items) => Some(items.iter().cloned().collect()),
            _ => {
                self.wrong_kind(spec, &item);
                None
            }
        }
    }

    /// The elements of a list that must be written in the file.
    pub fn required_list(&self, key: &str) -> &'a [Item<'a>] {
        let Some((_, spec)) = self.value(key) else { return &[] };
        let Some(item) = self.written(key) else { return &[] };
        let items = item.get_ref().as_array();
        if items.is_none() {
            self.wrong_kind(spec, item);
        }
        items.map_or(&[], |items| items.iter().as_slice())
    }

    /// The entries of a table in the order of the file. A required one that is missing is a fault.
    pub fn entries(&self, key: &str) -> Option<Vec<(Word, &'a Item<'a>)>> {
        self.value(key)?;
        let item = self.written(key)?;
        Some(entries(table_of(self.sheet, &format!("\"{key}\""), item)?))
    }

    /// Where a key's value stands, or else the table.
    pub fn span(&self, key: &str) -> Range<usize> {
        self.written(key).map_or_else(|| self.place.clone(), toml::Spanned::span)
    }

    fn read<T>(&self, word: &Word, read: fn(&str) -> Result<T, Unreadable>) -> Option<T> {
        read_word(self.sheet, word, read)
    }
}

/// Reads a word, or reports why it can't be.
pub fn read_word<T>(
    sheet: &Sheet<'_>,
    word: &Word,
    read: fn(&str) -> Result<T, Unreadable>,
) -> Option<T> {
    match read(&word.text) {
        Ok(value) => Some(value),
        Err(Unreadable { reason, help }) => {
            sheet.fault(Fault::new(reason, word.span.clone()).help(help));
            None
        }
    }
}

/// A string with its place.
pub fn word(item: &Item<'_>) -> Option<Word> {
    let text = item.get_ref().as_str()?;
    Some(Word { text: text.to_owned(), span: item.span() })
}

/// The fault of a value that is not of the kind that its key wants, such as `a list of fields`.
pub fn wrong_kind(key: &str, wanted: &str, item: &Item<'_>) -> Fault {
    let message = format!("\"{key}\" can't be {}", found(item));
    Fault::new(message, item.span()).help(format!("it must be {wanted}"))
}

/// A table, or the fault that it is none.
pub fn table_of<'a>(sheet: &Sheet<'_>, what: &str, item: &'a Item<'a>) -> Option<&'a DeTable<'a>> {
    let table = item.get_ref().as_table();
    if table.is_none() {
        let message = format!("{what} can't be {}", found(item));
        let is_table = |item: &Item<'_>| item.get_ref().is_table();
        let is_header = item.get_ref().as_array().is_some_and(|items| items.iter().any(is_table));
        let help = match is_header {
            true => "write its header with single brackets",
            false => "it must be a table: { name = value }",
        };
        sheet.fault(Fault::new(message, item.span()).help(help));
    }
    table
}
