//! Simulated learners: load with a ledger of what must come out.
//!
//! A [`Simulation`] says what the learners of a test preparation site send, faults included, and
//! a [`Ledger`] counts in the plainest way what a server must make of it. Both know the schema of
//! `topologies/testprep.toml` and share no code with the engine that they check: this crate names
//! no other crate of the workspace, no Redis and no clock.

pub mod zipf;

mod answer;
mod ledger;
mod malformation;
mod options;
mod simulation;
mod wire;
mod world;

pub use answer::Answer;
pub use ledger::{
    Board, ConceptCount, ConceptWindow, Kept, Latest, LearnerCount, Ledger, LedgerOptions, Length,
    Part, Ranking, Span, Standing, State, Tally, UnknownTimeZone,
};
pub use malformation::Malformation;
pub use options::{Faults, OptionsError, SimulationOptions};
pub use simulation::{Item, Sending, Simulation};
