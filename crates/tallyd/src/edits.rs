//! `tallyd hide`, `tallyd unhide` and `tallyd edits`: what is taken back of what is counted.

pub(crate) mod ask;
pub(crate) mod moves;
pub(crate) mod rename;

use crate::{
    connect::Target,
    forget,
    gaps::when,
    terminal::{Head, Table},
};
use anyhow::Context;
use ask::{Asked, Looked, accepted, look, one, said, send, would};
use std::process::ExitCode;
use tallyd_event::EditKind;
use tallyd_store::edits::{self, Record, Request};

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
    #[command(flatten)]
    asked: Asked,
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
    let (mut open, json) = (args.target.open().await?, args.target.json);
    let mut request = Request {
        member: args.member.as_str().into(),
        field: args.field.unwrap_or_default().into(),
        ..args.asked.request(kind)
    };
    match look(&mut open, &mut request).await? {
        Looked::Accepted(before) => accepted(json, &before, "was accepted before"),
        Looked::Would(_, boards) if args.asked.dry_run => {
            would(json, &format!("{} {}", kind.name(), args.member), boards, "boards")
        }
        Looked::Would(..) => accepted(json, &send(&mut open, request).await?, "is accepted"),
    }
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
            rename::say_after(&open.topology, record)?;
        }
    }
    Ok(ExitCode::SUCCESS)
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
