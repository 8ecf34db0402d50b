//! `tallyd move`: a member goes from a group to another one.

use super::ask::{Asked, Looked, accepted, look, send, would};
use crate::{connect::Target, season::field_value};
use clap::ValueEnum;
use smol_str::SmolStr;
use std::process::ExitCode;
use tallyd_bolt::Key;
use tallyd_event::EditKind;
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
        Looked::Would(_, boards) if args.asked.dry_run => {
            would(json, &format!("move {}", args.member), boards, "boards")
        }
        Looked::Would(..) => accepted(json, &send(&mut open, request).await?, "is accepted"),
    }
}

fn group(pairs: &[(SmolStr, SmolStr)]) -> SmolStr {
    Key::group(pairs.iter().map(|(field, value)| (field.as_str(), Some(value.as_str()))))
}
