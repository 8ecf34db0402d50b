//! Names and values of an entry in one piece of memory.

use super::Fields;
use std::fmt;

/// How many bytes the length of a name or value takes.
const LENGTH: usize = size_of::<u32>();

/// Names and values of an entry, in their order. One allocation holds them all: an entry is read,
/// looked at once and dropped, and to allocate each name and value would cost more than to decode
/// them.
///
/// Each name and each value stands behind its length, four bytes of little-endian order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Packed(Vec<u8>);

impl Packed {
    /// None yet, with room for so many names and values of so many bytes.
    #[must_use]
    pub fn with_room(parts: usize, bytes: usize) -> Self {
        Self(Vec::with_capacity(parts * LENGTH + bytes))
    }

    /// Adds a name with its value.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.0.reserve(2 * LENGTH + name.len() + value.len());
        for part in [name, value] {
            // No string of an entry is longer than 512 MB.
            self.0.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
            self.0.extend_from_slice(part);
        }
    }

    /// The names with their values, in their order.
    #[must_use]
    pub fn iter(&self) -> PackedIter<'_> {
        PackedIter(&self.0)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(of, _)| *of == name.as_bytes()).map(|(_, value)| value)
    }

    /// The name with its value, where there is only one.
    #[must_use]
    pub fn only(&self) -> Option<(&[u8], &[u8])> {
        let mut all = self.iter();
        all.next().filter(|_| all.0.is_empty())
    }

    /// Each for itself.
    #[must_use]
    pub fn to_fields(&self) -> Fields {
        self.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
    }

    /// As bytes, which [`Packed::from`] takes back.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl From<Vec<u8>> for Packed {
    /// What [`Packed::into_bytes`] gave. Of other bytes there is what can be read, up to the first
    /// that can't.
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Packed {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut packed = Self::default();
        for (name, value) in pairs {
            packed.push(name.as_ref(), value.as_ref());
        }
        packed
    }
}

impl<'a> IntoIterator for &'a Packed {
    type IntoIter = PackedIter<'a>;
    type Item = (&'a [u8], &'a [u8]);

    fn into_iter(self) -> PackedIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes| String::from_utf8_lossy(bytes);
        f.debug_map().entries(self.iter().map(|(name, value)| (text(name), text(value)))).finish()
    }
}

/// The names and values of a [`Packed`].
#[derive(Clone, Debug)]
pub struct PackedIter<'a>(&'a [u8]);

impl<'a> PackedIter<'a> {
    fn part(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<LENGTH>()?;
        let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.0 = rest;
        Some(part)
    }
}

impl<'a> Iterator for PackedIter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.part()?, self.part()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn gives_what_it_was_given(
            fields in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), prop::collection::vec(any::<u8>(), 0..40)), 0..9),
        ) {
            let packed: Packed = fields.iter().map(|(name, value)| (name, value)).collect();
            prop_assert_eq!(packed.to_fields(), fields.clone());
            prop_assert_eq!(packed.is_empty(), fields.is_empty());
            prop_assert_eq!(packed.only().is_some(), fields.len() == 1);
            prop_assert_eq!(Packed::from(packed.clone().into_bytes()), packed);
        }

        #[test]
        fn bytes_of_any_kind_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Packed::from(bytes).to_fields();
        }
    }

    #[test]
    fn the_first_of_a_name_is_found() {
        let packed: Packed = [("a", "1"), ("b", ""), ("a", "2")].into_iter().collect();
        assert_eq!(packed.get("a"), Some(b"1".as_slice()));
        assert_eq!(packed.get("b"), Some(b"".as_slice()));
        assert_eq!(packed.get(""), None);
        assert_eq!(format!("{packed:?}"), r#"{"a": "1", "b": "", "a": "2"}"#);
    }
}
