//! `tallyd check`.

use crate::load;
use std::{path::PathBuf, process::ExitCode};

/// The arguments of `tallyd check`.
#[derive(clap::Args)]
pub struct Args {
    /// The topology files
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Checks each file.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    for file in &args.files {
        load::topology(file)?;
        println!("{}: ok", file.display());
    }
    Ok(ExitCode::SUCCESS)
}
