//! `tallyd learner`.

use crate::connect::Target;
use std::process::ExitCode;

/// The arguments of `tallyd learner`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
}

/// Shows it.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    args.target.open().await?;
    anyhow::bail!("not there yet")
}
