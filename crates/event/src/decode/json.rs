//! Where events stand in JSON text, and the fields of one.
//!
//! [`Array`] and [`Lines`] only look for the ends of members; they take the text piece by piece,
//! so that a file need not be held as a whole. What stands between two ends is read by itself: a
//! member that is no JSON spoils no other.

use super::Given;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use smol_str::SmolStr;
use std::fmt;

/// The fields of an event in their written order. A name that stands twice is kept twice.
pub type Map<'a> = Vec<(SmolStr, Given<'a>)>;

/// The fields of a JSON object.
///
/// # Errors
/// Where the text is no JSON or no object: the reason, in words.
pub fn object(text: &[u8]) -> Result<Map<'_>, String> {
    if text.first() == Some(&b'{') {
        let object = serde_json::from_slice(text).map_err(|error| no_json(text, &error))?;
        let Object(map) = object;
        return Ok(map);
    }
    let given = serde_json::from_slice::<&RawValue>(text).map_err(|error| no_json(text, &error))?;
    let kind = match given.get().as_bytes().first() {
        Some(b'[') => "a list",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a bool",
        Some(b'n') => "nothing",
        _ => "a number",
    };
    Err(format!("{kind} is not an event (a map of fields)"))
}

/// What the reader says, and for what some writers put into JSON, what to write instead.
fn no_json(text: &[u8], error: &serde_json::Error) -> String {
    let at = error.column().saturating_sub(1);
    let line = text.split(|&b| b == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    // The reader stands at the first byte that it can't take, or the one behind.
    let near = line.get(at.saturating_sub(2)..).unwrap_or_default();
    let near = near.get(..near.len().min(3 + "Infinity".len())).unwrap_or_default();
    let word = ["NaN", "Infinity", "nan", "inf", "None", "True", "False", "undefined"];
    let begins = |word: &&str| near.windows(word.len()).any(|part| part == word.as_bytes());
    match word.into_iter().find(begins) {
        Some(word @ ("True" | "False")) => {
            format!("{word} is not JSON: write {}", word.to_ascii_lowercase())
        }
        Some(word) => format!("{word} is not JSON: write null, or leave the field out"),
        None => {
            let place = match error.line() {
                0 | 1 => format!("column {}", error.column()),
                line => format!("line {line} of it, column {}", error.column()),
            };
            let said = error.to_string();
            let said = said.split(" at line ").next().unwrap_or_default();
            match error.is_eof() {
                true => format!("it is cut short at {place} ({said})"),
                false => format!("it is not JSON at {place}: {said}"),
            }
        }
    }
}

struct Object<'a>(Map<'a>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor).map(Object)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Map<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Map<'de>, A::Error> {
        let mut fields = Vec::with_capacity(8);
        while let Some((name, value)) = map.next_entry::<SmolStr, &RawValue>()? {
            fields.push((name, Given::Json(value)));
        }
        Ok(fields)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Map<'de>, E> {
        Ok(Vec::new())
    }
}

/// How deep a text is in brackets, and whether within quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Outline {
    depth: usize,
    is_quoted: bool,
    is_escaped: bool,
}

impl Outline {
    /// Takes the next byte. False where it closes what nothing opened.
    fn take(&mut self, byte: u8) -> bool {
        match byte {
            _ if std::mem::take(&mut self.is_escaped) => {}
            b'\\' if self.is_quoted => self.is_escaped = true,
            b'"' => self.is_quoted = !self.is_quoted,
            _ if self.is_quoted => {}
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => match self.depth.checked_sub(1) {
                Some(depth) => self.depth = depth,
                None => return false,
            },
            _ => {}
        }
        true
    }

    fn is_between(self) -> bool {
        self.depth == 0 && !self.is_quoted
    }
}

/// Finds the members of an array, byte by byte, from behind its `[`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Array {
    outline: Outline,
    /// Whether a comma stands before the member that begins here.
    is_after_comma: bool,
    has_begun: bool,
    has_ended: bool,
}

/// What a byte of an array is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It ends the array. A member ends before it, if one had begun.
    End,
    /// It is part of a member.
    Member,
    /// It ends the member before it.
    Next,
    /// It is white space around members.
    Space,
}

