//! Measures the mastery bolt on real answer logs: exactness against an independent reference,
//! how well it predicts, and calibration.
//!
//! `cargo run --release -p tallyd-mastery --example evaluate -- DATA_DIRECTORY`
//!
//! Exits with 1 where the reference is missed by more than 1e-9 or the defaults' AUC is below
//! 0.764.

mod auc;
mod figures;
mod log;

use auc::auc;
use figures::{Scored, calibration, line, spread};
use log::Answer;
use std::{collections::HashMap, error::Error, path::Path, process::ExitCode};
use tallyd_bolt::memory::Memory;
use tallyd_mastery::{Ability, OVERALL_FIELD, PICOLOGITS, Parameters};

const MAX_DIFFERENCE: f64 = 1e-9;
const MIN_AUC: f64 = 0.764;

fn main() -> ExitCode {
    let Some(directory) = std::env::args().nth(1) else {
        eprintln!("usage: evaluate DATA_DIRECTORY");
        return ExitCode::from(2);
    };
    let outcome = evaluate(Path::new(&directory)).and_then(|met| {
        transfer(Path::new(&directory))?;
        Ok(met)
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("a target is missed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The log with times and items; whether both targets are met.
fn evaluate(directory: &Path) -> Result<bool, Box<dyn Error>> {
    let answers = log::read_lkt(directory)?;
    let reference = log::read_reference(directory)?;
    println!("{} answers, one partition, each predicted before it is learned from", answers.len());

    let (elo_a, _) = log::run(&answers, log::elo_a())?;
    let (elo_b, _) = log::run(&answers, log::elo(0.4, 0.02))?;
    let plain = Parameters { practice_gain: 0.0, ..Parameters::default() };
    let (plain, _) = log::run(&answers, plain)?;
    let (defaults, memory) = log::run(&answers, Parameters::default())?;

    let difference = log::largest_difference(&elo_a, &reference)?;
    println!("Elo A against the reference: largest difference {difference:.1e}\n");

    let held_out = held_out(&answers);
    println!("                                   AUC     accuracy RMSE    log loss");
    for (name, predicted) in [
        ("Elo A", &elo_a),
        ("Elo B", &elo_b),
        ("defaults but practice_gain 0", &plain),
        ("defaults", &defaults),
    ] {
        let all = scored(predicted, &answers);
        let half = |out: bool| {
            let members = all.iter().zip(&held_out).filter(|&(_, &h)| h == out);
            members.map(|(scored, _)| *scored).collect::<Vec<Scored>>()
        };
        println!("{name:28} all   {}", line(&all));
        println!("{:28} fit   {}", "", line(&half(false)));
        println!("{:28} held  {}", "", line(&half(true)));
    }

    let all = scored(&defaults, &answers);
    println!("\ncalibration of the defaults\n{}\n", calibration(&all));
    print_levels(&memory);
    Ok(difference <= MAX_DIFFERENCE && auc(all).is_some_and(|auc| auc >= MIN_AUC))
}

/// Another school's log, which has no items: the skill stands for them. Learners of its training
/// part come first; the answers of its test part are scored.
fn transfer(directory: &Path) -> Result<(), Box<dyn Error>> {
    let columns = ["user_id", "skill_id", "skill_id", "correct"];
    let mut answers = log::read(&directory.join("builder_answers.csv.gz"), columns)?;
    let tested = |answer: &Answer| answer.learner.starts_with("te");
    answers.sort_by_key(tested);
    println!("\n{} answers of another log, its test part scored", answers.len());
    let plain = Parameters { practice_gain: 0.0, ..Parameters::default() };
    for (name, parameters) in [
        ("Elo B", log::elo(0.4, 0.02)),
        ("defaults but practice_gain 0", plain),
        ("defaults", Parameters::default()),
    ] {
        let (predicted, _) = log::run(&answers, parameters)?;
        let all = scored(&predicted, &answers);
        let members = all.iter().zip(&answers).filter(|(_, answer)| tested(answer));
        let test: Vec<Scored> = members.map(|(scored, _)| *scored).collect();
        println!("{name:28} test  {}", line(&test));
    }
    Ok(())
}

/// Every second learner, in the order in which they first answer. The search for the
/// defaults scored the predictions of the other learners' answers only.
fn held_out(answers: &[Answer]) -> Vec<bool> {
    let mut seen = HashMap::new();
    let mut place = |learner| {
        let next = seen.len();
        *seen.entry(learner).or_insert(next)
    };
    answers.iter().map(|answer| place(answer.learner.as_str()) % 2 == 1).collect()
}

fn scored(predicted: &[f64], answers: &[Answer]) -> Vec<Scored> {
    predicted.iter().copied().zip(answers.iter().map(|answer| answer.correct)).collect()
}

fn print_levels(memory: &Memory) {
    let difficulties: Vec<f64> =
        memory.counters.values().filter_map(|item| item.get("b")).map(|&b| logits(b)).collect();
    let (mut overall, mut concepts) = (Vec::new(), Vec::new());
    let (mut cells, mut bytes) = (0usize, 0usize);
    for (field, value) in memory.hashes.values().flatten() {
        let Ok(ability) = Ability::parse(value) else { continue };
        let levels = if field == OVERALL_FIELD { &mut overall } else { &mut concepts };
        levels.push(logits(ability.level));
        cells += 1;
        bytes += value.len();
    }
    println!("at the end, in logits            mean    deviation");
    for (name, levels) in
        [("overall", &overall), ("in a concept", &concepts), ("difficulty", &difficulties)]
    {
        let (mean, deviation) = spread(levels);
        println!("{name:30} {mean:>6.2}   {deviation:.2}   ({} of them)", levels.len());
    }
    println!("a stored ability is {:.1} bytes on average", bytes as f64 / cells as f64);
}

fn logits(picologits: i64) -> f64 {
    picologits as f64 / PICOLOGITS
}
