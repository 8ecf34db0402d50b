//! How fast tallyd is, beside the floor of what Redis can do and what people do instead.
//!
//! `make bench` runs all of it on private servers and writes `docs/internals/performance.md`,
//! `docs/internals/performance.json` and plots. It knows the results of
//! `topologies/testprep.toml`, which every contender must reach, and nothing of how tallyd reaches
//! them.

pub mod against;
pub mod application;
pub mod benchmark;
pub mod consume;
pub mod contender;
pub mod cpu;
pub mod error;
pub mod figures;
pub mod footprint;
pub mod forget;
pub mod gaps;
pub mod info;
pub mod latency;
pub mod light;
pub mod load;
pub mod machine;
pub mod options;
pub mod outcome;
pub mod plots;
pub mod processes;
pub mod producer;
pub mod report;
pub mod results;
pub mod run;
pub mod scale;
pub mod server;
pub mod serving;
pub mod wire;
pub mod workload;

pub use error::BenchError;
