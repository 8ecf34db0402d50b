//! Runs a topology in memory, without Redis.
