//! Figures of aggregates.

use crate::{QueryError, Results, catalog::named, when::as_named};
use percent_encoding::percent_decode_str;
use smol_str::SmolStr;
use std::collections::BTreeSet;
use tallyd_aggregate::{
    Figure, Function, Options, TOTAL, WindowOptions, distinct_key, fields, group, groups_key,
    value, window_key,
};
use tallyd_bolt::{
    Key,
    calendar::{Calendar, Window},
};

/// The most windows that one question may ask for.
pub const MOST_WINDOWS: usize = 10_000;

/// The values of a group's fields, in the order of the aggregate's `by`; `None` for a field that
/// the events leave out. Empty for an aggregate that groups by nothing.
pub type Group = Vec<(SmolStr, Option<SmolStr>)>;

/// What was measured of one group in one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// The group.
    pub group: Group,
    /// The window.
    pub window: Window,
    /// A figure for each measure, in the topology's order: `None` where there is none, as of the
    /// greatest value of nothing. A distinct count is exact, or says that it is an estimate
    /// (standard error 0.81 %); a quantile is within the aggregate's accuracy.
    pub measures: Vec<(SmolStr, Option<Figure>)>,
}

/// The window of this name, or of the same length (`60m` is `1h`); where none is given, the first that the topology lists.
///
/// # Errors
/// Where the aggregate has none of this name.
pub fn window<'a>(
    options: &'a Options,
    name: Option<&str>,
) -> Result<&'a WindowOptions, QueryError> {
    let all: Vec<(&str, &WindowOptions)> =
        options.windows.iter().map(|window| (window.name.as_str(), window)).collect();
    let first = all.first().map_or("", |(name, _)| name);
    let asked = as_named(name.unwrap_or(first), all.iter().map(|(name, _)| *name));
    named("window", asked, all)
}

/// The windows that hold a time from `from` to `to` (ms since the epoch, both included), in order.
///
/// # Errors
/// Where there are more than [`MOST_WINDOWS`].
pub fn windows(
    calendar: &Calendar,
    options: &WindowOptions,
    from: i64,
    to: i64,
) -> Result<Vec<Window>, QueryError> {
    let mut windows: Vec<Window> = Vec::new();
    let mut next = from;
    while next <= to {
        if windows.len() == MOST_WINDOWS {
            return Err(QueryError::TooManyWindows(MOST_WINDOWS));
        }
        let window = calendar.window(options.length, next);
        // A window always ends after a time that it holds; this guards the loop all the same.
        next = window.end.max(next.saturating_add(1));
        let ends = window.end == i64::MAX;
        windows.push(window);
        if ends {
            break;
        }
    }
    Ok(windows)
}

/// The group of these values, given in any order.
///
/// # Errors
/// Where they are not those of the aggregate's fields.
pub fn group_of(options: &Options, by: &[(SmolStr, Option<SmolStr>)]) -> Result<Group, QueryError> {
    let unknown = |name: &str| QueryError::Unknown {
        kind: "group by",
        name: name.to_owned(),
        known: vec![match options.by.is_empty() {
            true => TOTAL.to_owned(),
            false => options.by.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join("+"),
        }],
    };
    let given = || by.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("+");
    if by.len() != options.by.len() {
        return Err(unknown(&given()));
    }
    let value = |field: &tallyd_bolt::FieldRef| {
        let found = by.iter().find(|(name, _)| *name == field.name);
        found.cloned().ok_or_else(|| unknown(&given()))
    };
    options.by.iter().map(value).collect()
}

/// All groups that were counted in each of some windows, in the order of their names in keys.
///
/// # Errors
/// Where a window has more than [`MOST_WINDOWS`], or the results can't be read.
pub async fn groups(
    results: &mut impl Results,
    options: &WindowOptions,
    windows: &[Window],
) -> Result<Vec<Vec<Group>>, QueryError> {
    let key = |window: &Window| groups_key(options, &window.label);
    let keys: Vec<Key> = windows.iter().map(key).collect();
    // A set is read whole, and holds Redis as long.
    let most = MOST_WINDOWS as u64;
    if let Some(given) = results.sizes(&keys).await?.into_iter().find(|size| *size > most) {
        return Err(QueryError::TooMany { what: "groups of a window", given, most });
    }
    let of_window =
        |names: &BTreeSet<SmolStr>| names.iter().map(|name| parse_group(name)).collect();
    results.members(&keys).await?.iter().map(of_window).collect()
}

/// The figures of groups in windows, each given as a pair.
///
/// # Errors
/// Where the results can't be read, or are none of an aggregate.
pub async fn figures(
    results: &mut impl Results,
    options: &Options,
    of: &WindowOptions,
    wanted: Vec<(Group, Window)>,
) -> Result<Vec<Figures>, QueryError> {
    let names: Vec<SmolStr> = options.measures.iter().flat_map(fields).collect();
    let keys: Vec<Key> = wanted
        .iter()
        .map(|(group, window)| window_key(of, &window.label, &name_of(group)))
        .collect();
    let rows = results.fields(&keys, &names).await?;
    let mut all = Vec::with_capacity(wanted.len());
    for ((group, window), row) in wanted.into_iter().zip(rows) {
        let field = |wanted: &str| {
            names.iter().zip(&row).find(|(name, _)| *name == wanted).and_then(|(_, v)| v.clone())
        };
        let mut measures = Vec::with_capacity(options.measures.len());
        for measure in &options.measures {
            let figure = value(measure, &window, &field)
                .map_err(|error| QueryError::Unreadable(error.to_string()))?;
            measures.push((measure.name.clone(), figure));
        }
        all.push(Figures { group, window, measures });
    }
    estimates(results, options, of, &mut all).await?;
    Ok(all)
}

/// Fills in the distinct measures that the hash does not hold, because they are estimates.
async fn estimates(
    results: &mut impl Results,
    options: &Options,
    of: &WindowOptions,
    all: &mut [Figures],
) -> Result<(), QueryError> {
    let (mut keys, mut gaps) = (Vec::new(), Vec::new());
    for Figures { group, window, measures } in all {
        let group = name_of(group);
        for (measure, (name, figure)) in options.measures.iter().zip(measures) {
            if matches!(measure.function, Function::Distinct(_)) && figure.is_none() {
                keys.push(distinct_key(of, &window.label, name, &group));
                gaps.push(figure);
            }
        }
    }
    for (gap, number) in gaps.into_iter().zip(results.distinct(&keys).await?) {
        *gap = Some(Figure::Estimate(number));
    }
    Ok(())
}

/// A group's name in keys.
fn name_of(of: &Group) -> SmolStr {
    let values: Vec<(&str, Option<&str>)> =
        of.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
    group(&values)
}

/// A group from its name in keys.
fn parse_group(name: &str) -> Result<Group, QueryError> {
    if name == TOTAL {
        return Ok(Vec::new());
    }
    let decode = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded
            .map(SmolStr::from)
            .map_err(|_| QueryError::Unreadable(format!("stored group \"{name}\" is not UTF-8")))
    };
    let field = |part: &str| match part.split_once('=') {
        Some((field, value)) => Ok((decode(field)?, Some(decode(value)?))),
        None => Ok((decode(part)?, None)),
    };
    name.split(':').map(field).collect()
}
