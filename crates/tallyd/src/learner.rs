//! `tallyd learner`.

use crate::{
    connect::{Open, Target},
    gaps::{Gaps, WithGaps},
    output::Unwritten,
    terminal::{Head, Table},
};
use anyhow::bail;
use std::{collections::BTreeSet, process::ExitCode};
use tallyd_kind::row::Cell;
use tallyd_query::learner::Learner;
use tallyd_store::server_ms;

/// The arguments of `tallyd learner`.
#[derive(clap::Args)]
pub struct Args {
    /// Who
    id: String,
    #[command(flatten)]
    target: Target,
}

/// Shows a learner's fatigue, mastery and ranks on the boards of everyone.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Open { topology, keys, mut connection } = args.target.open().await?;
    let now = server_ms(&mut connection).await?;
    let learner = Learner::read(&mut connection, (&topology, &keys), &args.id, &[], now).await?;
    if learner.is_empty() {
        bail!("nothing is stored of \"{}\"", args.id);
    }
    let records = learner.records.iter().flat_map(|(_, of_bolts)| of_bolts);
    let records = records.map(|of| of.bolt.as_str());
    let boards = learner.boards.iter().map(|of| of.bolt.as_str());
    // A board has a rank for each of its periods.
    let bolts: BTreeSet<&str> = records.chain(boards).collect();
    let gaps = Gaps::read(&mut connection, &keys, bolts).await?;
    if args.target.json {
        let shown = WithGaps { of: &learner, gaps: gaps.json() };
        outln!("{}", serde_json::to_string_pretty(&shown)?)?;
    } else {
        print(&learner)?;
        gaps.print()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(learner: &Learner) -> Result<(), Unwritten> {
    let mut tables = Vec::new();
    for (view, of_bolts) in &learner.records {
        tables.extend(of_bolts.iter().map(|of| Table::of_rows(view, &of.bolt, &of.rows, &[])));
    }
    if !learner.boards.is_empty() {
        let figures = ["rank", "of", "score", "percentile"].map(Head::figure);
        let names = [Head::name("board"), Head::text("period")];
        let mut shown = Table::new(names.into_iter().chain(figures));
        for of in &learner.boards {
            let percentile = match of.row.get("percentile") {
                Cell::Float(percentile) => format!("{percentile:.1}"),
                other => other.to_string(),
            };
            shown.add([
                of.bolt.to_string(),
                of.label.to_string(),
                of.row.get("rank").to_string(),
                of.size.to_string(),
                of.row.get("score").to_string(),
                percentile,
            ]);
        }
        tables.push(shown);
    }
    let tables: Vec<String> = tables.iter().map(Table::to_string).collect();
    outln!("{}", tables.join("\n\n"))
}
