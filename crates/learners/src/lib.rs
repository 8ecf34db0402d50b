//! Simulated learners: load with a ledger of what must come out.
