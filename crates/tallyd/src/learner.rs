//! `tallyd learner`.

use crate::{
    connect::{Open, Target},
    gaps::{Gaps, WithGaps},
    output::Unwritten,
    terminal::{Head, Table},
};
use anyhow::bail;
use std::{collections::BTreeSet, process::ExitCode};
use tallyd_query::learner::{Learner, MasteryOf};
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
    let fatigue = learner.fatigue.iter().map(|of| of.bolt.as_str());
    let mastery = learner.mastery.iter().map(|of| of.bolt.as_str());
    let boards = learner.boards.iter().map(|of| of.bolt.as_str());
    // A board has a rank for each of its periods.
    let bolts: BTreeSet<&str> = fatigue.chain(mastery).chain(boards).collect();
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
    for f in &learner.fatigue {
        let parts = ["accuracy", "speed", "load", "rapid", "answers"].map(Head::figure);
        let mut shown =
            Table::new([Head::figure(&f.bolt), Head::text("tired")].into_iter().chain(parts));
        let tired = if f.tired { "yes" } else { "no" };
        let parts =
            [f.score, f.accuracy, f.speed, f.load, f.rapid].map(|part| format!("{part:.2}"));
        let [score, accuracy, speed, load, rapid] = parts;
        shown.add([score, tired.into(), accuracy, speed, load, rapid, f.answers.to_string()]);
        tables.push(shown);
    }
    for MasteryOf { bolt, concepts } in &learner.mastery {
        let figures = ["mastery", "±", "answers", "right"].map(Head::figure);
        let mut shown = Table::new([Head::name(bolt)].into_iter().chain(figures));
        for c in concepts {
            let percent = |share: f64| format!("{:.0} %", share * 100.0);
            let counts = [c.answers, c.correct].map(|count| count.to_string());
            let [answers, right] = counts;
            let (mastery, uncertainty) = match c.known {
                true => (percent(c.mastery), percent(c.uncertainty)),
                false => ("not yet known".to_owned(), "-".to_owned()),
            };
            shown.add([c.concept.to_string(), mastery, uncertainty, answers, right]);
        }
        tables.push(shown);
    }
    if !learner.boards.is_empty() {
        let figures = ["rank", "of", "score", "percentile"].map(Head::figure);
        let names = [Head::name("board"), Head::text("period")];
        let mut shown = Table::new(names.into_iter().chain(figures));
        for of in &learner.boards {
            shown.add([
                of.bolt.to_string(),
                of.label.to_string(),
                of.rank.to_string(),
                of.size.to_string(),
                of.score.to_string(),
                format!("{:.1}", of.percentile),
            ]);
        }
        tables.push(shown);
    }
    let tables: Vec<String> = tables.iter().map(Table::to_string).collect();
    outln!("{}", tables.join("\n\n"))
}
