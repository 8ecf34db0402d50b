//! Where an aggregate bolt keeps what: its keys, and the fields of its hashes.

use crate::{Function, Measure, WindowOptions};
use smol_str::{SmolStr, format_smolstr};
use tallyd_bolt::Key;

/// The name of the one group of a bolt that groups by nothing.
pub const TOTAL: &str = "total";

/// The part of a key that names a group, from the values of the bolt's `by` fields in their order;
/// `None` where the events leave the field out.
#[must_use]
pub fn group<'a>(values: &[(&'a str, Option<&'a str>)]) -> SmolStr {
    if values.is_empty() {
        return SmolStr::new_static(TOTAL);
    }
    Key::group(values.iter().copied())
}

/// The hash that holds a group's measures in a window.
#[must_use]
pub fn window_key(window: &WindowOptions, label: &str, group: &str) -> Key {
    Key::new(&["window", &window.name, label, group])
}

/// The log of the values of a distinct measure of a group in a window, while their number is exact.
#[must_use]
pub fn values_key(window: &WindowOptions, label: &str, measure: &str, group: &str) -> Key {
    Key::new(&["values", &window.name, label, measure, group])
}

/// The `HyperLogLog` of a distinct measure of a group in a window, once their number is an estimate.
#[must_use]
pub fn distinct_key(window: &WindowOptions, label: &str, measure: &str, group: &str) -> Key {
    Key::new(&["distinct", &window.name, label, measure, group])
}

/// The set of the groups that were counted in a window, each as [`group`] writes it.
#[must_use]
pub fn groups_key(window: &WindowOptions, label: &str) -> Key {
    Key::new(&["groups", &window.name, label])
}

/// The fields of a window's hash that a measure is read from.
#[must_use]
pub fn fields(measure: &Measure) -> Vec<SmolStr> {
    match measure.function {
        Function::Mean(_) => vec![sum_field(&measure.name), count_field(&measure.name)],
        Function::Rate => vec![count_field(&measure.name)],
        _ => vec![measure.name.clone()],
    }
}

pub(crate) fn sum_field(measure: &str) -> SmolStr {
    format_smolstr!("{measure}.sum")
}

pub(crate) fn count_field(measure: &str) -> SmolStr {
    format_smolstr!("{measure}.count")
}

/// The exact sum of floats behind the field of a sum.
pub(crate) fn exact_field(sum: &str) -> SmolStr {
    format_smolstr!("{sum}.exact")
}

/// When the event of a last value happened.
pub(crate) fn time_field(measure: &str) -> SmolStr {
    format_smolstr!("{measure}.at")
}

pub(crate) fn sketch_field(field: &str) -> SmolStr {
    format_smolstr!("sketch.{field}")
}
