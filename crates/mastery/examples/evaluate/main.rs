//! Measures the mastery bolt on answer logs, each answer predicted before it is learned from, beside
//! other models that learn online.
//!
//! `cargo run --release -p tallyd-mastery --example evaluate -- DATA...`
//!
//! DATA is a CSV of answers (`.csv` or `.csv.gz`), or a directory of some. Columns are found by
//! usual names, or named by `--learner`, `--concept`, `--item`, `--correct` and `--time`.
//! `--simulated` adds simulated logs of exam practice. `name=value` tries another value of a
//! parameter of the bolt. With
//! `--picture FILE` it draws the picture of `docs/mastery.md` and does nothing else.
//!
//! Exits with 1 where Elo A misses the independent reference by more than 1e-9, or the defaults miss
//! what they are held to on a log that is known by name.

mod auc;
mod baselines;
mod figures;
mod log;
mod picture;
mod published;
mod run;
mod simulated;

use baselines::Bkt;
use figures::{Fit, Scored, calibration};
use log::{Answer, Columns};
use std::{
    collections::HashMap,
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
};
use tallyd_bolt::Key;
use tallyd_mastery::{Parameters, read_more, read_own};

const MAX_DIFFERENCE: f64 = 1e-9;
/// What the defaults are held to: the start of a log's name, the part of it, AUC and calibration
/// error.
const HELD_TO: [(&str, &str, f64, f64); 2] =
    [("lkt", "all", 0.83, 0.015), ("builder", "test part", 0.835, 0.01)];

fn main() -> ExitCode {
    match evaluate() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn evaluate() -> Result<bool, Box<dyn Error>> {
    let (mut columns, mut paths) = (Columns(Default::default()), Vec::new());
    let (mut parameters, mut simulate) = (Parameters::default(), false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument}: what?"));
        if argument == "--simulated" {
            simulate = true;
            continue;
        }
        if argument == "--picture" {
            std::fs::write(value()?, picture::draw())?;
            return Ok(true);
        }
        if let Some((name, value)) = argument.split_once('=') {
            let row = Parameters::TABLE.iter().find(|row| row.name == name);
            let row = row.ok_or_else(|| format!("no parameter \"{name}\""))?;
            *(row.place)(&mut parameters) = value.parse()?;
            continue;
        }
        match log::OPTIONS.iter().position(|option| *option == argument) {
            Some(place) => {
                let value = value()?;
                columns
                    .0
                    .iter_mut()
                    .skip(place)
                    .take(1)
                    .for_each(|column| *column = Some(value.clone()));
            }
            None => paths.extend(log::logs(Path::new(&argument))?),
        }
    }
    if paths.is_empty() && !simulate {
        return Err("usage: evaluate DATA... [--learner NAME] [--concept NAME] [--item NAME] \
                    [--correct NAME] [--time NAME] [--simulated] [name=value]; DATA is a CSV or a directory \
                    of some"
            .into());
    }
    let mut met = true;
    for path in &paths {
        let answers = log::read(path, &columns)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        met &= table(&name, &answers, reference(path), parameters)?;
    }
    for exam in simulated::EXAMS.iter().filter(|_| simulate) {
        let name = format!("simulated exam practice, {}", exam.name);
        met &= table(&name, &simulated::log(exam), None, parameters)?;
    }
    println!("{}", published::PUBLISHED);
    if !met {
        println!("\na target is missed");
    }
    Ok(met)
}

