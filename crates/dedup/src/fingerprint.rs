//! The fingerprint of an identity. Stored data depends on it, so it may never change.

use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

/// `SipHash` 1-3 of 128 bits (Aumasson and Bernstein, 2012) over an event's key and identity, each
/// after its length. The seed is secret, so that nobody can make two identities collide; by chance
/// two of a billion do with a probability of about 10^-21.
pub(crate) fn fingerprint(seed: &[u8; 16], key: &str, id: &str) -> u128 {
    let mut hasher = SipHasher13::new_with_key(seed);
    for part in [key, id] {
        hasher.write(&(part.len() as u64).to_le_bytes());
        hasher.write(part.as_bytes());
    }
    hasher.finish128().as_u128()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_changes() {
        let seed = std::array::from_fn(|i| i as u8);
        assert_eq!(
            fingerprint(&seed, "u7", "a1"),
            96_521_954_574_731_979_738_313_435_523_085_814_398
        );
    }

    #[test]
    fn differs_by_seed_key_and_identity() {
        let seed = [0; 16];
        let prints = [
            fingerprint(&seed, "u1", "a1"),
            fingerprint(&seed, "u1", "a2"),
            fingerprint(&seed, "u1a", "1"),
            fingerprint(&seed, "", "u1a1"),
            fingerprint(&[1; 16], "u1", "a1"),
        ];
        let distinct: std::collections::BTreeSet<u128> = prints.into();
        assert_eq!(distinct.len(), prints.len());
    }
}
