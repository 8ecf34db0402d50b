//! `tallyd stats`.

use crate::{
    connect::{Open, Target},
    gaps::{Gaps, WithGaps},
    terminal::Table,
    wrong_use::WrongUse,
};
use smol_str::SmolStr;
use std::process::ExitCode;
use tallyd_aggregate::STATS;
use tallyd_kind::row::Row;
use tallyd_query::{
    QueryError, Stored, catalog,
    figures::{Figures, figures, group_of, groups, window, windows},
    finals, head,
    rows::stats_row,
    when::When,
};
use tallyd_store::server_ms;

/// The arguments of `tallyd stats`.
#[derive(clap::Args)]
pub struct Args {
    /// The aggregate's name
    name: String,
    #[command(flatten)]
    target: Target,
    /// The group, once for each of the aggregate's fields (FIELD alone: events that leave it
    /// out); all groups where it is left out
    #[arg(long, value_name = "FIELD=VALUE", value_parser = field_value)]
    by: Vec<(SmolStr, Option<SmolStr>)>,
    /// The window; the first of the topology where it is left out
    #[arg(long)]
    window: Option<String>,
    /// The first time: 2h (ago), today, 2026-01-31, RFC 3339; that of --to where it is left out
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<When>,
    /// The last time, a day to its end; now where it is left out
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<When>,
}

/// Shows the figures of an aggregate.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Open { topology, keys, mut connection } = args.target.open().await?;
    let options = catalog::aggregate(&topology, &args.name)?;
    let of = window(options, args.window.as_deref())?;
    let (now, calendar) = (server_ms(&mut connection).await?, &topology.calendar);
    let to = args.to.map_or(now, |to| to.last(now, calendar));
    // Of a day alone all windows are meant.
    let from = args.from.or(args.to).map_or(now, |from| from.first(now, calendar));
    if from > to {
        let [from, to] = [from, to].map(crate::gaps::when);
        let message = format!("the range ends before it begins ({from} to {to})");
        return Err(WrongUse(message).into());
    }
    let gaps = Gaps::read(&mut connection, &keys, [args.name.as_str()]).await?;
    // Read before the figures: what was closed by then does not change.
    let head = match head(&mut connection, &keys, &args.name).await {
        Err(error @ QueryError::Unreadable(_)) => return Err(error.into()),
        found => found.unwrap_or_default(),
    };
    let mut results = Stored::new(&mut connection, &keys, &args.name);
    let windows = windows(calendar, of, from, to)?;
    let groups = match args.by.is_empty() {
        true => groups(&mut results, of, &windows).await?,
        false => vec![vec![group_of(options, &args.by)?]; windows.len()],
    };
    let pairs = windows.iter().zip(groups);
    let pairs = pairs.flat_map(|(window, groups)| groups.into_iter().map(|g| (g, window.clone())));
    let wanted = pairs.collect();
    let figures = figures(&mut results, options, of, wanted).await?;
    if args.target.json {
        let closes = |row: &Figures| of.lasting.closes(&row.window).unwrap_or(i64::MAX);
        let closes: Vec<i64> = figures.iter().map(closes).collect();
        // Unknown to one who may read the results alone.
        let finals =
            finals(&mut connection, (&topology, &keys), &args.name, &closes, now).await.ok();
        let is_final = |place, row: &Figures| {
            let settled = finals.as_ref().and_then(|all: &Vec<bool>| all.get(place).copied());
            settled.map(|settled| settled || head.is_closed(&of.name, &row.window.label))
        };
        let row = |(place, row)| WithGaps {
            of: stats_row(options, row, is_final(place, row)),
            gaps: gaps.json(),
        };
        let rows: Vec<WithGaps<Row>> = figures.iter().enumerate().map(row).collect();
        outln!("{}", serde_json::to_string_pretty(&rows)?)?;
        if rows.is_empty() {
            // Else they stand in each row.
            gaps.complain();
        }
    } else if figures.is_empty() {
        outln!("nothing was counted in this time")?;
        gaps.print()?;
    } else {
        let rows: Vec<Row> = figures.iter().map(|row| stats_row(options, row, None)).collect();
        outln!("{}", Table::of_rows(&STATS, &args.name, &rows, &[]))?;
        gaps.print()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn field_value(text: &str) -> Result<(SmolStr, Option<SmolStr>), String> {
    let (field, value) = match text.split_once('=') {
        Some((field, value)) => (field, Some(value.into())),
        None => (text, None),
    };
    if field.is_empty() {
        return Err("expected FIELD=VALUE, such as concept=algebra".to_owned());
    }
    Ok((field.into(), value))
}
