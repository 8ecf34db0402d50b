//! What tells an entry from another that stands at the same id, after its stream was deleted and
//! made again. Cursors keep it.

use xxhash_rust::xxh3::Xxh3;

/// The mark of an entry with these fields: never 0, which stands for one that is not known.
#[must_use]
pub fn mark<'a>(fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> u64 {
    let mut hash = Xxh3::new();
    for part in fields.into_iter().flat_map(|(name, value)| [name, value]) {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.digest().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_changes_and_tells_entries_apart() {
        let of = |parts: &[(&str, &str)]| {
            mark(parts.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
        };
        assert_eq!(of(&[("id", "a1"), ("user", "u7")]), 17_299_804_496_943_660_815);
        assert_ne!(of(&[("id", "a1")]), of(&[("id", "b1")]));
        assert_ne!(of(&[("ab", "c")]), of(&[("a", "bc")]));
        assert_ne!(of(&[]), 0);
    }
}
