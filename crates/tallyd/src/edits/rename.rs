//! `tallyd rename`: all that is kept of a member gets another name.

use super::ask::{Looked, accepted, look, send, would};
use crate::connect::Target;
use std::process::ExitCode;
use tallyd_event::EditKind;
use tallyd_store::edits::{Record, Request};
use tallyd_topology::Topology;

/// The arguments of `tallyd rename`.
#[derive(clap::Args)]
pub struct Args {
    /// The member, as events named it
    old: String,
    /// The name that it has from now on
    new: String,
    #[command(flatten)]
    target: Target,
    /// The field of the source that names the member, where results are kept by several
    #[arg(long)]
    field: Option<String>,
    /// Who asks for it, for the list of edits
    #[arg(long, value_name = "NAME", env = "USER", hide_env = true)]
    by: Option<String>,
    /// An id of your own: the same id takes effect once, however often it is sent
    #[arg(long)]
    id: Option<String>,
    /// Only say what it would change, and what stays
    #[arg(long)]
    dry_run: bool,
}

/// Sends the edit, and sees that it is accepted.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (mut open, json) = (args.target.open().await?, args.target.json);
    let mut request = Request {
        id: args.id.unwrap_or_default().into(),
        kind: EditKind::Rename.name().into(),
        member: args.old.as_str().into(),
        field: args.field.unwrap_or_default().into(),
        to: args.new.as_str().into(),
        by: args.by.unwrap_or_default().into(),
        ..Request::default()
    };
    let (said, field) = match look(&mut open, &mut request).await? {
        Looked::Accepted(before) => return accepted(json, &before, "was accepted before"),
        Looked::Would(edit, results) if args.dry_run => {
            let what = format!("rename {} {}", args.old, args.new);
            (would(json, &what, results, "results")?, edit.field)
        }
        Looked::Would(edit, _) => {
            (accepted(json, &send(&mut open, request).await?, "is accepted")?, edit.field)
        }
    };
    if !json {
        say_left(&open.topology, &field)?;
    }
    Ok(said)
}

/// Says what a rename leaves with the old name, by the field of the sources that names members.
fn say_left(topology: &Topology, field: &str) -> anyhow::Result<()> {
    // One that a bolt can't do is refused.
    for (bolt, what) in topology.renamed(field).unwrap_or_default() {
        outln!("stays in {bolt}: {what}")?;
    }
    Ok(())
}

/// Says the same of an edit that renamed a member.
pub fn say_after(topology: &Topology, record: &Record) -> anyhow::Result<()> {
    match record.kind == EditKind::Rename.name() && record.refused.is_none() {
        true => say_left(topology, &record.field),
        false => Ok(()),
    }
}
