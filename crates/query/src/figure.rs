//! How numbers of results are shown, everywhere alike.

use serde_json::{Value, json};
use tallyd_aggregate::Figure;

/// A figure as JSON. A decimal is a string with all of its places, because readers of JSON take
/// numbers for floats; an int beyond what they read exactly is written as a float.
#[must_use]
pub fn figure_json(figure: Figure) -> Value {
    match figure {
        Figure::Decimal(..) => json!(figure.to_string()),
        Figure::Estimate(number) => json!(number),
        Figure::Float(float) => json!(float),
        Figure::Int(int) => i64::try_from(int).map_or_else(|_| json!(int as f64), |i| json!(i)),
    }
}
