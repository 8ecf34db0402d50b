//! The worker: membership, ownership of partitions, and the loop of each task.
//!
//! Storage is known only through the [`Store`] and [`Session`] traits, so that the same loop runs
//! against a simulated store; bolts only through the `Bolt` trait. This crate never names redis.

pub mod assign;
pub mod plan;
pub mod reckon;
pub mod store;
pub mod telemetry;
pub mod test_driver;

mod backoff;
mod cache;
mod context;
mod guard;
mod load;
mod repeated;
mod sizing;
mod spread;
mod task;
mod tasks;
mod work;
mod worker;

pub use spread::SPREADS_FROM;
pub use store::{Session, Store, StoreError};
pub use task::pace::RESTS_FROM;
pub use work::{
    ARRIVED_FIELD, EDIT_FIELD, FRAME_FIELD, ONLY_FIELD, PROBE_FIELD, arrival, edit_of, entry_bytes,
    is_probe,
};
pub use worker::{Ended, Worker, WorkerOptions, WorkerStatus};
