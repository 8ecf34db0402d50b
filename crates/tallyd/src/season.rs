//! `tallyd close` and `tallyd reset`: a period is final, or results start over.

mod snapshot;

use crate::{
    connect::{Open, Target},
    edits::ask::{Looked, accepted, look, one, said, send, would},
    wrong_use::WrongUse,
};
use anyhow::{Context, bail};
use smol_str::SmolStr;
use snapshot::{Moment, Snapshot};
use std::{path::PathBuf, process::ExitCode, time::Duration};
use tallyd_bolt::Key;
use tallyd_event::{EditKind, Scope};
use tallyd_harness::duration;
use tallyd_store::edits::{Record, Request};
use tokio::time::{Instant, sleep};

/// How often it looks whether an edit is done.
const POLL: Duration = Duration::from_millis(50);

/// The arguments of both.
#[derive(clap::Args)]
pub struct Args {
    /// The leaderboard
    bolt: String,
    #[command(flatten)]
    target: Target,
    /// The kind of period, such as week
    #[arg(long)]
    period: Option<String>,
    /// Which one, such as 2026-W48; the one that is now where it is left out
    #[arg(long)]
    label: Option<String>,
    /// Write the results to this new file, a line of JSON for each row
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
    /// How long to wait for workers with a snapshot, such as 10s or 5m
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5m")]
    timeout: Duration,
    /// Who asks for it, for the list of edits
    #[arg(long, value_name = "NAME", env = "USER", hide_env = true)]
    user: Option<String>,
    /// An id of your own: the same id takes effect once, however often it is sent
    #[arg(long)]
    id: Option<String>,
    /// Only say what it would change
    #[arg(long)]
    dry_run: bool,
}

/// The arguments of `tallyd reset`.
#[derive(clap::Args)]
pub struct ResetArgs {
    #[command(flatten)]
    of: Args,
    /// The group, once for each of its fields; all groups where it is left out
    #[arg(long, value_name = "FIELD=VALUE", value_parser = field_value)]
    by: Vec<(SmolStr, SmolStr)>,
}

/// Makes a period of a bolt final now.
pub async fn close(args: Args) -> anyhow::Result<ExitCode> {
    run(EditKind::Close, args, SmolStr::default()).await
}

/// Starts results of a bolt over.
pub async fn reset(args: ResetArgs) -> anyhow::Result<ExitCode> {
    let pairs = args.by.iter().map(|(field, value)| (field.as_str(), Some(value.as_str())));
    let group = Key::group(pairs);
    run(EditKind::Reset, args.of, group).await
}

async fn run(kind: EditKind, args: Args, group: SmolStr) -> anyhow::Result<ExitCode> {
    let (mut open, json) = (args.target.open().await?, args.target.json);
    let mut request = Request {
        id: args.id.unwrap_or_default().into(),
        kind: kind.name().into(),
        bolt: args.bolt.as_str().into(),
        period: args.period.unwrap_or_default().into(),
        label: args.label.unwrap_or_default().into(),
        group,
        by: args.user.unwrap_or_default().into(),
        ..Request::default()
    };
    let looked = look(&mut open, &mut request).await?;
    if let Looked::Accepted(before) = &looked {
        is_same(&request, before)?;
    }
    if let (Looked::Would(_, results), true) = (&looked, args.dry_run) {
        // The request says all of it by now, which period it is too.
        let Request { bolt, period, label, group, .. } = &request;
        let what = [kind.name(), bolt, period, label, group].map(str::to_owned);
        let what: Vec<String> = what.into_iter().filter(|of| !of.is_empty()).collect();
        return would(json, &what.join(" "), *results, "boards");
    }
    // A file that can't be written is told before anything is sent.
    let mut snapshot = args.snapshot.map(Snapshot::create).transpose()?;
    if kind == EditKind::Reset
        && let Some(file) = snapshot.take()
    {
        let Looked::Would(edit, _) = &looked else {
            let why = "the edit was accepted before, and what it is of is gone: a snapshot is \
                       written before that";
            return Err(WrongUse(why.to_owned()).into());
        };
        let scope = edit.scope.clone().unwrap_or_default();
        file.write(&mut open, (&request.id, &scope), Moment::Before).await?;
    }
    let (record, how) = match looked {
        Looked::Accepted(before) => (*before, "was accepted before"),
        Looked::Would(..) => (send(&mut open, request).await?, "is accepted"),
    };
    let Some(file) = snapshot else { return accepted(json, &record, how) };
    let record = done(&mut open, record, args.timeout).await?;
    let again = || {
        let id = &record.id;
        format!("edit {id} is done, without its snapshot: run the same again with --id {id}")
    };
    file.write(&mut open, (&record.id, &scope_of(&record)), Moment::Final)
        .await
        .with_context(again)?;
    accepted(json, &record, "is done")
}

/// An id may be that of another edit: then what is asked for now was never done, and a snapshot of
/// it would not be what it says.
fn is_same(request: &Request, before: &Record) -> Result<(), WrongUse> {
    let named = |asked: &str, was: &str| asked.is_empty() || asked == was;
    let is_same = request.kind == before.kind
        && request.bolt == before.bolt
        && named(&request.period, &before.period)
        && named(&request.label, &before.label)
        && request.group == before.group;
    match is_same {
        true => Ok(()),
        false => {
            let (id, was) = (&before.id, said(before));
            Err(WrongUse(format!("id {id} is that of another edit: {was} (choose another id)")))
        }
    }
}

/// Waits until an edit is done.
async fn done(open: &mut Open, mut record: Record, timeout: Duration) -> anyhow::Result<Record> {
    let began = Instant::now();
    while !record.is_over() {
        if began.elapsed() >= timeout {
            let id = &record.id;
            bail!(
                "edit {id} is accepted, but not done after {timeout:?}: see tallyd edits {id}; for the snapshot run the same again with --id {id}"
            );
        }
        sleep(POLL).await;
        if let Some(now) = one(open, &record.id).await? {
            record = now;
        }
    }
    Ok(record)
}

fn scope_of(record: &Record) -> Scope {
    let some = |text: &str| (!text.is_empty()).then(|| SmolStr::from(text));
    let (period, label) = (some(&record.period), some(&record.label));
    Scope { bolt: record.bolt.as_str().into(), period, label, ..Scope::default() }
}

/// A field and a value, as arguments name a group.
pub(crate) fn field_value(text: &str) -> Result<(SmolStr, SmolStr), String> {
    let parts = text.split_once('=').filter(|(field, _)| !field.is_empty());
    let (field, value) = parts.ok_or("expected FIELD=VALUE, such as class=10B")?;
    Ok((field.into(), value.into()))
}
