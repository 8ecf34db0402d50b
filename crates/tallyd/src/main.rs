//! The command line, and the wiring of the rest.

fn main() {}
