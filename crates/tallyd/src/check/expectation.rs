//! Whether what came out of a test is what its expectations state.

use anyhow::Context;
use futures::FutureExt;
use smol_str::SmolStr;
use std::{cmp::Ordering, fmt::Display, future::Future};
use tallyd_aggregate::Function;
use tallyd_event::Value;
use tallyd_kind::{
    record::Asked,
    row::{Cell, Row},
};
use tallyd_query::{
    QueryError,
    board::Board,
    figures, learner,
    rows::{board_row, stats_row},
};
use tallyd_runtime::test_driver::NodeRun;
use tallyd_topology::{
    BoltOptions, NodeKind, Topology,
    bolts::{aggregate, leaderboard},
    test_case::{Expect, Stated},
};

/// How far a float may be off for its rounding, relative to it.
const ROUNDING: f64 = 1e-9;

/// What came out of a test.
pub struct Outcome<'a> {
    /// The topology.
    pub topology: &'a Topology,
    /// What each of its nodes did.
    pub runs: Vec<NodeRun>,
    /// The time of the last event, in ms since the epoch.
    pub last: i64,
}

/// The failures of one expectation.
#[derive(Default)]
struct Failures(Vec<String>);

impl Failures {
    fn equal<T: PartialEq + Display>(&mut self, what: &str, expected: Option<T>, found: T) {
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            self.add(what, &expected, &found);
        }
    }

    fn between(&mut self, what: &str, (min, max): (Option<f64>, Option<f64>), found: f64) {
        if let Some(min) = min.filter(|min| found.partial_cmp(min).is_none_or(Ordering::is_lt)) {
            self.add(what, &format!("{min} or more"), &found);
        }
        if let Some(max) = max.filter(|max| found.partial_cmp(max).is_none_or(Ordering::is_gt)) {
            self.add(what, &format!("{max} or less"), &found);
        }
    }

    fn add(&mut self, what: &str, expected: &dyn Display, found: &dyn Display) {
        self.0.push(format!("{what}: expected {expected}, found {found}"));
    }
}

