//! Typed reads of the results.
