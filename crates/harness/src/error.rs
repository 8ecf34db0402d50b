//! What can go wrong around the processes under test.

use std::path::PathBuf;

/// An error of the harness: never a difference that the audit found.
#[derive(Debug, thiserror::Error)]
pub enum HarnessError {
    /// A process ended that should run.
    #[error("{what} ended: {status}\n{log}")]
    Ended {
        /// Which process.
        what: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it said.
        log: String,
    },
    /// A file or process could not be made, read or ended.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The simulation can't be made.
    #[error(transparent)]
    Simulation(#[from] tallyd_learners::OptionsError),
    /// The ledger can't be made.
    #[error(transparent)]
    Ledger(#[from] tallyd_learners::UnknownTimeZone),
    /// An entry id is none.
    #[error("XADD gave no entry id: {0}")]
    EntryId(#[from] tallyd_event::EntryIdError),
    /// There is no server to start.
    #[error(
        "no redis-server or valkey-server was found (install one, or name it with --redis-bin; `make demo` does it for you)"
    )]
    NoServer,
    /// A reply is not of the expected shape.
    #[error("unexpected reply: {0}")]
    Reply(#[from] redis::ParsingError),
    /// Redis gave an error or none at all.
    #[error(transparent)]
    Store(#[from] tallyd_runtime::StoreError),
    /// Something takes too long.
    #[error("{what} within {seconds} s; see {log}")]
    Timeout {
        /// What did not happen.
        what: String,
        /// How long it had.
        seconds: u64,
        /// Where the process said more.
        log: PathBuf,
    },
}

impl HarnessError {
    /// For `map_err`: what was tried when the system refused.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        |error| Self::Io { what, error }
    }
}
