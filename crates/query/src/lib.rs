//! Typed reads of the results, from Redis ([`Stored`]) or from memory, for the command line and
//! for any Rust application.
//!
//! Reads only. What is where is said by the topology: [`catalog`] finds a bolt's options, and each
//! of [`board`], [`figures`] and [`learner`] reads the results of bolts of one kind.

pub mod board;
pub mod catalog;
pub mod figures;
pub mod learner;
#[doc(hidden)] // for the fuzz targets
pub mod reply;
pub mod rows;
pub mod status;
pub mod when;

mod client;
mod error;
mod finals;
mod footprint;
mod head;
pub mod parts;
mod preview;
mod readers;
mod results;
mod shards;
mod standing;
mod stored;

pub use client::Client;
pub use error::QueryError;
pub use finals::finals;
pub use footprint::{Footprint, footprint};
pub use head::{Head, head};
pub use preview::{NoChange, preview};
pub use readers::{ReadFrom, Readers};
pub use results::{Look, Ranked, Results, Seen};
pub use shards::Shards;
pub use standing::{Standing, standing};
pub use stored::Stored;
pub use tallyd_aggregate::Figure;
