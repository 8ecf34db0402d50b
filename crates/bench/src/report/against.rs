//! Two builds side by side.

use super::{cell, place};
use crate::{
    against::{Against, Turn},
    figures::Spread,
};
use std::fmt::Write;

/// A row: its title, the figure, and how many places are shown.
type Row = (&'static str, fn(&Turn) -> Option<f64>, usize);

const ROWS: &[Row] = &[
    ("longest gap after SIGKILL of one of two workers, ms", |t| Some(t.gaps.takeover_ms), 0),
    ("longest gap in a rolling restart of both, ms", |t| Some(t.gaps.rolling_restart_ms), 0),
    ("delay at light load, p50 ms", |t| Some(t.delay.as_ref()?.p50_ms), 2),
    ("delay at light load, p99 ms", |t| Some(t.delay.as_ref()?.p99_ms), 2),
    ("delay at light load, longest ms", |t| Some(t.delay.as_ref()?.max_ms), 1),
];

/// The figures as Markdown: of each the median, and the lowest and highest round.
pub(super) fn markdown(against: &Against) -> String {
    let Against { machine, command, other, revision, this, that } = against;
    let rate = |turn: &Turn| (turn.gaps.rate, turn.delay.as_ref().map_or(f64::NAN, |d| d.rate));
    let (gaps_at, light) = this.first().map_or((f64::NAN, f64::NAN), rate);
    let mut text = format!(
        "`{command}` on {}: this build ({revision}) and `{other}` in turn, {} times each, every turn on fresh servers. Gaps at {gaps_at:.0} events/s, the delay at {light:.0}. Median, and in brackets the lowest and highest.\n\n| | this build | `{other}` |\n| --- | --- | --- |\n",
        place(machine),
        this.len()
    );
    for (title, figure, places) in ROWS {
        let spread = |turns: &[Turn]| {
            let spread = Spread::of(turns.iter().filter_map(figure).collect());
            spread.map_or_else(|| "-".to_owned(), |spread| cell(&spread, 1.0, *places))
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {title} | {} | {} |", spread(this), spread(that));
    }
    text
}
