//! The protocol holds in every interleaving, and no safeguard can be spared.

use stateright::Model;
use std::{collections::HashSet, fs};
use tallyd_model::{
    bounds,
    check::{self, Checked},
    document,
    outbox::Outbox,
    protocol::{Checks, Protocol},
    safeguard::Safeguard,
};

fn assert_holds(checked: &Checked) {
    println!("{} states, {} steps: {}", checked.states, checked.steps, checked.name);
    assert!(checked.violations.is_empty(), "{}: {}", checked.name, checked.violations.join("\n"));
}

#[test]
fn each_entry_takes_effect_once_and_in_order_and_a_lone_worker_finishes() {
    for bounds in bounds::quick() {
        assert_holds(&check::protocol(bounds, 1));
    }
}

/// The checker knows states by their fingerprints only, and decides by itself when it is done.
#[test]
fn the_checker_leaves_no_state_out() {
    let bounds = bounds::quick().remove(2);
    let model = Protocol { bounds: bounds.clone(), without: Vec::new(), checks: Checks::Harm };
    let mut seen: HashSet<_> = model.init_states().into_iter().collect();
    let mut todo: Vec<_> = seen.iter().cloned().collect();
    while let Some(world) = todo.pop() {
        for next in model.next_states(&world) {
            if seen.insert(next.clone()) {
                todo.push(next);
            }
        }
    }
    assert_eq!(seen.len(), check::protocol(bounds, 1).states);
}

#[test]
fn an_outbox_is_forwarded_once_and_in_order() {
    let outbox = Outbox { entries: 3, relays: 2, count: 2, cuts: 2, without: None };
    assert_holds(&check::outbox(outbox, 1));
}

#[test]
fn no_safeguard_can_be_spared() {
    for safeguard in Safeguard::ALL {
        let found = check::counterexample(safeguard);
        assert!(found.is_some(), "nothing happens without {safeguard:?}");
        let whole = check::harm_with(safeguard);
        assert!(whole.is_none(), "with {safeguard:?}:\n{}", whole.unwrap());
    }
}

/// What three safeguards would let through, the look for gaps catches.
#[test]
fn gaps_are_found_whatever_made_them() {
    for safeguard in Safeguard::ALL.into_iter().filter(|s| s.second_line().is_some()) {
        let story = check::harm_past_second_line(safeguard);
        assert!(story.is_none(), "without {safeguard:?}:\n{}", story.unwrap());
    }
}

#[test]
fn the_documentation_has_these_counterexamples() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/internals/protocol.md");
    let text = fs::read_to_string(path).unwrap();
    let current = document::with_counterexamples(&text).unwrap();
    let fix = "run cargo run -p tallyd-model --example counterexamples";
    assert!(text == current, "docs/internals/protocol.md is not up to date ({fix})");
}
