//! Which partition a key belongs to. Stored data depends on it, so it may never change.

use xxhash_rust::xxh3::xxh3_64;

/// The partition, below `partitions`, of the events with this key. The parts of a key of several
/// fields are joined with their lengths, so that `("a", "bc")` and `("ab", "c")` are two keys.
#[must_use]
pub fn partition_of<'a>(key: impl IntoIterator<Item = &'a str>, partitions: u16) -> u16 {
    let mut bytes = Vec::with_capacity(32);
    for part in key {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    let partition = xxh3_64(&bytes) % u64::from(partitions.max(1));
    u16::try_from(partition).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_changes() {
        let places: Vec<u16> = ["u1", "u2", "u3", ""].map(|key| partition_of([key], 16)).into();
        assert_eq!(places, [0, 5, 2, 9]);
        assert_ne!(partition_of(["a", "bc"], 65535), partition_of(["ab", "c"], 65535));
        assert_eq!(partition_of(["u1"], 0), 0);
    }
}
