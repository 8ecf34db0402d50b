//! What of an aggregate can't be undone of an event that is taken back.

use crate::{Function, Options};
use tallyd_bolt::{FieldRef, calendar::Length};
use tallyd_kind::{corrected::Corrected, input::Input, section::Section};

/// Faults the measures that can't take events back, where the input has such.
pub(super) fn check(section: &Section<'_>, input: Option<&Input>, options: &Options) {
    for measure in &options.measures {
        let what = format!("measure \"{}\" ({})", measure.name, called(&measure.function));
        match &measure.function {
            Function::Count
            | Function::CountPresent(_)
            | Function::CountTrue(_)
            | Function::Mean(_)
            | Function::Rate
            | Function::Sum(_) => {}
            Function::Last(field) | Function::LastArrived(field) => {
                let optional = input.is_some_and(|input| input.is_optional(field));
                let corrected = input.and_then(|input| input.corrected.as_deref());
                if !corrected.is_none_or(|corrected| stays(corrected, options) && !optional) {
                    let optional = optional.then_some(field);
                    let way = |corrected: &Corrected| Some(way(corrected, options, optional));
                    section.refuse_corrected(input, &what, "measures", way);
                }
            }
            Function::Distinct(_)
            | Function::Max(_)
            | Function::Min(_)
            | Function::Quantile(..) => {
                section.refuse_corrected(input, &what, "measures", |_| None)
            }
        }
    }
}

/// Whether the version that replaces another one is always counted where that was.
fn stays(corrected: &Corrected, options: &Options) -> bool {
    let all_time = options.windows.iter().all(|window| window.length == Length::All);
    !corrected.retracts && all_time && corrected.keeps(&options.by)
}

fn way(corrected: &Corrected, options: &Options, optional: Option<&FieldRef>) -> String {
    let mut needs = Vec::new();
    if corrected.retracts {
        needs.push(format!("leave retract out of \"{}\"", corrected.by));
    }
    if options.windows.iter().any(|window| window.length != Length::All) {
        needs.push("write windows = [\"all\"]".to_owned());
    }
    let others = options.by.iter().filter(|field| !corrected.key.contains(&field.name));
    let others: Vec<&str> = others.map(|field| field.name.as_str()).collect();
    if !others.is_empty() {
        needs.push(format!("group by fields of its key, not by {}", others.join(", ")));
    }
    // A version without the field would leave the value of the one before.
    if let Some(field) = optional {
        needs.push(format!("let every event have {} (take optional = true away)", field.name));
    }
    needs.join(", ")
}

fn called(function: &Function) -> &'static str {
    match function {
        Function::Count | Function::CountPresent(_) | Function::CountTrue(_) => "count",
        Function::Distinct(_) => "distinct",
        Function::Last(_) => "last",
        Function::LastArrived(_) => "last_arrived",
        Function::Max(_) => "max",
        Function::Mean(_) => "mean",
        Function::Min(_) => "min",
        Function::Quantile(..) => "quantile",
        Function::Rate => "rate",
        Function::Sum(_) => "sum",
    }
}
