//! `tallyd completions` and `tallyd man`: what shells and `man` read of the command line.

use crate::{Cli, output, wrong_use::WrongUse};
use anyhow::Context;
use clap::{Command, CommandFactory, builder::Resettable};
use clap_complete::Shell;
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The arguments of `tallyd completions`.
#[derive(clap::Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// The arguments of `tallyd man`.
#[derive(clap::Args)]
pub struct ManArgs {
    /// The command that the page is about, such as `board` or `dead list`; the program where it is
    /// left out
    command: Vec<String>,
    /// Write the pages of the program and of all commands into this folder
    #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
    out: Option<PathBuf>,
}

/// Prints the script that lets a shell complete what is typed.
pub fn completions(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tallyd", &mut script);
    output::write(format_args!("{}", String::from_utf8_lossy(&script)))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a man page, or writes all.
pub fn man(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    if let Some(folder) = &args.out {
        fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
        write_pages(&program, folder)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut command = &program;
    for name in &args.command {
        let known = command.find_subcommand(name);
        let unknown = || WrongUse(format!("no command \"{name}\" (see: tallyd --help)"));
        command = known.ok_or_else(unknown)?;
    }
    output::write(format_args!("{}", page(command)?))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the page of a command and of those below it: `tallyd.1`, `tallyd-dead-list.1`.
fn write_pages(command: &Command, folder: &Path) -> anyhow::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let file = folder.join(format!("{name}.1"));
    fs::write(&file, page(command)?).with_context(|| format!("can't write {}", file.display()))?;
    command.get_subcommands().try_for_each(|below| write_pages(below, folder))
}

fn page(command: &Command) -> anyhow::Result<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut page = Vec::new();
    // The library would fill the lines of what follows the options, examples too.
    let without = command.clone().after_help(Resettable::Reset);
    let source = concat!("tallyd ", env!("CARGO_PKG_VERSION"));
    Man::new(without).source(source).render(&mut page).context("can't make the page")?;
    Ok(String::from_utf8(page)? + &sections(&help).to_roff())
}

/// What follows the options: a list with a title is a section, with its lines as they are.
fn sections(help: &str) -> Roff {
    let mut roff = Roff::new();
    for block in help.split("\n\n").filter(|block| !block.is_empty()) {
        match block.split_once(":\n") {
            Some((title, lines)) => {
                roff.control("SH", [title.to_uppercase().as_str()]).control("nf", []);
                for line in lines.lines() {
                    roff.text([roman(line.trim_start())]);
                }
                roff.control("fi", [])
            }
            None => roff.control("SH", ["NOTES"]).text([roman(block)]),
        };
    }
    roff
}
