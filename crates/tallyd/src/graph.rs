//! `tallyd graph` and `tallyd schema`.

use crate::load::{self, Named};
use std::{path::PathBuf, process::ExitCode};

/// The arguments of `tallyd graph`.
#[derive(clap::Args)]
pub struct Args {
    /// The topology file, if it is not named by --topology
    file: Option<PathBuf>,
    #[command(flatten)]
    topology: Named,
    /// The language of the diagram
    #[arg(long, value_enum, default_value_t = Format::Mermaid)]
    format: Format,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Mermaid,
    Dot,
}

/// Prints a topology's diagram.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let topology = load::topology(&args.topology.find(args.file.as_deref())?)?;
    let text = match args.format {
        Format::Mermaid => tallyd_topology::mermaid(&topology),
        Format::Dot => tallyd_topology::dot(&topology),
    };
    outln!("{}", text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the JSON Schema of topology files.
pub fn schema() -> anyhow::Result<ExitCode> {
    outln!("{}", serde_json::to_string_pretty(&tallyd_topology::json_schema(load::kinds()))?)?;
    Ok(ExitCode::SUCCESS)
}
