//! What goes wrong with storage, by kinds that a worker can act on.

use tallyd_bolt::Key;

/// What kind of trouble storage is in. The label of a metric, so the kinds are few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The server refuses the user or lacks a right.
    Auth,
    /// A state that must not be: a fault of tallyd. The task's partitions are halted.
    Bug,
    /// A script or transaction holds the server.
    Busy,
    /// The cluster is down or the slot is elsewhere.
    Cluster,
    /// The connection broke or could not be made.
    Connection,
    /// A command failed inside a transaction, whose other commands happened.
    Halt,
    /// The server is loading its data.
    Loading,
    /// The server can't write its data to disk.
    Persistence,
    /// The stored topology or the server does not fit.
    Mismatch,
    /// The master has fewer replicas than its `min-replicas-to-write` asks for.
    NoReplicas,
    /// The server's memory is full.
    OutOfMemory,
    /// The server is a replica, or has lost its master.
    Replica,
    /// A reply has a shape that no server of a supported version gives.
    Reply,
    /// The address of the server, or its TLS, does not fit.
    Setup,
    /// No answer in time.
    Timeout,
    /// A key holds another type of value than tallyd stores there.
    WrongType,
    /// Anything else.
    Other,
}

impl ErrorKind {
    /// All of them.
    pub const ALL: [ErrorKind; 17] = [
        ErrorKind::Auth,
        ErrorKind::Bug,
        ErrorKind::Busy,
        ErrorKind::Cluster,
        ErrorKind::Connection,
        ErrorKind::Halt,
        ErrorKind::Loading,
        ErrorKind::Persistence,
        ErrorKind::Mismatch,
        ErrorKind::NoReplicas,
        ErrorKind::OutOfMemory,
        ErrorKind::Replica,
        ErrorKind::Reply,
        ErrorKind::Setup,
        ErrorKind::Timeout,
        ErrorKind::WrongType,
        ErrorKind::Other,
    ];

    /// The label of metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            ErrorKind::Auth => "auth",
            ErrorKind::Bug => "bug",
            ErrorKind::Busy => "busy",
            ErrorKind::Cluster => "cluster",
            ErrorKind::Connection => "connection",
            ErrorKind::Halt => "halt",
            ErrorKind::Loading => "loading",
            ErrorKind::Persistence => "persistence",
            ErrorKind::Mismatch => "mismatch",
            ErrorKind::NoReplicas => "no_replicas",
            ErrorKind::OutOfMemory => "out_of_memory",
            ErrorKind::Replica => "replica",
            ErrorKind::Reply => "reply",
            ErrorKind::Setup => "setup",
            ErrorKind::Timeout => "timeout",
            ErrorKind::WrongType => "wrong_type",
            ErrorKind::Other => "other",
        }
    }

    /// What it means and what ends it, for people.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            ErrorKind::Auth => {
                "the server refuses the user, or a right is missing: fix the URL or the ACL"
            }
            ErrorKind::Bug => "this must not happen: please report it, with the log",
            ErrorKind::Busy => "a script or transaction holds the server: SLOWLOG GET names it",
            ErrorKind::Cluster => {
                "the server is a Redis Cluster, or its slot is elsewhere: use a Redis that is no cluster"
            }
            ErrorKind::Connection => {
                "the connection broke or could not be made: look at Redis and the network"
            }
            ErrorKind::Halt => {
                "a command failed inside a commit, or what an edit is to change can't be read: fix the key that the error names, then: tallyd resume"
            }
            ErrorKind::Loading => "the server is loading its data: this ends by itself",
            ErrorKind::Persistence => "the server can't write to its disk: free the disk",
            ErrorKind::Mismatch => "the server or the stored topology does not fit this worker",
            ErrorKind::NoReplicas => {
                "the master has fewer replicas than its min-replicas-to-write asks for, and refuses writes until they are back: look at the replicas"
            }
            ErrorKind::OutOfMemory => "maxmemory is reached: give Redis memory, or retain less",
            ErrorKind::Replica => {
                "the server is a replica, or has lost its master: point the URL at the master"
            }
            ErrorKind::Reply => "no supported server answers this: please report it",
            ErrorKind::Setup => "the address of the server, or its TLS, does not fit",
            ErrorKind::Timeout => "no answer in time: look at Redis's load and the network",
            ErrorKind::WrongType => {
                "a key of tallyd's holds what somebody else wrote: delete it, then: tallyd dead replay"
            }
            ErrorKind::Other => "the error names the cause",
        }
    }
}

/// An error of storage.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What kind of trouble it is.
    pub kind: ErrorKind,
    /// What happened, for people.
    pub message: String,
    /// Of [`ErrorKind::Halt`]: the keys of bolts' state, each with the place of its node, whose
    /// commands failed. Empty where another command failed, or it is not known which.
    pub failed: Vec<(usize, Key)>,
}

impl StoreError {
    /// An error of this kind.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), failed: Vec::new() }
    }

    /// A state that must not be, told with its values: a fault of tallyd.
    #[must_use]
    pub fn bug(what: impl std::fmt::Display) -> Self {
        Self::new(ErrorKind::Bug, format!("{what} (a fault of tallyd: please report this)"))
    }
}
