//! Chaos: worker processes, producers that retry, a redis-server with AOF, and faults at random
//! from a seed. At its end everything must be counted, and counted once.
//!
//! It knows of the engine only its program, its keys and its topology file. What must come out it
//! takes from the source stream by the ledger of `tallyd-learners`.

mod client;
mod edit;
mod error;
mod fault;
mod fleet;
mod gaps;
mod outcome;
mod producer;
mod run;
mod stage;
mod subject;
mod tape;
mod topology;

pub use error::ChaosError;
pub use fault::Kind;
pub use outcome::{Outcome, Suffered};
pub use run::{Options, run};
