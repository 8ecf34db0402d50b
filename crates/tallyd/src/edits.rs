//! `tallyd hide`, `tallyd unhide` and `tallyd edits`: what is taken back of what is counted.

use crate::{
    connect::{Open, Target},
    forget,
    gaps::when,
    terminal::{Head, Table, safe},
    wrong_use::WrongUse,
};
use anyhow::{Context, bail};
use std::process::ExitCode;
use tallyd_event::EditKind;
use tallyd_query::preview;
use tallyd_store::edits::{self, Record, Refusal, Request};

/// The arguments of an edit of a member.
#[derive(clap::Args)]
pub struct Args {
    /// The member, as events name it
    member: String,
    #[command(flatten)]
    target: Target,
    /// The field that names members, where leaderboards rank by several
    #[arg(long)]
    field: Option<String>,
    /// Who asks for it, for the list of edits
    #[arg(long, value_name = "NAME", env = "USER", hide_env = true)]
    by: Option<String>,
    /// An id of your own: the same id takes effect once, however often it is sent
    #[arg(long)]
    id: Option<String>,
    /// Only say what it would change
    #[arg(long)]
    dry_run: bool,
}

/// The arguments of `tallyd edits`.
#[derive(clap::Args)]
pub struct ListArgs {
    /// Only this one, bolt by bolt
    id: Option<String>,
    #[command(flatten)]
    target: Target,
    /// The most to list, newest first
    #[arg(long, default_value_t = 20)]
    limit: usize,
}

/// Sends an edit of a member, and sees that it is accepted.
pub async fn run(kind: EditKind, args: Args) -> anyhow::Result<ExitCode> {
    let mut open = args.target.open().await?;
    if let Some(before) = before(&mut open, args.id.as_deref()).await? {
        return accepted(args.target.json, &before, "was accepted before");
    }
    let request = Request {
        id: args.id.clone().unwrap_or_default().into(),
        kind: kind.name().into(),
        member: args.member.as_str().into(),
        field: args.field.clone().unwrap_or_default().into(),
        by: args.by.clone().unwrap_or_default().into(),
        ..Request::default()
    };
    let edit = edits::check(&open.topology, &request).map_err(|refusal| match refusal {
        Refusal::WhichField(_) => WrongUse(format!("{refusal}, by --field")),
        _ => WrongUse(refusal.to_string()),
    })?;
    let Open { topology, keys, connection } = &mut open;
    let changes = preview(connection, topology, keys, &edit).await?;
    let boards = changes.map_err(|why| WrongUse(why.to_string()))?;
    if args.dry_run {
        if args.target.json {
            outln!("{}", serde_json::json!({ "would_change": boards }))?;
        } else {
            outln!("{} {} would change {boards} boards", kind.name(), safe(&args.member))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let record = send(&mut open, request).await?;
    accepted(args.target.json, &record, "is accepted")
}

/// The edit that was accepted with this id before, if one was.
pub async fn before(open: &mut Open, id: Option<&str>) -> anyhow::Result<Option<Record>> {
    let Some(id) = id else { return Ok(None) };
    Ok(one(open, id).await?.filter(|record| record.refused.is_none()))
}

/// Sends an edit, and sees that it is accepted.
pub async fn send(open: &mut Open, mut request: Request) -> anyhow::Result<Record> {
    if request.id.is_empty() {
        request.id = edits::new_id()?;
    }
    let Open { topology, keys, connection } = &mut *open;
    let again = || format!("run it again with --id {}: it takes effect once", request.id);
    edits::add(connection, keys, &request).await.with_context(again)?;
    edits::accept(connection, topology, keys).await.with_context(again)?;
    let record = one(open, &request.id).await?.with_context(again)?;
    if let Some(refused) = &record.refused {
        bail!("edit {} was refused: {refused}", record.id);
    }
    Ok(record)
}

async fn one(open: &mut Open, id: &str) -> anyhow::Result<Option<Record>> {
    Ok(edits::one(&mut open.connection, &open.topology, &open.keys, id).await?)
}

/// Says that an edit is accepted, and how.
pub fn accepted(json: bool, record: &Record, how: &str) -> anyhow::Result<ExitCode> {
    if json {
        outln!("{}", serde_json::to_string_pretty(record)?)?;
    } else {
        let (id, edit) = (safe(&record.id), safe(&said(record)));
        outln!("edit {id} {how}: {edit}; how far it is: tallyd edits; wait for it: tallyd wait")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Lists edits, or shows one.
pub async fn list(args: ListArgs) -> anyhow::Result<ExitCode> {
    let mut open = args.target.open().await?;
    let records = match &args.id {
        Some(id) => vec![one(&mut open, id).await?.with_context(|| format!("no edit \"{id}\""))?],
        None => edits::list(&mut open.connection, &open.topology, &open.keys, args.limit).await?,
    };
    if args.target.json {
        outln!("{}", serde_json::to_string_pretty(&records)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new([
        Head::text("accepted"),
        Head::name("id"),
        Head::name("edit"),
        Head::name("by"),
        Head::text("how far"),
        Head::figure("results changed"),
    ]);
    for record in &records {
        let changed: u64 = record.bolts.iter().map(|bolt| bolt.changed).sum();
        let (at, far) = (when(record.at), far(record));
        table.add([&at, &record.id, &said(record), &record.by, &far, &changed.to_string()]);
    }
    outln!("{table}")?;
    if args.id.is_some() {
        let mut bolts = Table::new([
            Head::name("bolt"),
            Head::text("partitions done"),
            Head::figure("results changed"),
        ]);
        for bolt in records.iter().flat_map(|record| &record.bolts) {
            let done = format!("{} of {}", bolt.done, bolt.of);
            bolts.add([bolt.bolt.as_str(), &done, &bolt.changed.to_string()]);
        }
        outln!("\n{bolts}")?;
        for record in &records {
            forget::say_swept(&open.topology, record)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn said(record: &Record) -> String {
    let member = if record.member.is_empty() { "(forgotten)" } else { &record.member };
    match record.field.as_str() {
        "" => format!("{} {member}", record.kind),
        field => format!("{} {field} {member}", record.kind),
    }
}

fn far(record: &Record) -> String {
    match &record.refused {
        Some(refused) => format!("refused: {refused}"),
        None if record.is_over() => "done".to_owned(),
        None if record.bolts_are_done() => "sweeping streams".to_owned(),
        None => {
            let done: u64 = record.bolts.iter().map(|bolt| bolt.done.min(bolt.of)).sum();
            let of: u64 = record.bolts.iter().map(|bolt| bolt.of).sum();
            format!("{done} of {of} partitions")
        }
    }
}
