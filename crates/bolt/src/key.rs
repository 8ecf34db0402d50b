//! The name of a piece of a bolt's state, below the bolt's own prefix.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use smol_str::{SmolStr, SmolStrBuilder};
use std::fmt;

/// What stays as it is in a part of a key: exactly what JavaScript's `encodeURIComponent` leaves.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// A key relative to its bolt: parts joined by `:`, such as `board:day:2026-01-01:class=10B`.
///
/// The first part is the kind of thing it names and decides the kind of value it holds. Names that
/// come from events are percent-encoded, so that no value can collide with another key, cross into
/// another slot or break a parser. The store puts the prefix of the topology and bolt before it.
///
/// A short key needs no allocation, and none is followed to compare it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(SmolStr);

impl Key {
    /// A key of these parts, each already free of `:` or made by [`Key::encode`] or
    /// [`Key::group`].
    #[must_use]
    pub fn new(parts: &[&str]) -> Self {
        let mut key = SmolStrBuilder::new();
        for (place, part) in parts.iter().enumerate() {
            if place > 0 {
                key.push(':');
            }
            key.push_str(part);
        }
        Self(key.finish())
    }

    /// Of a word without `:` and the name of something, encoded: what `Key::new(&[word,
    /// &Key::encode(name)])` gives, without a copy between.
    #[must_use]
    pub fn named(word: &str, name: &str) -> Self {
        let mut key = SmolStrBuilder::new();
        key.push_str(word);
        key.push(':');
        utf8_percent_encode(name, ENCODED).for_each(|piece| key.push_str(piece));
        Self(key.finish())
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name from an event, as a part of a key.
    #[must_use]
    pub fn encode(name: &str) -> SmolStr {
        let mut part = SmolStrBuilder::new();
        utf8_percent_encode(name, ENCODED).for_each(|piece| part.push_str(piece));
        part.finish()
    }

    /// The name that [`Key::encode`] was given.
    #[must_use]
    pub fn decode(part: &str) -> String {
        percent_decode_str(part).decode_utf8_lossy().into_owned()
    }

    /// The part that names a group: `class=10B`, or `class=10B:city=Pune`. A value that was left
    /// out is written without `=`, so that it differs from an empty one.
    #[must_use]
    pub fn group<'a>(fields: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> SmolStr {
        let mut text = String::new();
        for (name, value) in fields {
            if !text.is_empty() {
                text.push(':');
            }
            text.extend(utf8_percent_encode(name, ENCODED));
            if let Some(value) = value {
                text.push('=');
                text.extend(utf8_percent_encode(value, ENCODED));
            }
        }
        text.into()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_reaches_beyond_its_part() {
        assert_eq!(Key::encode("a:b{c}%/ü\n"), "a%3Ab%7Bc%7D%25%2F%C3%BC%0A");
        assert_eq!(Key::decode(&Key::encode("a:b{c}%/ü\n")), "a:b{c}%/ü\n");
        for name in ["", "u7", "a:b{c}%/ü\n", "longer than what a short key holds in place"] {
            assert_eq!(Key::named("item", name), Key::new(&["item", &Key::encode(name)]));
        }
        assert_eq!(Key::group([("class", Some("10B")), ("city", None)]), "class=10B:city");
        assert_ne!(Key::group([("a", Some("b:c"))]), Key::group([("a", Some("b")), ("c", None)]));
    }
}
