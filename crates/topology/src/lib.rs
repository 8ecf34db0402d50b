//! The topology file: parse, validate, plan and draw; no I/O.
