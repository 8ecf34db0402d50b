//! What a measure or score was probably meant to be that is not one.

use crate::fault::did_you_mean;

/// What other systems call a function, and what it is called here.
const ALIASES: [(&str, &str); 17] = [
    ("avg", "mean"),
    ("average", "mean"),
    ("approx_count_distinct", "distinct"),
    ("cardinality", "distinct"),
    ("count_distinct", "distinct"),
    ("countdistinct", "distinct"),
    ("hll", "distinct"),
    ("latest", "last"),
    ("maximum", "max"),
    ("median", "p50"),
    ("minimum", "min"),
    ("nunique", "distinct"),
    ("total", "sum"),
    ("uniq", "distinct"),
    ("unique", "distinct"),
    ("uniques", "distinct"),
    ("uniqexact", "distinct"),
];
/// What other systems call a quantile whose share is an argument.
const QUANTILES: [&str; 7] = [
    "quantile",
    "percentile",
    "perc",
    "pct",
    "approx_percentile",
    "approx_quantile",
    "percentile_cont",
];
const ONE_FUNCTION: &str = "a measure is one function of one field: let producers send what is \
                            computed of several, or compute it of the measures where you read them";
const QUANTILE: &str = "a quantile is one of p1 to p99, also such as p99.9: write \"p95(field)\"";

/// The fix of what is no function of a field at all.
pub fn of_text(text: &str) -> String {
    let parts = text.split_once('(').and_then(|(function, rest)| {
        let (share, field) = rest.split_once(")(")?;
        Some((function.trim(), share.trim(), field.strip_suffix(')')?.trim()))
    });
    match parts {
        Some((function, share, field)) if is_quantile(function) => of_share(share, field),
        _ if text.contains(['+', '*', '/', '-']) => ONE_FUNCTION.to_owned(),
        _ if text.contains('(') && !text.contains(')') => format!("write \"{text})\""),
        _ => "write it as \"sum(field)\" or \"count\"".to_owned(),
    }
}

/// The fix of what is no field of any events, where it is plain.
pub fn of_field(function: &str, field: &str) -> Option<String> {
    let counts = function == "count" && (field == "*" || field.parse::<i64>().is_ok());
    let distinct = field.split_once(char::is_whitespace);
    match distinct {
        _ if counts => Some("write \"count\" to count all events".to_owned()),
        Some((word, name)) if word.eq_ignore_ascii_case("distinct") => {
            Some(format!("write \"distinct({})\"", name.trim()))
        }
        _ if field.contains(['+', '*', '/', ',', '<', '>', '=']) => Some(ONE_FUNCTION.to_owned()),
        _ if field == "field" && function == "count" => {
            Some("write the name of one for it, or \"count\" to count all events".to_owned())
        }
        _ if field == "field" => Some("write the name of one for it".to_owned()),
        _ => None,
    }
}

/// The fix of a function that there is not among these.
pub fn of_function(
    given: &str,
    field: Option<&str>,
    functions: &[&str],
    is_field: impl Fn(&str) -> bool,
) -> String {
    let named = field.filter(|name| !name.is_empty()).unwrap_or("field");
    let known = |name: &str| functions.contains(&name);
    let own = functions.iter().find(|name| name.eq_ignore_ascii_case(given));
    let alias = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(given));
    let alias = alias.map(|(_, name)| *name);
    if let Some(name) = own {
        return match field {
            Some(field) => format!("write \"{name}({field})\""),
            None => format!("write \"{name}\""),
        };
    }
    if let Some(name) = alias.filter(|name| known(name)) {
        return format!("write \"{name}({named})\"");
    }
    if is_quantile(given) || percent(given).is_some() {
        if !known("p50") {
            return of_no_score(functions);
        }
        return match (percent(given), named.split_once(',')) {
            (Some(percent), _) => of_percent(percent, named),
            (None, Some((field, share))) => of_share(share.trim(), field.trim()),
            (None, None) => format!("write \"p50({named})\", or another of p1 to p99, or p99.9"),
        };
    }
    let first = given.split_once(char::is_whitespace);
    match first {
        Some((function, field)) if known(function) => {
            return format!("write \"{function}({})\"", field.trim());
        }
        _ => {}
    }
    match given {
        _ if field.is_none() && is_field(given) => {
            format!("\"{given}\" is a field: write a function of it, such as \"sum({given})\"")
        }
        "mean" | "distinct" | "rate" => of_no_score(functions),
        _ if alias.is_some() => of_no_score(functions),
        _ => did_you_mean(given, functions.iter().copied(), "the functions are"),
    }
}

/// What is to be said of a measure that is no score.
fn of_no_score(functions: &[&str]) -> String {
    format!("an aggregate measures it, but no board ranks by it: write {}", functions.join(", "))
}

fn is_quantile(function: &str) -> bool {
    QUANTILES.iter().any(|name| name.eq_ignore_ascii_case(function))
}

/// The digits of `p95`, `P_95`, `q99` or `p99.9.9`.
fn percent(function: &str) -> Option<&str> {
    let digits = function.strip_prefix(['p', 'P', 'q', 'Q'])?;
    let digits = digits.strip_prefix('_').unwrap_or(digits);
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    is_number.then_some(digits)
}

/// The quantile at this percentage.
fn of_percent(digits: &str, field: &str) -> String {
    match digits.parse::<f64>() {
        Ok(0.0) => format!("the least value is \"min({field})\""),
        Ok(100.0) => format!("the greatest value is \"max({field})\""),
        Ok(percent) if percent < 100.0 => format!("write \"p{digits}({field})\""),
        Ok(_) if digits.starts_with("99") && digits.chars().all(|c| c == '9') => {
            let (whole, rest) = digits.split_at(2);
            format!("write \"p{whole}.{rest}({field})\"")
        }
        _ => QUANTILE.to_owned(),
    }
}

/// The quantile at this share, or percentage.
fn of_share(share: &str, field: &str) -> String {
    match share.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => {
            // Not the float's product, which may be 56.99999999999999.
            let percent = format!("{:.4}", share * 100.0);
            of_percent(percent.trim_end_matches('0').trim_end_matches('.'), field)
        }
        Ok(_) => of_percent(share, field),
        Err(_) => QUANTILE.to_owned(),
    }
}
