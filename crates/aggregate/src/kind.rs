//! The keys of an aggregate bolt.

mod corrected;

use crate::{Aggregate, Function, Measure, Options, WindowOptions, subtract, view::STATS};
use smol_str::SmolStr;
use std::sync::Arc;
use tallyd_bolt::{
    Bolt, FieldRef,
    calendar::{Calendar, Length},
};
use tallyd_event::{FieldType, Schema};
use tallyd_kind::{
    BoltKind, BoltOptions, Subtracts, Wanted,
    call::Call,
    fault::Fault,
    hints,
    input::{Input, Output},
    is_plain,
    key_spec::{Default, KeySpec, Kind, NUMBERS, Spans},
    section::{Section, word, wrong_kind},
    sheet::Word,
    span_entry::{GRACE_KEY, SPAN_GRACE_KEY, SpanEntry, refuse_twice, span_retain_key},
    units::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, duration_ms, duration_text},
    view::View,
};

/// The type.
pub struct AggregateKind;

impl BoltKind for AggregateKind {
    fn name(&self) -> &'static str {
        "aggregate"
    }

    fn also_called(&self) -> &'static [&'static str] {
        &["count", "counter", "group", "metrics", "stats", "window"]
    }

    fn doc(&self) -> &'static str {
        "Counts, sums, means, extremes, distincts, rates and quantiles, for each group of events and \
         each window of time."
    }

    fn results(&self) -> Option<&'static str> {
        Some("hashes, HyperLogLogs")
    }

    fn is_by_time(&self) -> bool {
        true
    }

    fn takes_back(&self) -> bool {
        true
    }

    fn views(&self) -> &'static [&'static View] {
        const VIEWS: &[&View] = &[&STATS];
        VIEWS
    }

    fn keys(&self) -> Vec<KeySpec> {
        KEYS.to_vec()
    }

    fn read(&self, section: &Section<'_>, input: Option<&Input>) -> Option<Arc<dyn BoltOptions>> {
        Some(Arc::new(read(section, input)?))
    }

    fn output(&self, _: &str, _: Option<&Input>, _: Option<&dyn BoltOptions>) -> Output {
        Output::Nothing(None)
    }
}

impl BoltOptions for Options {
    fn kind(&self) -> &'static dyn BoltKind {
        &AggregateKind
    }

    fn build(&self, input: &Schema, calendar: &Calendar, _: u16, _: [u8; 16]) -> Arc<dyn Bolt> {
        Arc::new(Aggregate::new(self.clone(), input.clone(), calendar.clone()))
    }

    fn shape(&self) -> Vec<(String, String)> {
        Options::shape(self)
    }

    fn partitioned_by(&self) -> Wanted<'_> {
        Wanted::Fields(&self.by)
    }

    fn kept_by(&self) -> Vec<&FieldRef> {
        self.by.iter().collect()
    }

    fn stays(&self, field: Option<&str>) -> Option<String> {
        let is_by = |field| self.by.iter().any(|by| by.name == field);
        if field.is_some_and(is_by) {
            return None;
        }
        let names: Vec<&str> = self.measures.iter().map(|of| of.name.as_str()).collect();
        Some(format!("what the member's events added to {}", names.join(", ")))
    }

    fn subtracts(&self) -> Option<Subtracts<'_>> {
        Some(subtract::subtracts(self))
    }

    fn renamed(&self, field: &str) -> Result<Option<String>, String> {
        if self.by.iter().any(|by| by.name == field) {
            return Err("groups of an aggregate keep their names".to_owned());
        }
        let counts =
            |of: &&Measure| matches!(&of.function, Function::Distinct(what) if what.name == field);
        let names: Vec<&str> =
            self.measures.iter().filter(counts).map(|of| of.name.as_str()).collect();
        let said = || format!("both names in {}, which count them as two", names.join(", "));
        Ok((!names.is_empty()).then(said))
    }

    fn windows(&self) -> Vec<&str> {
        self.windows.iter().map(|window| window.name.as_str()).collect()
    }
}

