//! Checks the protocol in large bounds, and that each safeguard is needed: `make model`.

use std::{process::ExitCode, time::Instant};
use tallyd_model::{
    bounds,
    check::{self, Checked},
    outbox::Outbox,
    safeguard::Safeguard,
};

fn main() -> ExitCode {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut good = true;
    let mut report = |began: Instant, checked: Checked| {
        let Checked { name, states, steps, longest, violations } = checked;
        let seconds = began.elapsed().as_secs();
        println!(
            "{states:>9} states, {steps:>9} steps, longest {longest:>3}, {seconds:>4} s: {name}"
        );
        for violation in &violations {
            println!("{violation}");
        }
        good &= violations.is_empty();
    };
    for bounds in bounds::large() {
        report(Instant::now(), check::protocol(bounds, threads));
    }
    let outbox = Outbox { entries: 4, relays: 2, count: 3, cuts: 3, without: None };
    report(Instant::now(), check::outbox(outbox, threads));
    for safeguard in Safeguard::ALL {
        let name = safeguard.name();
        match (check::counterexample(safeguard), check::harm_with(safeguard)) {
            (Some(story), None) => {
                println!("without {name}: {} ({} steps)", story.end, story.steps.len())
            }
            (None, _) => println!("without {name}: no harm found"),
            (_, Some(story)) => println!("with {name}: {story}"),
        }
        good &= check::counterexample(safeguard).is_some() && check::harm_with(safeguard).is_none();
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
