//! A sum of floats that loses nothing: it depends on neither the order nor the batches in which
//! they came, and what was added can be taken off again.

use num_bigint::{BigInt, BigUint, Sign};
use std::fmt;

/// The bits of a float's significand.
const SIGNIFICAND: u64 = 53;

/// The exact sum of finite floats. Every float is a whole number times a power of two, and so is
/// their sum, of at most some 2,100 bits; of a million prices it is about ten bytes.
///
/// As text it is a hexadecimal float as C and Python (`float.fromhex`) read it: `0x99p-8`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExactSum {
    /// Odd, or 0: so equal sums have one form.
    significand: BigInt,
    /// The power of two that it is multiplied by; 0 for a sum of 0.
    exponent: i64,
}

impl ExactSum {
    /// The sum of one finite float.
    #[must_use]
    pub fn of(value: f64) -> Self {
        let bits = value.to_bits();
        let (fraction, field) = (bits & ((1 << 52) - 1), (bits >> 52 & 0x7ff) as i64);
        // A subnormal float has the exponent of the least normal one, without its leading bit.
        let significand = if field == 0 { fraction } else { fraction | 1 << 52 };
        let sign = if value.is_sign_negative() { Sign::Minus } else { Sign::Plus };
        let significand = BigInt::from_biguint(sign, BigUint::from(significand));
        Self { significand, exponent: field.max(1) - 1075 }.normal()
    }

    /// This sum and another.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        let aligned = |sum: &Self| &sum.significand << (sum.exponent - exponent).unsigned_abs();
        Self { significand: aligned(self) + aligned(other), exponent }.normal()
    }

    /// The float nearest to the sum, of two that are as near the even one; infinite where the sum
    /// is beyond the range of floats. A sum of nothing is 0, never −0.
    #[must_use]
    pub fn value(&self) -> f64 {
        let magnitude = self.significand.magnitude();
        let excess = magnitude.bits().saturating_sub(SIGNIFICAND);
        let mut kept = magnitude >> excess;
        if excess > 0 && magnitude.bit(excess - 1) {
            let is_tie = magnitude.trailing_zeros() == Some(excess - 1);
            if !is_tie || kept.bit(0) {
                kept += 1u32;
            }
        }
        // Exact: at most 53 bits are left, or one more and 53 zeros.
        let kept = kept.to_u64_digits().first().copied().unwrap_or(0) as f64;
        let value = scaled(kept, self.exponent + excess as i64);
        if self.significand.sign() == Sign::Minus { -value } else { value }
    }

    /// The sum of a text that this type has written; `None` for any other.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (sign, text) = match text.strip_prefix('-') {
            Some(rest) => (Sign::Minus, rest),
            None => (Sign::Plus, text),
        };
        let (digits, exponent) = text.strip_prefix("0x")?.split_once('p')?;
        let magnitude = BigUint::parse_bytes(digits.as_bytes(), 16)?;
        let exponent: i64 = exponent.parse().ok()?;
        let sum = Self { significand: BigInt::from_biguint(sign, magnitude), exponent };
        let is_ours = (-1074..=1023).contains(&exponent) && sum.significand.bits() <= 1 << 12;
        (is_ours && sum.clone().normal() == sum).then_some(sum)
    }

    fn normal(mut self) -> Self {
        match self.significand.trailing_zeros() {
            None => Self::default(),
            Some(zeros) => {
                self.significand >>= zeros;
                self.exponent += zeros as i64;
                self
            }
        }
    }
}

/// A float times a power of two, in two steps: the power alone may be no float.
fn scaled(value: f64, exponent: i64) -> f64 {
    let half = exponent / 2;
    value * power_of_two(half) * power_of_two(exponent - half)
}

/// 2 to the power of an exponent from −1022 to 1023; a greater one is taken for the greatest.
fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((exponent.clamp(-1022, 1023) + 1023) as u64) << 52)
}

