//! `tallyd move`: a member goes from a group to another one.

use super::ask::{Asked, Looked, accepted, look, send, would};
use crate::{
    connect::{Open, Target},
    season::field_value,
    terminal::safe,
};
use clap::ValueEnum;
use smol_str::SmolStr;
use std::process::ExitCode;
use tallyd_bolt::Key;
use tallyd_event::{Edit, EditKind, Moves};
use tallyd_query::preview;
use tallyd_store::edits::Request;

/// The arguments of `tallyd move`.
#[derive(clap::Args)]
pub struct Args {
    /// The member, as events name it
    member: String,
    #[command(flatten)]
    target: Target,
    /// The group that the member leaves, once for each field
    #[arg(long, value_name = "FIELD=VALUE", value_parser = field_value, required = true)]
    from: Vec<(SmolStr, SmolStr)>,
    /// The group that the member joins, of the same fields
    #[arg(long, value_name = "FIELD=VALUE", value_parser = field_value, required = true)]
    to: Vec<(SmolStr, SmolStr)>,
    /// Whether its points go with it, or are gone
    #[arg(long, default_value = "keep")]
    points: Points,
    /// The field that names members, where leaderboards rank by several
    #[arg(long)]
    field: Option<String>,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Clone, Copy, ValueEnum)]
enum Points {
    /// They are merged into the other board, as its score says.
    Keep,
    /// The member begins at nothing there.
    Leave,
}

/// Sends the edit, and sees that it is accepted.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (mut open, json) = (args.target.open().await?, args.target.json);
    let points = match args.points {
        Points::Keep => "keep",
        Points::Leave => "leave",
    };
    let mut request = Request {
        member: args.member.as_str().into(),
        field: args.field.unwrap_or_default().into(),
        from: group(&args.from),
        to: group(&args.to),
        points: points.into(),
        ..args.asked.request(EditKind::Move)
    };
    match look(&mut open, &mut request).await? {
        Looked::Accepted(before) => accepted(json, &before, "was accepted before"),
        Looked::Would(edit, boards) if args.asked.dry_run => {
            let said = would(json, &format!("move {}", args.member), boards, "boards")?;
            if !json {
                say_joined(&mut open, &edit).await?;
            }
            Ok(said)
        }
        Looked::Would(..) => accepted(json, &send(&mut open, request).await?, "is accepted"),
    }
}

/// Says which boards are left and joined, and on how many of those the member stands already.
async fn say_joined(open: &mut Open, edit: &Edit) -> anyhow::Result<()> {
    let Some(Moves { from, to, keeps }) = edit.moves.clone() else { return Ok(()) };
    let [left, joined] = [&from, &to].map(|group| safe(&group.join(":")));
    if !keeps {
        outln!("it leaves those of {left}, and begins at nothing in {joined}")?;
        return Ok(());
    }
    // The way back: what it would leave there is what stands there now.
    let back = Edit { moves: Some(Moves { from: to, to: from, keeps: false }), ..edit.clone() };
    let Open { topology, keys, connection } = open;
    let there = preview(connection, topology, keys, &back).await?.unwrap_or_default();
    let both = match there {
        0 => String::new(),
        _ => format!("; on {there} of them it has a score already: both become one"),
    };
    outln!("it leaves those of {left}, and joins those of {joined} with its points{both}")?;
    Ok(())
}

fn group(pairs: &[(SmolStr, SmolStr)]) -> SmolStr {
    Key::group(pairs.iter().map(|(field, value)| (field.as_str(), Some(value.as_str()))))
}
