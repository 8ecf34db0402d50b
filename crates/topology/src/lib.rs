//! The topology file: parse, validate, plan and draw.
//!
//! Text in, a [`Topology`] or all of its [`Faults`] out. This crate does no I/O: it is given the
//! text and the environment. It is the one that lists the bolt types ([`bolts`]).

pub mod bolts;
pub mod test_case;

mod draft;
mod faults;
mod graph;
mod json_schema;
mod name;
mod nodes;
mod order;
mod parse;
mod parts;
mod people;
mod plan;
mod redis_address;
mod serve;
mod settings;
mod source;
mod substitute;
mod subtract;
mod syntax;
mod test_read;

pub use bolts::KINDS;
pub use faults::Faults;
pub use graph::{dot, mermaid};
pub use json_schema::json_schema;
pub use parse::{key_tables, parse, parse_with};
pub use parts::{Parts, fingerprint};
pub use plan::{BoltNode, Edge, EdgeKey, Node, NodeKind, Retain, Settings, Sink, Source, Topology};
pub use redis_address::RedisAddress;
pub use serve::{ANY, AccessKey, Grant, JwtOptions, Serve};
pub use subtract::Subtraction;
pub use tallyd_kind::{BoltKind, BoltOptions, Extent, Identity, Kinds, fault::Fault, key_spec};
pub use test_case::TestCase;
