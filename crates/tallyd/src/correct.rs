//! `tallyd correct`: sends events that a source retains again, as later versions with other values.

mod guard;
mod preview;
mod retained;

use crate::{
    connect::{Open, Target},
    gaps::when,
    terminal::{Head, Table, safe},
    wrong_use::WrongUse,
};
use anyhow::Context;
use preview::Change;
use redis::Pipeline;
use retained::{Found, Pair, Wanted};
use std::process::ExitCode;
use tallyd_event::{Event, Schema, decode};
use tallyd_runtime::ARRIVED_FIELD;
use tallyd_store::{Connection, server_ms};

/// How many events are added at once.
const PAGE: usize = 500;

/// The arguments of `tallyd correct`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// The source whose events are corrected, where there are several
    #[arg(long)]
    source: Option<String>,
    /// Which events: those whose field has this value; of several, those that have all
    #[arg(long = "where", value_name = "FIELD=VALUE", required = true, value_parser = pair)]
    conditions: Vec<Pair>,
    /// What is right: the field's value in the later version
    #[arg(long, value_name = "FIELD=VALUE", required = true, value_parser = pair)]
    set: Vec<Pair>,
    /// Only say what it would change
    #[arg(long)]
    dry_run: bool,
    /// The most changed scores to show
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

fn pair(text: &str) -> Result<Pair, String> {
    let pair = text.split_once('=').filter(|(field, _)| !field.is_empty());
    let (field, value) = pair.ok_or("expected FIELD=VALUE, such as question=q17")?;
    Ok((field.to_owned(), value.to_owned()))
}

/// Corrects, or says what would change.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Open { topology, keys, mut connection } = args.target.open().await?;
    let source = guard::source(&topology, args.source.as_deref()).map_err(WrongUse)?;
    let guards = guard::guards(&topology, source).map_err(WrongUse)?;
    let wanted = Wanted::new(&topology, source, &guards, (&args.conditions, &args.set));
    let wanted = wanted.map_err(WrongUse)?;
    let now = server_ms(&mut connection).await?;
    let found = retained::read(&mut connection, &wanted, now).await?;
    let changes = preview::changes((&mut connection, &keys), &wanted, &found, now).await?;
    let events = found.events();
    if !args.dry_run {
        send(&mut connection, &wanted, &events).await?;
    }
    match args.target.json {
        true => outln!("{}", json(&args, &wanted, &found, &changes))?,
        false => show(&args, &wanted, &found, &changes)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Adds the later versions to the source. Each arrived when the one before did, so it counts where
/// that does. What is added twice has one id, and counts once.
async fn send(c: &mut Connection, wanted: &Wanted<'_>, events: &[&Event]) -> anyhow::Result<()> {
    for some in events.chunks(PAGE) {
        let mut add = Pipeline::new();
        for event in some {
            let command = add.cmd("XADD").arg(wanted.stream).arg("*");
            for (name, value) in fields(wanted.schema, event) {
                command.arg(name).arg(value);
            }
        }
        let again = "run it again: what is sent already is not sent twice";
        c.all(&add).await.context(again)?;
    }
    Ok(())
}

fn fields(schema: &Schema, event: &Event) -> decode::Fields {
    let arrived = event.arrived.to_string().into_bytes();
    let mut fields = decode::to_fields(schema, event);
    fields.push((ARRIVED_FIELD.as_bytes().to_vec(), arrived));
    fields
}

fn show(args: &Args, wanted: &Wanted<'_>, found: &Found, changes: &[Change]) -> anyhow::Result<()> {
    let (source, count) = (safe(wanted.name), found.events().len());
    let since =
        found.since.map_or_else(|| "nothing".to_owned(), |at| format!("since {}", when(at)));
    outln!("{source} retains {since}: {} events match", found.matching)?;
    if found.unchanged > 0 {
        outln!("versions that have these values already: {}", found.unchanged)?;
    }
    if found.too_old > 0 {
        outln!(
            "{} are left out: their version may be forgotten (the window of the latest bolt), and a \
             correction would count beside it",
            found.too_old
        )?;
    }
    if !changes.is_empty() {
        let mut table = Table::new([
            Head::name("board"),
            Head::name("member"),
            Head::figure("score"),
            Head::figure("new score"),
            Head::text("rank"),
            Head::text("new rank"),
        ]);
        for change in changes.iter().take(args.limit) {
            let text = |of: &Option<String>| of.clone().unwrap_or_else(|| "-".to_owned());
            let rank = |of: Option<u64>| of.map_or_else(|| "-".to_owned(), |rank| rank.to_string());
            let (before, after) = (text(&change.before), text(&change.after));
            let ranks = (rank(change.rank_before), rank(change.rank_after));
            table.add([&change.board(), &change.member, &before, &after, &ranks.0, &ranks.1]);
        }
        outln!("\n{table}")?;
        if let Some(more) = changes.len().checked_sub(args.limit).filter(|more| *more > 0) {
            outln!("and {more} more: --limit")?;
        }
    }
    if count == 0 {
        outln!("there is nothing to correct")?;
        return Ok(());
    }
    let others = preview::others(wanted);
    if !others.is_empty() {
        outln!("also changes: {}", safe(&others.join(", ")))?;
    }
    match args.dry_run {
        true => outln!("{count} events would be sent")?,
        false => outln!("{count} events are sent; wait for them: tallyd wait")?,
    }
    Ok(())
}

fn json(args: &Args, wanted: &Wanted<'_>, found: &Found, changes: &[Change]) -> serde_json::Value {
    serde_json::json!({
        "source": wanted.name,
        "since": found.since,
        "matching": found.matching,
        "unchanged": found.unchanged,
        "too_old": found.too_old,
        "corrected": found.events().len(),
        "sent": !args.dry_run,
        "changes": changes,
    })
}
