//! `tallyd-bench`: the command line of the benchmark.

use clap::Parser;
use std::process::ExitCode;
use tallyd_bench::{
    BenchError, benchmark, consume,
    options::{Command, Options},
};

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match &options.command {
        Some(Command::Consume { consumer, url, first_at, workload }) => {
            consume::run(*consumer, url, &workload.options(), *first_at)
        }
        None => tokio::runtime::Runtime::new()
            .map_err(BenchError::io("start the runtime"))
            .and_then(|runtime| runtime.block_on(benchmark::run(&options))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