impl Outcome<'_> {
    /// What of an expectation does not hold.
    pub fn failures(&self, expect: &Expect) -> anyhow::Result<Vec<String>> {
        let mut failures = Failures::default();
        match expect {
            Expect::Board { .. } => self.board(expect, &mut failures)?,
            Expect::Dead { node, count, reason } => {
                let dead = &self.run(*node)?.dead;
                let name = self.name(*node);
                let length = dead.len() as u64;
                failures.equal(&format!("dead letters of {name}"), *count, length);
                if let Some(part) = reason
                    && !dead.iter().any(|letter| letter.reason.contains(part))
                {
                    let all: Vec<&str> = dead.iter().map(|d| d.reason.as_str()).collect();
                    let what = format!("a dead letter of {name}");
                    let found = if all.is_empty() { "none".to_owned() } else { all.join("; ") };
                    failures.add(&what, &format!("a reason with \"{part}\""), &found);
                }
            }
            Expect::Counts { bolt, duplicates, passed } => {
                let (name, counts) = (self.name(*bolt), &self.run(*bolt)?.counts);
                failures.equal(&format!("duplicates of {name}"), *duplicates, counts.duplicates);
                failures.equal(&format!("events that {name} passed"), *passed, counts.emitted);
            }
            Expect::Record { bolt, learner, row, stated } => {
                self.record((*bolt, learner), row.as_ref(), stated, &mut failures)?;
            }
            Expect::Sink { node, sink, count, fields } => {
                self.sink((*node, sink), *count, fields, &mut failures)?;
            }
            Expect::Stats { .. } => self.stats(expect, &mut failures)?,
        }
        Ok(failures.0)
    }

    fn board(&self, expect: &Expect, failures: &mut Failures) -> anyhow::Result<()> {
        let Expect::Board { bolt, by, period, at, member, score, rank, size, .. } = expect else {
            return wrong();
        };
        let options = self.options::<leaderboard::Options>(*bolt)?;
        let at = at.unwrap_or(self.last);
        let board = Board::new(options, &self.topology.calendar, by, Some(period), at)?;
        let mut results = &self.run(*bolt)?.memory;
        let values: Vec<&str> = by.iter().map(|(_, value)| value.as_str()).collect();
        let group = if values.is_empty() { "everyone".to_owned() } else { values.join(", ") };
        let place = format!("{}, {group}, {period} {}", self.name(*bolt), board.window.label);
        failures.equal(&format!("{place}: size"), *size, ready(board.size(&mut results))?);
        let Some(member) = member else { return Ok(()) };
        let Some((standing, size)) = ready(board.of(&mut results, member))? else {
            failures.add(&place, &format!("{member} on the board"), &"no such member");
            return Ok(());
        };
        let row = board_row(&standing, size, None);
        let found = row.get("score");
        if let Some(expected) = score.as_ref().filter(|s| !agrees(found, s, ROUNDING)) {
            failures.add(&format!("{place}: score of {member}"), &expected.to_text(), found);
        }
        let rank = rank.map(Cell::from);
        failures.equal(&format!("{place}: rank of {member}"), rank.as_ref(), row.get("rank"));
        Ok(())
    }

    fn stats(&self, expect: &Expect, failures: &mut Failures) -> anyhow::Result<()> {
        let Expect::Stats { bolt, by, window: name, at, measures } = expect else { return wrong() };
        let options = self.options::<aggregate::Options>(*bolt)?;
        let span = figures::window(options, Some(name))?;
        let window = self.topology.calendar.window(span.length, at.unwrap_or(self.last));
        let values: Vec<&str> =
            by.iter().map(|(_, value)| value.as_deref().unwrap_or("none")).collect();
        let group = if values.is_empty() { "total".to_owned() } else { values.join(", ") };
        let place = format!("{}, {group}, {name} {}", self.name(*bolt), window.label);
        let wanted = vec![(figures::group_of(options, by)?, window)];
        let mut results = &self.run(*bolt)?.memory;
        let found = ready(figures::figures(&mut results, options, span, wanted))?;
        let found = stats_row(options, found.first().context("no figures")?, None);
        let Cell::Map(figures) = found.get("measures") else { return wrong() };
        for (measure, expected) in measures {
            let figure = figures.iter().find(|(name, _)| name == measure);
            let figure = figure.map_or(&Cell::Null, |(_, figure)| figure);
            let quantile = |m: &tallyd_aggregate::Measure| {
                m.name == *measure && matches!(m.function, Function::Quantile(..))
            };
            let estimated = options.measures.iter().any(quantile);
            let tolerance = if estimated { options.accuracy } else { ROUNDING };
            if !agrees(figure, expected, tolerance) {
                let found = match figure {
                    Cell::Null => "nothing".to_owned(),
                    figure => figure.to_string(),
                };
                failures.add(&format!("{place}: {measure}"), &expected.to_text(), &found);
            }
        }
        Ok(())
    }

    fn sink(
        &self,
        (node, sink): (usize, &SmolStr),
        count: Option<u64>,
        fields: &[(SmolStr, Value)],
        failures: &mut Failures,
    ) -> anyhow::Result<()> {
        let of_name = |known: &tallyd_topology::Sink| known.name == *sink;
        let sinks = self.topology.nodes.get(node).map(|node| node.sinks.as_slice());
        let place = sinks.unwrap_or_default().iter().position(of_name).context("no such sink")?;
        let published = &self.run(node)?.published;
        let entries: Vec<_> = published.iter().filter(|(p, _)| *p == place).collect();
        failures.equal(&format!("entries of {sink}"), count, entries.len() as u64);
        for (name, expected) in fields {
            let last = entries.last().map(|(_, fields)| fields.as_slice()).unwrap_or_default();
            let found = last.iter().find(|(field, _)| field == name.as_bytes());
            let found = found.map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned());
            let wanted = expected.to_text();
            if found.as_deref().is_none_or(|found| !same_text(found, expected)) {
                let what = format!("last entry of {sink}: {name}");
                failures.add(&what, &wanted, &found.as_deref().unwrap_or("no such field"));
            }
        }
        Ok(())
    }

    fn run(&self, node: usize) -> anyhow::Result<&NodeRun> {
        self.runs.get(node).context("no such node")
    }

    fn name(&self, node: usize) -> &str {
        self.topology.nodes.get(node).map_or("", |node| node.name.as_str())
    }

    /// What is stated of a learner. Of whom nothing is stored counts are 0, and nothing is true.
    fn record(
        &self,
        (bolt, learner): (usize, &str),
        row: Option<&(&'static str, SmolStr)>,
        stated: &[(&'static str, Stated)],
        failures: &mut Failures,
    ) -> anyhow::Result<()> {
        let Some(NodeKind::Bolt(of)) = self.topology.nodes.get(bolt).map(|node| &node.kind) else {
            return wrong();
        };
        let Some(record) = of.options.record() else { return wrong() };
        let partitions = self.topology.partitions;
        let asked = Asked { learner, now: self.last, partitions };
        let mut results = &self.run(bolt)?.memory;
        let rows = ready(learner::record(&mut results, record, asked))?;
        let is_it = |found: &&Row| {
            row.is_none_or(|(column, value)| *found.get(column) == value.as_str().into())
        };
        let found = rows.iter().find(is_it);
        let place = row.map(|(_, value)| format!(" in {value}")).unwrap_or_default();
        let who = format!("{} of {learner}{place}", self.name(bolt));
        for (column, stated) in stated {
            let what = format!("{who}: {column}");
            match (stated, found.map(|found| found.get(column))) {
                (Stated::Count(expected), None) => failures.equal(&what, Some(*expected), 0),
                (Stated::Count(expected), Some(found)) => {
                    failures.equal(&what, Some(&Cell::from(*expected)), found);
                }
                (Stated::Bool(expected), found) => {
                    let is_true = found == Some(&Cell::Bool(true));
                    failures.equal(&what, Some(*expected), is_true);
                }
                (Stated::AtLeast(_) | Stated::AtMost(_), None) => {
                    failures.add(&what, &"a number", &"nothing");
                }
                (Stated::AtLeast(least), Some(found)) => {
                    failures.between(&what, (Some(*least), None), number(found));
                }
                (Stated::AtMost(greatest), Some(found)) => {
                    failures.between(&what, (None, Some(*greatest)), number(found));
                }
            }
        }
        Ok(())
    }

    fn options<T: BoltOptions>(&self, node: usize) -> anyhow::Result<&T> {
        match self.topology.nodes.get(node).map(|node| &node.kind) {
            Some(NodeKind::Bolt(bolt)) => bolt.options.of().map_or_else(wrong, Ok),
            _ => wrong(),
        }
    }
}

/// A number, to be compared.
fn number(cell: &Cell) -> f64 {
    match cell {
        Cell::Float(number) => *number,
        Cell::Int(number) => *number as f64,
        Cell::Estimate(number) => *number as f64,
        _ => f64::NAN,
    }
}

/// The answer of a query to memory, which never waits.
fn ready<T>(query: impl Future<Output = Result<T, QueryError>>) -> anyhow::Result<T> {
    Ok(query.now_or_never().context("memory kept a query waiting")??)
}

/// A test names its nodes by their kinds, so this is a fault of the program, not of the file.
fn wrong<T>() -> anyhow::Result<T> {
    anyhow::bail!("the test expects what its bolt does not store")
}

/// A decimal is text with all of its places on both sides.
fn agrees(found: &Cell, expected: &Value, tolerance: f64) -> bool {
    match (found, expected) {
        (Cell::Text(found), Value::Decimal(_)) => *found == expected.to_text(),
        (Cell::Int(found), Value::Int(expected)) if tolerance == ROUNDING => {
            *found == i128::from(*expected)
        }
        (found, expected) => {
            expected.as_number().is_some_and(|expected| near(number(found), expected, tolerance))
        }
    }
}

fn near(found: f64, expected: f64, tolerance: f64) -> bool {
    (found - expected).abs() <= tolerance * expected.abs()
}

/// Whether a text of an entry is this value: numbers as numbers, everything else as text.
fn same_text(found: &str, expected: &Value) -> bool {
    match (found.parse::<f64>(), expected.as_number()) {
        (Ok(found), Some(expected)) => near(found, expected, ROUNDING),
        _ => found == expected.to_text(),
    }
}
