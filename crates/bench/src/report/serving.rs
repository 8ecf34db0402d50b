//! Results over HTTP.

use super::{cell, place, targets};
use crate::serving::{LIVE, Named, Serving, reads};
use std::{collections::BTreeMap, fmt::Write};

/// A column: its title, the figure, by what it is divided, and how many places are shown.
type Column = (&'static str, &'static str, f64, usize);

const READS: &[Column] = &[
    ("requests/s", "requests_per_second", 1.0, 0),
    ("Redis CPU µs", "redis_cpu_us", 1.0, 2),
    ("commands", "redis_commands", 1.0, 3),
    ("server CPU µs", "server_cpu_us", 1.0, 1),
    ("client CPU µs", "client_cpu_us", 1.0, 1),
    ("p50 ms", "p50_ms", 1.0, 2),
    ("p99 ms", "p99_ms", 1.0, 2),
];

const FANS: &[Column] = &[
    ("messages/s", "messages_per_second", 1.0, 0),
    ("server CPU µs a message", "server_cpu_us_per_message", 1.0, 1),
    ("messages for a second of CPU", "messages_per_cpu_second", 1.0, 0),
    ("bytes a client", "bytes_per_client", 1.0, 0),
    ("p50 ms", "live_p50_ms", 1.0, 0),
    ("p99 ms", "live_p99_ms", 1.0, 0),
    ("p99.9 ms", "live_p999_ms", 1.0, 0),
    ("lost", "clients_lost", 1.0, 0),
];

const WORKERS: &[Column] = &[
    ("events/s", "events_per_second", 1.0, 0),
    ("delay p50 ms", "delay_p50_ms", 1.0, 2),
    ("delay p99 ms", "delay_p99_ms", 1.0, 2),
    ("worker CPU µs", "worker_cpu_us", 1.0, 1),
    ("Redis CPU µs", "redis_cpu_us", 1.0, 1),
    ("cores of `tallyd serve`", "serve_cpu_share", 1.0, 2),
];

/// What is aimed at: the figure, the bound, and whether it is an upper one.
const AIMS: &[(&str, f64, bool)] = &[
    ("hot_rate_over_webdis", 1.5, false),
    ("hot_redis_cpu_over_webdis", 0.1, true),
    ("cold_redis_cpu_over_bare", 1.3, true),
    ("live_p99_ms", 300.0, true),
    ("live_bytes_per_client", 16_384.0, true),
    ("live_clients_lost", 0.0, true),
    ("live_clients_behind", 0.0, true),
    ("live_messages_per_cpu_over_nchan", 1.0, false),
    ("live_ingest_over_without", 0.9, false),
    ("live_delay_p50_over_without", 1.1, true),
    ("live_delay_p99_over_without", 1.1, true),
];

/// The figures as Markdown: of each the median, and the lowest and highest round.
pub(super) fn markdown(serving: &Serving) -> String {
    let Serving { machine, command, load_before, rounds, skipped, reads, live, aims } = serving;
    let mut text = format!(
        "`{command}` on {}. {rounds} rounds, in each of which all took turns. Median, and in brackets the lowest and highest. The load of the machine before it began was {load_before:.1}.\n\n",
        place(machine)
    );
    for what in skipped {
        // Writing to a string does not fail.
        let _ = writeln!(text, "Left out: {what}.\n");
    }
    text += "The first ten rows of a board; µs and commands are those of one request.\n\n";
    text += &table(reads, &reads::ALL.map(reads::Asked::name), READS);
    let clients = live.values().find_map(|named| named.get("clients")).map_or(0.0, |c| c.median);
    let _ = writeln!(text, "\nLive, {clients:.0} clients; µs of workers are those of one event.\n");
    text += &table(live, &[LIVE[1], LIVE[2]], FANS);
    text += "\n";
    text += &table(live, &[LIVE[0], LIVE[1]], WORKERS);
    text + "\n" + &targets(aims, AIMS)
}

fn table(of: &BTreeMap<&'static str, Named>, rows: &[&str], columns: &[Column]) -> String {
    let titles: Vec<&str> = columns.iter().map(|(title, ..)| *title).collect();
    let mut text =
        format!("| | {} |\n|{}\n", titles.join(" | "), " --- |".repeat(columns.len() + 1));
    for row in rows {
        let Some(figures) = of.get(row) else { continue };
        let column = |(_, name, unit, places): &Column| {
            figures.get(name).map_or_else(|| "-".to_owned(), |s| cell(s, *unit, *places))
        };
        let cells: Vec<String> = columns.iter().map(column).collect();
        let _ = writeln!(text, "| {row} | {} |", cells.join(" | "));
    }
    text
}
