//! `tallyd wait`: until nothing is left to process.

use crate::connect::Target;
use anyhow::bail;
use std::{path::PathBuf, process::ExitCode, time::Duration};
use tallyd_harness::duration;
use tallyd_store::inspect::{self, Gone, Left};
use tokio::time::{Instant, sleep};

/// How often it looks.
const POLL: Duration = Duration::from_millis(50);
/// The same, while the server cuts it off.
const SLOW: Duration = Duration::from_secs(1);
/// Entries that are gone unread may still be in the hands of a worker. After so long without a commit
/// they are lost, whether a worker has noted that or not.
const NOTED_WITHIN: Duration = Duration::from_secs(1);
/// Why nothing may be read any more, and what helps.
pub const UNREADABLE: &str = "the first entry that waits is larger than the server lets a client have; raise maxmemory-clients, or the normal class of client-output-buffer-limit, see: tallyd doctor";

/// The arguments of `tallyd wait`.
#[derive(clap::Args)]
pub struct Args {
    /// The topology file, if it is not named by --topology
    file: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
    /// Give up after so long, such as 10s or 5m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
}

/// Waits until every event that was sent before is processed by every bolt. Fails where entries are
/// found gone unread meanwhile.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut open = args.target.open_file(args.file.as_deref()).await?;
    let began = Instant::now();
    let before = inspect::gone(&mut open.connection, &open.topology, &open.keys).await?;
    let mut told = false;
    let mut unnoted: Option<(Vec<Gone>, Instant)> = None;
    loop {
        let left = inspect::left(&mut open.connection, &open.topology, &open.keys).await?;
        if let Some((what, unreadable)) = waits(&left) {
            if let Some(timeout) = args.timeout.filter(|timeout| began.elapsed() >= *timeout) {
                let why = if unreadable { UNREADABLE } else { "see: tallyd status" };
                bail!("still processing after {timeout:?}: {what}; {why}");
            }
            if unreadable && !told {
                errln!("{what}: {UNREADABLE}");
                told = true;
            }
            // Each look at what can't be read costs connections.
            sleep(if unreadable { SLOW } else { POLL }).await;
            continue;
        }
        let now = inspect::gone(&mut open.connection, &open.topology, &open.keys).await?;
        let stands = match &unnoted {
            _ if now.iter().all(|of| of.unnoted == 0) => true,
            Some((seen, since)) if *seen == now => since.elapsed() >= NOTED_WITHIN,
            _ => {
                unnoted = Some((now.clone(), Instant::now()));
                false
            }
        };
        if stands {
            lost(&before, &now)?;
            break;
        }
        sleep(POLL).await;
    }
    if args.target.json {
        outln!(
            "{}",
            serde_json::json!({ "drained": true, "waited_ms": began.elapsed().as_millis() as u64 })
        )?;
    } else {
        outln!("nothing is left to process")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is left, if anything is, and whether nobody can read it.
fn waits(left: &Left) -> Option<(String, bool)> {
    match left {
        Left::Edits => Some(("edits wait to be accepted".to_owned(), false)),
        Left::Sweeps => Some(("streams are swept for a member who is forgotten".to_owned(), false)),
        Left::Nothing => None,
        Left::Waits { node, unreadable } => Some((format!("entries wait for {node}"), *unreadable)),
    }
}

/// Says what of the sources was deleted unread since the first look.
fn lost(before: &[Gone], now: &[Gone]) -> anyhow::Result<()> {
    let of_node = |(before, now): (&Gone, &Gone)| {
        let lost = now.noted.saturating_sub(before.noted) + now.unnoted;
        (lost > 0).then(|| format!("{lost} of {}", now.node))
    };
    let lost: Vec<String> = before.iter().zip(now).filter_map(of_node).collect();
    if !lost.is_empty() {
        bail!(
            "nothing is left to process, but entries were deleted before they were read: {}; let only tallyd trim what it reads, and send again what is missing, see: tallyd status",
            lost.join(", ")
        );
    }
    Ok(())
}
