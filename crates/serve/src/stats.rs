//! Figures of aggregates as answers.

use crate::{
    access::Caller,
    answer::Answer,
    app::App,
    params::bad,
    problem::Problem,
    question::{Measure, StatsQuestion},
};
use serde::Serialize;
use serde_json::Value;
use smol_str::SmolStr;
use std::collections::BTreeSet;
use tallyd_aggregate::{Options, WindowOptions};
use tallyd_bolt::calendar::Window;
use tallyd_kind::row::{Cell, Row};
use tallyd_query::{
    Figure, QueryError, Stored, catalog,
    figures::{Figures, Group, MOST_WINDOWS, figures, groups, window, windows},
    finals,
    rows::stats_row,
};
use tallyd_store::Connection;
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
    #[schema(value_type = Vec<Object>)]
    pub rows: Vec<Row>,
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
    for (field, value) in &caller.grant.by {
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
    let calendar = &app.topology.calendar;
    let from = question.from.unwrap_or(question.to).first(head.now, calendar);
    let to = question.to.last(head.now, calendar);
    if from > to {
        return Err(bad(format!("the range ends before it begins ({from} to {to})")));
    }
    let windows = windows(calendar, of, from, to)?;
    if question.order.is_some() && windows.len() > 1 {
        let count = windows.len();
        let detail = format!(
            "order_by is of one window, and {count} lie in the range (leave from out, or choose a longer window)"
        );
        return Err(bad(detail));
    }
    let ask = async |c: &mut Connection| {
        let (rows, groups) = rows(app, c, (options, of), question, &windows).await?;
        let closes = |row: &Figures| of.lasting.closes(&row.window).unwrap_or(i64::MAX);
        let closes: Vec<i64> = rows.iter().map(closes).collect();
        let of_topology = (&app.topology, &app.keys);
        let finals = finals(c, of_topology, &question.bolt, &closes, head.now).await?;
        Ok((rows, groups, finals))
    };
    let (found, groups, finals) = app.readers.read(ask).await?;
    let rows = found.iter().zip(finals).map(|(figures, is_final)| {
        let order = question.order.as_ref().and_then(|(measure, _)| number(figures, measure));
        let is_ratio = question.order.as_ref().is_some_and(|(of, _)| of.over.is_some());
        let is_final = is_final || head.is_closed(&of.name, &figures.window.label);
        let row = stats_row(options, figures, Some(is_final));
        let ratio = order.filter(|_| is_ratio).map_or(Cell::LeftOut, Cell::Float);
        (order, row.with("ratio", ratio))
    });
    let mut rows: Vec<(Option<f64>, Row)> = rows.collect();
    if let Some((_, is_descending)) = &question.order {
        sort(&mut rows, *is_descending);
    }
    let mut rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    let most = question.limit.saturating_mul(windows.len() as u64);
    rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    let is_final = !rows.is_empty() && rows.iter().all(|row| *row.get("final") == Cell::Bool(true));
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
            let fits = |group: &Group| {
                let fits = |(field, value): &(SmolStr, SmolStr)| {
                    group.iter().any(|(of, is)| of == field && is.as_ref() == Some(value))
                };
                question.by.iter().all(fits)
            };
            let found = groups(&mut results, of, windows).await?.into_iter().flatten();
            let all: BTreeSet<Group> = found.filter(fits).collect();
            all.into_iter().collect()
        }
    };
    // Without an order, those that come first by name are shown, and the others not read.
    let shown = match question.order {
        Some(_) => all.len(),
        None => usize::try_from(question.limit).unwrap_or(usize::MAX),
    };
    if all.len().min(shown).saturating_mul(windows.len()) > MOST_WINDOWS {
        let (what, most) = ("rows (windows times groups)", MOST_WINDOWS as u64);
        let given = (all.len().min(shown) * windows.len()) as u64;
        return Err(QueryError::TooMany { what, given, most });
    }
    let pairs = windows
        .iter()
        .flat_map(|window| all.iter().take(shown).map(|group| (group.clone(), window.clone())));
    Ok((figures(&mut results, options, of, pairs.collect()).await?, all.len()))
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
fn sort(rows: &mut [(Option<f64>, Row)], is_descending: bool) {
    rows.sort_by(|(one, _), (other, _)| match (one, other) {
        (Some(one), Some(other)) if is_descending => other.total_cmp(one),
        (Some(one), Some(other)) => one.total_cmp(other),
        (one, other) => other.is_some().cmp(&one.is_some()),
    });
}