/// The keys.
const KEYS: &[KeySpec] = &[
    KeySpec {
        name: "by",
        kind: Kind::Fields,
        default: Default::value("[]"),
        doc: "The fields whose values make a group; none: all events are one group, `total`.",
    },
    KeySpec {
        name: "windows",
        kind: Kind::Spans(&WINDOWS),
        default: Default::Required,
        doc: "The windows that are counted side by side: a length of whole seconds that divides a \
              day (`\"1m\"`, `\"15m\"`, `\"1h\"`), or `\"1d\"`, `\"1w\"`, `\"1mo\"`, `\"all\"`.",
    },
    KeySpec {
        name: "measures",
        kind: Kind::Measures,
        default: Default::Required,
        doc: "What is measured: a name for each `\"function(field)\"`; see below.",
    },
    KeySpec {
        name: "accuracy",
        kind: Kind::Number(0.0001, 0.5),
        default: Default::value("0.01"),
        doc: "The relative error that a quantile may have.",
    },
    GRACE_KEY,
];

static WINDOWS: Spans =
    Spans { what: "window", name: "length", keys: WINDOW_KEYS, example: "[\"1h\", \"all\"]" };

/// The keys of a window that is written as a table.
const WINDOW_KEYS: &[KeySpec] = &[
    KeySpec {
        name: "length",
        kind: Kind::Text,
        default: Default::Required,
        doc: "The length, as above.",
    },
    span_retain_key(
        "120 windows below an hour (`\"1m\"`: `\"2h\"`), 168 windows from an hour to a day \
         (`\"1h\"`: `\"7d\"`), `\"90d\"` (1d), `\"365d\"` (1w), `\"1095d\"` (1mo), \
         `\"forever\"` (all)",
    ),
    SPAN_GRACE_KEY,
];

/// The functions of measures, with what each takes and gives.
pub const FUNCTIONS: [(&str, &str); 11] = [
    ("count", "how many events"),
    ("count(field)", "how many are true of a bool; how many have the field, of any other type"),
    ("sum(field)", "the sum of an int, decimal or float: exact, in whatever order the events come"),
    ("mean(field)", "the mean of an int, decimal or float, of the exact sum"),
    ("min(field)", "the least int, decimal, float or time"),
    ("max(field)", "the greatest int, decimal, float or time"),
    (
        "last(field)",
        "the int, decimal, float or time of the event with the latest time; of equal times, of the one that \
         arrived later",
    ),
    ("last_arrived(field)", "the int, decimal, float or time of the event that arrived last"),
    (
        "distinct(field)",
        "how many different values: exact up to 1,024, above an estimate by HyperLogLog (standard \
         error 0.81 %)",
    ),
    ("rate", "events a second of the window; not in `all`"),
    (
        "p50(field)",
        "a quantile of an int, decimal or float: any of p1 to p99, also such as p99.9. By nearest rank: of \
         the n values in order the one at rank ⌈0.5 · n⌉, within the `accuracy`",
    ),
];

const FUNCTION_NAMES: [&str; 10] =
    ["count", "sum", "mean", "min", "max", "last", "last_arrived", "distinct", "rate", "p50"];
const ORDERED: &[FieldType] =
    &[FieldType::Int, FieldType::Decimal(0), FieldType::Float, FieldType::Time];
const WINDOW_HELP: &str = "a window is a length of whole seconds that divides a day (\"1m\", \"1h\"), or \"1d\", \"1w\", \"1mo\" or \"all\"";

