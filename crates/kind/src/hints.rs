//! What a newcomer may have meant: names of other systems, and values of nearly the right kind.

use crate::{
    fault::{did_you_mean, nearest},
    key_spec::{KeySpec, Kind},
    sheet::{Item, whole},
};
use toml::de::DeValue;

/// What other systems call a key, and what it is called here.
const KEYS: [(&str, &str); 24] = [
    ("aggregates", "measures"),
    ("aggregations", "measures"),
    ("expires", "window"),
    ("group", "by"),
    ("group_by", "by"),
    ("groupby", "by"),
    ("input", "from"),
    ("inputs", "from"),
    ("kind", "type"),
    ("maxlen", "max_len"),
    ("metrics", "measures"),
    ("nullable", "optional"),
    ("precision", "places"),
    ("rank_by", "score"),
    ("reads", "from"),
    ("scale", "places"),
    ("schema", "fields"),
    ("source", "from"),
    ("timestamp", "time"),
    ("timezone", "time_zone"),
    ("topic", "stream"),
    ("ttl", "window"),
    ("tz", "time_zone"),
    ("upstream", "from"),
];

/// What other systems call a window, and what it is called here.
const WINDOWS: [(&str, &str); 25] = [
    ("1day", "1d"),
    ("1hr", "1h"),
    ("1mon", "1mo"),
    ("1month", "1mo"),
    ("1week", "1w"),
    ("24h", "1d"),
    ("30d", "1mo"),
    ("31d", "1mo"),
    ("4w", "1mo"),
    ("7d", "1w"),
    ("all-time", "all"),
    ("alltime", "all"),
    ("daily", "1d"),
    ("day", "1d"),
    ("ever", "all"),
    ("forever", "all"),
    ("hour", "1h"),
    ("hourly", "1h"),
    ("minute", "1m"),
    ("minutely", "1m"),
    ("month", "1mo"),
    ("monthly", "1mo"),
    ("total", "all"),
    ("week", "1w"),
    ("weekly", "1w"),
];

/// The period of a window's name.
const PERIODS: [(&str, &str); 5] =
    [("1h", "hour"), ("1d", "day"), ("1w", "week"), ("1mo", "month"), ("all", "all")];

