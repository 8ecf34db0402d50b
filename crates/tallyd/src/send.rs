//! `tallyd send`.

use std::process::ExitCode;

/// The arguments of `tallyd send`.
#[derive(clap::Args)]
pub struct Args {}

/// Sends.
pub async fn run(_: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not there yet")
}
