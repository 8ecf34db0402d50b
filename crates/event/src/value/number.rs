//! Numbers as producers write them: `4`, `4.0`, `1E+3`, and the whole number that is meant.
//!
//! All is decided on the digits, never through a float: `9007199254740993` keeps its last digit.

use super::ValueError;
use crate::FieldType;
use smol_str::SmolStr;

/// The greatest whole number up to which a float tells each from the next. What was a float
/// beyond it may have been another number before, so it is refused and not rounded.
const MAX_SAFE: i64 = (1 << 53) - 1;

/// Why a number is not the whole number that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotWhole {
    /// It is beyond 64 bits.
    Beyond,
    /// It has a fraction.
    Fraction,
    /// It was a float beyond 2^53 - 1.
    Imprecise,
    /// It is no number.
    NoNumber,
}

impl NotWhole {
    /// What is wrong with it, to stand behind "is not an int".
    pub(crate) fn hint(self) -> &'static str {
        match self {
            NotWhole::Beyond => " of 64 bits",
            NotWhole::Fraction => ": it has a fraction (round it, or make the field a float)",
            NotWhole::Imprecise => {
                ": it was a float beyond 2^53, which loses digits (send it as text or as an integer)"
            }
            NotWhole::NoNumber => "",
        }
    }
}

/// The whole number that a text spells: plain, or as a float without a fraction.
pub(crate) fn whole(text: &str) -> Result<i64, NotWhole> {
    text.parse().or_else(|_| whole_slowly(text, 0, Rest::Refused))
}

/// The whole number of units of the last of so many places after the point.
pub(super) fn scaled(text: &str, places: u8) -> Result<i64, NotWhole> {
    let number = Written::of(text).ok_or(NotWhole::NoNumber)?;
    // Which of them were floats is the caller's to judge.
    of_written(&Written { is_plain: true, ..number }, places.into(), Rest::Refused)
}

/// As [`whole`], times 10^`places` and with the fraction cut off.
pub(crate) fn cut(text: &str, places: i8) -> Result<i64, NotWhole> {
    match text.parse() {
        Ok(int) if places == 0 => Ok(int),
        _ => whole_slowly(text, places, Rest::Cut),
    }
}

/// The digits of a whole number of any length, for a field that holds text. A float without a
/// fraction is written plainly: `7.0` and `7` are one id.
pub(crate) fn digits(number: &str) -> Result<SmolStr, NotWhole> {
    let unsigned = number.strip_prefix('-').unwrap_or(number);
    if unsigned == "0" {
        return Ok(SmolStr::new_static("0"));
    }
    if unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(number.into());
    }
    whole_slowly(number, 0, Rest::Refused).map(|int| smol_str::format_smolstr!("{int}"))
}

/// The whole number that a float is.
pub(crate) fn whole_float(float: f64) -> Result<i64, NotWhole> {
    match float {
        _ if !float.is_finite() => Err(NotWhole::NoNumber),
        _ if float.fract() != 0.0 => Err(NotWhole::Fraction),
        _ if float.abs() > MAX_SAFE as f64 => Err(NotWhole::Imprecise),
        _ => Ok(float as i64),
    }
}

/// What becomes of a fraction.
#[derive(Clone, Copy, PartialEq)]
enum Rest {
    Cut,
    Refused,
}

fn whole_slowly(text: &str, places: i8, rest: Rest) -> Result<i64, NotWhole> {
    of_written(&Written::of(text).ok_or(NotWhole::NoNumber)?, places.into(), rest)
}

/// A number times 10^`places`.
fn of_written(number: &Written<'_>, places: i64, rest: Rest) -> Result<i64, NotWhole> {
    let exponent = number.exponent.saturating_add(places);
    let places = exponent.saturating_sub(number.fraction.len() as i64);
    let digits = [number.whole, number.fraction].concat();
    let digits = digits.trim_start_matches('0');
    let (digits, zeros) = match usize::try_from(places) {
        Ok(zeros) => (digits, zeros),
        Err(_) => {
            let beyond = usize::try_from(places.unsigned_abs()).unwrap_or(usize::MAX);
            let (kept, fraction) = digits.split_at(digits.len().saturating_sub(beyond));
            if rest == Rest::Refused && fraction.bytes().any(|digit| digit != b'0') {
                return Err(NotWhole::Fraction);
            }
            (kept, 0)
        }
    };
    if digits.is_empty() {
        return Ok(0);
    }
    // A time that is cut has no digit there that matters.
    let is_exact = number.is_plain || rest == Rest::Cut;
    let beyond = if is_exact { NotWhole::Beyond } else { NotWhole::Imprecise };
    if digits.len().saturating_add(zeros) > 19 {
        return Err(beyond);
    }
    let sign = if number.is_negative { "-" } else { "" };
    let int = [sign, digits, &"0".repeat(zeros)].concat().parse().map_err(|_| beyond)?;
    let is_safe = (-MAX_SAFE..=MAX_SAFE).contains(&int);
    if is_exact || is_safe { Ok(int) } else { Err(NotWhole::Imprecise) }
}