/// A part of a log, and which answers are in it.
type Part = (&'static str, Vec<bool>);

fn parts(answers: &[Answer]) -> Vec<Part> {
    let first = |count| (0..answers.len()).map(|place| place < count).collect();
    let mut seen = HashMap::new();
    let mut odd = |answer: &Answer| {
        let next = seen.len();
        *seen.entry(answer.learner.clone()).or_insert(next) % 2 == 1
    };
    let mut parts: Vec<Part> =
        vec![("all", vec![true; answers.len()]), ("first 1,000", first(1_000))];
    parts.push(("first 10,000", first(10_000)));
    parts.push(("odd learners", answers.iter().map(&mut odd).collect()));
    let test: Vec<bool> = answers.iter().map(|answer| answer.learner.starts_with("te")).collect();
    if test.contains(&true) {
        parts.push(("test part", test));
    }
    parts
}

/// Every model on one log; whether the defaults are what they are held to.
fn table(
    name: &str,
    answers: &[Answer],
    reference: Option<Result<Vec<f64>, Box<dyn Error>>>,
    parameters: Parameters,
) -> Result<bool, Box<dyn Error>> {
    if answers.is_empty() {
        return Err(format!("{name}: no answers").into());
    }
    let parts = parts(answers);
    println!("# {name}: {} answers, each predicted before it is learned from", answers.len());
    println!(
        "of each part: AUC, mean log loss in nats, expected calibration error (10 equal bins)"
    );
    print!("{:26}", "");
    parts.iter().for_each(|(part, _)| print!("  {part:24}"));
    println!();

    let elo_a = run::whole(answers, log::elo_a())?.levels;
    let difference = reference.map(|reference| run::largest_difference(&elo_a, &reference?));
    let elo_b = run::whole(answers, log::elo(0.4, 0.02))?.levels;
    let even: Vec<Answer> = answers
        .iter()
        .zip(parts.iter().flat_map(|(name, of)| of.iter().filter(move |_| *name == "odd learners")))
        .filter(|(_, odd)| !**odd)
        .map(|(answer, _)| answer.clone())
        .collect();
    let bkt = Bkt::fitted(&even);
    let ours = run::whole(answers, parameters)?;
    let spread = run::split(answers, parameters, 16, 512)?;
    let fit = |predicted: &[f64], of: &[bool]| Fit::of(&part(predicted, answers, of));
    for (model, predicted) in [
        ("Elo A (1, 0.05)", &elo_a),
        ("Elo B (0.4, 0.02)", &elo_b),
        ("BKT, fitted on even ones", &bkt.predict(answers)),
        ("PFA, online", &baselines::pfa(answers)),
        ("Best-LR, streaming", &baselines::best_lr(answers)),
        ("tallyd, the levels alone", &ours.levels),
        ("tallyd", &ours.predicted),
        ("tallyd, 16 partitions", &spread),
    ] {
        print!("{model:26}");
        parts.iter().for_each(|(_, of)| print!("  {:24}", fit(predicted, of).line()));
        println!();
    }
    let [known, learns, slip, guess] = bkt.0;
    println!(
        "BKT: known at first {known:.2}, learned {learns:.2}, slip {slip:.2}, guess {guess:.2}"
    );
    println!("16 partitions: what others learned is seen after 512 answers of the whole log");
    println!("tallyd: {:.0} ns of CPU an answer in batches of 512", run::cost(answers));
    let (bytes, concepts) = bytes(&ours);
    println!("a learner is {bytes:.0} bytes on average, with {concepts:.1} concepts\n");
    let all = part(&ours.predicted, answers, &vec![true; answers.len()]);
    println!("{}", calibration(&all));

    if answers.len() < 100_000 {
        told(answers, parameters)?;
    }
    let mut met = true;
    if let Some(difference) = difference.transpose()? {
        println!("Elo A against the independent reference: largest difference {difference:.1e}\n");
        met &= difference <= MAX_DIFFERENCE;
    }
    for (_, wanted, auc, calibration) in HELD_TO.iter().filter(|held| name.starts_with(held.0)) {
        let of = parts.iter().find(|(part, _)| part == wanted).ok_or("no such part")?;
        let fit = fit(&ours.predicted, &of.1);
        met &= fit.auc >= *auc && fit.calibration <= *calibration;
    }
    Ok(met)
}

/// How well what is shown after some answers in a concept goes with the share of right ones among
/// those that follow in it.
fn told(answers: &[Answer], parameters: Parameters) -> Result<(), Box<dyn Error>> {
    let mut following: HashMap<(&str, &str), (f64, f64)> = HashMap::new();
    let mut pairs: HashMap<u64, Vec<[f64; 3]>> = HashMap::new();
    let shown = run::shown(answers, parameters)?;
    for ((count, mastery, uncertainty), answer) in shown.into_iter().zip(answers).rev() {
        let after = following.entry((&answer.learner, &answer.concept)).or_default();
        if after.1 > 0.0 {
            pairs.entry(count).or_default().push([mastery, uncertainty, after.0 / after.1]);
        }
        *after = (after.0 + f64::from(u8::from(answer.correct)), after.1 + 1.0);
    }
    for count in [1, 3, 5, 10] {
        let of = pairs.get(&count).map_or(&[][..], |pairs| pairs);
        let mean = |of_pair: &dyn Fn(&[f64; 3]) -> f64| {
            of.iter().map(of_pair).sum::<f64>() / of.len() as f64
        };
        let (x, y, uncertainty) = (mean(&|p| p[0]), mean(&|p| p[2]), mean(&|p| p[1]));
        let both = mean(&|p| (p[0] - x) * (p[2] - y));
        let each = mean(&|p| (p[0] - x).powi(2)) * mean(&|p| (p[2] - y).powi(2));
        let correlation = both / each.sqrt();
        println!(
            "after {count:>2} answers in a concept: shown {x:.2} ± {uncertainty:.2}, right \
             afterwards {y:.2}, correlation {correlation:.2} ({} of learner and concept)",
            of.len()
        );
    }
    println!();
    Ok(())
}

fn reference(log: &Path) -> Option<Result<Vec<f64>, Box<dyn Error>>> {
    let known = log.file_name().is_some_and(|name| name == "lkt_events.csv.gz");
    let directory: PathBuf = log.parent()?.into();
    let there = known && directory.join("lkt_elo_reference.csv.gz").exists();
    there.then(|| log::read_reference(&directory))
}

fn part(predicted: &[f64], answers: &[Answer], of: &[bool]) -> Vec<Scored> {
    let scored = predicted.iter().copied().zip(answers.iter().map(|answer| answer.correct));
    scored.zip(of).filter(|(_, of)| **of).map(|(scored, _)| scored).collect()
}

/// The bytes of a learner, and in how many concepts.
fn bytes(run: &run::Run) -> (f64, f64) {
    let of_learners = |(key, _): &(&Key, _)| {
        ["learners:", "more:"].iter().any(|kind| key.as_str().starts_with(kind))
    };
    let hashes = run.memory.hashes.iter().filter(of_learners);
    let fields = hashes.flat_map(|(key, hash)| {
        let is_more = key.as_str().starts_with("more:");
        hash.values().map(move |bytes| (is_more, bytes))
    });
    let (mut learners, mut concepts, mut sum) = (0, 0, 0);
    for (is_more, bytes) in fields {
        let of_learner = match is_more {
            true => read_more(bytes).map(|more| (0, more.len())),
            false => read_own(bytes).map(|(_, own)| (1, own.len())),
        };
        let Ok((learner, of)) = of_learner else { continue };
        (learners, concepts, sum) = (learners + learner, concepts + of, sum + bytes.len());
    }
    (sum as f64 / f64::from(learners), concepts as f64 / f64::from(learners))
}
