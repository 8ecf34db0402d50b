//! Plans in which later answers correct earlier ones hold under all faults, as those without do.

use tallyd_simulation::{Plan, bolts, run};

/// How many seeds are run here.
const SEEDS: u64 = 40;
/// Within how many seeds a fault of the engine must be seen.
const WITHIN: u64 = 300;

#[test]
fn every_figure_of_the_latest_answers_holds() {
    bolts::quiet_panics();
    for seed in 0..SEEDS {
        let report = run(&Plan { corrects: true, ..Plan::of(seed) }, false);
        assert!(report.differences.is_empty(), "seed {seed}: {:#?}", report.differences);
    }
}

/// A take-over without fences counts twice, and that is seen behind a correction too.
#[test]
fn a_fault_of_the_engine_is_seen_in_the_figures_of_the_latest_answers() {
    bolts::quiet_panics();
    let wrong = (0..WITHIN).flat_map(|seed| {
        let mutation = Some(tallyd_simulation::Mutation::NoFence);
        let plan = Plan { corrects: true, mutation, ..Plan::of(seed) };
        run(&plan, false).differences
    });
    assert!(wrong.into_iter().any(|of| of.contains("latest answers")));
}