fn alias(table: &[(&str, &'static str)], given: &str) -> Option<&'static str> {
    let named = |(alias, _): &&(&str, &str)| alias.eq_ignore_ascii_case(given);
    table.iter().find(named).map(|(_, name)| *name)
}

/// Without the spaces, as a name.
fn squeezed(given: &str) -> String {
    given.chars().filter(|c| !c.is_whitespace() && *c != '_').collect()
}

/// The key that a wrong one probably means.
pub fn key(given: &str, keys: &[KeySpec]) -> Option<&'static str> {
    let names = || keys.iter().map(|spec| spec.name);
    let alias = alias(&KEYS, given).filter(|meant| names().any(|name| name == *meant));
    alias.or_else(|| nearest(given, names()))
}

/// The fix of a key that its table may not have.
pub fn unknown_key(given: &str, item: &Item<'_>, keys: &[KeySpec]) -> String {
    let has = |name: &str| keys.iter().any(|spec| spec.name == name);
    let names = keys.iter().map(|spec| spec.name);
    if has("bolt")
        && has("source")
        && nearest(given, keys.iter().map(|spec| spec.name)).is_none()
        && let Some(kind) = node_kind(item)
    {
        return format!("write [{kind}.{given}]");
    }
    let truth = item.get_ref().as_bool();
    match (given, truth) {
        ("required" | "not_null", Some(false)) | ("nullable" | "null", Some(true))
            if has("optional") =>
        {
            "write optional = true".to_owned()
        }
        ("required" | "not_null" | "nullable" | "null", _) if has("optional") => {
            "every field is required: leave this out, or write optional = true".to_owned()
        }
        _ => match key(given, keys) {
            Some(meant) if nearest(given, names.clone()) != Some(meant) => {
                format!("write {meant}")
            }
            _ => did_you_mean(given, names, "its keys are"),
        },
    }
}

/// What a table at the top probably is whose header lacks `bolt.` or the like.
pub fn node_kind(item: &Item<'_>) -> Option<&'static str> {
    let table = item.get_ref().as_table()?;
    let has = |key: &str| table.get(key).is_some();
    match (has("type"), has("fields"), has("from")) {
        (true, _, _) => Some("bolt"),
        (_, true, _) => Some("source"),
        (_, _, true) => Some("sink"),
        _ => None,
    }
}

/// The window that a wrong one probably means.
pub fn window(given: &str) -> Option<&'static str> {
    let given = squeezed(given);
    alias(&WINDOWS, &given)
        .or_else(|| ["1d", "1w", "1mo", "all"].into_iter().find(|n| given.eq_ignore_ascii_case(n)))
        .or_else(|| (given == "1M").then_some("1mo"))
}

/// The period that a wrong one probably means.
pub fn period(given: &str) -> Option<&'static str> {
    let given = squeezed(given);
    alias(&PERIODS, window(&given).unwrap_or(&given))
}

/// The length of time that a wrong one probably means: `1houer` is `1h`.
pub fn duration(given: &str) -> Option<String> {
    const UNITS: [(&str, &str); 14] = [
        ("ms", "ms"),
        ("milliseconds", "ms"),
        ("s", "s"),
        ("sec", "s"),
        ("seconds", "s"),
        ("m", "m"),
        ("min", "m"),
        ("minutes", "m"),
        ("h", "h"),
        ("hours", "h"),
        ("d", "d"),
        ("days", "d"),
        ("w", "w"),
        ("weeks", "w"),
    ];
    let given = squeezed(given).to_lowercase();
    let digits = given.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = given.split_at_checked(digits)?;
    // Of one letter, any other is as near; and months and years have no fixed length.
    if unit.len() < 2 || unit.starts_with("mo") || unit.starts_with('y') {
        return None;
    }
    let meant = nearest(unit, UNITS.iter().map(|(name, _)| *name))?;
    let (_, unit) = UNITS.iter().find(|(name, _)| *name == meant)?;
    (!count.is_empty()).then(|| format!("{count}{unit}"))
}

/// The fix of a value that is of another kind than its key wants, where it is nearly right.
pub fn nearly(kind: &Kind, item: &Item<'_>) -> Option<String> {
    let value = item.get_ref();
    let text = value.as_str();
    match kind {
        Kind::Fields | Kind::Spans(_) | Kind::Texts => {
            text.map(|text| format!("write a list: [\"{text}\"]"))
        }
        Kind::Boards => text.map(|text| format!("write a list of lists: [[\"{text}\"]]")),
        Kind::Bool => match (text, whole(item)) {
            (Some(text @ ("true" | "false")), _) => Some(format!("write {text}, without quotes")),
            (Some("yes" | "on" | "True"), _) | (_, Some(1)) => Some("write true".to_owned()),
            (Some("no" | "off" | "False"), _) | (_, Some(0)) => Some("write false".to_owned()),
            _ => None,
        },
        Kind::Int(..) => {
            let number = text.filter(|text| text.parse::<i64>().is_ok());
            number.map(|number| format!("write {number}, without quotes"))
        }
        Kind::Number(..) => {
            let number = text.filter(|text| text.parse::<f64>().is_ok_and(f64::is_finite));
            number.map(|number| format!("write {number}, without quotes"))
        }
        Kind::Duration | Kind::Grace | Kind::Retain(_) => whole(item)
            .filter(|number| *number > 0)
            .map(|n| format!("write a unit, in quotes: \"{n}s\", \"{n}m\", \"{n}h\" or \"{n}d\"")),
        Kind::Size => whole(item)
            .filter(|number| *number > 0)
            .map(|n| format!("write a unit, in quotes: \"{n}B\", \"{n}KiB\" or \"{n}MiB\"")),
        Kind::Text | Kind::Field(_) => match value {
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) => {
                crate::sheet::plain_text(item).map(|text| format!("write it in quotes: \"{text}\""))
            }
            DeValue::Array(items) if items.len() == 1 => {
                let only = items.iter().next().and_then(|item| item.get_ref().as_str());
                only.map(|text| format!("write \"{text}\", without brackets"))
            }
            _ => None,
        },
        Kind::Node => match value {
            DeValue::Array(items) => {
                let first = items.iter().next().and_then(|item| item.get_ref().as_str());
                first.map(|text| format!("a bolt reads one node: write \"{text}\""))
            }
            _ => None,
        },
        Kind::BoltType(_)
        | Kind::Choice(_)
        | Kind::Events
        | Kind::Expectations
        | Kind::FieldTypes
        | Kind::Identifier
        | Kind::Measures
        | Kind::Score
        | Kind::Table
        | Kind::Time => None,
    }
}
