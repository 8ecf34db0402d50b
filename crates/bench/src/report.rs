//! The page of figures: Markdown tables between two markers of `docs/internals/performance.md`.
//! The prose around them is written by hand, and kept.

mod against;
mod forget;
mod serving;

use crate::{
    BenchError,
    against::Against,
    contender::ALL,
    figures::Spread,
    forget::Forget,
    machine::Machine,
    results::{Footprint, Gaps, LatencyPoint, Results, ScalePoint},
    serving::Serving,
};
use std::{collections::BTreeMap, fmt::Write};

const BEGIN: &str = "<!-- figures: written by `make bench` from here -->";
const END: &str = "<!-- figures: to here -->";

/// A column of the table of contenders: its title, the figure, by what it is divided, and how many
/// places are shown.
const COLUMNS: &[(&str, &str, f64, usize)] = &[
    ("events/s", "events_per_second", 1.0, 0),
    ("Redis CPU µs", "redis_cpu_us", 1.0, 1),
    ("streams µs", "redis_stream_us", 1.0, 1),
    ("state µs", "redis_state_us", 1.0, 1),
    ("client CPU µs", "client_cpu_us", 1.0, 1),
    ("producer CPU µs", "producer_cpu_us", 1.0, 1),
    ("commands", "commands", 1.0, 2),
    ("reads", "reads", 1.0, 3),
    ("memory MB", "memory_end_bytes", 1e6, 0),
    ("peak MB", "memory_peak_bytes", 1e6, 0),
];

/// The targets: the ratio, the bound, and whether it is an upper one.
const TARGETS: &[(&str, f64, bool)] = &[
    ("redis_cpu_single_over_loop", 0.35, true),
    ("redis_cpu_single_over_direct", 0.4, true),
    ("redis_cpu_batch_over_direct", 0.25, true),
    ("redis_cpu_stream_over_floor", 1.3, true),
    ("redis_cpu_state_over_direct", 0.3, true),
    ("rate_single_over_loop", 2.5, false),
    ("rate_single_over_sea_streamer", 2.5, false),
    ("rate_batch_over_loop", 4.0, false),
    ("rate_batch_over_sea_streamer", 4.0, false),
];

const BEGIN_AGAINST: &str =
    "<!-- against: written by `make bench ARGS=\"--against …\"` from here -->";
const END_AGAINST: &str = "<!-- against: to here -->";

const BEGIN_SERVING: &str =
    "<!-- serving: written by `make bench ARGS=\"--serving\"` from here -->";
const END_SERVING: &str = "<!-- serving: to here -->";

const BEGIN_FORGET: &str = "<!-- forget: written by `make bench ARGS=\"--forget\"` from here -->";
const END_FORGET: &str = "<!-- forget: to here -->";

/// A page of nothing but figures.
#[must_use]
pub fn plain() -> String {
    [
        (BEGIN, END),
        (BEGIN_SERVING, END_SERVING),
        (BEGIN_FORGET, END_FORGET),
        (BEGIN_AGAINST, END_AGAINST),
    ]
    .map(|(begin, end)| format!("{begin}\n{end}\n"))
    .concat()
}

/// The page with the figures in their place.
///
/// # Errors
/// Where the page has no place for them.
pub fn page(page: &str, results: &Results) -> Result<String, BenchError> {
    put(page, (BEGIN, END), &markdown(results))
}

/// The page with the figures of two builds in their place, and all others as they are.
///
/// # Errors
/// Where the page has no place for them.
pub fn page_against(page: &str, against: &Against) -> Result<String, BenchError> {
    put(page, (BEGIN_AGAINST, END_AGAINST), &against::markdown(against))
}

/// The page with the figures of results over HTTP in their place, and all others as they are.
///
/// # Errors
/// Where the page has no place for them.
pub fn page_serving(page: &str, serving: &Serving) -> Result<String, BenchError> {
    put(page, (BEGIN_SERVING, END_SERVING), &serving::markdown(serving))
}

