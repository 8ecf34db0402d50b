//! What of a leaderboard can't be undone of an event that is taken back.

use crate::{Options, Score, Ties};
use tallyd_bolt::{FieldRef, calendar::Length};
use tallyd_kind::{corrected::Corrected, fault::Fault, input::Input, section::Section};

/// Faults what can't take events back, where the input has such.
pub(super) fn check(section: &Section<'_>, input: Option<&Input>, options: &Options) {
    let Some(corrected) = input.and_then(|input| input.corrected.as_deref()) else { return };
    if options.ties == Ties::First {
        let message = format!(
            "ties = \"first\" can't take back what \"{}\" corrects: who reached a score first is not \
             known once it is corrected",
            corrected.by
        );
        let help = "write ties = \"shared\" or \"dense\"";
        section.sheet.fault(Fault::new(message, section.span("ties")).help(help));
    }
    let optional = match &options.score {
        Score::Last(field) | Score::LastArrived(field) => {
            Some(field).filter(|field| input.is_some_and(|input| input.is_optional(field)))
        }
        Score::Count | Score::Sum(_) | Score::Max(_) | Score::Min(_) => None,
    };
    let name = match &options.score {
        Score::Count | Score::Sum(_) => return,
        Score::Last(_) | Score::LastArrived(_)
            if stays(corrected, options) && optional.is_none() =>
        {
            return;
        }
        Score::Last(_) => "last",
        Score::LastArrived(_) => "last_arrived",
        Score::Max(_) => "max",
        Score::Min(_) => "min",
    };
    let way = matches!(options.score, Score::Last(_) | Score::LastArrived(_));
    let way = way.then(|| way_of_last(corrected, options, optional));
    let what = format!("score \"{name}\"");
    section.sheet.fault(corrected.fault(&what, section.span("score"), way.as_deref()));
}

/// Whether the version that replaces another one is always on the boards where that was.
fn stays(corrected: &Corrected, options: &Options) -> bool {
    !corrected.retracts && all_time(options) && others(corrected, options).is_empty()
}

fn all_time(options: &Options) -> bool {
    options.periods.iter().all(|period| period.length == Length::All)
}

/// The fields that a correction may change, and with them who is on which board.
fn others<'a>(corrected: &Corrected, options: &'a Options) -> Vec<&'a str> {
    let fields = std::iter::once(&options.member).chain(options.boards.iter().flatten());
    let others = fields.filter(|field| !corrected.key.contains(&field.name));
    others.map(|field| field.name.as_str()).collect()
}

fn way_of_last(corrected: &Corrected, options: &Options, optional: Option<&FieldRef>) -> String {
    let mut needs = Vec::new();
    if corrected.retracts {
        needs.push(format!("leave retract out of \"{}\"", corrected.by));
    }
    if !all_time(options) {
        needs.push("write periods = [\"all\"]".to_owned());
    }
    let others = others(corrected, options);
    if !others.is_empty() {
        needs.push(format!("put {} into its key", others.join(", ")));
    }
    // A version without the field would leave the score of the one before.
    if let Some(field) = optional {
        needs.push(format!("let every event have {} (take optional = true away)", field.name));
    }
    needs.join(", ")
}
