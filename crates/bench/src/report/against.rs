//! Two builds side by side.

use super::{cell, place};
use crate::{
    against::{Against, Turn},
    figures::Spread,
    light::LightPoint,
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

/// A row of each load, in the same form.
type LoadRow = (&'static str, fn(&LightPoint) -> f64, usize);

const LOADS: &[LoadRow] = &[
    ("CPU of both, µs", |load| load.redis_cpu_us + load.worker_cpu_us, 0),
    ("CPU of Redis, µs", |load| load.redis_cpu_us, 1),
    ("CPU of workers, µs", |load| load.worker_cpu_us, 1),
    ("p50, ms", |load| load.p50_ms, 1),
    ("p99, ms", |load| load.p99_ms, 1),
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
    text + &drains(this, that) + &loads(this, that)
}

/// The figures of a drain: title, name, by what it is divided, and how many places are shown.
const DRAINS: &[(&str, &str, f64, usize)] = &[
    ("events/s", "events_per_second", 1.0, 0),
    ("CPU of Redis, µs", "redis_cpu_us", 1.0, 1),
    ("CPU of the worker, µs", "client_cpu_us", 1.0, 1),
    ("EXEC, p99, ms", "exec_p99_us", 1_000.0, 1),
    ("memory at the end, MB", "memory_end_bytes", 1e6, 0),
];

/// What an event costs where all are sent at once.
fn drains(this: &[Turn], that: &[Turn]) -> String {
    let mut text = "\nA drain: all events at once, as single entries; CPU is that of one event.\n\n| | this build | the other | ratio |\n| --- | --- | --- | --- |\n".to_owned();
    for (title, name, unit, places) in DRAINS {
        let of = |turns: &[Turn]| {
            Spread::of(turns.iter().filter_map(|turn| turn.drain.get(name)).collect())
        };
        // Redis 6.2 does not tell how long an EXEC takes.
        if let (Some(this), Some(that)) = (of(this), of(that)) {
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "| {title} | {} | {} | {:.2} |",
                cell(&this, *unit, *places),
                cell(&that, *unit, *places),
                this.median / that.median
            );
        }
    }
    text
}

/// What an event costs at steady loads.
fn loads(this: &[Turn], that: &[Turn]) -> String {
    let mut text = "\nSteady loads, 200 classes of 25 learners; CPU is that of Redis and all workers for an event.\n\n| events/s, workers | | this build | the other | ratio |\n| --- | --- | --- | --- | --- |\n".to_owned();
    let count = this.first().map_or(0, |turn| turn.loads.len());
    for place in 0..count {
        for (title, figure, places) in LOADS {
            let of = |turns: &[Turn]| {
                let values = turns.iter().filter_map(|turn| turn.loads.get(place).map(figure));
                Spread::of(values.collect())
            };
            let shown = |spread: &Option<Spread>| {
                spread.as_ref().map_or_else(|| "-".to_owned(), |spread| cell(spread, 1.0, *places))
            };
            let (this_spread, that_spread) = (of(this), of(that));
            let ratio = this_spread.as_ref().zip(that_spread.as_ref());
            let ratio = ratio.map_or(f64::NAN, |(this, that)| this.median / that.median);
            let load = this.first().and_then(|turn| turn.loads.get(place));
            let load =
                load.map_or_else(String::new, |load| format!("{:.0}, {}", load.rate, load.workers));
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "| {load} | {title} | {} | {} | {ratio:.2} |",
                shown(&this_spread),
                shown(&that_spread)
            );
        }
    }
    text
}
