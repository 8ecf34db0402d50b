//! What is stored of one ability: the overall one of a learner, or the one in a concept.
//!
//! Whole numbers as bytes, so that what is cached and what is read back are the same to the last
//! digit. `docs/keys.md` says how to read them in any language.

use crate::items::Items;

/// Levels and difficulties are held in whole picologits: 10¹² of them are one logit.
///
/// An answer rounds by at most half of one. An item of a million answers is then off by at most
/// 5·10⁻⁷ logits even if every rounding went the same way, and one of 400 answers by 2·10⁻¹⁰,
/// which is 5·10⁻¹¹ in a probability.
pub const PICOLOGITS: f64 = 1e12;

/// So many units of a stored variance are one squared logit.
pub const VARIANCE_UNITS: f64 = 2048.0;

/// No level or difficulty counts as further from 0 than this: 30 logits, in picologits, where the
/// odds are 10¹³ to 1.
pub const LIMIT: i64 = 30_000_000_000_000;

/// A share of 1 in units of a stored moving average.
const WHOLE: f64 = u16::MAX as f64;

/// One ability of a learner, as it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ability {
    /// How many answers it rests on.
    pub answers: u64,
    /// How many of them were right.
    pub correct: u64,
    /// The estimate, in [`PICOLOGITS`], between plus and minus [`LIMIT`].
    pub level: i64,
    /// The variance of its error at the last answer, in [`VARIANCE_UNITS`].
    pub variance: u16,
    /// The latest time of an answer, in seconds since the epoch.
    pub last: u32,
    /// The moving average of right answers, in 65,535ths.
    pub(crate) recent: u16,
    /// How many of the latest answers were wrong, without a right one between them.
    pub(crate) wrong: u8,
    /// The items of the concept that were answered last; of the overall ability none.
    pub(crate) items: Items,
}

/// Stored bytes are no ability.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {0} bytes stored are no ability")]
pub struct AbilityError(pub usize);

impl Ability {
    /// An ability of which nothing is known but how it spreads among learners: the deviation in
    /// logits.
    #[must_use]
    pub fn unknown(deviation: f64) -> Self {
        Self { variance: to_units(deviation * deviation), ..Self::default() }
    }

    /// The variance of its error at the last answer, in squared logits.
    #[must_use]
    pub fn squared_error(&self) -> f64 {
        f64::from(self.variance) / VARIANCE_UNITS
    }

    /// The moving average of right answers; `none` before the first.
    pub(crate) fn recent_share(&self, none: f64) -> f64 {
        if self.answers == 0 { none } else { f64::from(self.recent) / WHOLE }
    }

    /// Moves the average towards an answer by a share of the distance.
    pub(crate) fn moved_share(&self, none: f64, correct: bool, by: f64) -> u16 {
        let before = self.recent_share(none);
        ((before + by * (f64::from(u8::from(correct)) - before)) * WHOLE).round() as u16
    }

    /// Reads the stored bytes.
    ///
    /// # Errors
    /// Where they are others than [`Ability::encode`] gives.
    pub fn decode(stored: &[u8]) -> Result<Self, AbilityError> {
        let read = || {
            let mut rest = stored;
            let (answers, correct) = (count(&mut rest)?, count(&mut rest)?);
            let [a, b, c, d, e, f] = take(&mut rest)?;
            let sign = if f >= 0x80 { 0xff } else { 0 };
            let level = i64::from_le_bytes([a, b, c, d, e, f, sign, sign]);
            let ability = Self {
                answers,
                correct,
                level,
                variance: u16::from_le_bytes(take(&mut rest)?),
                last: u32::from_le_bytes(take(&mut rest)?),
                recent: u16::from_le_bytes(take(&mut rest)?),
                wrong: take::<1>(&mut rest).map(|[wrong]| wrong)?,
                items: Items::decode(rest)?,
            };
            let sound = correct <= answers && (-LIMIT..=LIMIT).contains(&level);
            sound.then_some(ability)
        };
        read().ok_or(AbilityError(stored.len()))
    }