fn read(section: &Section<'_>, input: Option<&Input>) -> Option<Options> {
    let by = section.fields("by", input);
    let windows = windows(section);
    let measures = measures(section, input);
    let accuracy = section.number("accuracy");
    if let (Some(windows), Some(measures)) = (&windows, &measures) {
        check_rates(section, windows, measures);
    }
    let (by, windows, measures) = (by?, windows?, measures?);
    let corrected = input.is_some_and(|input| input.corrected.is_some());
    let options = Options { by, windows, measures, accuracy: accuracy?, corrected };
    corrected::check(section, input, &options);
    Some(options)
}

fn windows(section: &Section<'_>) -> Option<Vec<WindowOptions>> {
    let grace_ms = section.grace("grace");
    let entries = SpanEntry::read_all(section, "windows", &WINDOWS)?;
    let count = entries.len();
    let window = |entry: SpanEntry| {
        let (name, length, retain_ms) = window(section, &entry.name)?;
        let lasting = entry.lasting(retain_ms, grace_ms?);
        Some(WindowOptions { name, length, lasting })
    };
    let windows: Vec<WindowOptions> = entries.into_iter().flatten().filter_map(window).collect();
    let names: Vec<&str> = windows.iter().map(|window| window.name.as_str()).collect();
    refuse_twice(section, "windows", &names);
    (windows.len() == count).then_some(windows)
}

/// The name, length and default retention of a window.
fn window(section: &Section<'_>, word: &Word) -> Option<(SmolStr, Length, Option<i64>)> {
    let fixed = match word.text.as_str() {
        "1d" => Some((Length::Day, Some(90 * DAY_MS))),
        "1w" => Some((Length::Week, Some(365 * DAY_MS))),
        "1mo" => Some((Length::Month, Some(1095 * DAY_MS))),
        "all" => Some((Length::All, None)),
        _ => None,
    };
    if let Some((length, retain_ms)) = fixed {
        return Some((word.text.as_str().into(), length, retain_ms));
    }
    let refuse = |reason: &str, help: &str| {
        let message = format!("\"{}\" can't be a window{reason}", word.text);
        section.sheet.fault(Fault::new(message, word.span.clone()).help(help));
        None
    };
    if let Some(meant) = hints::window(&word.text) {
        return refuse("", &format!("write \"{meant}\""));
    }
    let Ok(ms) = duration_ms(&word.text) else {
        let help = hints::duration(&word.text).map(|meant| format!("did you mean \"{meant}\"?"));
        return refuse("", help.as_deref().unwrap_or(WINDOW_HELP));
    };
    match ms {
        DAY_MS => refuse("", "write \"1d\""),
        _ if ms == 7 * DAY_MS => refuse("", "write \"1w\""),
        _ if ms > DAY_MS => refuse(": it is longer than a day", WINDOW_HELP),
        _ if ms % SECOND_MS != 0 => refuse(": it has a part of a second", WINDOW_HELP),
        _ if DAY_MS % ms != 0 => refuse(": it does not divide a day", &nearest_window(ms)),
        _ => {
            let windows = if ms < HOUR_MS { 120 } else { 168 };
            let name = duration_text(ms).into();
            Some((name, Length::Millis(ms), Some(windows * ms)))
        }
    }
}

/// The fix of a window that does not divide a day: the next shorter and longer that do, in
/// whole hours, minutes or seconds.
fn nearest_window(ms: i64) -> String {
    let units = [HOUR_MS, MINUTE_MS, SECOND_MS];
    let unit = units.into_iter().find(|unit| ms > 2 * unit).unwrap_or(SECOND_MS);
    let divides = |count: &i64| DAY_MS % (count * unit) == 0;
    let below = (1..=ms / unit).rev().find(divides);
    let above = (ms / unit + 1..DAY_MS / unit).find(divides);
    let text = |count: i64| format!("\"{}\"", duration_text(count * unit));
    let texts: Vec<String> = [below, above].into_iter().flatten().map(text).collect();
    format!("the nearest that do: {}", texts.join(" and "))
}

