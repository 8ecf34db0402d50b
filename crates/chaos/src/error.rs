//! What ends a run before its audit.

use std::path::PathBuf;
use tallyd_harness::HarnessError;
use tallyd_runtime::StoreError;

/// An error of a run: never a difference that the audit found.
#[derive(Debug, thiserror::Error)]
pub enum ChaosError {
    /// A file could not be made or written.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The processes around the run failed.
    #[error(transparent)]
    Harness(#[from] HarnessError),
    /// A reply is not of the expected shape.
    #[error("unexpected reply: {0}")]
    Reply(#[from] redis::ParsingError),
    /// Redis gave an error or none at all.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing moves any more.
    #[error("{what} for {seconds} s; the logs are in {folder}")]
    Stuck {
        /// What did not happen.
        what: String,
        /// For how long.
        seconds: u64,
        /// Where the processes said more.
        folder: PathBuf,
    },
    /// A part of the run ended by a panic.
    #[error("a part of the run broke: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// The topology of the run does not hold.
    #[error("the topology does not hold: {0}")]
    Topology(String),
}

impl ChaosError {
    /// For `map_err`: what was tried when the system refused.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        |error| Self::Io { what, error }
    }
}
