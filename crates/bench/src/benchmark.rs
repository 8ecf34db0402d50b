//! The whole benchmark: its parts one after another, and what is written of them.

use crate::{
    BenchError, against,
    contender::{ALL, Contender},
    figures::Figures,
    footprint, forget, gaps, latency,
    machine::Machine,
    options::{Options, Parts},
    plots,
    processes::Deployed,
    report,
    results::{self, Results, Rounds},
    run::{self, Measured, Setting},
    scale,
    serving::{self, ServingOptions, live::LiveOptions},
    workload::{Workload, WorkloadOptions},
};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path, time::Duration};

/// The topology whose results every contender must reach.
const TOPOLOGY: &str = include_str!("../../../topologies/testprep.toml");
/// Its partitions.
const PARTITIONS: u16 = 16;
/// The share of the highest rate at which gaps are measured.
const GAP_SHARE: f64 = 0.1;

/// Measures what the options ask for, prints it, and writes it where there is a folder for it.
///
/// # Errors
/// Where a contender fails or computes something else than the others, or a file can't be written.
pub async fn run(options: &Options) -> Result<(), BenchError> {
    let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
    let file = folder.path().join("testprep.toml");
    let topology = scale::topology(TOPOLOGY, PARTITIONS, &file)?;
    let consumer = std::env::current_exe().map_err(BenchError::io("find this program"))?;
    let program = options.tallyd.clone().unwrap_or_else(|| consumer.with_file_name("tallyd"));
    let workload_options = options.workload.options();
    let workload = Workload::new(&workload_options);
    let (program, file, workers) = (program.as_path(), file.as_path(), options.workers);
    let setting = Setting {
        consumer: &consumer,
        deployed: Deployed { program, topology: &topology, file, workers },
        options: &workload_options,
        workload: &workload,
        aof: options.aof,
        checked: true,
    };
    let results = measure(options, &setting).await?;
    if !options.parts().is_apart() {
        println!("\n{}", report::markdown(&results));
    }
    println!("\n{}", report::apart(&results));
    if let Some(folder) = options.folder() {
        write(&results, options.parts(), &folder)?;
    }
    Ok(())
}

