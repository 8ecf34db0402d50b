//! The topology file: parse, validate, plan and draw.
//!
//! Text in, a [`Topology`] or all of its [`Faults`] out. This crate does no I/O: it is given the
//! text and the environment. It is the one that knows which bolt types there are ([`bolts`]).

pub mod bolts;
pub mod key_spec;
pub mod test_case;

mod call;
mod draft;
mod fault;
mod graph;
mod hints;
mod input;
mod json_schema;
mod name;
mod nodes;
mod order;
mod parse;
mod parts;
mod plan;
mod redis_address;
mod section;
mod serve;
mod settings;
mod sheet;
mod source;
mod span_entry;
mod substitute;
mod syntax;
mod test_read;
mod units;

pub use bolts::BoltOptions;
pub use fault::{Fault, Faults};
pub use graph::{dot, mermaid};
pub use json_schema::json_schema;
pub use parse::{key_tables, parse};
pub use parts::{Parts, fingerprint};
pub use plan::{BoltNode, Edge, EdgeKey, Node, NodeKind, Retain, Settings, Sink, Source, Topology};
pub use redis_address::RedisAddress;
pub use serve::{ANY, AccessKey, Grant, JwtOptions, Serve};
pub use test_case::TestCase;
