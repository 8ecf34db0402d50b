//! How well the fatigue bolt finds a known drift in a real log, and how often it cries wolf.
//!
//! `cargo run --release -p tallyd-fatigue --example detect -- PATH/lkt_events.csv.gz`, and after
//! it, to try other constants, `name=value` of any parameter. More logs may follow: of those the
//! false alarms are told.

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a command for developers: places come from the log itself, and it may stop"
)]

mod drift;
mod evaluate;
mod log;
mod scores;

use drift::Drift;
use evaluate::{Learners, alarms, found, threshold};
use log::{Answer, Session};
use tallyd_fatigue::Parameters;

/// The drift is drawn so often; figures of drifted logs are over all of them.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=5;
/// The constants were chosen on the first, with the others out of sight.
const HALVES: [(&str, Learners); 3] = [
    ("even learners, chosen on", Learners::Half(0)),
    ("odd learners, unseen", Learners::Half(1)),
    ("all learners", Learners::All),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut paths, mut parameters) = (Vec::new(), Parameters::default());
    for argument in std::env::args().skip(1) {
        let Some((name, value)) = argument.split_once('=') else {
            paths.push(argument);
            continue;
        };
        let row = Parameters::TABLE.iter().find(|row| row.name == name);
        *(row.ok_or_else(|| format!("no parameter \"{name}\""))?.place)(&mut parameters) =
            value.parse()?;
    }
    let (first, others) = paths
        .split_first()
        .ok_or("usage: detect PATH/lkt_events.csv.gz [LOG]... [name=value]...")?;
    drifts(&log::read(first.as_ref())?, parameters);
    for path in others {
        let answers = log::read(path.as_ref())?;
        let sessions = log::sessions(&answers, parameters.session_gap_ms);
        let calm = scores::bolt(&answers, parameters);
        println!("\n# {path}: {} answers, {} sessions", answers.len(), sessions.len());
        told(&sessions, &calm.scores, parameters.tired_at);
    }
    Ok(())
}

/// All figures of a log with response times and sessions.
fn drifts(answers: &[Answer], parameters: Parameters) {
    let expected = drift::elo_b(answers);
    let mut sessions = log::sessions(answers, parameters.session_gap_ms);
    for session in &mut sessions {
        session.declines = drift::declines(session, answers, &expected);
    }
    let long = sessions.iter().filter(|s| s.answers.len() >= drift::LEAST);
    let declining = long.clone().filter(|s| s.declines).count();
    println!("{} answers, rows without one left out", answers.len());
    println!(
        "{} sessions (a pause of 30 min begins one), {} of at least 75; {declining} of these \
         decline by themselves",
        sessions.len(),
        long.count()
    );
    let calm = scores::bolt(answers, parameters);
    println!("\n# false alarms per session, on the log as it is (95 % interval)");
    told(&sessions, &calm.scores, parameters.tired_at);
    for (title, kind) in [
        ("the drift; what would take more than 12 s times out, and is wrong", Drift::TimesOut),
        ("the drift; what would take more than 12 s takes 12 s", Drift::Capped),
        ("the drift, with times that no session of the log could have", Drift::Unbounded),
        ("rapid guesses, every second answer from the 30th on", Drift::RapidGuesses),
    ] {
        let logs: Vec<Vec<Answer>> =
            SEEDS.map(|seed| drift::inject(answers, &sessions, &expected, seed, kind)).collect();
        println!("\n# {title}: found (95 % interval), median delay in answers");
        println!(
            "accuracy falls by {:.3} from the 60th answer on",
            fall(answers, &logs, &sessions)
        );
        bolt("bolt", &logs, &sessions, parameters);
        if kind == Drift::RapidGuesses {
            let deaf = Parameters { rapid_weight: 0.0, ..parameters };
            bolt("bolt, rapid_weight=0", &logs, &sessions, deaf);
        } else {
            baseline(answers, &logs, &sessions, parameters.session_gap_ms);
        }
    }
}

/// The false alarms at a score.
fn told(sessions: &[Session], calm: &[f64], score: f64) {
    for (name, learners) in HALVES {
        let (steady, declining, all) = alarms(sessions, learners, calm, score);
        println!("{name:26} long sessions that don't decline {}", steady.text());
        if declining.1 > 0 {
            println!("{:26} long sessions that do         {} of {}", "", declining.0, declining.1);
        }
        println!("{:26} all sessions                   {}", "", all.text());
    }
}

/// By how much the injected drift lowers accuracy from a session's 60th answer on.
fn fall(answers: &[Answer], logs: &[Vec<Answer>], sessions: &[Session]) -> f64 {
    let long = sessions.iter().filter(|s| s.answers.len() >= drift::LEAST);
    let places: Vec<usize> = long.flat_map(|s| s.answers[59..].to_vec()).collect();
    let right = |log: &[Answer]| places.iter().filter(|&&p| log[p].correct).count() as f64;
    let drifted: f64 = logs.iter().map(|log| right(log)).sum::<f64>() / logs.len() as f64;
    (right(answers) - drifted) / places.len() as f64
}

fn bolt(name: &str, logs: &[Vec<Answer>], sessions: &[Session], parameters: Parameters) {
    let runs = logs.iter().map(|log| scores::bolt(log, parameters).scores);
    let drifted: Vec<Vec<f64>> = runs.collect();
    for (half, learners) in HALVES {
        let (share, delay) = found(sessions, learners, &drifted, parameters.tired_at);
        println!("{name}, {half:26} {}   {delay}", share.text());
    }
}

/// The plain sum of both CUSUMs, its threshold set for at most 3 % of false alarms on the half where
/// it is told: with its baselines running over the drifted log too, and with those of the log as it
/// is.
fn baseline(answers: &[Answer], logs: &[Vec<Answer>], sessions: &[Session], gap_ms: f64) {
    let calm = scores::plain(answers, answers, gap_ms);
    for (title, knows) in [("learns from the drifted log", false), ("knows the log as it is", true)]
    {
        let runs =
            logs.iter().map(|log| scores::plain(log, if knows { answers } else { log }, gap_ms));
        let drifted: Vec<Vec<f64>> = runs.collect();
        let chosen = threshold(sessions, Learners::Half(1), &calm, 0.03);
        let (share, delay) = found(sessions, Learners::Half(1), &drifted, chosen);
        println!("plain CUSUM sum, {title}, odd learners  {}   {delay}", share.text());
    }
}