fn measures(section: &Section<'_>, input: Option<&Input>) -> Option<Vec<Measure>> {
    let entries = section.entries("measures")?;
    if entries.is_empty() {
        let help = "name at least one: measures = { events = \"count\" }";
        let fault = Fault::new("\"measures\" is empty", section.span("measures")).help(help);
        section.sheet.fault(fault);
        return None;
    }
    let mut measures = Vec::new();
    for (name, item) in &entries {
        if !is_plain(&name.text) {
            let message = format!("\"{}\" can't be a measure's name", name.text);
            let help = "use letters, digits, - and _ (at most 64)";
            section.sheet.fault(Fault::new(message, name.span.clone()).help(help));
        }
        let Some(word) = word(item) else {
            section.sheet.fault(wrong_kind(&name.text, "a function, such as \"count\"", item));
            continue;
        };
        let function = Call::parse(section, word).and_then(|call| function(section, &call, input));
        measures.extend(function.map(|function| {
            let (places, adds_floats) = numbers(&function, input);
            Measure { name: name.text.as_str().into(), function, places, adds_floats }
        }));
    }
    (measures.len() == entries.len()).then_some(measures)
}

/// How many places what a function stores has, where it is of a decimal, and whether it adds floats.
fn numbers(function: &Function, input: Option<&Input>) -> (Option<u8>, bool) {
    let field = match function {
        Function::Last(field)
        | Function::LastArrived(field)
        | Function::Max(field)
        | Function::Mean(field)
        | Function::Min(field)
        | Function::Sum(field) => field,
        Function::Count
        | Function::CountPresent(_)
        | Function::CountTrue(_)
        | Function::Distinct(_)
        | Function::Quantile(..)
        | Function::Rate => return (None, false),
    };
    let kind = input.and_then(|input| Some(input.schema.fields.get(field.index)?.kind));
    let adds = matches!(function, Function::Mean(_) | Function::Sum(_));
    (kind.and_then(FieldType::places), adds && kind == Some(FieldType::Float))
}

fn function(section: &Section<'_>, call: &Call, input: Option<&Input>) -> Option<Function> {
    let field = |types: &[FieldType]| call.field(section, input, types).map(|(field, _)| field);
    match call.function.as_str() {
        "count" if !call.has_field() => Some(Function::Count),
        "count" => {
            let (field, declared) = call.field(section, input, &[])?;
            let make: fn(FieldRef) -> Function = match declared.kind {
                FieldType::Bool => Function::CountTrue,
                _ => Function::CountPresent,
            };
            Some(make(field))
        }
        "sum" => field(NUMBERS).map(Function::Sum),
        "mean" => field(NUMBERS).map(Function::Mean),
        "min" => field(ORDERED).map(Function::Min),
        "max" => field(ORDERED).map(Function::Max),
        "last" => field(ORDERED).map(Function::Last),
        "last_arrived" => field(ORDERED).map(Function::LastArrived),
        "distinct" => field(&[]).map(Function::Distinct),
        "rate" => call.without_field(section).map(|()| Function::Rate),
        name => match share(name) {
            Some(share) => field(NUMBERS).map(|field| Function::Quantile(field, share)),
            None => {
                call.unknown(section, input, &FUNCTION_NAMES);
                None
            }
        },
    }
}

/// The share of `p50` or `p99.9`: 0.5, 0.999.
fn share(function: &str) -> Option<f64> {
    let digits = function.strip_prefix('p')?;
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    let share: f64 = format!("{digits}e-2").parse().ok()?;
    (is_number && share > 0.0 && share < 1.0).then_some(share)
}

fn check_rates(section: &Section<'_>, windows: &[WindowOptions], measures: &[Measure]) {
    let has_end = windows.iter().any(|window| window.length != Length::All);
    if !has_end && measures.iter().any(|measure| measure.function == Function::Rate) {
        let message = "a rate needs a window that has an end";
        let help = "add one, such as \"1m\", or take the rate away";
        section.sheet.fault(Fault::new(message, section.span("windows")).help(help));
    }
}
