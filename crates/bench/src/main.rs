//! `tallyd-bench`: the command line of the benchmark.

use clap::Parser;
use std::{path::PathBuf, process::ExitCode};
use tallyd_bench::{
    BenchError, consume,
    contender::ALL,
    options::{Command, Options},
    processes::Deployed,
    run::{self, Setting},
    workload::Workload,
};

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match &options.command {
        Some(Command::Consume { consumer, url, first_at, workload }) => {
            consume::run(*consumer, url, &workload.options(), *first_at)
        }
        None => tokio::runtime::Runtime::new()
            .map_err(BenchError::io("start the runtime"))
            .and_then(|runtime| runtime.block_on(measure(&options))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(options: &Options) -> Result<(), BenchError> {
    let text = include_str!("../../../topologies/testprep.toml");
    let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
    let file = folder.path().join("testprep.toml");
    std::fs::write(&file, text).map_err(BenchError::io("write the topology"))?;
    let topology = tallyd_topology::parse("testprep.toml", text, &|_| None)
        .map_err(|faults| BenchError::Faults(faults.render(false)))?;
    let program = match &options.tallyd {
        Some(program) => program.clone(),
        None => beside().map_err(BenchError::io("find this program"))?,
    };
    let workload_options = options.workload.options();
    let workload = Workload::new(&workload_options);
    let setting = Setting {
        deployed: Deployed { program: &program, topology: &topology, file: &file, workers: options.workers },
        options: &workload_options,
        workload: &workload,
        aof: options.aof,
    };
    let contenders = if options.only.is_empty() { ALL.to_vec() } else { options.only.clone() };
    for round in 0..=options.rounds {
        for &contender in &contenders {
            let measured = run::run(contender, &setting).await?;
            println!("round {round} {}", contender.name());
            for name in measured.figures.names() {
                println!("  {name:22} {:14.3}", measured.figures.get(name).unwrap_or(0.0));
            }
            if options.by_command {
                for (name, cost) in &measured.costs.by_command {
                    let events = workload.answers.len() as f64;
                    println!("    {name:14} {:8.4} calls {:8.3} µs", cost.calls / events, cost.micros / events);
                }
            }
        }
    }
    Ok(())
}

fn beside() -> std::io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("tallyd"))
}
