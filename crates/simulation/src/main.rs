//! Runs seeds, replays one, and shrinks what fails.

use clap::Parser;
use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tallyd_simulation::{Mutation, Plan, Report, bolts, run, shrink::shrink};

/// Run the worker's real loop on a simulated Redis and virtual time, with faults from seeds.
#[derive(Parser)]
struct Arguments {
    /// Run this seed alone, and print all that happens
    #[arg(long)]
    seed: Option<u64>,
    /// With --seed: make its plan smaller first, while it fails
    #[arg(long, requires = "seed")]
    shrink: bool,
    /// Without this safeguard: what must be found
    #[arg(long, value_name = "NAME")]
    without: Option<String>,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many seeds to run
    #[arg(long, default_value_t = 3000)]
    seeds: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    bolts::quiet_panics();
    let named =
        |name: &String| Mutation::ALL.into_iter().find(|mutation| format!("{mutation:?}") == *name);
    let mutation = match arguments.without.as_ref().map(|name| named(name).ok_or(name)) {
        None => None,
        Some(Ok(mutation)) => Some(mutation),
        Some(Err(name)) => {
            println!("no safeguard {name} (expected one of {:?})", Mutation::ALL);
            return ExitCode::from(2);
        }
    };
    let plan = |seed| Plan { mutation, ..Plan::of(seed) };
    match arguments.seed {
        Some(seed) => replay(plan(seed), arguments.shrink),
        None => many(plan, arguments.from, arguments.seeds),
    }
}

fn replay(mut plan: Plan, smaller: bool) -> ExitCode {
    let seed = plan.seed;
    if smaller {
        plan = shrink(&plan).0;
    }
    let report = run(&plan, true);
    for line in &report.log {
        println!("{line}");
    }
    println!("{plan:#?}");
    finish(seed, &report, &plan)
}

fn many(plan: impl Fn(u64) -> Plan + Sync, from: u64, seeds: u64) -> ExitCode {
    let began = Instant::now();
    let next = AtomicU64::new(from);
    let sums = Mutex::new((0, 0, BTreeMap::<&str, u64>::new(), None::<u64>));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let mut report = Report::default();
                    if seed < from + seeds {
                        report = run(&plan(seed), false);
                    }
                    let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
                    if seed >= from + seeds || sums.3.is_some() {
                        return;
                    }
                    sums.0 += report.answers;
                    sums.1 += report.trips;
                    for (kind, count) in report.injected {
                        *sums.2.entry(kind).or_default() += count;
                    }
                    if !report.differences.is_empty() {
                        sums.3 = Some(seed);
                    }
                }
            });
        }
    });
    let (answers, trips, injected, failed) =
        sums.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seconds = began.elapsed().as_secs_f64();
    let faults: u64 = injected.values().sum();
    println!(
        "{seeds} seeds from {from} in {seconds:.1} s ({:.0} a minute): {answers} answers, {trips} round trips, {faults} faults",
        seeds as f64 / seconds * 60.0
    );
    for (kind, count) in &injected {
        println!("{count:>8}  {kind}");
    }
    match failed {
        Some(seed) => {
            println!("seed {seed} fails; shrinking it");
            let (plan, report) = shrink(&plan(seed));
            println!("{plan:#?}");
            finish(seed, &report, &plan)
        }
        None => {
            println!("every figure of every run is as it must be");
            ExitCode::SUCCESS
        }
    }
}

fn finish(seed: u64, report: &Report, plan: &Plan) -> ExitCode {
    if report.differences.is_empty() {
        println!("seed {seed}: {} faults, every figure is as it must be", plan.faults.len());
        return ExitCode::SUCCESS;
    }
    for difference in &report.differences {
        println!("DIFFERENCE {difference}");
    }
    println!("replay: cargo run --release --package tallyd-simulation -- --seed {seed} --shrink");
    ExitCode::FAILURE
}
