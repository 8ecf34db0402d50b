//! Figures of aggregates as answers.

use crate::{
    access::{Caller, fixed},
    answer::Answer,
    app::App,
    params::bad,
    problem::Problem,
    question::{Measure, StatsQuestion},
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use tallyd_aggregate::{Function, Options, WindowOptions};
use tallyd_bolt::calendar::Window;
use tallyd_query::{
    Figure, QueryError, Stored, catalog, figure_json,
    figures::{Figures, Group, MOST_WINDOWS, figures, groups, window, windows},
};
use tallyd_store::{Connection, settled};
use tallyd_topology::Topology;
use utoipa::ToSchema;

/// Figures of an aggregate.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StatsAnswer {
    /// The aggregate.
    #[schema(value_type = String)]
    pub bolt: SmolStr,
    /// The name of the kind of window.
    #[schema(value_type = String)]
    pub window: SmolStr,
    /// The time of the last entry whose effects are in, in ms since the epoch.
    pub as_of: i64,
    /// Events that the bolt did not take, because no plan in force had it.
    pub gaps: Value,
    /// How many groups there are; more than rows are of where `limit` left some out.
    pub groups: u64,
    /// A row for each window and group: also for windows in which nothing was counted.
    pub rows: Vec<StatsRow>,
}

/// The figures of a group in a window.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StatsRow {
    /// Which window: `2026-11-28`, `2026-11-28T0900Z`, `all`.
    #[schema(value_type = String)]
    pub label: SmolStr,
    /// Its first millisecond, since the epoch.
    pub start: i64,
    /// The first one after it; `null` for all time.
    pub end: Option<i64>,
    /// Whether nothing will change it any more.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// The values of the aggregate's fields; `null` for one that the events leave out.
    #[schema(value_type = Object)]
    pub group: Map<String, Value>,
    /// The figures by measure; `null` where there is none, as of the mean of nothing.
    #[schema(value_type = Object)]
    pub measures: Map<String, Value>,
    /// For each distinct count whether it is exact, or an estimate.
    #[schema(value_type = Object)]
    pub exact: Map<String, Value>,
    /// The ratio that rows are ordered by, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
}

