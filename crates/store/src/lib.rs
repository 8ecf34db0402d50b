//! The [`Store`](tallyd_runtime::Store) on Redis: connections, the fenced cycle, effects to
//! commands, trimming, and [`keys`], the one place where keys are spelled.
//!
//! Every commit goes over a plain connection of its own. Nothing that reconnects or retries by
//! itself ever carries one.

pub mod address;
pub mod commands;
pub mod connection;
pub mod dead;
pub mod doctor;
pub mod edits;
mod fetch;
pub mod inspect;
pub mod keys;
mod lag;
pub mod pages;
pub mod plan;
pub mod probe;
#[doc(hidden)] // for the fuzz targets
pub mod reply;
pub mod rights;
#[doc(hidden)] // for the fuzz targets
pub mod wire;

mod backlog;
mod membership;
mod memory;
mod named_streams;
mod plain;
mod random;
mod registration;
mod replicas;
mod replication;
mod session;
mod settled;
mod socket;
mod store;
mod streams;
mod tend;
mod waiting;

pub use connection::{Connection, SharedConnection, checked};
pub use membership::RedisListener;
pub use memory::{Memory, memory};
pub use random::Random;
pub use replicas::{Replicas, replicas};
pub use replication::{Replication, elsewhere, replication};
pub use session::{
    Change, Committed, FencedSession, Lost, LostCursor, RedisServer, RedisSession, Server, Watched,
};
pub use settled::settled;
pub use store::{RedisStore, server_ms};
