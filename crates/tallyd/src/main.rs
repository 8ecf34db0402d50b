//! The program `tallyd`: its own bolt types, and the command line.

use std::process::ExitCode;

/// Batches are many small strings that live for a cycle: measured about a tenth less CPU an event.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tallyd::main(tallyd_topology::KINDS)
}
