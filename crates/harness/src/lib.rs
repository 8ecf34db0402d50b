//! What the demo and the tests of real processes are made of: a private redis-server, worker
//! processes that can be killed, a proxy that cuts connections, a producer with a ledger, a probe
//! of the delay, and the audit.
//!
//! It knows the schema of `topologies/testprep.toml`. It counts nothing that the engine counts:
//! the ledger is that of `tallyd-learners`, which shares no code with the engine.

pub mod audit;
pub mod probe;
pub mod producer;
pub mod proxy;

mod deployment;
mod duration;
mod error;
mod server;
mod worker;

pub use deployment::Deployment;
pub use duration::duration;
pub use error::HarnessError;
pub use server::{Server, ServerOptions};
pub use worker::WorkerProcess;
