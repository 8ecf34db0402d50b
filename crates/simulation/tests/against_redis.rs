//! The simulated store is right where Redis is: the same random operations, on several sessions
//! that get in each other's way, give the same answers in both, and leave the same behind.
//!
//! Ids of entries are compared by their order in the stream, because the clocks differ.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "against_redis/operation.rs"]
mod operation;
#[path = "against_redis/side.rs"]
mod side;

use operation::{Answer, Operation, State};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use side::Side;
use std::{collections::BTreeMap, sync::Arc};
use tallyd_harness::{Server, ServerOptions};
use tallyd_simulation::{Plan, run::topology, store};

/// How many sequences, and how many operations each has.
const SEQUENCES: u64 = 90;
const OPERATIONS: usize = 120;

#[tokio::test]
async fn the_same_operations_give_the_same_answers() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
    let mut met = BTreeMap::new();
    for seed in 0..SEQUENCES {
        let topology = topology(seed % 2 == 0);
        let mut redis = Side::redis(Arc::clone(&topology), &server.url, seed).await;
        let plan = Plan { faults: Vec::new(), ..Plan::of(seed) };
        let world = store::Server::new(Arc::clone(&topology), &plan, false);
        world.hurry();
        let mut simulated = Side::simulated(Arc::clone(&topology), world).await;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut state = State::new(&topology);
        let mut done: Vec<Operation> = Vec::new();
        for _ in 0..OPERATIONS {
            let operation = state.draw(&mut rng);
            let (real, ours) = (redis.apply(&operation).await, simulated.apply(&operation).await);
            done.push(operation.clone());
            assert_eq!(real, ours, "sequence {seed}, the last of {}", lines(&done));
            state.learn(&operation, &real);
            *met.entry(kind(&real)).or_insert(0) += 1;
        }
        assert_eq!(redis.all().await, simulated.all().await, "sequence {seed}: {}", lines(&done));
    }
    assert!(KINDS.iter().all(|kind| met.get(kind).is_some_and(|n| *n > 2)), "{met:?}");
}

/// Answers that a comparison has to have met to mean something.
const KINDS: [&str; 8] = [
    "cursors",
    "fenced",
    "group missing",
    "more pending",
    "read entries",
    "skipped",
    "took",
    "woken",
];

fn kind(answer: &Answer) -> &'static str {
    match answer {
        Answer::Cursors(cursors) if !cursors.is_empty() => "cursors",
        Answer::Fenced(_) => "fenced",
        Answer::Cells(_, skipped) if !skipped.is_empty() => "skipped",
        Answer::Read { missing: true, .. } => "group missing",
        Answer::Read { from: Some(_), .. } => "more pending",
        Answer::Read { woken, .. } if !woken.is_empty() => "woken",
        Answer::Read { entries, .. } if !entries.is_empty() => "read entries",
        Answer::Took(taken) if !taken.is_empty() => "took",
        Answer::Failed(_) => "failed",
        _ => "other",
    }
}

fn lines(operations: &[Operation]) -> String {
    operations.iter().map(|operation| format!("\n{operation:?}")).collect()
}
