//! What a topology says of an aggregate bolt.

use smol_str::SmolStr;
use tallyd_bolt::{FieldRef, Lasting, calendar::Length};

/// The relative accuracy of quantiles where the topology names none.
pub const DEFAULT_ACCURACY: f64 = 0.01;

/// The options of an aggregate bolt. The topology checks that fields have the type that their
/// measure needs, and that names are unique and free of `.` and `:`.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The fields that events are grouped by. None: all events are one group.
    pub by: Vec<FieldRef>,
    /// The windows that are counted side by side.
    pub windows: Vec<WindowOptions>,
    /// What is measured in each.
    pub measures: Vec<Measure>,
    /// The relative accuracy of quantiles, such as [`DEFAULT_ACCURACY`]; 0.0001 to 0.5.
    pub accuracy: f64,
    /// Whether events may be taken back: then it is stored how many are left.
    pub corrected: bool,
}

/// One window of an aggregate bolt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowOptions {
    /// Its name in keys: `1h`, `all`.
    pub name: SmolStr,
    /// How long it is.
    pub length: Length,
    /// How long it can be read after its end, and is changed by late events.
    pub lasting: Lasting,
}

/// One measure of an aggregate bolt.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// Its name: the name of its field in the stored hash.
    pub name: SmolStr,
    /// What is measured.
    pub function: Function,
    /// Of a decimal field, how many places what is stored has.
    pub places: Option<u8>,
    /// Whether it adds up floats: such a sum is stored in another form than one of ints.
    pub adds_floats: bool,
}

/// What a measure measures. An event that leaves the field out is not part of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Function {
    /// How many events.
    Count,
    /// How many events that have this field.
    CountPresent(FieldRef),
    /// How many events whose bool is true.
    CountTrue(FieldRef),
    /// How many different values: exact up to [`crate::EXACT_DISTINCT`], above by HyperLogLog
    /// (standard error 0.81 %).
    Distinct(FieldRef),
    /// The int, decimal, float or time of the event with the latest time; of two with one time, of the one
    /// that arrived later.
    Last(FieldRef),
    /// The int, decimal, float or time of the event that arrived last.
    LastArrived(FieldRef),
    /// The greatest int, decimal, float or time.
    Max(FieldRef),
    /// The arithmetic mean of an int, decimal or float.
    Mean(FieldRef),
    /// The least int, decimal, float or time.
    Min(FieldRef),
    /// The quantile of this share (0..1) of an int or float by nearest rank, by DDSketch: of the n
    /// values in order the one at rank ⌈share · n⌉.
    Quantile(FieldRef, f64),
    /// Events per second of the window.
    Rate,
    /// The sum of an int, decimal or float.
    Sum(FieldRef),
}

impl Options {
    /// What the stored data depends on: data that was written under another shape can't be used,
    /// but a shape may gain windows and measures.
    #[must_use]
    pub fn shape(&self) -> Vec<(String, String)> {
        let by: Vec<&str> = self.by.iter().map(|field| field.name.as_str()).collect();
        let mut shape =
            vec![("type".to_owned(), "aggregate".to_owned()), ("by".to_owned(), by.join(","))];
        shape.extend(self.windows.iter().map(|window| {
            (format!("window.{}", window.name), format!("{:?}", window.length).to_lowercase())
        }));
        shape.extend(self.measures.iter().map(|measure| {
            let mut shape = measure.function.shape(self.accuracy);
            if let Some(places) = measure.places {
                shape.push_str(&format!(" in {places} places"));
            }
            if measure.adds_floats {
                shape.push_str(" of floats");
            }
            (format!("measure.{}", measure.name), shape)
        }));
        shape
    }
}

impl Function {
    fn shape(&self, accuracy: f64) -> String {
        match self {
            Function::Count => "count".to_owned(),
            Function::CountPresent(field) => format!("count_present({})", field.name),
            Function::CountTrue(field) => format!("count_true({})", field.name),
            Function::Distinct(field) => format!("distinct({})", field.name),
            Function::Last(field) => format!("last({})", field.name),
            Function::LastArrived(field) => format!("last_arrived({})", field.name),
            Function::Max(field) => format!("max({})", field.name),
            Function::Mean(field) => format!("mean({})", field.name),
            Function::Min(field) => format!("min({})", field.name),
            Function::Quantile(field, share) => {
                format!("quantile({}, {share}) within {accuracy}", field.name)
            }
            Function::Rate => "rate".to_owned(),
            Function::Sum(field) => format!("sum({})", field.name),
        }
    }
}
