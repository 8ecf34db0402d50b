//! Two whole numbers as one that takes few bytes.

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
    use tallyd_bolt::bytes::put_count;

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
        fn a_pair_is_told_apart_again(
            first in prop_oneof![0..=u64::from(u32::MAX), 0..300u64],
            share in 0.0..=1.0,
        ) {
            let second = (first as f64 * share) as u64;
            prop_assert_eq!(unpair(pair(first, second)), (first, second));
        }
    }
}
