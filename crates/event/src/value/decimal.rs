//! Numbers of a fixed number of places after the point, such as money: exact, as floats are not.

use super::{
    ValueError,
    number::{NotWhole, scaled},
    quoted, wrong,
};
use crate::FieldType;
use std::fmt;

/// The most places that a decimal may have.
pub const MAX_PLACES: u8 = 9;

/// How many decimal digits a float keeps, whatever they are: more may have become others.
const FLOAT_DIGITS: u8 = 15;
const FLOAT32_DIGITS: u8 = 6;

/// A number of a fixed number of places: `12.50` is 1,250 units of 2 places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// How many units of its last place.
    pub units: i64,
    /// How many places it has after the point, at most [`MAX_PLACES`].
    pub places: u8,
}

impl Decimal {
    /// Reads a number that has at most so many places. What is written with an exponent was a
    /// float.
    pub(super) fn from_text(text: &str, places: u8) -> Result<Self, ValueError> {
        let float = text.contains(['e', 'E']).then_some(FLOAT_DIGITS);
        Self::of(text, places, float)
    }

    /// The decimal that is meant by a float: its shortest digits.
    pub(super) fn from_float(float: f64, places: u8) -> Result<Self, ValueError> {
        Self::of(&super::finite(float)?.to_string(), places, Some(FLOAT_DIGITS))
    }

    /// As [`Decimal::from_float`], of a float of 32 bits.
    pub(super) fn from_float32(float: f32, places: u8) -> Result<Self, ValueError> {
        super::finite(float.into())?;
        Self::of(&float.to_string(), places, Some(FLOAT32_DIGITS))
    }

    pub(super) fn from_int(int: i64, places: u8) -> Result<Self, ValueError> {
        let units = 10i64.checked_pow(places.into()).and_then(|unit| int.checked_mul(unit));
        let beyond = || ValueError::DecimalBeyond { given: int.to_string(), places };
        Ok(Self { units: units.ok_or_else(beyond)?, places })
    }

    /// `float`: how many digits a number certainly keeps on its way through the float that it was.
    fn of(text: &str, places: u8, float: Option<u8>) -> Result<Self, ValueError> {
        let given = || quoted(text);
        let units = scaled(text, places).map_err(|why| match why {
            NotWhole::Fraction => ValueError::TooManyPlaces { given: given(), places },
            NotWhole::Beyond | NotWhole::Imprecise => {
                ValueError::DecimalBeyond { given: given(), places }
            }
            NotWhole::NoNumber => wrong(text, FieldType::Decimal(places), ""),
        })?;
        match float {
            Some(digits) if units.unsigned_abs() >= 10u64.pow(digits.into()) => {
                Err(ValueError::DecimalImprecise { given: given(), digits })
            }
            _ => Ok(Self { units, places }),
        }
    }

    /// The float nearest to it; beyond 2^53 units its last digits are lost.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        as_f64(self.units.into(), self.places)
    }
}

/// The float nearest to so many units; beyond 2^53 of them the last digits are lost.
#[must_use]
pub fn as_f64(units: i128, places: u8) -> f64 {
    units as f64 / 10f64.powi(places.into())
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self.units.into(), self.places))
    }
}

/// Units as a number with all of its places: 1250 of 2 places is `12.50`.
#[must_use]
pub fn text(units: i128, places: u8) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let places = usize::from(places);
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let point = if places == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_of_at_most_so_many_places_is_a_decimal() {
        let cases = [
            ("12.5", 2, "12.50"),
            ("12.50", 2, "12.50"),
            ("12.500", 2, "12.50"),
            ("12", 2, "12.00"),
            ("+12", 2, "12.00"),
            ("-0.01", 2, "-0.01"),
            ("-0", 2, "0.00"),
            ("1.25e1", 2, "12.50"),
            ("1E+3", 0, "1000"),
            ("7", 0, "7"),
            ("0.000000001", 9, "0.000000001"),
            // Written with a point it is taken at its word: nothing was a float here.
            ("92233720368547758.07", 2, "92233720368547758.07"),
            ("-92233720368547758.08", 2, "-92233720368547758.08"),
            ("9999999999999.99e0", 2, "9999999999999.99"),
        ];
        for (given, places, expected) in cases {
            let found = Decimal::from_text(given, places).map(|decimal| decimal.to_string());
            assert_eq!(found, Ok(expected.to_owned()), "{given}");
        }
    }

    #[test]
    fn what_would_be_rounded_is_refused_with_the_reason() {
        let more = "has more than 2 places after the point (round it, or give the field more)";
        let beyond = "is beyond 92233720368547758.07, the greatest decimal with 2 places";
        let float = |digits: u8| {
            format!(
                "was a float of more than {digits} digits, which may have lost some (send it as text)"
            )
        };
        let no = "is not a decimal (such as 12.50)";
        let cases = [
            ("12.505", format!("\"12.505\" {more}")),
            ("12.5e-2", format!("\"12.5e-2\" {more}")),
            ("92233720368547758.08", format!("\"92233720368547758.08\" {beyond}")),
            ("1e300", format!("\"1e300\" {beyond}")),
            ("1e14", format!("\"1e14\" {}", float(15))),
            ("twelve", format!("\"twelve\" {no}")),
            ("1,250.00", format!("\"1,250.00\" {no}")),
            ("NaN", format!("\"NaN\" {no}")),
        ];
        for (given, expected) in cases {
            let found = Decimal::from_text(given, 2).map_err(|error| error.to_string());
            assert_eq!(found, Err(expected), "{given}");
        }
        let of_float = |float| Decimal::from_float(float, 2).map(|d| d.to_string());
        let said = |float| of_float(float).map_err(|error| error.to_string());
        assert_eq!(said(12.5), Ok("12.50".to_owned()));
        assert_eq!(said(-0.0), Ok("0.00".to_owned()));
        assert_eq!(said(1.15), Ok("1.15".to_owned()));
        assert_eq!(said(0.1 + 0.2), Err(format!("\"0.30000000000000004\" {more}")));
        assert_eq!(said(1e13), Err(format!("\"10000000000000\" {}", float(15))));
        assert_eq!(said(f64::NAN), Err("NaN is not finite".to_owned()));
        let said = |float| {
            let decimal = Decimal::from_float32(float, 2).map(|d| d.to_string());
            decimal.map_err(|error| error.to_string())
        };
        assert_eq!(said(12.1), Ok("12.10".to_owned()));
        assert_eq!(said(1_234_567.9), Err(format!("\"1234567.9\" {}", float(6))));
        assert_eq!(
            Decimal::from_int(i64::MAX, 2).map_err(|error| error.to_string()),
            Err(format!("{} {beyond}", i64::MAX))
        );
    }

    proptest! {
        #[test]
        fn a_decimal_survives_its_text(units in any::<i64>(), places in 0..=MAX_PLACES) {
            let decimal = Decimal { units, places };
            prop_assert_eq!(Decimal::from_text(&decimal.to_string(), places), Ok(decimal));
        }

        /// Of so few digits, none is lost in a float.
        #[test]
        fn a_decimal_survives_a_float(
            units in -999_999_999_999_999i64..=999_999_999_999_999,
            few in -999_999i64..=999_999,
            places in 0..=MAX_PLACES,
        ) {
            let decimal = Decimal { units, places };
            let float: f64 = decimal.to_string().parse().unwrap();
            prop_assert_eq!(Decimal::from_float(float, places), Ok(decimal));
            let decimal = Decimal { units: few, places };
            let float: f32 = decimal.to_string().parse().unwrap();
            prop_assert_eq!(Decimal::from_float32(float, places), Ok(decimal));
        }
    }
}
