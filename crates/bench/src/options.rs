//! The command line.

use crate::{consume::Consumer, contender::Contender, workload::WorkloadOptions};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Measures tallyd, the floor of what Redis can do, and what people do instead.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Options {
    /// What to do, if not to measure
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The events
    #[command(flatten)]
    pub workload: WorkloadArguments,
    /// How many rounds, after one to warm up
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Measure these contenders and nothing else
    #[arg(long, value_delimiter = ',', value_name = "CONTENDERS")]
    pub only: Vec<Contender>,
    /// How many workers of tallyd
    #[arg(long, default_value_t = 1)]
    pub workers: usize,
    /// Let the servers write an append-only file, synced once a second
    #[arg(long)]
    pub aof: bool,
    /// The release build of tallyd [default: beside this program]
    #[arg(long, value_name = "PATH")]
    pub tallyd: Option<PathBuf>,
    /// Print each command's calls and µs an event
    #[arg(long)]
    pub by_command: bool,
}

/// What else this program does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Be one of the consumers; the benchmark starts them
    #[command(hide = true)]
    Consume {
        /// Which.
        consumer: Consumer,
        /// Where Redis is.
        #[arg(long)]
        url: String,
        /// The time of the first event.
        #[arg(long)]
        first_at: i64,
        /// The events.
        #[command(flatten)]
        workload: WorkloadArguments,
    },
}

/// What the events are made of.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct WorkloadArguments {
    /// Decides every draw
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many events
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// How many learners
    #[arg(long, default_value_t = 200_000)]
    learners: u32,
    /// How many concepts
    #[arg(long, default_value_t = 300)]
    concepts: u32,
    /// How many questions
    #[arg(long, default_value_t = 5_000)]
    questions: u32,
    /// How many classes
    #[arg(long, default_value_t = 24)]
    classes: u32,
    /// The exponent of Zipf's distribution over learners and concepts
    #[arg(long, default_value_t = 1.0)]
    skew: f64,
}

impl WorkloadArguments {
    /// As the workload takes them.
    #[must_use]
    pub fn options(&self) -> WorkloadOptions {
        let Self { seed, events, learners, concepts, questions, classes, skew } = *self;
        WorkloadOptions { seed, events, learners, concepts, questions, classes, skew }
    }
}
