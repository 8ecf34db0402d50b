//! What can go wrong in a benchmark.

use sea_streamer_redis::RedisErr;
use sea_streamer_types::StreamErr;
use tallyd_harness::HarnessError;
use tallyd_runtime::StoreError;

/// An error of the benchmark, or a result that is not what it must be.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A contender did not compute what it must.
    #[error("{contender}: {what} is {found} (expected {expected})")]
    Differs {
        /// Who.
        contender: String,
        /// Which result.
        what: String,
        /// What a plain count gives.
        expected: i64,
        /// What Redis holds.
        found: i64,
    },
    /// A process ended that should run.
    #[error("{what} ended early: {status}")]
    Ended {
        /// Which process.
        what: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// A topology of the benchmark does not hold.
    #[error("the topology does not hold:\n{0}")]
    Faults(String),
    /// A process may not open a file for each client.
    #[error(
        "{needed} open files are needed and {allowed} allowed (as root: prlimit --nofile={needed} --pid $$; or ask for fewer by --clients)"
    )]
    Files {
        /// How many are needed.
        needed: u64,
        /// The most that the system allows this process.
        allowed: u64,
    },
    /// Servers and workers.
    #[error(transparent)]
    Harness(#[from] HarnessError),
    /// A file, socket or process could not be used.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The table can't be written as JSON.
    #[error("can't write the figures: {0}")]
    Json(#[from] serde_json::Error),
    /// The page has no place for the figures.
    #[error("{0} has no lines \"{1}\" and \"{2}\", between which the figures go")]
    Markers(String, &'static str, &'static str),
    /// A batch can't be encoded.
    #[error("can't encode a batch: {0}")]
    Pack(#[from] rmp_serde::encode::Error),
    /// A plot can't be drawn.
    #[error("can't draw {0}: {1}")]
    Plot(String, String),
    /// Redis gave an error or none at all.
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
    /// A reply is not of the expected shape.
    #[error("unexpected reply: {0}")]
    Reply(#[from] redis::ParsingError),
    /// What Redis says of itself lacks a figure.
    #[error("INFO has no \"{0}\"")]
    NoFigure(String),
    /// Redis refused what the producer sent.
    #[error("the producer got the reply: {0}")]
    Refused(String),
    /// The other consumer's library.
    #[error(transparent)]
    SeaStreamer(#[from] StreamErr<RedisErr>),
    /// Redis, by tallyd's own connection.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A thread of the benchmark panicked.
    #[error("the {0} panicked")]
    Thread(&'static str),
    /// Something takes too long.
    #[error("{what} within {seconds} s")]
    Timeout {
        /// What did not happen.
        what: String,
        /// How long it had.
        seconds: u64,
    },
}

impl BenchError {
    /// For `map_err`: what was tried when the system refused.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        |error| Self::Io { what, error }
    }
}
