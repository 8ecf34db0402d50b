//! Which partition a key belongs to. Stored data depends on it, so it may never change.

use xxhash_rust::xxh3::xxh3_64;

/// The bytes of a short key.
const SHORT: usize = 64;

/// The partition, below `partitions`, of the events with this key. The parts of a key of several
/// fields are joined with their lengths, so that `("a", "bc")` and `("ab", "c")` are two keys.
#[must_use]
pub fn partition_of<'a>(key: impl IntoIterator<Item = &'a str>, partitions: u16) -> u16 {
    // Most keys are short: no allocation for them.
    let (mut short, mut used, mut long) = ([0; SHORT], 0, Vec::new());
    for part in key {
        let length = (part.len() as u64).to_le_bytes();
        let end = used + length.len() + part.len();
        match short.get_mut(used..end) {
            Some(room) if long.is_empty() => {
                let (head, tail) = room.split_at_mut(length.len());
                head.copy_from_slice(&length);
                tail.copy_from_slice(part.as_bytes());
                used = end;
            }
            _ => {
                long.extend(short.iter().take(std::mem::take(&mut used)));
                long.extend(length);
                long.extend(part.as_bytes());
            }
        }
    }
    let hash = match short.get(..used) {
        Some(bytes) if long.is_empty() => xxh3_64(bytes),
        _ => xxh3_64(&long),
    };
    let partition = hash % u64::from(partitions.max(1));
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

    #[test]
    fn a_key_is_its_parts_with_their_lengths_however_long() {
        let parts =
            ["", "a", "user of a school", &"x".repeat(48), &"y".repeat(56), &"z".repeat(90)];
        let mut keys: Vec<Vec<&str>> = vec![Vec::new()];
        for _ in 0..3 {
            let longer =
                keys.iter().flat_map(|key| parts.map(|part| [key.as_slice(), &[part]].concat()));
            keys = longer.chain([Vec::new()]).collect();
        }
        for key in keys {
            let mut bytes = Vec::new();
            for part in &key {
                bytes.extend((part.len() as u64).to_le_bytes());
                bytes.extend(part.as_bytes());
            }
            let expected = (xxh3_64(&bytes) % 65535) as u16;
            assert_eq!(partition_of(key.iter().copied(), 65535), expected, "{key:?}");
        }
    }
}
