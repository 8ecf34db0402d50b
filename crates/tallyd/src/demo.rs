//! `tallyd demo`.

use std::process::ExitCode;

/// The arguments of `tallyd demo`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs it.
pub async fn run(_: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not there yet")
}
