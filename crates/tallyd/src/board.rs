//! `tallyd board`.

use crate::{
    connect::{Open, Target},
    gaps::Gaps,
    output::Unwritten,
    terminal::{Table, safe},
};
use anyhow::{Context, bail};
use serde_json::{Value, json};
use smol_str::SmolStr;
use std::{io::Read, path::PathBuf, process::ExitCode};
use tallyd_kind::row::Row;
use tallyd_leaderboard::BOARD;
use tallyd_query::{
    QueryError, Stored,
    board::{Board, MOST_ROWS, Page},
    catalog, finals, head,
    rows::board_row,
    when::When,
};
use tallyd_store::server_ms;

/// How many rows are shown: of the best or from a rank on, and around a member.
const ROWS: u64 = 10;
const ROWS_AROUND: u64 = 11;

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
    /// How many rows are shown [default: 10, around a member 11]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST_ROWS))]
    #[arg(conflicts_with_all = ["top", "member", "members", "members_from"])]
    limit: Option<u64>,
}

#[derive(clap::Args)]
#[group(multiple = false)]
struct Part {
    /// The best N members [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST_ROWS))]
    top: Option<u64>,
    /// The members from this row of the board on, counted from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    from_rank: Option<u64>,
    /// A member, with those just above and below
    #[arg(long, value_name = "MEMBER")]
    around: Option<String>,
    /// A member alone
    #[arg(long, value_name = "MEMBER")]
    member: Option<String>,
    /// These members: their ranks among themselves, and on the board
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    members: Option<Vec<SmolStr>>,
    /// As --members, one on each line of a file; `-` is the standard input
    #[arg(long, value_name = "FILE")]
    members_from: Option<PathBuf>,
}

/// What is shown.
struct Shown {
    page: Page,
    /// For given members: the rank of each among them, and who of them is not on the board.
    within: Option<(Vec<u64>, Vec<SmolStr>)>,
}

/// Shows a leaderboard.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Open { topology, keys, mut connection } = args.target.open().await?;
    let options = catalog::leaderboard(&topology, &args.name)?;
    // The workers' clock is the server's, and so is the period that they count into.
    let now = server_ms(&mut connection).await?;
    let at = args.at.map_or(now, |at| at.first(now, &topology.calendar));
    let period = args.period.as_deref();
    let board = Board::new(options, &topology.calendar, &args.by, period, at)?;
    let gaps = Gaps::read(&mut connection, &keys, [args.name.as_str()]).await?;
    // Read before the rows: what was closed by then does not change.
    let head = match head(&mut connection, &keys, &args.name).await {
        Err(error @ QueryError::Unreadable(_)) => return Err(error.into()),
        // Not every reader may read how far a bolt is.
        found => found.ok(),
    };
    let mut results = Stored::new(&mut connection, &keys, &args.name);
    let shown = read(&board, &mut results, &args).await?;
    if args.target.json {
        let closes = [board.closes.unwrap_or(i64::MAX)];
        // Unknown to one who may read the results alone.
        let is_final =
            finals(&mut connection, (&topology, &keys), &args.name, &closes, now).await.ok();
        let is_final = is_final.and_then(|all| all.first().copied());
        let is_closed = head.is_some_and(|of| of.is_closed(&board.period, &board.window.label));
        let is_final = is_final.map(|is_final| is_final || is_closed);
        let shown = as_json(&board, &shown, (&gaps, is_final));
        outln!("{}", serde_json::to_string_pretty(&shown)?)?;
    } else {
        print(&args.name, &board, &shown)?;
        gaps.print()?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn read(board: &Board, results: &mut Stored<'_>, args: &Args) -> anyhow::Result<Shown> {
    let (part, limit) = (&args.part, args.limit);
    if let Some(members) = given(part)? {
        let members = board.of_members(results, &members).await?;
        let (ranks, standings) = members.found.into_iter().map(|m| (m.rank, m.standing)).unzip();
        let page = Page { size: members.size, standings };
        return Ok(Shown { page, within: Some((ranks, members.missing)) });
    }
    let page = match part {
        Part { around: Some(member), .. } => {
            board.around(results, member, limit.unwrap_or(ROWS_AROUND)).await?
        }
        Part { member: Some(member), .. } => board.around(results, member, 1).await?,
        part => {
            let skip = part.from_rank.unwrap_or(1) - 1;
            board.page(results, skip, limit.or(part.top).unwrap_or(ROWS)).await?
        }
    };
    let one = part.around.as_ref().or(part.member.as_ref());
    if let Some(member) = one.filter(|_| page.standings.is_empty()) {
        let Page { size, .. } = page;
        bail!("\"{member}\" is not on this board ({}, {size} members)", board.window.label);
    }
    Ok(Shown { page, within: None })
}

/// The members that the command line names, if it does.
fn given(part: &Part) -> anyhow::Result<Option<Vec<SmolStr>>> {
    let members = match (&part.members, &part.members_from) {
        (Some(members), _) => members.clone(),
        (None, Some(path)) => {
            let mut text = String::new();
            let read = match path.as_os_str() == "-" {
                true => std::io::stdin().read_to_string(&mut text),
                false => {
                    std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text))
                }
            };
            read.with_context(|| format!("can't read {}", path.display()))?;
            text.lines().map(SmolStr::from).collect()
        }
        (None, None) => return Ok(None),
    };
    let named = members.into_iter().filter(|member| !member.is_empty());
    Ok(Some(named.collect()))
}

impl Shown {
    fn rows(&self) -> Vec<Row> {
        let Page { size, standings } = &self.page;
        let mut ranks = self.within.iter().flat_map(|(ranks, _)| ranks).copied();
        standings.iter().map(|standing| board_row(standing, *size, ranks.next())).collect()
    }
}

fn as_json(board: &Board, shown: &Shown, (gaps, is_final): (&Gaps, Option<bool>)) -> Value {
    let json = json!({
        "period": board.period, "label": board.window.label, "size": shown.page.size,
        "final": is_final, "gaps": gaps.json(), "rows": shown.rows(),
    });
    let missing =
        shown.within.as_ref().map(|(_, missing)| ("not_found".to_owned(), json!(missing)));
    match json {
        Value::Object(json) => json.into_iter().chain(missing).collect(),
        other => other,
    }
}

fn print(name: &str, board: &Board, shown: &Shown) -> Result<(), Unwritten> {
    let left_out: &[&str] = if shown.within.is_some() { &[] } else { &["rank_within"] };
    let rows = shown.rows();
    outln!("{}", Table::of_rows(&BOARD, name, &rows, left_out))?;
    outln!("{} of {} members, {}", rows.len(), shown.page.size, board.window.label)?;
    match &shown.within {
        Some((_, missing)) if !missing.is_empty() => {
            let missing: Vec<String> = missing.iter().map(|name| safe(name)).collect();
            outln!("not on this board: {}", missing.join(", "))
        }
        _ => Ok(()),
    }
}

fn field_value(text: &str) -> Result<(SmolStr, SmolStr), String> {
    let parts = text.split_once('=').filter(|(field, _)| !field.is_empty());
    let (field, value) = parts.ok_or("expected FIELD=VALUE, such as class=10B")?;
    Ok((field.into(), value.into()))
}
