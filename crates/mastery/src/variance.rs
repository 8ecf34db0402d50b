//! The variance of an estimate's error in 12 bits, as finely for a small one as for a large one.

/// So many units are one squared logit.
const UNITS: f64 = 262_144.0;
/// The bits behind the leading one.
const FRACTION: u32 = 8;
/// The greatest code: 12 bits.
const MOST: u16 = 0xfff;

/// A variance, from 0 to 31.9 squared logits, to one part in 512.
///
/// The code is a small floating-point number: the low 8 bits are a fraction `f`, the high 4 an
/// exponent `e`. Below 256 the code itself is the number of 262,144ths; else it is
/// `(256 + f) · 2^(e − 1)` of them. A greater code is a greater variance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Variance(u16);

impl Variance {
    /// The nearest to so many squared logits.
    #[must_use]
    pub fn nearest(squared_logits: f64) -> Self {
        Self::coded(squared_logits, f64::round)
    }

    /// The greatest that is no more than so many squared logits.
    #[must_use]
    pub fn below(squared_logits: f64) -> Self {
        Self::coded(squared_logits, f64::floor)
    }

    fn coded(squared_logits: f64, whole: fn(f64) -> f64) -> Self {
        let units = (squared_logits * UNITS).max(0.0);
        let leading = (units.min(f64::from(u32::MAX)) as u32).checked_ilog2().unwrap_or(0);
        let shift = leading.saturating_sub(FRACTION);
        let digits = whole(units / f64::from(1u32 << shift.min(16))) as u32;
        // What rounds up to the next power of two carries into the exponent.
        let code = (shift << FRACTION) + digits;
        Self(u16::try_from(code).unwrap_or(MOST).min(MOST))
    }

    /// In squared logits.
    #[must_use]
    pub fn value(self) -> f64 {
        let exponent = self.0 >> FRACTION;
        let fraction = u32::from(self.0 & 0xff);
        let units = match exponent {
            0 => fraction,
            _ => (256 + fraction) << (exponent - 1),
        };
        f64::from(units) / UNITS
    }

    /// The 12 bits.
    pub(crate) fn code(self) -> u16 {
        self.0
    }

    /// The variance of 12 bits; higher ones are left out.
    pub(crate) fn of_code(code: u16) -> Self {
        Self(code & MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes_are_as_documented() {
        let cases = [
            (0.0, 0),
            (1.0 / UNITS, 1),
            (255.0 / UNITS, 255),
            (256.0 / UNITS, 256),
            (0.5, 0xa00),
            (27.0 / 32.0, 0xab0),
            (1.0, 0xb00),
            (25.0, 0xf90),
            (31.94, 0xfff),
            (1e9, 0xfff),
        ];
        for (squared_logits, code) in cases {
            assert_eq!(Variance::nearest(squared_logits).code(), code, "{squared_logits}");
        }
        assert_eq!(Variance::below(0.999_999).code(), 0xaff);
        assert_eq!(Variance::nearest(0.999_999).code(), 0xb00);
        assert_eq!(Variance::below(f64::NAN), Variance(0));
    }

    #[test]
    fn every_code_is_the_variance_that_it_says_and_a_greater_one_is_more() {
        for code in 0..=MOST {
            let variance = Variance(code);
            assert_eq!(Variance::nearest(variance.value()), variance, "{code}");
            assert_eq!(Variance::below(variance.value()), variance, "{code}");
            assert!(code == 0 || Variance(code - 1).value() < variance.value(), "{code}");
        }
    }

    proptest! {
        #[test]
        fn it_is_off_by_one_part_in_512_at_most(squared_logits in 0.0f64..31.9) {
            let unit = 1.0 / UNITS;
            let nearest = Variance::nearest(squared_logits).value();
            prop_assert!((nearest - squared_logits).abs() <= squared_logits / 512.0 + unit / 2.0);
            let below = Variance::below(squared_logits).value();
            prop_assert!(below <= squared_logits);
            prop_assert!(squared_logits - below <= squared_logits / 256.0 + unit);
        }
    }
}