/// The page with the figures of forgetting in their place, and all others as they are.
///
/// # Errors
/// Where the page has no place for them.
pub fn page_forget(page: &str, forget: &Forget) -> Result<String, BenchError> {
    put(page, (BEGIN_FORGET, END_FORGET), &forget::markdown(forget))
}

/// The figures that have places of their own on the page, as Markdown.
#[must_use]
pub fn apart(results: &Results) -> String {
    let serving = results.serving.as_ref().map(serving::markdown);
    let against = results.against.as_ref().map(against::markdown);
    let forget = results.forget.as_ref().map(forget::markdown);
    [serving, forget, against].into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn put(
    page: &str,
    (begin, end): (&'static str, &'static str),
    text: &str,
) -> Result<String, BenchError> {
    let missing = || BenchError::Markers("docs/internals/performance.md".to_owned(), begin, end);
    let (before, rest) = page.split_once(begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(end).ok_or_else(missing)?;
    Ok(format!("{before}{begin}\n\n{text}\n{end}{after}"))
}

/// All figures as Markdown.
#[must_use]
pub fn markdown(results: &Results) -> String {
    let mut text = setting(results);
    if !results.contenders.is_empty() {
        text += &contenders(results);
    }
    if !results.ratios.is_empty() {
        text += &ratios(results);
    }
    if !results.latency.is_empty() {
        text += &latency(&results.latency);
    }
    text += &results.gaps.as_ref().map(gaps).unwrap_or_default();
    text += &results.footprint.as_ref().map(footprint).unwrap_or_default();
    if !results.scale.is_empty() {
        text += &scale(&results.scale);
    }
    text
}

/// A machine in a few words, with the server on it.
fn place(machine: &Machine) -> String {
    format!(
        "{} ({} cores, {:.0} GiB, Linux {}), Redis {}",
        machine.processor, machine.cores, machine.memory_gib, machine.kernel, machine.redis
    )
}

fn setting(results: &Results) -> String {
    let machine = &results.machine;
    let libraries: Vec<String> =
        machine.libraries.iter().map(|(name, version)| format!("{name} {version}")).collect();
    format!(
        "`{}` on {}, tallyd {}, {}. {} events a round, {} rounds after one to warm up, {} tallyd worker(s), append-only file {}.\n\n",
        results.command,
        place(machine),
        machine.tallyd,
        libraries.join(", "),
        results.events,
        results.rounds,
        results.workers,
        if results.aof { "on, synced once a second" } else { "off" },
    )
}

/// `12.3 (11.9 to 13.0)`.
fn cell(spread: &Spread, unit: f64, places: usize) -> String {
    let Spread { median, min, max } = *spread;
    let [median, min, max] = [median / unit, min / unit, max / unit];
    format!("{median:.places$} ({min:.places$} to {max:.places$})")
}

fn contenders(results: &Results) -> String {
    let mut text = "### Contenders\n\nMedian, and in brackets the lowest and highest round. µs, commands and reads are those of one event.\n\n".to_owned();
    let titles: Vec<&str> = COLUMNS.iter().map(|(title, ..)| *title).collect();
    // Writing to a string does not fail.
    let _ = writeln!(text, "| contender | {} |", titles.join(" | "));
    let _ = writeln!(text, "|{}", " --- |".repeat(COLUMNS.len() + 1));
    for contender in ALL {
        let Some(figures) = results.contenders.get(contender.name()) else { continue };
        let of_column = |(_, name, unit, places): &(&str, &str, f64, usize)| {
            figures.get(name).map_or_else(|| "-".to_owned(), |s| cell(s, *unit, *places))
        };
        let cells: Vec<String> = COLUMNS.iter().map(of_column).collect();
        let _ = writeln!(text, "| {} | {} |", contender.name(), cells.join(" | "));
    }
    text + "\n![Redis CPU an event](performance-redis-cpu.svg)\n![Events a second](performance-rate.svg)\n\n"
}

fn ratios(results: &Results) -> String {
    let targets = targets(&results.ratio_spread, TARGETS);
    format!("### Ratios\n\nEach within a round.\n\n{targets}\n")
}

/// Figures, what is aimed at, and whether it is reached.
fn targets(measured: &BTreeMap<&'static str, Spread>, targets: &[(&str, f64, bool)]) -> String {
    let mut text = "| ratio | measured | target | |\n| --- | --- | --- | --- |\n".to_owned();
    for (name, bound, upper) in targets {
        let Some(spread) = measured.get(name) else { continue };
        let met = if *upper { spread.median <= *bound } else { spread.median >= *bound };
        let side = if *upper { "at most" } else { "at least" };
        let verdict = if met { "met" } else { "not met" };
        let _ =
            writeln!(text, "| `{name}` | {} | {side} {bound} | {verdict} |", cell(spread, 1.0, 3));
    }
    text
}

fn latency(points: &[LatencyPoint]) -> String {
    let mut text = "### Delay\n\nFrom the moment an event is due until its result is visible.\n\n| share of the highest rate | events/s | p50 ms | p99 ms | p99.9 ms | longest ms | probes | looks/s |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n".to_owned();
    for point in points {
        let LatencyPoint { share, rate, samples, p50_ms, p99_ms, p999_ms, max_ms, .. } = point;
        let _ = writeln!(
            text,
            "| {:.0} % | {rate:.0} | {p50_ms:.2} | {p99_ms:.2} | {p999_ms:.2} | {max_ms:.2} | {samples} | {:.0} |",
            share * 100.0,
            point.looks_per_second
        );
    }
    text + "\n![Delay](performance-delay.svg)\n\n"
}

fn gaps(gaps: &Gaps) -> String {
    format!(
        "### Gaps\n\nTwo workers, {:.0} events/s. After SIGKILL of one, the longest delay was {:.0} ms (a worker counts as gone after {:.0} ms). While both were restarted one after the other: {:.0} ms.\n\n",
        gaps.rate, gaps.takeover_ms, gaps.session_timeout_ms, gaps.rolling_restart_ms
    )
}

fn footprint(footprint: &Footprint) -> String {
    format!(
        "### Memory\n\n{:.1} bytes for an id in the dedup window. {:.0} bytes for a learner with state in all bolts and 20 concepts, boards aside ({:.0} of fatigue, {:.0} of mastery), and {:.0} with 200 concepts.\n\n",
        footprint.bytes_per_id,
        footprint.bytes_per_learner,
        footprint.bytes_per_learner_fatigue,
        footprint.bytes_per_learner_mastery,
        footprint.bytes_per_learner_of_200
    )
}

fn scale(points: &[ScalePoint]) -> String {
    let mut text = "### Scale\n\ntallyd with single entries, one run a point.\n\n| | | events/s | Redis CPU µs | client CPU µs | memory MB |\n| --- | --- | --- | --- | --- | --- |\n".to_owned();
    for ScalePoint { what, amount, figures } in points {
        let figure = |name| figures.get(name).unwrap_or(f64::NAN);
        let _ = writeln!(
            text,
            "| {what} | {amount} | {:.0} | {:.1} | {:.1} | {:.0} |",
            figure("events_per_second"),
            figure("redis_cpu_us"),
            figure("client_cpu_us"),
            figure("memory_end_bytes") / 1e6
        );
    }
    text + "\n![Cost by number of learners](performance-scale.svg)\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_place_for_figures() {
        let plain = plain();
        for page in [include_str!("../../../docs/internals/performance.md"), &plain] {
            for (begin, end) in [
                (BEGIN, END),
                (BEGIN_AGAINST, END_AGAINST),
                (BEGIN_SERVING, END_SERVING),
                (BEGIN_FORGET, END_FORGET),
            ] {
                assert!(page.find(end).unwrap() > page.find(begin).unwrap());
            }
        }
    }

    #[test]
    fn a_cell_shows_the_spread() {
        let spread = Spread { median: 1_500_000.0, min: 1e6, max: 2e6 };
        assert_eq!(cell(&spread, 1e6, 1), "1.5 (1.0 to 2.0)");
    }
}
