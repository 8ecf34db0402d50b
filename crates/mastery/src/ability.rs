//! What is stored of one ability: the overall one of a learner, or the one in a concept.
//!
//! Five whole numbers as text, so that what is cached and what is read back are the same to the
//! last digit, and any language can read them.

use smol_str::{SmolStr, format_smolstr};

/// Levels and difficulties are held in whole picologits: 10¹² of them are one logit.
///
/// An answer rounds by at most half of one. An item of a million answers is then off by at most
/// 5·10⁻⁷ logits even if every rounding went the same way, and one of 400 answers by 2·10⁻¹⁰,
/// which is 5·10⁻¹¹ in a probability.
pub const PICOLOGITS: f64 = 1e12;

/// Variances are held in whole millionths of a squared logit.
pub const MICRO: f64 = 1e6;

/// No level or difficulty counts as further from 0 than this: 30 logits, in picologits, where the
/// odds are 10¹³ to 1.
pub const LIMIT: i64 = 30_000_000_000_000;

/// One ability of a learner, as it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ability {
    /// How many answers it rests on.
    pub answers: u64,
    /// How many of them were right.
    pub correct: u64,
    /// The estimate, in [`PICOLOGITS`], between plus and minus [`LIMIT`].
    pub level: i64,
    /// The variance of its error, in [`MICRO`] squared logits.
    pub variance: i64,
    /// By how many picologits the estimate is above what is shown. A wrong answer teaches too, and
    /// may raise the estimate; what is shown waits for a right one.
    pub held: i64,
}

/// Stored bytes are no ability.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored ability \"{0}\" is not \"answers correct level variance held\" in whole numbers")]
pub struct AbilityError(pub String);

impl Ability {
    /// An ability of which nothing is known but how it spreads among learners: the deviation in
    /// logits.
    #[must_use]
    pub fn unknown(deviation: f64) -> Self {
        let variance = (deviation * deviation * MICRO).round() as i64;
        Self { variance, ..Self::default() }
    }

    /// The level that readers are shown, in [`PICOLOGITS`].
    #[must_use]
    pub fn shown(&self) -> i64 {
        self.level.saturating_sub(self.held)
    }

    /// Reads the stored text `answers correct level variance held`.
    ///
    /// # Errors
    /// Where it is no five whole numbers, more answers were right than given, a level lies beyond
    /// [`LIMIT`], or the variance or what is held back is negative.
    pub fn parse(stored: &[u8]) -> Result<Self, AbilityError> {
        let read = || {
            let mut words = std::str::from_utf8(stored).ok()?.split(' ');
            let ability = Self {
                answers: words.next()?.parse().ok()?,
                correct: words.next()?.parse().ok()?,
                level: words.next()?.parse().ok()?,
                variance: words.next()?.parse().ok()?,
                held: words.next()?.parse().ok()?,
            };
            let sound = ability.correct <= ability.answers
                && (-LIMIT..=LIMIT).contains(&ability.level)
                && (-LIMIT..=ability.level).contains(&ability.shown())
                && ability.variance >= 0;
            (sound && words.next().is_none()).then_some(ability)
        };
        read().ok_or_else(|| AbilityError(shown(stored)))
    }

    /// The text that [`Ability::parse`] reads.
    #[must_use]
    pub fn to_text(&self) -> SmolStr {
        let Self { answers, correct, level, variance, held } = self;
        format_smolstr!("{answers} {correct} {level} {variance} {held}")
    }
}

/// The start of stored bytes, fit for a message.
fn shown(stored: &[u8]) -> String {
    String::from_utf8_lossy(stored).chars().take(60).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_ability_is_refused() {
        let sound = b"3 2 -500000000000 900000 7";
        let (answers, correct, level, variance) = (3, 2, -500_000_000_000, 900_000);
        let ability = Ability { answers, correct, level, variance, held: 7 };
        assert_eq!(Ability::parse(sound), Ok(ability));
        assert_eq!(ability.shown(), -500_000_000_007);
        let cases = [
            "",
            "3 2 -5 9",
            "3 2 -5 9 0 1",
            "3  2 -5 9 0",
            "2 3 -5 9 0",
            "-3 -4 5 9 0",
            "3 2 0.5 9 0",
            "3 2 -5 -9 0",
            "3 2 30000000000001 9 0",
            "3 2 -30000000000001 9 0",
            "3 2 99999999999999999999 9 0",
            "3 2 -5 9 -1",
            "3 2 -5 9 29999999999996",
            "3 2 -5 9 9223372036854775807",
        ];
        for case in cases {
            assert_eq!(Ability::parse(case.as_bytes()), Err(AbilityError(case.into())), "{case}");
        }
        let error = Ability::parse(b"\"\n\xff").unwrap_err();
        assert!(error.to_string().starts_with(r#"stored ability "\"\n\u{fffd}" is not"#));
    }

    proptest! {
        #[test]
        fn text_reads_back(
            answers in 0..u64::MAX, wrong in 0..9u64, level in -LIMIT..=LIMIT, variance in 0..i64::MAX,
            held in 0..=LIMIT,
        ) {
            let (correct, held) = (answers.saturating_sub(wrong), held.min(level + LIMIT));
            let ability = Ability { answers, correct, level, variance, held };
            prop_assert_eq!(Ability::parse(ability.to_text().as_bytes()), Ok(ability));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Ability::parse(&bytes);
        }
    }
}