impl fmt::Display for ExactSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.significand.sign() == Sign::Minus { "-" } else { "" };
        write!(f, "{sign}0x{:x}p{}", self.significand.magnitude(), self.exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(values: &[f64]) -> ExactSum {
        values.iter().fold(ExactSum::default(), |sum, &value| sum.plus(&ExactSum::of(value)))
    }

    #[test]
    fn the_value_is_the_float_nearest_to_the_sum() {
        let max = f64::MAX;
        let cases: [(&[f64], f64); 14] = [
            (&[], 0.0),
            (&[-0.0], 0.0),
            (&[0.1, 0.2, 0.3], 0.6),
            (&[0.3, 0.2, 0.1], 0.6),
            (&[1e16, 1.0, -1e16], 1.0),
            (&[1e308, 5e-324, -1e308], 5e-324),
            (&[5e-324, 5e-324], 1e-323),
            (&[f64::MIN_POSITIVE, -5e-324], f64::MIN_POSITIVE - 5e-324),
            // Half way between two floats: to the even one, and a little more to the other.
            (&[9_007_199_254_740_992.0, 1.0], 9_007_199_254_740_992.0),
            (&[9_007_199_254_740_994.0, 1.0], 9_007_199_254_740_996.0),
            (&[9_007_199_254_740_992.0, 1.0, 1e-300], 9_007_199_254_740_994.0),
            (&[max, max, -max], max),
            (&[max, max], f64::INFINITY),
            (&[-max, -1e292], f64::NEG_INFINITY),
        ];
        for (values, expected) in cases {
            let value = sum(values).value();
            assert_eq!(value.to_bits(), expected.to_bits(), "{values:?}: {value:?}");
        }
    }

    #[test]
    fn the_stored_form_never_changes() {
        let cases = [
            (sum(&[]), "0x0p0"),
            (sum(&[1.0]), "0x1p0"),
            (sum(&[-0.75, -6.0]), "-0x1bp-2"),
            (sum(&[0.1, 0.2]), "0x26666666666667p-55"),
            (sum(&[5e-324]), "0x1p-1074"),
            (sum(&[1024.0]), "0x1p10"),
        ];
        for (sum, text) in cases {
            assert_eq!(sum.to_string(), text);
            assert_eq!(ExactSum::parse(text.as_bytes()), Some(sum));
        }
        let foreign =
            ["", "0", "0x2p0", "0x0p1", "0xp0", "1p0", "0x1p2000", "0x1p", "0x-1p0", "0x1p-1075"];
        for text in foreign {
            assert_eq!(ExactSum::parse(text.as_bytes()), None, "{text}");
        }
    }

    fn floats() -> impl Strategy<Value = Vec<f64>> {
        let money = (-1_000_000i32..1_000_000).prop_map(|cents| f64::from(cents) / 100.0);
        let any =
            proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO;
        proptest::collection::vec(prop_oneof![money, any], 0..30)
    }

    proptest! {
        #[test]
        fn neither_order_nor_batches_matter(
            values in floats(), order in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>(),
        ) {
            let whole = sum(&values);
            let mut other = values.clone();
            other.reverse();
            other.rotate_left(order.index(values.len() + 1).min(values.len()));
            prop_assert_eq!(&sum(&other), &whole);
            let (first, second) = values.split_at(cut.index(values.len() + 1));
            prop_assert_eq!(&sum(first).plus(&sum(second)), &whole);
            prop_assert_eq!(ExactSum::parse(whole.to_string().as_bytes()), Some(whole.clone()));
            // What was added is taken off again.
            let back = values.iter().fold(whole, |sum, value| sum.plus(&ExactSum::of(-value)));
            prop_assert_eq!(back, ExactSum::default());
        }

        #[test]
        fn whole_numbers_up_to_2_to_the_53_are_exact(
            values in proptest::collection::vec(-(1i64 << 40)..1 << 40, 0..100),
        ) {
            let floats: Vec<f64> = values.iter().map(|&value| value as f64).collect();
            prop_assert_eq!(sum(&floats).value(), values.iter().sum::<i64>() as f64);
        }

        #[test]
        fn one_float_is_itself(value in proptest::num::f64::ANY) {
            prop_assume!(value.is_finite() && value != 0.0);
            prop_assert_eq!(ExactSum::of(value).value().to_bits(), value.to_bits());
        }

        #[test]
        fn bytes_of_any_kind_are_no_panic(text in "-?0x[0-9a-f]{0,20}p-?[0-9]{0,6}") {
            if let Some(sum) = ExactSum::parse(text.as_bytes()) {
                prop_assert_eq!(ExactSum::parse(sum.to_string().as_bytes()), Some(sum));
            }
        }
    }
}