/// A question held to what the caller may see: fields that its token fixes are filled in.
///
/// # Errors
/// Where the aggregate has no such field, or the caller may not see it.
pub fn settle(
    topology: &Topology,
    mut question: StatsQuestion,
    caller: &Caller,
) -> Result<StatsQuestion, Problem> {
    let options = match catalog::aggregate(topology, &question.bolt) {
        Ok(options) => options,
        // Whoever may not read it is not told that it is not there.
        Err(error) => {
            caller.may_read(&question.bolt, &[])?;
            return Err(error.into());
        }
    };
    for (field, value) in fixed(caller) {
        let has = options.by.iter().any(|of| of.name == *field);
        if has && !question.by.iter().any(|(name, _)| name == field) {
            question.by.push((field.clone(), value.clone()));
        }
    }
    let value = |field: &str| question.by.iter().find(|(name, _)| name == field);
    let group: Vec<(SmolStr, Option<SmolStr>)> = options
        .by
        .iter()
        .map(|field| (field.name.clone(), value(&field.name).map(|(_, value)| value.clone())))
        .collect();
    caller.may_read(&question.bolt, &group)?;
    for (field, _) in &question.by {
        if !options.by.iter().any(|of| of.name == *field) {
            let known: Vec<&str> = options.by.iter().map(|of| of.name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let bolt = &question.bolt;
            return Err(bad(format!("by.{field}: \"{bolt}\" is not by this (it is by: {known})")));
        }
    }
    for measure in question.order.iter().flat_map(|(of, _)| [Some(&of.name), of.over.as_ref()]) {
        let Some(name) = measure else { continue };
        if !options.measures.iter().any(|of| of.name == *name) {
            let known: Vec<&str> = options.measures.iter().map(|of| of.name.as_str()).collect();
            let known = known.join(", ");
            return Err(bad(format!("order_by: no measure \"{name}\" (there are: {known})")));
        }
    }
    question.by.sort();
    Ok(question)
}

/// Reads figures.
pub(crate) async fn read(app: &App, question: &StatsQuestion) -> Result<Answer, Problem> {
    let options = catalog::aggregate(&app.topology, &question.bolt)?;
    let of = window(options, question.window.as_deref())?;
    let head = app.head(&question.bolt).await?;
    let gaps = app.gaps(&head.generation, &question.bolt).await?;
    let to = question.to.ms(head.now);
    let from = question.from.map_or(to, |from| from.ms(head.now));
    if from > to {
        return Err(bad(format!("the range ends before it begins ({from} to {to})")));
    }
    let windows = windows(&app.topology.calendar, of, from, to)?;
    if question.order.is_some() && windows.len() > 1 {
        let count = windows.len();
        let detail = format!(
            "order_by is of one window, and {count} lie in the range (leave from out, or choose a longer window)"
        );
        return Err(bad(detail));
    }
    let ask = async |c: &mut Connection| {
        let (rows, groups) = rows(app, c, (options, of), question, &windows).await?;
        let place = app.topology.node(&question.bolt).map_or(0, |(place, _)| place);
        let closes = |row: &Figures| of.lasting.closes(&row.window).unwrap_or(i64::MAX);
        let closes: Vec<i64> = rows.iter().map(closes).collect();
        let finals = match closes.iter().any(|time| *time <= head.now) {
            true => settled(c, &app.topology, &app.keys, place, &closes).await?,
            false => vec![false; rows.len()],
        };
        Ok::<_, Problem>((rows, groups, finals))
    };
    let (found, groups, finals) = app.pool.read(ask).await?;
    let rows = found.iter().zip(finals).map(|(figures, is_final)| {
        let order = question.order.as_ref().and_then(|(measure, _)| number(figures, measure));
        (order, as_row(options, figures, is_final, question.order.as_ref()))
    });
    let mut rows: Vec<(Option<f64>, StatsRow)> = rows.collect();
    if let Some((_, is_descending)) = &question.order {
        sort(&mut rows, *is_descending);
    }
    let mut rows: Vec<StatsRow> = rows.into_iter().map(|(_, row)| row).collect();
    let most = question.limit.saturating_mul(windows.len() as u64);
    rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    let is_final = !rows.is_empty() && rows.iter().all(|row| row.is_final);
    let answer = StatsAnswer {
        bolt: question.bolt.clone(),
        window: of.name.clone(),
        as_of: head.as_of,
        gaps,
        groups: groups as u64,
        rows,
    };
    Answer::new(&answer, &["start", "group"], is_final)
}

/// A row for each group and window, and how many groups there are.
async fn rows(
    app: &App,
    connection: &mut Connection,
    (options, of): (&Options, &WindowOptions),
    question: &StatsQuestion,
    windows: &[Window],
) -> Result<(Vec<Figures>, usize), QueryError> {
    let mut results = Stored::new(connection, &app.keys, &question.bolt);
    let named = |field: &str| question.by.iter().find(|(name, _)| name == field);
    let whole: Option<Group> = options
        .by
        .iter()
        .map(|field| named(&field.name).map(|(name, value)| (name.clone(), Some(value.clone()))))
        .collect();
    let all: Vec<Group> = match whole {
        Some(group) => vec![group],
        None => {
            let mut all = BTreeSet::new();
            for window in windows {
                let fits = |group: &Group| {
                    let fits = |(field, value): &(SmolStr, SmolStr)| {
                        group.iter().any(|(of, is)| of == field && is.as_ref() == Some(value))
                    };
                    question.by.iter().all(fits)
                };
                all.extend(groups(&mut results, of, window).await?.into_iter().filter(fits));
            }
            all.into_iter().collect()
        }
    };
    // Without an order, those that come first by name are shown, and the others not read.
    let shown = match question.order {
        Some(_) => all.len(),
        None => usize::try_from(question.limit).unwrap_or(usize::MAX),
    };
    if all.len().min(shown).saturating_mul(windows.len()) > MOST_WINDOWS {
        return Err(QueryError::TooManyWindows(MOST_WINDOWS));
    }
    let pairs = windows
        .iter()
        .flat_map(|window| all.iter().take(shown).map(|group| (group.clone(), window.clone())));
    Ok((figures(&mut results, options, of, pairs.collect()).await?, all.len()))
}

fn as_row(
    options: &Options,
    figures: &Figures,
    is_final: bool,
    order: Option<&(Measure, bool)>,
) -> StatsRow {
    let measures: Map<String, Value> = figures
        .measures
        .iter()
        .map(|(name, figure)| (name.to_string(), figure.map_or(Value::Null, figure_json)))
        .collect();
    let distinct = options.measures.iter().zip(&figures.measures);
    let distinct = distinct.filter(|(of, _)| matches!(of.function, Function::Distinct(_)));
    let exact = distinct.map(|(of, (_, figure))| {
        let is_exact = !matches!(figure, Some(Figure::Estimate(_)));
        (of.name.to_string(), json!(is_exact))
    });
    let ratio = order.filter(|(measure, _)| measure.over.is_some());
    let ratio = ratio.and_then(|(measure, _)| number(figures, measure));
    StatsRow {
        label: figures.window.label.clone(),
        start: figures.window.start,
        end: Some(figures.window.end).filter(|end| *end < i64::MAX),
        is_final,
        group: figures.group.iter().map(|(name, value)| (name.to_string(), json!(value))).collect(),
        exact: exact.collect(),
        ratio,
        measures,
    }
}

/// A measure, or the ratio of two; `None` where there is none.
fn number(figures: &Figures, measure: &Measure) -> Option<f64> {
    let named = |wanted: &SmolStr| {
        let found = figures.measures.iter().find(|(name, _)| name == wanted);
        found.and_then(|(_, figure)| *figure).map(Figure::as_f64)
    };
    let of = named(&measure.name)?;
    match &measure.over {
        None => Some(of),
        Some(over) => named(over).filter(|over| *over != 0.0).map(|over| of / over),
    }
}

/// Rows without a number come last.
fn sort(rows: &mut [(Option<f64>, StatsRow)], is_descending: bool) {
    rows.sort_by(|(one, _), (other, _)| match (one, other) {
        (Some(one), Some(other)) if is_descending => other.total_cmp(one),
        (Some(one), Some(other)) => one.total_cmp(other),
        (one, other) => other.is_some().cmp(&one.is_some()),
    });
}
