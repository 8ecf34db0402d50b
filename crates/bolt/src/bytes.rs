//! Whole numbers in few bytes, for what bolts store.

/// Puts a number behind other bytes as LEB128: 7 bits a byte, lowest first; a byte of 128 or more is
/// followed by another.
pub fn put_count(bytes: &mut Vec<u8>, mut count: u64) {
    while count >= 0x80 {
        bytes.push(0x80 | (count & 0x7f) as u8);
        count >>= 7;
    }
    bytes.push(count as u8);
}

/// The number that stands first, taken off; `None` where [`put_count`] put none there.
#[must_use]
pub fn count(rest: &mut &[u8]) -> Option<u64> {
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
#[must_use]
pub fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
