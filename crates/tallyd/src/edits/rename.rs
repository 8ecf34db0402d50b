//! `tallyd rename`: all that is kept of a member gets another name.

use super::ask::{Asked, Looked, accepted, look, send, would};
use crate::{
    connect::{Open, Target},
    terminal::safe,
};
use std::process::ExitCode;
use tallyd_event::{Edit, EditKind};
use tallyd_query::footprint;
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
    #[command(flatten)]
    asked: Asked,
}

/// Sends the edit, and sees that it is accepted.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (mut open, json) = (args.target.open().await?, args.target.json);
    let mut request = Request {
        member: args.old.as_str().into(),
        field: args.field.unwrap_or_default().into(),
        to: args.new.as_str().into(),
        ..args.asked.request(EditKind::Rename)
    };
    let (said, field) = match look(&mut open, &mut request).await? {
        Looked::Accepted(before) => return accepted(json, &before, "was accepted before"),
        Looked::Would(edit, results) if args.asked.dry_run => {
            let what = format!("rename {} {}", args.old, args.new);
            let said = would(json, &what, results, "results")?;
            if !json {
                say_new(&mut open, &edit).await?;
            }
            (said, edit.field)
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

/// Says whether the new name has results already: then two become one, which nobody can undo.
async fn say_new(open: &mut Open, edit: &Edit) -> anyhow::Result<()> {
    let Open { topology, keys, connection } = open;
    let of = (edit.field.as_str(), edit.to.as_str());
    let found = footprint(connection, topology, keys, of).await?;
    let (name, boards, bolts) = (safe(&edit.to), found.boards, found.learners);
    if boards + bolts == 0 {
        outln!("{name} has no results yet")?;
    } else {
        outln!(
            "{name} has results already, on {boards} boards and in {bolts} bolts that keep something of a \
             learner: both become one, and can't be taken apart again"
        )?;
    }
    Ok(())
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
