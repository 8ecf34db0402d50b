//! What flows through a topology: [`Event`], [`Value`], [`Schema`], the decoding of what producers
//! send, and the [`frame`] codec of intermediate streams.
//!
//! This crate does no I/O, asks no clock and knows nothing of Redis, of bolts or of topologies.

pub mod decode;
pub mod frame;
pub mod packed;

mod edit;
mod entry_id;
mod event;
mod mark;
mod partition;
mod schema;
mod value;

pub use edit::{Cuts, Edit, EditKind, Handed, Moves, NoCuts, Scope, Taken};
pub use entry_id::{EntryId, EntryIdError};
pub use event::Event;
pub use mark::mark;
pub use partition::partition_of;
pub use schema::{Field, FieldType, Schema, TimeUnit};
pub use value::{Decimal, MAX_STRING_BYTES, MAX_TIME, Value, ValueError, decimal};
