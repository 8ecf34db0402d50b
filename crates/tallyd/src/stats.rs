//! `tallyd stats`.

use crate::{
    connect::{Open, Target},
    gaps::{Gaps, WithGaps},
    output::Unwritten,
    terminal::{Head, Table},
    wrong_use::WrongUse,
};
use smol_str::SmolStr;
use std::process::ExitCode;
use tallyd_query::{
    Figure, Stored, catalog,
    figures::{Figures, figures, group_of, groups, window, windows},
    finals,
    rows::StatsRow,
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
        let is_final = |place| finals.as_ref().and_then(|all: &Vec<bool>| all.get(place).copied());
        let row = |(place, row)| WithGaps {
            of: StatsRow::new(options, row, is_final(place)),
            gaps: gaps.json(),
        };
        let rows: Vec<WithGaps<StatsRow>> = figures.iter().enumerate().map(row).collect();
        outln!("{}", serde_json::to_string_pretty(&rows)?)?;
        if rows.is_empty() {
            // Else they stand in each row.
            gaps.complain();
        }
    } else if figures.is_empty() {
        outln!("nothing was counted in this time")?;
        gaps.print()?;
    } else {
        print(&figures)?;
        gaps.print()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(all: &[Figures]) -> Result<(), Unwritten> {
    let Some(first) = all.first() else { return Ok(()) };
    let group = first.group.iter().map(|(name, _)| Head::name(name));
    let measures = first.measures.iter().map(|(name, _)| Head::figure(name));
    let mut table = Table::new([Head::text("window")].into_iter().chain(group).chain(measures));
    for figures in all {
        let shown = |figure: &Option<Figure>| match figure {
            None => "-".to_owned(),
            Some(Figure::Float(float)) => short(*float),
            Some(figure) => figure.to_string(),
        };
        let group =
            figures.group.iter().map(|(_, value)| value.as_deref().unwrap_or("-").to_owned());
        let measures = figures.measures.iter().map(|(_, figure)| shown(figure));
        table.add([figures.window.label.to_string()].into_iter().chain(group).chain(measures));
    }
    outln!("{table}")
}

/// A float with three places, or with an exponent where that says nothing or too much.
fn short(float: f64) -> String {
    let size = float.abs();
    match float == 0.0 || (0.0005..1e15).contains(&size) {
        true => format!("{float:.3}"),
        false => {
            let whole = format!("{float:e}");
            if whole.len() <= 10 { whole } else { format!("{float:.3e}") }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn a_float_is_shown_in_a_few_characters() {
        let cases = [
            (0.0, "0.000"),
            (30.0, "30.000"),
            (-0.5, "-0.500"),
            (123_456_789.25, "123456789.250"),
            (1e308, "1e308"),
            (-1.234_567_890_123e200, "-1.235e200"),
            (5e-324, "5e-324"),
            (0.000_1, "1e-4"),
        ];
        for (float, expected) in cases {
            assert_eq!(short(float), expected);
        }
    }
}
