//! The constants of a bolt's formulas, as keys of its table.

use crate::{
    key_spec::{Default, KeySpec, Kind},
    section::Section,
};
use tallyd_bolt::Parameter;

/// The keys.
pub fn parameter_keys<T: std::default::Default>(table: &[Parameter<T>]) -> Vec<KeySpec> {
    let mut defaults = T::default();
    let key = |parameter: &Parameter<T>| KeySpec {
        name: parameter.name,
        kind: Kind::Number(parameter.min, parameter.max),
        default: Default::Value((parameter.place)(&mut defaults).to_string().into()),
        doc: parameter.doc,
    };
    table.iter().map(key).collect()
}

/// Reads them; `None` where one is faulty.
pub fn parameters<T: std::default::Default>(
    section: &Section<'_>,
    table: &[Parameter<T>],
) -> Option<T> {
    let mut parameters = T::default();
    let mut whole = true;
    for parameter in table {
        match section.number(parameter.name) {
            Some(number) => *(parameter.place)(&mut parameters) = number,
            None => whole = false,
        }
    }
    whole.then_some(parameters)
}
