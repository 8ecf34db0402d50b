//! `tallyd-chaos`: a run on the command line, as `make chaos` starts it.

use clap::Parser;
use std::{path::PathBuf, process::ExitCode, time::Duration};
use tallyd_chaos::{ChaosError, Options, Outcome, run};
use tallyd_harness::duration;

/// Real processes, a real Redis and real faults at random, with an audit to the last figure.
#[derive(Parser)]
struct Args {
    /// How long faults are struck, such as 60s, 10m or 1h
    #[arg(long = "for", value_name = "DURATION", default_value = "2m", value_parser = duration)]
    length: Duration,
    /// How many faults, about; the default is one a second
    #[arg(long)]
    faults: Option<u32>,
    /// The seed of the faults and the simulated learners
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many events to send in a second
    #[arg(long, default_value_t = 300)]
    rate: u32,
    /// How many workers to start with; faults add some and take some away
    #[arg(long, default_value_t = 3)]
    workers: usize,
    /// How many producers send
    #[arg(long, default_value_t = 2)]
    producers: usize,
    /// The tallyd program; the default is the one beside this program
    #[arg(long, value_name = "PATH")]
    tallyd: Option<PathBuf>,
    /// The redis-server or valkey-server to start
    #[arg(long, value_name = "PATH")]
    redis_bin: Option<PathBuf>,
    /// Write what came of it to this file, as JSON
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let folder = match tempfile::Builder::new().prefix("tallyd-chaos-").tempdir() {
        Ok(folder) => folder,
        Err(error) => {
            eprintln!("error: can't make a folder: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = perform(&args, folder.path().to_owned()).await;
    match &outcome {
        Ok(outcome) => println!("\n{outcome}"),
        Err(error) => eprintln!("error: {error}"),
    }
    if outcome.is_ok_and(|outcome| outcome.fine()) {
        return ExitCode::SUCCESS;
    }
    eprintln!("the data and logs are kept in {}", folder.keep().display());
    ExitCode::FAILURE
}

async fn perform(args: &Args, folder: PathBuf) -> Result<Outcome, ChaosError> {
    let beside = || {
        let this = std::env::current_exe().unwrap_or_default();
        this.with_file_name("tallyd")
    };
    let one_a_second = u32::try_from(args.length.as_secs()).unwrap_or(u32::MAX);
    let outcome = run(Options {
        length: args.length,
        faults: args.faults.unwrap_or(one_a_second),
        seed: args.seed,
        rate: args.rate,
        workers: (2.min(args.workers), args.workers, args.workers + 2),
        producers: args.producers,
        program: args.tallyd.clone().unwrap_or_else(beside),
        redis: args.redis_bin.clone(),
        folder,
    })
    .await?;
    if let Some(file) = &args.record {
        let failed =
            |error| ChaosError::Io { what: format!("can't write {}", file.display()), error };
        let text = serde_json::to_string_pretty(&outcome).map_err(std::io::Error::from);
        text.and_then(|text| std::fs::write(file, text + "\n")).map_err(failed)?;
    }
    Ok(outcome)
}
