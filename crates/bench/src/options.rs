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
    /// Measure the delay
    #[arg(long)]
    pub latency: bool,
    /// Measure gaps after a kill and in a rolling restart
    #[arg(long)]
    pub gaps: bool,
    /// Measure what is stored for an id and a learner
    #[arg(long)]
    pub memory: bool,
    /// Measure how the cost of an event grows
    #[arg(long)]
    pub scale: bool,
    /// Measure results over HTTP, compared with webdis and nchan
    #[arg(long)]
    pub serving: bool,
    /// Measure what forgetting one of many learners costs, once a round
    #[arg(long)]
    pub forget: bool,
    /// How many clients follow live updates
    #[arg(long, default_value_t = 10_000)]
    pub clients: usize,
    /// For how long the delay is measured at each rate, in seconds
    #[arg(long, default_value_t = 30)]
    pub latency_seconds: u64,
    /// How many events each point of the scale has
    #[arg(long, default_value_t = 200_000)]
    pub scale_events: usize,
    /// The most learners and members of the scale
    #[arg(long, default_value_t = 5_000_000)]
    pub scale_most: u32,
    /// Where performance.md, performance.json and the plots are written [default: docs/internals,
    /// where all parts are measured; nowhere, where some are]
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// How many workers of tallyd
    #[arg(long, default_value_t = 1)]
    pub workers: usize,
    /// Let the servers write an append-only file, synced once a second
    #[arg(long)]
    pub aof: bool,
    /// Measure this build against another one, in turn, for as many rounds: gaps, the delay at
    /// light load, and what an event costs at steady loads. A path of a tallyd program, or a revision of this repository, which is built
    #[arg(long, value_name = "PATH_OR_REV")]
    pub against: Option<String>,
    /// The release build of tallyd [default: beside this program]
    #[arg(long, value_name = "PATH")]
    pub tallyd: Option<PathBuf>,
}

/// Which parts are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The contenders in turn.
    pub contenders: bool,
    /// The delay.
    pub latency: bool,
    /// The gaps.
    pub gaps: bool,
    /// Bytes for an id and a learner.
    pub memory: bool,
    /// How costs grow.
    pub scale: bool,
    /// Results over HTTP.
    pub serving: bool,
    /// Forgetting a learner.
    pub forget: bool,
    /// Another build.
    pub against: bool,
}

impl Parts {
    /// Whether nothing is measured but what has a place of its own on the page: another build,
    /// results over HTTP, or forgetting.
    #[must_use]
    pub fn is_apart(self) -> bool {
        let Self { contenders, latency, gaps, memory, scale, .. } = self;
        !(contenders || latency || gaps || memory || scale)
    }
}

impl Options {
    /// The parts that were asked for; all where none was.
    #[must_use]
    pub fn parts(&self) -> Parts {
        let Self { latency, gaps, memory, scale, serving, forget, .. } = *self;
        let (contenders, against) = (!self.only.is_empty(), self.against.is_some());
        let some = contenders || latency || gaps || memory || scale || serving || forget;
        let all = !(some || against);
        Parts {
            contenders: contenders || all,
            latency: latency || all,
            gaps: gaps || all,
            memory: memory || all,
            scale: scale || all,
            serving: serving || all,
            forget: forget || all,
            against,
        }
    }

    /// Where results are written: nowhere by default, where some parts are measured only.
    #[must_use]
    pub fn folder(&self) -> Option<PathBuf> {
        let Parts { contenders, latency, gaps, memory, scale, serving, forget, .. } = self.parts();
        let measured = [contenders, latency, gaps, memory, scale, serving, forget];
        let all = measured.iter().all(|part| *part) && self.only.is_empty();
        self.out.clone().or_else(|| all.then(|| PathBuf::from("docs/internals")))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_asked_for_is_the_only_one() {
        let options = |words: &[&str]| Options::parse_from([&["bench"], words].concat());
        assert!(options(&[]).parts().scale && options(&[]).parts().contenders);
        assert_eq!(options(&[]).folder(), Some(PathBuf::from("docs/internals")));
        let latency = options(&["--latency"]);
        assert!(latency.parts().latency && !latency.parts().contenders);
        assert_eq!(latency.folder(), None);
        let against = options(&["--against", "main~1"]);
        assert!(against.parts().against && !against.parts().gaps);
        assert_eq!(against.folder(), None);
        let serving = options(&["--serving", "--clients", "7"]);
        assert!(serving.parts().serving && serving.parts().is_apart());
        assert!(against.parts().is_apart() && !latency.parts().is_apart());
        let only = options(&["--only", "loop,tallyd-batch", "--out", "x"]);
        assert_eq!(only.only, [Contender::Loop, Contender::TallydBatch]);
        assert!(!only.parts().latency);
        assert_eq!(only.folder(), Some(PathBuf::from("x")));
    }
}
