//! `tallyd dead`: the dead letters.

use crate::{
    connect::{Open, Target},
    terminal::{self, Table, safe},
};
use anyhow::{Context, bail};
use clap::Subcommand;
use std::process::ExitCode;
use tallyd_event::EntryId;
use tallyd_store::dead::{self, Letter};

/// How many dead letters are read at once.
const PAGE: usize = 1000;

/// The arguments of `tallyd dead`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List them, oldest first
    List {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        filter: Filter,
        /// The most to list
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show one whole
    Show {
        #[command(flatten)]
        target: Target,
        /// Its id
        id: EntryId,
    },
    /// Send them again to the source or bolt that rejected them, once each
    Replay {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        which: Which,
    },
    /// Delete them
    Drop {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        which: Which,
    },
}

#[derive(clap::Args)]
struct Filter {
    /// Only those of this source or bolt
    #[arg(long, value_name = "NAME")]
    bolt: Option<String>,
    /// Only those whose reason contains this
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(clap::Args)]
struct Which {
    /// Their ids
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<EntryId>,
    /// All that the filters let through
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    filter: Filter,
}

impl Filter {
    fn lets_through(&self, letter: &Letter) -> bool {
        self.bolt.as_ref().is_none_or(|bolt| letter.node == *bolt)
            && self.reason.as_ref().is_none_or(|reason| letter.reason.contains(reason))
    }
}

/// Lists, shows, replays or drops.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::List { target, filter, limit } => list(&target, &filter, limit).await,
        Action::Show { target, id } => show(&target, id).await,
        Action::Replay { target, which } => change(&target, which, true).await,
        Action::Drop { target, which } => change(&target, which, false).await,
    }
}

async fn matching(open: &mut Open, filter: &Filter, limit: usize) -> anyhow::Result<Vec<Letter>> {
    let mut found = Vec::new();
    let mut after = EntryId::ZERO;
    while found.len() < limit {
        let page = dead::list(&mut open.connection, &open.keys, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id.parse()?;
        found.extend(page.into_iter().filter(|letter| filter.lets_through(letter)));
    }
    found.truncate(limit);
    Ok(found)
}

async fn list(target: &Target, filter: &Filter, limit: usize) -> anyhow::Result<ExitCode> {
    let mut open = target.open().await?;
    let letters = matching(&mut open, filter, limit).await?;
    if target.json {
        println!("{}", serde_json::to_string_pretty(&letters)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["id", "node", "entry", "reason"]);
    for letter in &letters {
        table.add([&letter.id, &letter.node, &letter.entry, &letter.reason]);
    }
    println!("{table}\n{} dead letters; see one whole: tallyd dead show ID", letters.len());
    Ok(ExitCode::SUCCESS)
}

async fn show(target: &Target, id: EntryId) -> anyhow::Result<ExitCode> {
    let mut open = target.open().await?;
    let letter = dead::get(&mut open.connection, &open.keys, id).await?;
    let letter = letter.with_context(|| format!("no dead letter {id}"))?;
    if target.json {
        println!("{}", serde_json::to_string_pretty(&letter)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "id      {}\nnode    {}\nentry   {}\nreason  {}",
        safe(&letter.id),
        safe(&letter.node),
        safe(&letter.entry),
        safe(&letter.reason)
    );
    for (name, value) in &letter.fields {
        // Debug form, because it shows where a value begins and ends.
        println!("  {} = {}", safe(&format!("{name:?}")), safe(&format!("{value:?}")));
    }
    Ok(ExitCode::SUCCESS)
}

async fn change(target: &Target, which: Which, replay: bool) -> anyhow::Result<ExitCode> {
    let mut open = target.open().await?;
    let ids = if which.all {
        let letters = matching(&mut open, &which.filter, usize::MAX).await?;
        letters
            .iter()
            .map(|letter| Ok(letter.id.parse()?))
            .collect::<anyhow::Result<Vec<EntryId>>>()?
    } else {
        which.ids
    };
    let (mut done, mut failed) = (0, 0);
    for id in ids {
        let outcome = if replay {
            dead::replay(&mut open.connection, &open.topology, &open.keys, id).await
        } else {
            dead::remove(&mut open.connection, &open.keys, id).await
        };
        match outcome {
            Ok(true) => done += 1,
            Ok(false) => {
                failed += 1;
                eprintln!("{id}: no such dead letter");
            }
            Err(error) => {
                failed += 1;
                eprintln!("{id}: {}", terminal::error(&error.into()));
            }
        }
    }
    let verb = if replay { "replayed" } else { "dropped" };
    if target.json {
        println!("{}", serde_json::json!({ verb: done, "failed": failed }));
    } else {
        println!("{done} {verb}");
    }
    if failed > 0 {
        bail!("{failed} could not be {verb}");
    }
    Ok(ExitCode::SUCCESS)
}
