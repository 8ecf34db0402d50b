//! Reading a topology file, with its faults shown as people expect them.

use std::{fmt, io::IsTerminal, path::Path};
use tallyd_topology::{Topology, parse};

/// A topology file that does not hold; its faults are already written for people.
#[derive(Debug)]
pub struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// Reads and checks a topology file.
///
/// # Errors
/// Where it can't be read, or with all of its faults.
pub fn topology(file: &Path) -> anyhow::Result<Topology> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| anyhow::anyhow!("can't read {}: {e}", file.display()))?;
    let name = file.display().to_string();
    let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    parse(&name, &text, &|variable| std::env::var(variable).ok()).map_err(|faults| {
        let count = match faults.faults.len() {
            1 => "1 fault".to_owned(),
            many => format!("{many} faults"),
        };
        Refused(format!("{name} has {count}\n{}", faults.render(color))).into()
    })
}
