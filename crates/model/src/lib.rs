//! The commit protocol ("Exactly once" in `ARCHITECTURE.md`), as a model that a checker goes
//! through in every interleaving. It models the protocol and imports none of the code that carries
//! it out.
//!
//! `docs/internals/protocol.md` explains the protocol, and shows what happens without each
//! safeguard.

#![expect(clippy::indexing_slicing, reason = "a model that names what is not there must stop")]

pub mod bounds;
pub mod check;
pub mod document;
pub mod harm;
pub mod outbox;
pub mod protocol;
pub mod redis;
pub mod safeguard;
pub mod story;
pub mod task;

mod alone;
mod steps;
