//! Whole numbers in few bytes.

/// Puts a number behind other bytes as LEB128: 7 bits a byte, lowest first; a byte of 128 or more is
/// followed by another.
pub(crate) fn put_count(bytes: &mut Vec<u8>, mut count: u64) {
    while count >= 0x80 {
        bytes.push(0x80 | (count & 0x7f) as u8);
        count >>= 7;
    }
    bytes.push(count as u8);
}

/// The number that stands first, taken off; `None` where [`put_count`] put none there.
pub(crate) fn count(rest: &mut &[u8]) -> Option<u64> {
    // Most are a single byte.
    let (&first, tail) = rest.split_first()?;
    if first < 0x80 {
        *rest = tail;
        return Some(u64::from(first));
    }
    let mut count = 0u64;
    for shift in (0..64).step_by(7) {
        let [byte] = take(rest)?;
        let part = u64::from(byte & 0x7f) << shift;
        count |= part;
        if byte < 0x80 {
            // Bits beyond the highest, or a byte of nothing at the end, are none of ours.
            let sound = part >> shift == u64::from(byte) && (byte > 0 || shift == 0);
            return sound.then_some(count);
        }
    }
    None
}

/// The next `N` bytes, taken off.
pub(crate) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

/// Two counts, the second no greater than the first, as one number: `first · (first + 1) / 2 +
/// second`, which is a byte up to 14 and two up to 179. The first may be up to 2³² − 1.
pub(crate) fn pair(first: u64, second: u64) -> u64 {
    triangle(first) + second
}

/// `first · (first + 1) / 2`, without a product that has no room.
fn triangle(first: u64) -> u64 {
    (first | 1) * first.div_ceil(2)
}

/// The counts that [`pair`] made one number of.
pub(crate) fn unpair(number: u64) -> (u64, u64) {
    let root = match number {
        // Far from where a float could be off by one.
        0..0x100_0000_0000 => ((8 * number + 1) as f64).sqrt() as u64,
        _ => (8 * u128::from(number) + 1).isqrt() as u64,
    };
    let first = (root - 1) / 2;
    (first, number - triangle(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_pairs_are_short() {
        for (first, length) in [(0, 1), (14, 1), (15, 1), (16, 2), (179, 2), (181, 3)] {
            let mut bytes = Vec::new();
            put_count(&mut bytes, pair(first, 0));
            assert_eq!(bytes.len(), length, "{first}");
        }
        assert_eq!((pair(3, 2), unpair(8)), (8, (3, 2)));
    }

    proptest! {
        #[test]
        fn what_is_put_is_read_back(number in any::<u64>(), behind in any::<Vec<u8>>()) {
            let mut bytes = Vec::new();
            put_count(&mut bytes, number);
            bytes.extend(&behind);
            let mut rest = &bytes[..];
            prop_assert_eq!(count(&mut rest), Some(number));
            prop_assert_eq!(rest, &behind[..]);
        }

        #[test]
        fn a_pair_is_told_apart_again(
            first in prop_oneof![0..=u64::from(u32::MAX), 0..300u64],
            share in 0.0..=1.0,
        ) {
            let second = (first as f64 * share) as u64;
            prop_assert_eq!(unpair(pair(first, second)), (first, second));
        }
    }

    #[test]
    fn a_count_that_is_padded_or_too_long_is_none() {
        for bytes in [
            &[][..],
            &[0x80],
            &[0x80, 0],
            &[0xff; 11],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
        ] {
            assert_eq!(count(&mut &bytes[..]), None, "{bytes:?}");
        }
    }
}
