//! `tallyd wait`: until nothing is left to process.

use crate::connect::Target;
use anyhow::bail;
use std::{process::ExitCode, time::Duration};
use tallyd_store::inspect;
use tokio::time::{Instant, sleep};

/// How often it looks.
const POLL: Duration = Duration::from_millis(50);

/// The arguments of `tallyd wait`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

/// Waits until every event that was sent before is processed by every bolt.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut open = args.target.open().await?;
    let began = Instant::now();
    while !inspect::drained(&mut open.connection, &open.topology, &open.keys).await? {
        if let Some(timeout) = args.timeout.filter(|seconds| began.elapsed().as_secs() >= *seconds)
        {
            bail!("still processing after {timeout} s; see: tallyd status");
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
