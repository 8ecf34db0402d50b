//! The worker's real loop (membership, ownership, tasks, batching, every bolt) on a simulated
//! Redis and virtual time, with faults from a seed. Equal seeds give equal runs.
//!
//! The real session runs in it too: it asks a server for typed operations, and the simulated server
//! does them, each a round trip. A test compares it with Redis. The audit shares no counting code with the engine.

pub mod audit;
pub mod bolts;
pub mod fault;
pub mod run;
pub mod shrink;
pub mod store;
pub mod world;

mod ledger;
mod producer;
mod server;

pub use fault::{Fault, FaultKind, Mutation, Plan};
pub use run::{Report, run};