/// The parts of a number's text.
struct Written<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i64,
    /// Without a point and an exponent.
    is_plain: bool,
}

impl<'a> Written<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let is_negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (unsigned, None),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let are_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !are_digits(whole) || !are_digits(fraction) {
            return None;
        }
        let is_plain = exponent.is_none() && !mantissa.contains('.');
        let exponent = exponent.map_or(Some(0), |text| {
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            let is_number = !digits.is_empty() && are_digits(digits);
            let far = if text.starts_with('-') { -1_000_000 } else { 1_000_000 };
            is_number.then(|| text.parse().map_or(far, |e: i64| e.clamp(-1_000_000, 1_000_000)))
        })?;
        Some(Self { is_negative, whole, fraction, exponent, is_plain })
    }
}

/// A finite float. What is nearer to 0 than any float is 0.
pub(super) fn float(text: &str) -> Result<f64, ValueError> {
    let float: f64 = text.parse().map_err(|_| super::wrong(text, FieldType::Float, ""))?;
    // A number with digits is finite, however great it is; the words inf and nan have none.
    match float.is_infinite() && text.contains(|c: char| c.is_ascii_digit()) {
        true => Err(ValueError::BeyondFloat(super::quoted(text))),
        false => super::finite(float),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NotWhole::*;
    use proptest::prelude::*;

    #[test]
    fn a_float_without_a_fraction_is_a_whole_number() {
        let cases = [
            ("4", Ok(4)),
            ("+5", Ok(5)),
            ("4.0", Ok(4)),
            ("-4.000", Ok(-4)),
            ("4.", Ok(4)),
            ("1E+3", Ok(1000)),
            ("1.0e3", Ok(1000)),
            ("1.5e1", Ok(15)),
            ("1500e-2", Ok(15)),
            ("0e999999999999999999999", Ok(0)),
            ("-0.0", Ok(0)),
            ("0.000e-5", Ok(0)),
            ("9223372036854775807", Ok(i64::MAX)),
            ("9007199254740991.0", Ok(MAX_SAFE)),
            ("9007199254740992.0", Err(Imprecise)),
            ("1e19", Err(Imprecise)),
            ("1e999999999999999999999", Err(Imprecise)),
            ("9223372036854775808", Err(Beyond)),
            ("1.5", Err(Fraction)),
            ("1e-999999999999999999999", Err(Fraction)),
            ("150e-2", Err(Fraction)),
        ];
        for (text, number) in cases {
            assert_eq!(whole(text), number, "{text}");
        }
        for text in
            ["", "-", ".", ".5", "e5", "1e", "1e+", "0x10", " 5", "5 ", "1,5", "NaN", "٣", "--5"]
        {
            assert_eq!(whole(text), Err(NoNumber), "{text}");
        }
    }

    #[test]
    fn a_cut_number_keeps_what_is_before_the_point() {
        for (text, places, number) in [
            ("1795813525123.7", 0, 1_795_813_525_123),
            ("1.7958135251237e12", 0, 1_795_813_525_123),
            ("0.9", 0, 0),
            ("-1.5", 0, -1),
            ("1795813525.1239", 3, 1_795_813_525_123),
            ("1795813525", 3, 1_795_813_525_000),
            ("1795813525123999", -3, 1_795_813_525_123),
            ("12", -3, 0),
        ] {
            assert_eq!(cut(text, places), Ok(number), "{text}");
        }
        assert_eq!(cut("9223372036854775807", 3), Err(Beyond));
    }

    #[test]
    fn digits_stay_as_they_were_written() {
        let huge = "170141183460469231731687303715884105001";
        for (number, text) in [
            (huge, huge),
            ("7", "7"),
            ("-7", "-7"),
            ("7.0", "7"),
            ("1E+3", "1000"),
            ("-0", "0"),
            ("-0.0", "0"),
        ] {
            assert_eq!(digits(number), Ok(text.into()), "{number}");
        }
        assert_eq!(digits("1.7014118346046923e+38"), Err(Imprecise));
        assert_eq!(digits("100000000000000000000.0"), Err(Imprecise));
        assert_eq!(digits("1.5"), Err(Fraction));
    }

    #[test]
    fn a_float_is_whole_as_its_text_is() {
        for (float, number) in [
            (4.0, Ok(4)),
            (-0.0, Ok(0)),
            (9_007_199_254_740_991.0, Ok(MAX_SAFE)),
            (9_007_199_254_740_992.0, Err(Imprecise)),
            (f64::NAN, Err(NoNumber)),
            (0.5, Err(Fraction)),
        ] {
            assert_eq!(whole_float(float), number, "{float}");
        }
    }

    proptest! {
        #[test]
        fn a_float_and_its_text_agree(float in any::<f64>()) {
            prop_assume!(float.is_finite());
            prop_assert_eq!(whole(&format!("{float:?}")), whole_float(float));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+]?[0-9]{0,22}[.]?[0-9]{0,22}[eE]?[-+]?[0-9]{0,22}") {
            let _ = (whole(&text), cut(&text, 3), cut(&text, -6), digits(&text));
        }
    }
}
