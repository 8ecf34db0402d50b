//! `tallyd dead`: the dead letters.

use crate::{
    connect::{Open, Target},
    gaps::when,
    terminal::{self, Head, Table, safe},
};
use anyhow::{Context, bail};
use clap::Subcommand;
use std::process::ExitCode;
use tallyd_event::EntryId;
use tallyd_query::when::When;
use tallyd_store::{
    dead::{self, Letter},
    server_ms,
};

/// How many dead letters are read at once.
const PAGE: usize = 100;

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
    /// Only those that came at this time or later: 2h (ago), today, 2026-01-31, RFC 3339
    #[arg(long, value_name = "TIME", visible_alias = "since", allow_hyphen_values = true)]
    from: Option<When>,
    /// Only those that came at this time or earlier, a day to its end
    #[arg(long, value_name = "TIME", visible_alias = "until", allow_hyphen_values = true)]
    to: Option<When>,
}

/// What may stand in the place of ids.
const FILTERS: [&str; 5] = ["all", "bolt", "reason", "from", "to"];

#[derive(clap::Args)]
struct Which {
    /// Their ids; or say which by the options below, or --all
    #[arg(required_unless_present_any = FILTERS, conflicts_with_all = FILTERS)]
    ids: Vec<EntryId>,
    /// All of them, or all that the other options let through
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

/// Takes the letters that the filter lets through and that are there now, page by page, until
/// `take` has had enough.
async fn each(
    open: &mut Open,
    filter: &Filter,
    mut take: impl FnMut(Letter) -> bool,
) -> anyhow::Result<()> {
    let now = server_ms(&mut open.connection).await?;
    // What is replayed may come back as a new letter: that one is not meant.
    let Some(newest) = dead::newest(&mut open.connection, &open.keys).await? else {
        return Ok(());
    };
    let calendar = &open.topology.calendar;
    let at = |ms, seq| EntryId { ms: u64::try_from(ms).unwrap_or(0), seq };
    let mut from = filter.from.map_or(EntryId::ZERO, |from| at(from.first(now, calendar), 0));
    let until = filter.to.map(|to| at(to.last(now, calendar), u64::MAX));
    let until = until.map_or(newest, |until| until.min(newest));
    while from <= until {
        let page = dead::list(&mut open.connection, &open.keys, from..=until, PAGE).await?;
        let Some(last) = page.last() else { break };
        from = last.id.next();
        for letter in page.into_iter().filter(|letter| filter.lets_through(letter)) {
            if !take(letter) {
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn list(target: &Target, filter: &Filter, limit: usize) -> anyhow::Result<ExitCode> {
    let mut open = target.open().await?;
    let mut letters = Vec::new();
    each(&mut open, filter, |letter| {
        if letters.len() < limit {
            letters.push(letter);
        }
        letters.len() < limit
    })
    .await?;
    if target.json {
        outln!("{}", serde_json::to_string_pretty(&letters)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new([
        Head::text("id"),
        Head::name("node"),
        Head::text("entry"),
        Head::name("reason"),
    ]);
    for letter in &letters {
        let (id, entry) = (letter.id.to_string(), letter.entry.to_string());
        table.add([&id, &letter.node, &entry, &letter.reason]);
    }
    outln!("{table}\n{} dead letters; see one whole: tallyd dead show ID", letters.len())?;
    Ok(ExitCode::SUCCESS)
}

async fn show(target: &Target, id: EntryId) -> anyhow::Result<ExitCode> {
    let mut open = target.open().await?;
    let letter = dead::get(&mut open.connection, &open.keys, id).await?;
    let letter = letter.with_context(|| format!("no dead letter {id}"))?;
    if target.json {
        outln!("{}", serde_json::to_string_pretty(&letter)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    outln!(
        "id       {}\nnode     {}\nentry    {}\narrived  {}\nreason   {}",
        letter.id,
        safe(&letter.node),
        letter.entry,
        letter.arrived.map_or_else(|| "-".to_owned(), when),
        safe(&letter.reason)
    )?;
    for (name, value) in &letter.fields {
        // Debug form, because it shows where a value begins and ends.
        outln!("  {} = {}", safe(&format!("{name:?}")), safe(&format!("{value:?}")))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn change(target: &Target, which: Which, replay: bool) -> anyhow::Result<ExitCode> {
    let mut open = target.open().await?;
    let mut ids = which.ids;
    if ids.is_empty() {
        each(&mut open, &which.filter, |letter| {
            ids.push(letter.id);
            true
        })
        .await?;
    }
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
                errln!("{id}: no such dead letter");
            }
            Err(error) => {
                failed += 1;
                errln!("{id}: {}", terminal::error(&error.into()));
            }
        }
    }
    let verb = if replay { "replayed" } else { "dropped" };
    if target.json {
        outln!("{}", serde_json::json!({ verb: done, "failed": failed }))?;
    } else {
        outln!("{done} {verb}")?;
    }
    if failed > 0 {
        bail!("{failed} could not be {verb}");
    }
    Ok(ExitCode::SUCCESS)
}