impl Array {
    /// Takes the next byte.
    ///
    /// # Errors
    /// Where this is no array: from there on its members can't be told apart.
    pub fn take(&mut self, byte: u8) -> Result<Step, &'static str> {
        let is_space = byte.is_ascii_whitespace();
        if self.has_ended {
            return if is_space {
                Ok(Step::Space)
            } else {
                Err("text follows the end of the array")
            };
        }
        if self.outline.is_between() {
            match byte {
                b',' if self.has_begun => {
                    (self.has_begun, self.is_after_comma) = (false, true);
                    return Ok(Step::Next);
                }
                b',' => return Err("there is nothing before a comma of the array"),
                b']' if self.has_begun || !self.is_after_comma => {
                    self.has_ended = true;
                    return Ok(Step::End);
                }
                b']' => return Err("there is nothing behind the last comma of the array"),
                _ if is_space && !self.has_begun => return Ok(Step::Space),
                _ => {}
            }
        }
        self.has_begun = true;
        if self.outline.take(byte) { Ok(Step::Member) } else { Err("a bracket closes too much") }
    }

    /// Whether the array has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// What to say of an array that is at its end before its `]`.
    pub const CUT_SHORT: &str = "it is cut short: the array has no end";
}

/// What stands in an array.
pub(super) struct Items<'a> {
    /// The whole members, as they stand in it.
    pub(super) whole: Vec<&'a [u8]>,
    /// What is there behind them, where the array is cut short.
    pub(super) cut: Option<&'a [u8]>,
}

/// Finds the members of an array.
///
/// # Errors
/// Where it is no array.
pub(super) fn array(text: &[u8]) -> Result<Items<'_>, &'static str> {
    let mut array = Array::default();
    let mut members = Vec::new();
    let mut begin = 1;
    for (place, byte) in text.iter().enumerate().skip(1) {
        let step = array.take(*byte)?;
        if matches!(step, Step::Next | Step::End) {
            let member = text.get(begin..place).unwrap_or_default().trim_ascii();
            begin = place + 1;
            if !member.is_empty() {
                members.push(member);
            }
        }
    }
    if array.has_ended() {
        return Ok(Items { whole: members, cut: None });
    }
    let mut rest = text.get(begin..).unwrap_or_default().trim_ascii();
    // Where only the bracket is missing, the last member is whole.
    if rest.first() == Some(&b'{') && serde_json::from_slice::<&RawValue>(rest).is_ok() {
        members.push(rest);
        rest = &[];
    }
    Ok(Items { whole: members, cut: Some(rest) })
}

/// Whether a text is an array with an end.
pub(super) fn is_array(text: &[u8]) -> bool {
    array(text).is_ok_and(|items| items.cut.is_none())
}

/// Puts the lines of JSON text together to members: one a line, or an object over several.
///
/// An object whose first line ends with an open bracket or a comma, as printers break lines, goes
/// on on the next, up to its end. It is given up before a line that is a whole object from its
/// first byte on: then it was cut short, and that line is another event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lines {
    outline: Outline,
    is_open: bool,
}

/// What a line is to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// It is a member, or the end of one that is open.
    Ends,
    /// It is a member, and the one that was open ended before it.
    EndsAlone,
    /// The member goes on on the next line.
    Open,
}

impl Lines {
    /// Takes the next line, with or without its end.
    pub fn take(&mut self, line: &[u8]) -> Line {
        if self.is_open {
            if line.first() == Some(&b'{')
                && Outline::default().after(line).is_some_and(Outline::is_between)
            {
                *self = Self::default();
                return Line::EndsAlone;
            }
        } else if !may_open(line.trim_ascii()) {
            return Line::Ends;
        }
        match self.outline.after(line) {
            // Within quotes no line ends: it will never be JSON.
            Some(outline) if outline.depth > 0 && !outline.is_quoted => {
                *self = Self { outline, is_open: true };
                Line::Open
            }
            _ => {
                *self = Self::default();
                Line::Ends
            }
        }
    }

    /// Whether a member has begun that goes on on the next line.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open
    }
}

/// Whether a line may be the first of an object on several lines.
fn may_open(line: &[u8]) -> bool {
    line.first() == Some(&b'{') && matches!(line.last(), Some(b'{' | b'[' | b','))
}

impl Outline {
    /// The outline behind a text; `None` where that closes too much.
    fn after(mut self, text: &[u8]) -> Option<Self> {
        text.iter().all(|byte| self.take(*byte)).then_some(self)
    }
}

/// The members of lines, without white space around them; at most `limit`.
pub(super) fn lines(text: &[u8], limit: usize) -> Vec<&[u8]> {
    let mut lines = Lines::default();
    let mut members = Vec::new();
    let (mut begin, mut at) = (0, 0);
    let mut add = |from: usize, to: usize| {
        let member = text.get(from..to).unwrap_or_default().trim_ascii();
        if !member.is_empty() {
            members.push(member);
        }
        members.len()
    };
    for line in text.split_inclusive(|&b| b == b'\n') {
        let after = at + line.len();
        let step = lines.take(line);
        if step == Line::EndsAlone {
            add(begin, at);
            begin = at;
        }
        if step != Line::Open {
            let count = add(begin, after);
            begin = after;
            if count >= limit {
                return members;
            }
        }
        at = after;
    }
    add(begin, text.len());
    members
}
