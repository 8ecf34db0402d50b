//! The bolt against figures that were computed independently, on a real answer log. The log is no
//! part of the repository: where it is absent, this says so and checks nothing.

#[path = "../examples/evaluate/auc.rs"]
mod auc;
#[path = "../examples/evaluate/log.rs"]
mod log;

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

fn auc_of(predicted: &[f64], answers: &[log::Answer]) -> f64 {
    let right = answers.iter().map(|answer| answer.correct);
    auc::auc(predicted.iter().copied().zip(right)).unwrap_or(f64::NAN)
}

#[test]
fn elo_a_is_reproduced_to_1e_9() {
    let Some(directory) = data() else { return };
    let answers = log::read_lkt(&directory).unwrap();
    let reference = log::read_reference(&directory).unwrap();
    assert_eq!(answers.len(), 55_122);
    let (predicted, _) = log::run(&answers, log::elo_a()).unwrap();
    let difference = log::largest_difference(&predicted, &reference).unwrap();
    assert!(difference <= 1e-9, "{difference}");
    assert!((auc_of(&predicted, &answers) - 0.7296).abs() < 5e-5);
}

#[test]
fn elo_b_and_the_defaults_predict_as_well_as_is_documented() {
    let Some(directory) = data() else { return };
    let answers = log::read_lkt(&directory).unwrap();
    let (elo_b, _) = log::run(&answers, log::elo(0.4, 0.02)).unwrap();
    assert!((auc_of(&elo_b, &answers) - 0.7646).abs() < 5e-5);
    let (defaults, _) = log::run(&answers, Parameters::default()).unwrap();
    let auc = auc_of(&defaults, &answers);
    assert!(auc >= 0.80, "{auc}");
}
