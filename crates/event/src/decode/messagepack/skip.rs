//! Where a value of MessagePack ends, without reading it and without recursion.

/// Why a value has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The bytes end before it.
    Cut,
    /// The byte at this place begins no value.
    Unknown(usize),
}

/// How many bytes the value takes that stands first.
pub(super) fn end(bytes: &[u8]) -> Result<usize, Broken> {
    let mut at = 0;
    // How many values are still to come. Each takes a byte, so this ends with the bytes.
    let mut open: u64 = 1;
    while open > 0 {
        let rest = bytes.get(at..).unwrap_or_default();
        let (taken, values) = head(rest).map_err(|broken| match broken {
            Broken::Cut => Broken::Cut,
            Broken::Unknown(_) => Broken::Unknown(at),
        })?;
        at = at.checked_add(taken).filter(|at| *at <= bytes.len()).ok_or(Broken::Cut)?;
        open = open.saturating_add(values) - 1;
    }
    Ok(at)
}

/// How many bytes the head of a value takes, with the data of a simple one, and how many values
/// stand in it.
fn head(bytes: &[u8]) -> Result<(usize, u64), Broken> {
    let Some(&marker) = bytes.first() else { return Err(Broken::Cut) };
    // A length that stands behind the marker, in 1, 2 or 4 bytes.
    let length = |width: usize| {
        let digits = bytes.get(1..=width).ok_or(Broken::Cut)?;
        Ok(digits.iter().fold(0_u64, |length, digit| length << 8 | u64::from(*digit)))
    };
    let data = |head: usize, length: u64| {
        let length = usize::try_from(length).map_err(|_| Broken::Cut)?;
        Ok((head.checked_add(length).ok_or(Broken::Cut)?, 0))
    };
    match marker {
        0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => Ok((1, 0)),
        0x80..=0x8f => Ok((1, 2 * u64::from(marker & 0x0f))),
        0x90..=0x9f => Ok((1, u64::from(marker & 0x0f))),
        0xa0..=0xbf => data(1, u64::from(marker & 0x1f)),
        0xc1 => Err(Broken::Unknown(0)),
        0xc4 | 0xd9 => data(2, length(1)?),
        0xc5 | 0xda => data(3, length(2)?),
        0xc6 | 0xdb => data(5, length(4)?),
        // Extensions have a byte for their type.
        0xc7 => data(3, length(1)?),
        0xc8 => data(4, length(2)?),
        0xc9 => data(6, length(4)?),
        0xcc | 0xd0 => data(1, 1),
        0xcd | 0xd1 => data(1, 2),
        0xca | 0xce | 0xd2 => data(1, 4),
        0xcb | 0xcf | 0xd3 => data(1, 8),
        0xd4 => data(1, 2),
        0xd5 => data(1, 3),
        0xd6 => data(1, 5),
        0xd7 => data(1, 9),
        0xd8 => data(1, 17),
        0xdc => Ok((3, length(2)?)),
        0xdd => Ok((5, length(4)?)),
        0xde => Ok((3, 2 * length(2)?)),
        0xdf => Ok((5, 2 * length(4)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    /// What rmp-serde says of where the first value ends.
    fn by_reading(bytes: &[u8]) -> Option<usize> {
        let mut reader = rmp_serde::Deserializer::new(std::io::Cursor::new(bytes));
        let read: Result<IgnoredAny, _> = serde::Deserialize::deserialize(&mut reader);
        read.ok().map(|_| usize::try_from(reader.position()).unwrap())
    }

    #[test]
    fn every_marker_ends_where_it_is_read_to() {
        for marker in 0..=u8::MAX {
            let mut bytes = vec![0; 40];
            bytes[0] = marker;
            assert_eq!(end(&bytes).ok(), by_reading(&bytes), "{marker:#x}");
        }
    }

    proptest! {
        #[test]
        fn a_value_ends_where_it_is_read_to(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(length) = by_reading(&bytes) {
                prop_assert_eq!(end(&bytes), Ok(length));
                for cut in 0..length {
                    prop_assert_eq!(end(&bytes[..cut]), Err(Broken::Cut));
                }
            }
        }
    }

    #[test]
    fn no_depth_and_no_claim_is_too_much() {
        let deep = [vec![0x91; 1 << 20], vec![0xc0]].concat();
        assert_eq!(end(&deep), Ok(deep.len()));
        assert_eq!(end(&deep[..deep.len() - 1]), Err(Broken::Cut));
        for claim in [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff"] {
            assert_eq!(end(claim), Err(Broken::Cut));
        }
        assert_eq!(end(b"\x92\x01\xc1"), Err(Broken::Unknown(2)));
    }
}
