//! Finding and reading a topology file, with its faults shown as people expect them.

use crate::{terminal::has_colors, wrong_use::WrongUse};
use std::{
    fmt, fs,
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::OnceLock,
};
use tallyd_topology::{KINDS, Kinds, Topology, parse_with};

/// A topology file that does not hold; its faults are already written for people.
#[derive(Debug)]
pub struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// The bolt types of this program: fixed before anything is read.
static OWN: OnceLock<Kinds> = OnceLock::new();

/// Says which bolt types this program has. Only the first call counts.
pub fn know(kinds: Kinds) {
    OWN.get_or_init(|| kinds);
}

/// The bolt types of this program.
pub fn kinds() -> Kinds {
    OWN.get().copied().unwrap_or(KINDS)
}

/// Reads and checks a topology file.
///
/// # Errors
/// Where it can't be read, or with all of its faults.
pub fn topology(file: &Path) -> anyhow::Result<Topology> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| anyhow::anyhow!("can't read {}: {e}", file.display()))?;
    let name = file.display().to_string();
    let color = has_colors(std::io::stderr().is_terminal());
    parse_with(kinds(), &name, &text, &|variable| std::env::var(variable).ok()).map_err(|faults| {
        let count = match faults.faults.len() {
            1 => "1 fault".to_owned(),
            many => format!("{many} faults"),
        };
        Refused(format!("{name} has {count}\n{}", faults.render(color))).into()
    })
}

/// The file that is meant where none is named, if it is in the folder where tallyd is started.
const DEFAULT: &str = "tallyd.toml";
/// Names the file for all commands.
const VARIABLE: &str = "TALLYD_TOPOLOGY";
/// How many files are listed to choose from.
const LISTED: usize = 8;

/// A topology file, as every command that needs one takes it.
#[derive(clap::Args, Clone, Debug)]
pub struct Named {
    /// The topology file [default: TALLYD_TOPOLOGY, or tallyd.toml in this folder]
    #[arg(short, long, value_name = "FILE")]
    pub topology: Option<PathBuf>,
}

impl Named {
    /// The file that is meant.
    ///
    /// # Errors
    /// Where nothing says which: how to say it.
    pub fn find(&self, file: Option<&Path>) -> anyhow::Result<PathBuf> {
        match self.look(file)? {
            Some(file) => Ok(file),
            None => Err(WrongUse(unnamed()).into()),
        }
    }

    /// The file that is meant, if any is.
    ///
    /// # Errors
    /// Where two are named.
    pub fn look(&self, file: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
        let named = match (file, &self.topology) {
            (Some(_), Some(_)) => {
                let message = "two topology files are named (leave out --topology, or FILE)";
                return Err(WrongUse(message.to_owned()).into());
            }
            (file, topology) => file.map(Path::to_owned).or_else(|| topology.clone()),
        };
        // As in a topology file, an empty variable is none.
        let variable = || std::env::var_os(VARIABLE).filter(|name| !name.is_empty());
        let default = || Some(PathBuf::from(DEFAULT)).filter(|file| file.exists());
        Ok(named.or_else(|| variable().map(PathBuf::from)).or_else(default))
    }
}

/// What to do where no file is named, and which there are.
fn unnamed() -> String {
    let mut text = format!(
        "no topology file is named, and this folder has no {DEFAULT}\n  \
         write --topology FILE, or set {VARIABLE}=FILE for all commands"
    );
    let found = topologies_here();
    if !found.is_empty() {
        text += &format!("\n  topology files in this folder: {}", found.join(", "));
    }
    text
}

/// The first files of this folder that look like a topology, by name.
fn topologies_here() -> Vec<String> {
    let looks = |text: &str| text.lines().any(|line| line.trim_start().starts_with("[source"));
    let files = fs::read_dir(".").into_iter().flatten().flatten().map(|entry| entry.path());
    let tomls = files.filter(|file| file.extension().is_some_and(|kind| kind == "toml"));
    let found = tomls.filter(|file| fs::read_to_string(file).is_ok_and(|text| looks(&text)));
    let name = |file: PathBuf| file.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut names: Vec<String> = found.filter_map(name).collect();
    names.sort();
    names.truncate(LISTED);
    names
}
