//! Files into sources: rows of CSV or JSON lines become events, and events entries of a stream.
//!
//! It checks only that a line can be read. Whether an event fits the source's schema is decided
//! where it is processed: what does not becomes a dead letter there.

mod batch;
mod input;
mod mapping;
mod rows;
mod sender;

pub use input::{Format, decompressed};
pub use mapping::{Mapping, MappingError};
pub use rows::{Fields, LineError, OpenError, Rows};
pub use sender::{Form, SendError, Sender};
