//! Files into sources: rows of CSV or JSON become events, and events entries of a stream.
//!
//! Every row is read by the code that a worker reads a stream with, [`tallyd_event::decode`], and
//! held against the source's schema before it is sent.

mod batch;
mod input;
mod json;
mod mapping;
mod rows;
mod sender;
mod source;

pub use batch::Batch;
pub use input::{Format, decompressed};
pub use mapping::{Mapping, MappingError};
pub use rows::{LineError, OpenError, Rows};
pub use sender::{Form, SendError, Sender};
pub use source::{Fields, Source, fields, now};
