//! The worker's real loop (membership, ownership, tasks, batching, every bolt) on a simulated
//! Redis and virtual time, with faults from a seed. Equal seeds give equal runs.
//!
//! The simulated server does what `tallyd-store` asks of a real one, round trip by round trip; a
//! test compares the two. The audit shares no counting code with the engine.

pub mod audit;
pub mod bolts;
pub mod fault;
pub mod run;
pub mod shrink;
pub mod store;
pub mod world;

mod ledger;
mod producer;
mod session;

pub use fault::{Fault, FaultKind, Mutation, Plan};
pub use run::{Report, run};
