//! The worker: membership, ownership and the task loop, over a Store it knows only as a trait.
