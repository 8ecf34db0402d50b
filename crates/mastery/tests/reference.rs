//! The bolt against figures that were computed independently, on a real answer log. The log is no
//! part of the repository: where it is absent, this says so and checks nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../examples/evaluate/auc.rs"]
mod auc;
#[path = "../examples/evaluate/figures.rs"]
#[expect(dead_code, reason = "the example prints more of it")]
mod figures;
#[path = "../examples/evaluate/log.rs"]
#[expect(dead_code, reason = "the example reads directories too")]
mod log;
#[path = "../examples/evaluate/run.rs"]
#[expect(dead_code, reason = "the example measures more")]
mod run;

use figures::{Fit, Scored};
use std::path::{Path, PathBuf};
use tallyd_mastery::Parameters;

/// `TALLYD_DATA`, or `shared/data` beside the repository.
fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let directory = std::env::var_os("TALLYD_DATA").map_or(beside, PathBuf::from);
    let present = directory.join("lkt_events.csv.gz").exists();
    if !present {
        eprintln!("NOT CHECKED: no answer log in {} (set TALLYD_DATA)", directory.display());
    }
    present.then_some(directory)
}

fn answers(directory: &Path) -> Vec<log::Answer> {
    let columns = log::Columns(Default::default());
    log::read(&directory.join("lkt_events.csv.gz"), &columns).unwrap()
}

fn fit(predicted: &[f64], answers: &[log::Answer]) -> Fit {
    let right = answers.iter().map(|answer| answer.correct);
    let scored: Vec<Scored> = predicted.iter().copied().zip(right).collect();
    Fit::of(&scored)
}

#[test]
fn elo_a_is_reproduced_to_1e_9() {
    let Some(directory) = data() else { return };
    let answers = answers(&directory);
    let reference = log::read_reference(&directory).unwrap();
    assert_eq!(answers.len(), 55_122);
    let levels = run::whole(&answers, log::elo_a()).unwrap().levels;
    let difference = run::largest_difference(&levels, &reference).unwrap();
    assert!(difference <= 1e-9, "{difference}");
    assert!((fit(&levels, &answers).auc - 0.7296).abs() < 5e-5);
}

#[test]
fn elo_b_and_the_defaults_predict_as_well_as_is_documented() {
    let Some(directory) = data() else { return };
    let answers = answers(&directory);
    let elo_b = run::whole(&answers, log::elo(0.4, 0.02)).unwrap().levels;
    assert!((fit(&elo_b, &answers).auc - 0.7646).abs() < 5e-5);
    let defaults = fit(&run::whole(&answers, Parameters::default()).unwrap().predicted, &answers);
    assert!(defaults.auc >= 0.848 && defaults.calibration <= 0.006, "{defaults:?}");
}
