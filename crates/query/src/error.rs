//! Why a question has no answer.

use tallyd_runtime::StoreError;

/// A question that can't be answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// Redis can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The topology has nothing of this name. The names that there are stand in the message.
    #[error("no {kind} \"{name}\" (there are: {})", list(.known))]
    Unknown {
        /// What was looked for, such as `leaderboard`.
        kind: &'static str,
        /// The name that was given.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// More is asked for than one answer holds: ask in parts.
    #[error("{given} {what} are too many for one answer (at most {most}: ask in parts)")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many were asked for.
        given: u64,
        /// How many one answer holds.
        most: u64,
    },
    /// The range is too long for one answer: ask for a part of it.
    #[error("more than {0} windows lie in the range (ask for a part of it, or for longer windows)")]
    TooManyWindows(usize),
    /// A stored value is not what the bolt writes.
    #[error("{0}")]
    Unreadable(String),
}

fn list(known: &[String]) -> String {
    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
}
