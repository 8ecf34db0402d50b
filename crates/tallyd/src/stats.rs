//! `tallyd stats`.

use crate::{
    connect::{Open, Target},
    gaps::Gaps,
    output::Unwritten,
    terminal::{Head, Table},
    when::{When, as_named},
    wrong_use::WrongUse,
};
use serde_json::{Map, Value, json};
use smol_str::SmolStr;
use std::process::ExitCode;
use tallyd_aggregate::{Function, Options};
use tallyd_query::{
    Figure, Stored, catalog,
    figures::{Figures, figures, group_of, groups, window, windows},
};
use tallyd_store::{server_ms, settled};

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
    let names = options.windows.iter().map(|window| window.name.as_str());
    let of = window(options, args.window.as_deref().map(|asked| as_named(asked, names)))?;
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
    let mut wanted = Vec::new();
    for window in windows(calendar, of, from, to)? {
        let groups = match args.by.is_empty() {
            true => groups(&mut results, of, &window).await?,
            false => vec![group_of(options, &args.by)?],
        };
        wanted.extend(groups.into_iter().map(|group| (group, window.clone())));
    }
    let figures = figures(&mut results, options, of, wanted).await?;
    if args.target.json {
        let bolt = topology.node(&args.name).map_or(0, |(place, _)| place);
        let closes = |row: &Figures| of.lasting.closes(&row.window).unwrap_or(i64::MAX);
        let closes: Vec<i64> = figures.iter().map(closes).collect();
        // Unknown to one who may read the results alone.
        let finals = settled(&mut connection, &topology, &keys, bolt, &closes).await.ok();
        let is_final = |place| finals.as_ref().and_then(|all: &Vec<bool>| all.get(place).copied());
        let rows = figures.iter().enumerate();
        let rows: Vec<Value> =
            rows.map(|(place, row)| as_json(options, row, (&gaps, is_final(place)))).collect();
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

fn as_json(options: &Options, figures: &Figures, (gaps, is_final): (&Gaps, Option<bool>)) -> Value {
    let number = |figure: &Option<Figure>| figure.map_or(Value::Null, tallyd_query::figure_json);
    let group: Map<String, Value> =
        figures.group.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
    let measures: Map<String, Value> =
        figures.measures.iter().map(|(name, figure)| (name.to_string(), number(figure))).collect();
    let distinct = options.measures.iter().zip(&figures.measures);
    let distinct = distinct.filter(|(of, _)| matches!(of.function, Function::Distinct(_)));
    let exact: Map<String, Value> = distinct
        .map(|(of, (_, figure))| {
            let is_exact = !matches!(figure, Some(Figure::Estimate(_)));
            (of.name.to_string(), json!(is_exact))
        })
        .collect();
    let end = Some(figures.window.end).filter(|end| *end < i64::MAX);
    json!({
        "window": figures.window.label, "start": figures.window.start, "end": end,
        "group": group, "measures": measures, "exact": exact, "final": is_final,
        "gaps": gaps.json(),
    })
}

fn print(all: &[Figures]) -> Result<(), Unwritten> {
    let Some(first) = all.first() else { return Ok(()) };
    let group = first.group.iter().map(|(name, _)| Head::name(name));
    let measures = first.measures.iter().map(|(name, _)| Head::figure(name));
    let mut table = Table::new([Head::text("window")].into_iter().chain(group).chain(measures));
    for figures in all {
        let shown = |figure: &Option<Figure>| match figure {
            None => "-".to_owned(),
            Some(Figure::Float(float)) => format!("{float:.3}"),
            Some(figure) => figure.to_string(),
        };
        let group =
            figures.group.iter().map(|(_, value)| value.as_deref().unwrap_or("-").to_owned());
        let measures = figures.measures.iter().map(|(_, figure)| shown(figure));
        table.add([figures.window.label.to_string()].into_iter().chain(group).chain(measures));
    }
    outln!("{table}")
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
