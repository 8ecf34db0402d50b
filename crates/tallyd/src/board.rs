//! `tallyd board`.

use crate::{
    connect::{Open, Target},
    gaps::Gaps,
    output::Unwritten,
    terminal::Table,
    when::{When, as_named},
};
use anyhow::bail;
use serde_json::{Value, json};
use smol_str::SmolStr;
use std::process::ExitCode;
use tallyd_query::{
    Stored,
    board::{Board, Standing},
    catalog,
};
use tallyd_store::{server_ms, settled};

/// How many members are shown above and below one.
const REACH: u64 = 5;

/// The arguments of `tallyd board`.
#[derive(clap::Args)]
pub struct Args {
    /// The leaderboard's name
    name: String,
    #[command(flatten)]
    target: Target,
    /// The group, once for each of the board's fields; everyone where it is left out
    #[arg(long, value_name = "FIELD=VALUE", value_parser = field_value)]
    by: Vec<(SmolStr, SmolStr)>,
    /// The period; the first of the topology where it is left out
    #[arg(long)]
    period: Option<String>,
    /// A time in the period: 2h (ago), yesterday, 2026-01-31, RFC 3339; now where it is left out
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    at: Option<When>,
    #[command(flatten)]
    part: Part,
}

#[derive(clap::Args)]
#[group(multiple = false)]
struct Part {
    /// The best N members [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    top: Option<u64>,
    /// A member, with those just above and below
    #[arg(long, value_name = "MEMBER")]
    around: Option<String>,
    /// A member alone
    #[arg(long, value_name = "MEMBER")]
    member: Option<String>,
}

/// Shows a leaderboard.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Open { topology, keys, mut connection } = args.target.open().await?;
    let options = catalog::leaderboard(&topology, &args.name)?;
    // The workers' clock is the server's, and so is the period that they count into.
    let now = server_ms(&mut connection).await?;
    let at = args.at.map_or(now, |at| at.first(now, &topology.calendar));
    let names = options.periods.iter().map(|period| period.name.as_str());
    let period = args.period.as_deref().map(|period| as_named(period, names));
    let board = Board::new(options, &topology.calendar, &args.by, period, at)?;
    let gaps = Gaps::read(&mut connection, &keys, [args.name.as_str()]).await?;
    let mut results = Stored::new(&mut connection, &keys, &args.name);
    let size = board.size(&mut results).await?;
    let (standings, member) = match &args.part {
        Part { around: Some(member), .. } => {
            (board.around(&mut results, member, REACH).await?, Some(member))
        }
        Part { member: Some(member), .. } => {
            (board.of_members(&mut results, &[member.into()]).await?, Some(member))
        }
        part => (board.page(&mut results, 0, part.top.unwrap_or(10)).await?, None),
    };
    if let Some(member) = member.filter(|_| standings.is_empty()) {
        bail!("\"{member}\" is not on this board ({}, {size} members)", board.window.label);
    }
    if args.target.json {
        let bolt = topology.node(&args.name).map_or(0, |(place, _)| place);
        let closes = board.closes.unwrap_or(i64::MAX);
        // Unknown to one who may read the results alone.
        let is_final = settled(&mut connection, &topology, &keys, bolt, &[closes]).await.ok();
        let is_final = is_final.and_then(|all| all.first().copied());
        let shown = as_json(&board, size, &standings, (&gaps, is_final));
        outln!("{}", serde_json::to_string_pretty(&shown)?)?;
    } else {
        print(&board, size, &standings)?;
        gaps.print()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A standing with its share, for `tallyd learner` too.
pub fn standing_json(standing: &Standing, size: u64) -> Value {
    json!({
        "member": standing.member,
        "rank": standing.rank,
        "score": score(standing.score),
        "percentile": standing.percentile(size),
        "reached": standing.reached,
    })
}

fn as_json(
    board: &Board,
    size: u64,
    standings: &[Standing],
    (gaps, is_final): (&Gaps, Option<bool>),
) -> Value {
    json!({
        "period": board.period,
        "label": board.window.label,
        "size": size,
        "final": is_final,
        "gaps": gaps.json(),
        "standings": standings.iter().map(|s| standing_json(s, size)).collect::<Vec<_>>(),
    })
}

fn print(board: &Board, size: u64, standings: &[Standing]) -> Result<(), Unwritten> {
    let mut table = Table::new(["rank", "member", "score", "percentile"]);
    for standing in standings {
        table.add([
            standing.rank.to_string(),
            standing.member.to_string(),
            score(standing.score).to_string(),
            format!("{:.1}", standing.percentile(size)),
        ]);
    }
    outln!("{table}")?;
    outln!("{} of {size} members, {}", standings.len(), board.window.label)
}

/// A score, whole where it is.
pub fn score(score: f64) -> Value {
    if score.fract() == 0.0 && score.abs() <= 9_007_199_254_740_992.0 {
        return json!(score as i64);
    }
    json!(score)
}

fn field_value(text: &str) -> Result<(SmolStr, SmolStr), String> {
    let parts = text.split_once('=').filter(|(field, _)| !field.is_empty());
    let (field, value) = parts.ok_or("expected FIELD=VALUE, such as class=10B")?;
    Ok((field.into(), value.into()))
}