async fn measure(options: &Options, setting: &Setting<'_>) -> Result<Results, BenchError> {
    let parts = options.parts();
    let mut results = empty(options, setting).await?;
    let mut rounds = Rounds::new();
    if parts.contenders {
        let last;
        (rounds, last) = contenders(options, setting).await?;
        results.ratio_spread = results::ratios(&rounds);
        let median =
            |(name, spread): (&&'static str, &crate::figures::Spread)| (*name, spread.median);
        results.ratios = results.ratio_spread.iter().map(median).collect();
        results.contenders = results::spreads(&rounds);
        let events = results.events;
        let costs = |(name, of): (&'static str, Measured)| {
            (name, results::per_event(&of.costs.by_command, events))
        };
        results.by_command = last.into_iter().map(costs).collect();
    }
    others(options, setting, parts, &rounds, &mut results).await?;
    Ok(results)
}

async fn others(
    options: &Options,
    setting: &Setting<'_>,
    parts: Parts,
    rounds: &Rounds,
    results: &mut Results,
) -> Result<(), BenchError> {
    if parts.latency || parts.gaps {
        let highest = match highest(rounds) {
            Some(highest) => highest,
            None => latency::highest(setting).await?,
        };
        println!("highest rate: {highest:.0} events/s");
        if parts.latency {
            let each = Duration::from_secs(options.latency_seconds);
            results.latency = latency::measure(setting, highest, each).await?;
        }
        if parts.gaps {
            results.gaps = Some(gaps::measure(setting, highest * GAP_SHARE).await?);
        }
    }
    if let Some(other) = &options.against {
        let each = Duration::from_secs(options.latency_seconds);
        let other = (other.as_str(), TOPOLOGY, PARTITIONS);
        let place = (results.machine.clone(), results.command.clone());
        let measured = against::measure(setting, place, other, (options.rounds, each)).await?;
        results.against = Some(measured);
    }
    if parts.serving {
        let live = LiveOptions {
            clients: options.clients,
            time: Duration::from_secs(options.latency_seconds),
        };
        let (command, rounds) = (results.command.clone(), options.rounds);
        let of_serving = ServingOptions { command, rounds, live };
        let machine = results.machine.clone();
        results.serving = Some(serving::measure(setting, machine, of_serving).await?);
    }
    if parts.forget {
        let place = (results.machine.clone(), results.command.clone());
        results.forget = Some(forget::measure(setting, place, options.rounds).await?);
    }
    if parts.memory {
        results.footprint = Some(footprint::measure(setting).await?);
    }
    if parts.scale {
        let options_of_points =
            WorkloadOptions { events: options.scale_events, ..*setting.options };
        let workload = Workload::new(&options_of_points);
        let of_points = Setting { options: &options_of_points, workload: &workload, ..*setting };
        results.scale = scale::measure(&of_points, TOPOLOGY, options.scale_most).await?;
    }
    Ok(())
}

/// All contenders in turn, round by round. The first round warms up and does not count.
async fn contenders(
    options: &Options,
    setting: &Setting<'_>,
) -> Result<(Rounds, BTreeMap<&'static str, Measured>), BenchError> {
    let chosen: &[Contender] = if options.only.is_empty() { &ALL } else { &options.only };
    let mut rounds = Rounds::new();
    let mut last = BTreeMap::new();
    for round in 0..=options.rounds {
        for &contender in chosen {
            let measured = run::run(contender, setting).await?;
            say(round, contender, &measured.figures);
            if round > 0 || options.rounds == 0 {
                rounds.entry(contender).or_default().push(measured.figures.clone());
            }
            last.insert(contender.name(), measured);
        }
    }
    Ok((rounds, last))
}

fn say(round: usize, contender: Contender, figures: &Figures) {
    let figure = |name| figures.get(name).unwrap_or(f64::NAN);
    println!(
        "round {round} {:12} {:9.0} events/s, Redis {:6.2} µs, client {:6.2} µs an event",
        contender.name(),
        figure("events_per_second"),
        figure("redis_cpu_us"),
        figure("client_cpu_us")
    );
}

/// The median rate of tallyd with single entries.
fn highest(rounds: &Rounds) -> Option<f64> {
    results::spreads(rounds)
        .get(Contender::Tallyd.name())?
        .get("events_per_second")
        .map(|s| s.median)
}

async fn empty(options: &Options, setting: &Setting<'_>) -> Result<Results, BenchError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments = arguments.join(" ");
    let command = match arguments.as_str() {
        "" => "make bench".to_owned(),
        arguments => format!("make bench ARGS=\"{arguments}\""),
    };
    Ok(Results {
        machine: Machine::look().await?,
        command,
        rounds: options.rounds,
        events: setting.workload.answers.len(),
        workers: options.workers,
        aof: options.aof,
        ratios: BTreeMap::new(),
        ratio_spread: BTreeMap::new(),
        contenders: BTreeMap::new(),
        by_command: BTreeMap::new(),
        latency: Vec::new(),
        gaps: None,
        footprint: None,
        scale: Vec::new(),
        against: None,
        serving: None,
        forget: None,
    })
}

fn write(results: &Results, parts: Parts, folder: &Path) -> Result<(), BenchError> {
    let put = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(BenchError::io(format!("write {}", path.display())))
    };
    let read = |name: &str| std::fs::read_to_string(folder.join(name));
    let stored = read("performance.json").ok().and_then(|text| serde_json::from_str(&text).ok());
    let json = with_both(serde_json::to_value(results)?, stored, parts);
    put("performance.json", serde_json::to_string_pretty(&json)? + "\n")?;
    // Elsewhere than in docs/internals there may be no prose to keep.
    let mut page = read("performance.md").unwrap_or_else(|_| report::plain());
    if let Some(against) = &results.against {
        page = report::page_against(&page, against)?;
    }
    if let Some(serving) = &results.serving {
        page = report::page_serving(&page, serving)?;
    }
    if let Some(forget) = &results.forget {
        page = report::page_forget(&page, forget)?;
    }
    if parts.is_apart() {
        return put("performance.md", page);
    }
    put("performance.md", report::page(&page, results)?)?;
    plots::draw(results, folder)
}

/// What is to stand in the file. What has a place of its own stays as it was where it was not
/// measured, and so does all else where that alone was measured.
fn with_both(measured: Value, stored: Option<Value>, parts: Parts) -> Value {
    let (Value::Object(mut measured), Some(Value::Object(stored))) = (measured.clone(), stored)
    else {
        return measured;
    };
    let apart = ["against", "serving", "forget"].map(|part| {
        let newest = measured.remove(part).or_else(|| stored.get(part).cloned());
        (part, newest)
    });
    let mut file = if parts.is_apart() { stored } else { measured };
    for (part, newest) in apart {
        if let Some(newest) = newest {
            file.insert(part.to_owned(), newest);
        }
    }
    Value::Object(file)
}
