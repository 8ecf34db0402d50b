//! `tallyd check`: the faults of topology files, and their tests.

mod expectation;

use crate::{
    load::{self, Named},
    terminal,
};
use std::{
    iter,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};
use tallyd_event::decode;
use tallyd_runtime::test_driver;
use tallyd_topology::{NodeKind, TestCase, Topology};

/// The arguments of `tallyd check`.
#[derive(clap::Args)]
pub struct Args {
    /// The topology files, if none is named by --topology
    files: Vec<PathBuf>,
    #[command(flatten)]
    topology: Named,
}

/// Checks each file, and goes on after one that does not hold.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let (named, found) = (args.files.first().map(PathBuf::as_path), args.files.get(1..));
    let first = args.topology.find(named)?;
    for file in iter::once(&first).chain(found.unwrap_or_default()) {
        match check(file) {
            Ok(summary) => outln!("{}: ok{summary}", file.display())?,
            Err(error) => {
                code = ExitCode::FAILURE;
                errln!("error: {}", terminal::error(&error));
            }
        }
    }
    Ok(code)
}

/// What to say of a file that holds; all failures of its tests where it does not.
fn check(file: &Path) -> anyhow::Result<String> {
    let topology = Arc::new(load::topology(file)?);
    let (mut failures, mut failed) = (Vec::new(), 0);
    for test in &topology.tests {
        let found = failures_of(&topology, test)?;
        failed += usize::from(!found.is_empty());
        let place = |(line, message)| {
            format!("{}:{line}: test \"{}\": {message}", file.display(), test.name)
        };
        failures.extend(found.into_iter().map(place));
    }
    let count = topology.tests.len();
    if failed > 0 {
        let list = failures.join("\n");
        anyhow::bail!("{}: {failed} of {count} tests failed\n{list}", file.display());
    }
    Ok(match count {
        0 => ", no tests".to_owned(),
        1 => ", 1 test passed".to_owned(),
        count => format!(", {count} tests passed"),
    })
}

/// The expectations of a test that do not hold: the line, what was expected and what was found.
fn failures_of(topology: &Arc<Topology>, test: &TestCase) -> anyhow::Result<Vec<(usize, String)>> {
    let runs = test_driver::run(topology, test_driver::entries(test))?;
    let outcome = expectation::Outcome { topology, runs, last: last_time(topology, test) };
    let mut failures = Vec::new();
    for expectation in &test.expectations {
        for message in outcome.failures(&expectation.expect)? {
            failures.push((expectation.place.line, message));
        }
    }
    Ok(failures)
}

/// The time of the last event that fits its source; its arrival where none does.
fn last_time(topology: &Topology, test: &TestCase) -> i64 {
    let time = |(source, entry): (usize, tallyd_runtime::store::Entry)| {
        let node = topology.nodes.get(source)?;
        let NodeKind::Source(source) = &node.kind else { return None };
        let arrival = entry.id.into();
        let decoded =
            decode::decode_pairs(&node.schema, source.limits, arrival, entry.fields.iter());
        decoded.events.last().map(|event| event.time(&node.schema))
    };
    let arrival = || test.events.last().map(|event| event.arrival);
    test_driver::entries(test).into_iter().rev().find_map(time).or_else(arrival).unwrap_or_default()
}

#[cfg(test)]
mod tests;