    /// The bytes that [`Ability::decode`] reads: `answers` and `correct` as LEB128, then, lowest
    /// byte first, `level` in 6 bytes, `variance` in 2, `last` in 4, the moving average in 2, the
    /// wrong ones in a row in 1, and 2 for each item.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(25);
        put_count(&mut bytes, self.answers);
        put_count(&mut bytes, self.correct);
        let [a, b, c, d, e, f, ..] = self.level.to_le_bytes();
        bytes.extend([a, b, c, d, e, f]);
        bytes.extend(self.variance.to_le_bytes());
        bytes.extend(self.last.to_le_bytes());
        bytes.extend(self.recent.to_le_bytes());
        bytes.push(self.wrong);
        self.items.encode(&mut bytes);
        bytes
    }
}

/// A variance as it is stored.
pub(crate) fn to_units(squared_logits: f64) -> u16 {
    (squared_logits * VARIANCE_UNITS).round() as u16
}

fn put_count(bytes: &mut Vec<u8>, mut count: u64) {
    while count >= 0x80 {
        bytes.push(0x80 | (count & 0x7f) as u8);
        count >>= 7;
    }
    bytes.push(count as u8);
}

fn count(rest: &mut &[u8]) -> Option<u64> {
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
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(ability: &Ability) -> String {
        ability.encode().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_bytes_are_as_documented() {
        let ability = Ability {
            answers: 3,
            correct: 2,
            level: 500_000_000_000,
            variance: 1536,
            last: 1_767_225_600,
            recent: u16::MAX,
            ..Ability::default()
        };
        let page = include_str!("../../../docs/keys.md");
        for (ability, field) in [
            (ability, "c:algebra | xxd -p   "),
            (Ability { variance: 512, ..ability }, "overall | xxd -p     "),
        ] {
            let line = format!("{field} # {}", hex(&ability));
            assert!(page.contains(&line), "docs/keys.md lacks\n{line}");
        }
        let mut other = Ability { answers: 300, level: -500_000_000_000, wrong: 3, ..ability };
        other.items.note("q9", true);
        assert_eq!(hex(&other), "ac02020078ad958bff000600b95569ffff0311a3");
    }

    #[test]
    fn what_is_no_ability_is_refused() {
        let ability = Ability { answers: 300, correct: 2, level: LIMIT, ..Ability::default() };
        let sound = ability.encode();
        assert_eq!(Ability::decode(&sound), Ok(ability));
        for cut in 0..sound.len() {
            assert_eq!(Ability::decode(&sound[..cut]), Err(AbilityError(cut)));
        }
        let changed = |change: fn(&mut Ability)| {
            let mut other = ability;
            change(&mut other);
            Ability::decode(&other.encode())
        };
        assert!(changed(|a| a.correct = 301).is_err());
        assert!(changed(|a| a.level = LIMIT + 1).is_err());
        assert!(changed(|a| a.level = -LIMIT - 1).is_err());
        // Another byte, an item without answers, a count that is padded with a byte of nothing.
        let other = [&sound[..], &[1]].concat();
        assert!(Ability::decode(&other).is_err());
        assert!(Ability::decode(&[&sound[..], &[0, 0]].concat()).is_err());
        assert!(Ability::decode(&[&[0x80, 0][..], &sound[2..]].concat()).is_err());
        let reason = Ability::decode(b"3 2 0 9 0").unwrap_err().to_string();
        assert_eq!(reason, "the 9 bytes stored are no ability");
    }

    proptest! {
        #[test]
        fn bytes_read_back(
            counts in any::<(u64, u64, u16, u32, u16, u8)>(),
            level in -LIMIT..=LIMIT,
            items in proptest::collection::vec(("[a-f]", any::<bool>()), 0..9),
        ) {
            let (a, b, variance, last, recent, wrong) = counts;
            let (answers, correct) = (a.max(b), a.min(b));
            let mut ability = Ability {
                answers, correct, level, variance, last, recent, wrong, items: Items::default(),
            };
            for (item, right) in items {
                ability.items.note(&item, right);
            }
            prop_assert_eq!(Ability::decode(&ability.encode()), Ok(ability));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(ability) = Ability::decode(&bytes) {
                prop_assert_eq!(ability.encode(), bytes);
            }
        }
    }
}
