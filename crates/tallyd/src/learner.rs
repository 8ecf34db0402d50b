//! `tallyd learner`.

use crate::{
    board::standing_json,
    connect::{Open, Target},
    gaps::Gaps,
    output::Unwritten,
    terminal::{Head, Table},
};
use anyhow::bail;
use serde_json::{Value, json};
use std::{collections::BTreeSet, process::ExitCode};
use tallyd_query::{
    Stored,
    board::{Board, Standing},
    catalog,
    learner::{Concept, Fatigue, fatigue, mastery},
};
use tallyd_store::server_ms;
use tallyd_topology::BoltOptions;

/// The arguments of `tallyd learner`.
#[derive(clap::Args)]
pub struct Args {
    /// Who
    id: String,
    #[command(flatten)]
    target: Target,
}

/// What is stored of a learner, each with the bolt's name.
#[derive(Default)]
struct Learner {
    fatigue: Vec<(String, Fatigue)>,
    mastery: Vec<(String, Vec<Concept>)>,
    ranks: Vec<Rank>,
}

struct Rank {
    bolt: String,
    board: Board,
    size: u64,
    standing: Standing,
}

/// Shows a learner's fatigue, mastery and ranks on the boards of everyone.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut open = args.target.open().await?;
    let learner = read(&mut open, &args.id).await?;
    if learner.fatigue.is_empty() && learner.mastery.is_empty() && learner.ranks.is_empty() {
        bail!("nothing is stored of \"{}\"", args.id);
    }
    let fatigue = learner.fatigue.iter().map(|(bolt, _)| bolt.as_str());
    let mastery = learner.mastery.iter().map(|(bolt, _)| bolt.as_str());
    let ranks = learner.ranks.iter().map(|rank| rank.bolt.as_str());
    // A board has a rank for each of its periods.
    let bolts: BTreeSet<&str> = fatigue.chain(mastery).chain(ranks).collect();
    let gaps = Gaps::read(&mut open.connection, &open.keys, bolts).await?;
    if args.target.json {
        outln!("{}", serde_json::to_string_pretty(&as_json(&args.id, &learner, &gaps))?)?;
    } else {
        print(&learner)?;
        gaps.print()?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn read(open: &mut Open, id: &str) -> anyhow::Result<Learner> {
    let Open { topology, keys, connection } = open;
    let now = server_ms(connection).await?;
    let mut learner = Learner::default();
    for (bolt, options) in catalog::bolts(topology, Some) {
        let mut results = Stored::new(connection, keys, bolt);
        match options {
            BoltOptions::Fatigue(_) => {
                let found = fatigue(&mut results, id).await?;
                learner.fatigue.extend(found.map(|found| (bolt.to_owned(), found)));
            }
            BoltOptions::Mastery(options) => {
                let found = mastery(&mut results, options, id).await?;
                if !found.is_empty() {
                    learner.mastery.push((bolt.to_owned(), found));
                }
            }
            BoltOptions::Leaderboard(options) if options.boards.iter().any(Vec::is_empty) => {
                for period in &options.periods {
                    let calendar = &topology.calendar;
                    let board = Board::new(options, calendar, &[], Some(&period.name), now)?;
                    let found = board.of(&mut results, id).await?;
                    let Some((standing, size)) = found else { continue };
                    learner.ranks.push(Rank { bolt: bolt.to_owned(), board, size, standing });
                }
            }
            _ => {}
        }
    }
    Ok(learner)
}

fn as_json(id: &str, learner: &Learner, gaps: &Gaps) -> Value {
    let fatigue = |(bolt, f): &(String, Fatigue)| {
        json!({
            "bolt": bolt, "score": f.score, "tired": f.tired, "accuracy": f.accuracy,
            "speed": f.speed, "load": f.load, "rapid": f.rapid, "answers": f.answers, "at": f.at,
        })
    };
    let concept = |c: &Concept| {
        json!({
            "concept": c.concept, "mastery": c.mastery, "uncertainty": c.uncertainty,
            "known": c.known, "answers": c.answers, "correct": c.correct,
        })
    };
    let mastery = |(bolt, concepts): &(String, Vec<Concept>)| json!({ "bolt": bolt, "concepts": concepts.iter().map(concept).collect::<Vec<_>>() });
    let rank = |rank: &Rank| {
        json!({
            "bolt": rank.bolt, "period": rank.board.period, "label": rank.board.window.label,
            "size": rank.size, "standing": standing_json(&rank.standing, rank.size),
        })
    };
    json!({
        "learner": id,
        "gaps": gaps.json(),
        "fatigue": learner.fatigue.iter().map(fatigue).collect::<Vec<_>>(),
        "mastery": learner.mastery.iter().map(mastery).collect::<Vec<_>>(),
        "ranks": learner.ranks.iter().map(rank).collect::<Vec<_>>(),
    })
}

fn print(learner: &Learner) -> Result<(), Unwritten> {
    let mut tables = Vec::new();
    for (bolt, f) in &learner.fatigue {
        let parts = ["accuracy", "speed", "load", "rapid", "answers"].map(Head::figure);
        let mut shown =
            Table::new([Head::figure(bolt), Head::text("tired")].into_iter().chain(parts));
        let tired = if f.tired { "yes" } else { "no" };
        let parts =
            [f.score, f.accuracy, f.speed, f.load, f.rapid].map(|part| format!("{part:.2}"));
        let [score, accuracy, speed, load, rapid] = parts;
        shown.add([score, tired.into(), accuracy, speed, load, rapid, f.answers.to_string()]);
        tables.push(shown);
    }
    for (bolt, concepts) in &learner.mastery {
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
    if !learner.ranks.is_empty() {
        let figures = ["rank", "of", "score", "percentile"].map(Head::figure);
        let names = [Head::name("board"), Head::text("period")];
        let mut shown = Table::new(names.into_iter().chain(figures));
        for Rank { bolt, board, size, standing } in &learner.ranks {
            shown.add([
                bolt.clone(),
                board.window.label.to_string(),
                standing.rank.to_string(),
                size.to_string(),
                standing.score.to_string(),
                format!("{:.1}", standing.percentile(*size)),
            ]);
        }
        tables.push(shown);
    }
    let tables: Vec<String> = tables.iter().map(Table::to_string).collect();
    outln!("{}", tables.join("\n\n"))
}
