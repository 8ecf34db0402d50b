//! Numbers as they are stored, and how a measure is read from them.

use crate::{
    Function, Measure,
    distinct::is_estimate,
    keys::{count_field, sum_field},
};
use serde::{Serialize, Serializer};
use std::fmt;
use tallyd_bolt::calendar::Window;
use tallyd_event::decimal;

/// A number of an aggregate. Stored as text: a float has a `.` or an exponent, an int has neither.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// A decimal: how many units of the last of so many places. Stored with all places, `12.50`.
    Decimal(i128, u8),
    /// About how many: an estimate of a distinct measure.
    Estimate(u64),
    /// A finite float, stored in the shortest text that gives it back.
    Float(f64),
    /// A whole number.
    Int(i128),
}

/// A stored value that is not what this bolt writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored field \"{field}\" is not {wanted}: \"{}\"", .given.escape_ascii())]
pub struct Unreadable {
    /// The field of the hash.
    pub field: String,
    /// What it should be, with an article.
    pub wanted: &'static str,
    /// The first bytes of what is stored.
    pub given: Vec<u8>,
}

impl Figure {
    /// The figure as a float; an int beyond 2^53 loses its last digits.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        match self {
            Figure::Decimal(units, places) => decimal::as_f64(units, places),
            Figure::Estimate(number) => number as f64,
            Figure::Float(float) => float,
            Figure::Int(int) => int as f64,
        }
    }

    /// The figure of a stored text; with `places`, that of a decimal.
    pub(crate) fn parse(field: &str, bytes: &[u8], places: Option<u8>) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(bytes).ok();
        if let Some(places) = places {
            let units = |text: &str| {
                let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
                let is_whole = fraction.len() == usize::from(places);
                is_whole.then(|| format!("{whole}{fraction}").parse().ok()).flatten()
            };
            let units = text.and_then(units);
            return units
                .map(|units| Figure::Decimal(units, places))
                .ok_or_else(|| Unreadable::new(field, "a decimal", bytes));
        }
        let int = text.and_then(|text| text.parse().ok()).map(Figure::Int);
        let float = || text.and_then(|text| text.parse().ok()).filter(|f: &f64| f.is_finite());
        int.or_else(|| float().map(Figure::Float))
            .ok_or_else(|| Unreadable::new(field, "a number", bytes))
    }
}

/// A decimal is text with all of its places, because readers of JSON take numbers for floats. An int
/// beyond what they read exactly is written as a float.
impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Figure::Decimal(..) => serializer.collect_str(self),
            Figure::Estimate(number) => serializer.serialize_u64(number),
            Figure::Float(float) => serializer.serialize_f64(float),
            Figure::Int(int) => match i64::try_from(int) {
                Ok(int) => serializer.serialize_i64(int),
                Err(_) => serializer.serialize_f64(int as f64),
            },
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Figure::Decimal(units, places) => f.write_str(&decimal::text(*units, *places)),
            Figure::Estimate(number) => write!(f, "~{number}"),
            // The debug form keeps the point: 5.0 is a float.
            Figure::Float(float) => write!(f, "{float:?}"),
            Figure::Int(int) => write!(f, "{int}"),
        }
    }
}

impl Unreadable {
    pub(crate) fn new(field: &str, wanted: &'static str, given: &[u8]) -> Self {
        let given = given.iter().copied().take(40).collect();
        Self { field: field.to_owned(), wanted, given }
    }
}

/// The value of a measure in a window, from the fields of its hash, given by name.
///
/// A count, distinct measure or rate of nothing is 0; any other measure of nothing is `None`, and so
/// is a rate for all time. A distinct measure is `None` too where the hash does not hold it, because
/// it is an estimate: see [`crate::distinct_key`]. A rate is events per second of the whole window,
/// also while it has not ended.
///
/// # Errors
/// Where a field holds something that this bolt does not write.
pub fn value(
    measure: &Measure,
    window: &Window,
    field: &dyn Fn(&str) -> Option<Vec<u8>>,
) -> Result<Option<Figure>, Unreadable> {
    let parse =
        |name: &str, places| field(name).map(|b| Figure::parse(name, &b, places)).transpose();
    let figure = |name: &str| parse(name, None);
    let name = measure.name.as_str();
    match measure.function {
        Function::Count | Function::CountPresent(_) | Function::CountTrue(_) => {
            Ok(Some(figure(name)?.unwrap_or(Figure::Int(0))))
        }
        Function::Distinct(_) => {
            let number = figure(name)?.unwrap_or(Figure::Int(0));
            Ok(Some(number).filter(|_| !is_estimate(field(name).as_deref())))
        }
        Function::Last(_)
        | Function::LastArrived(_)
        | Function::Max(_)
        | Function::Min(_)
        | Function::Sum(_) => parse(name, measure.places),
        Function::Quantile(..) => figure(name),
        Function::Mean(_) => {
            let pair = (parse(&sum_field(name), measure.places)?, figure(&count_field(name))?);
            let (Some(sum), Some(count)) = pair else { return Ok(None) };
            Ok(Some(Figure::Float(sum.as_f64() / count.as_f64())))
        }
        Function::Rate => {
            let count = figure(&count_field(name))?.unwrap_or(Figure::Int(0));
            let ms = window.end.saturating_sub(window.start);
            let bounded = window.end < i64::MAX && ms > 0;
            Ok(bounded.then(|| Figure::Float(count.as_f64() * 1000.0 / ms as f64)))
        }
    }
}
