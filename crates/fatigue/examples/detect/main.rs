//! How well the fatigue bolt finds a known drift in a real log, and how often it cries wolf.
//!
//! `cargo run --release -p tallyd-fatigue --example detect -- PATH/lkt_events.csv.gz`, and after
//! it, to try other constants, `name=value` of any parameter.

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a command for developers: places come from the log itself, and it may stop"
)]

mod drift;
mod evaluate;
mod log;
mod scores;

use evaluate::{Learners, Point, point, threshold};
use log::{Answer, Session};
use tallyd_fatigue::Parameters;

/// The drift is drawn so often; figures of drifted logs are over all of them.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: detect PATH/lkt_events.csv.gz [name=value]...")?;
    let mut parameters = Parameters::default();
    for argument in arguments {
        let (name, value) = argument.split_once('=').ok_or("a constant is name=value")?;
        let row = Parameters::TABLE.iter().find(|row| row.name == name);
        *(row.ok_or_else(|| format!("no parameter \"{name}\""))?.place)(&mut parameters) =
            value.parse()?;
    }
    let answers = log::read(path.as_ref())?;
    let sessions = log::sessions(&answers, parameters.session_gap_ms);
    let expected = drift::elo_b(&answers);
    let long = sessions.iter().filter(|s| s.answers.len() >= drift::LEAST).count();
    println!("{} answers, STUDY rows left out", answers.len());
    println!("{} sessions (a pause of 30 min begins one), {long} of at least 75", sessions.len());

    let calm = scores::bolt(&answers, parameters);
    let study = Study { parameters, sessions: &sessions, calm: &calm.scores };
    for (title, limit_ms) in [
        ("the drift of the issue", None),
        ("the same, but no time rises beyond 12 s, where that software stops waiting", Some(12e3)),
    ] {
        let logs: Vec<Vec<Answer>> = SEEDS
            .map(|seed| drift::inject(&answers, &sessions, &expected, seed, limit_ms))
            .collect();
        println!("\n# {title}");
        println!("accuracy falls by {:.3} once the ramp is over", fall(&answers, &logs, &sessions));
        study.bolt(&calm, &logs);
        baseline(&answers, &logs, &sessions, parameters.session_gap_ms);
    }
    Ok(())
}

/// By how much the injected drift lowers accuracy from a session's 60th answer on.
fn fall(answers: &[Answer], logs: &[Vec<Answer>], sessions: &[Session]) -> f64 {
    let long = sessions.iter().filter(|s| s.answers.len() >= drift::LEAST);
    let places: Vec<usize> = long.flat_map(|s| s.answers[59..].to_vec()).collect();
    let right = |log: &[Answer]| places.iter().filter(|&&p| log[p].correct).count() as f64;
    let drifted: f64 = logs.iter().map(|log| right(log)).sum::<f64>() / logs.len() as f64;
    (right(answers) - drifted) / places.len() as f64
}

struct Study<'a> {
    parameters: Parameters,
    sessions: &'a [Session],
    calm: &'a [f64],
}

impl Study<'_> {
    fn bolt(&self, calm: &scores::Scores, logs: &[Vec<Answer>]) {
        let runs: Vec<scores::Scores> =
            logs.iter().map(|log| scores::bolt(log, self.parameters)).collect();
        let drifted: Vec<Vec<f64>> = runs.into_iter().map(|run| run.scores).collect();
        let at =
            |learners, threshold| point(self.sessions, learners, self.calm, &drifted, threshold);
        println!("\nbolt, by the score that alerts      (of all sessions)");
        for score in [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9] {
            show(&format!("  score {score:.1}"), &at(Learners::All, score));
        }
        let chosen = threshold(self.sessions, Learners::All, self.calm, 0.05);
        show(&format!("  5 % at most: {chosen:.4}"), &at(Learners::All, chosen));
        println!("bolt, as it is set (score {})", self.parameters.tired_at);
        show("  all learners", &at(Learners::All, self.parameters.tired_at));
        show("  even half of the learners", &at(Learners::Half(0), self.parameters.tired_at));
        show("  odd half of the learners", &at(Learners::Half(1), self.parameters.tired_at));
        println!("  {} tired alerts on the log as it is", calm.alerts.len());
        println!("bolt, threshold set on one half for 5 % there, figures of the other");
        for half in [0, 1] {
            let chosen = threshold(self.sessions, Learners::Half(half), self.calm, 0.05);
            show(&format!("  score {chosen:.4}"), &at(Learners::Half(1 - half), chosen));
        }
    }
}

/// The plain sum of both CUSUMs: with its baselines running over the drifted log too, and with
/// those of the log as it is.
fn baseline(answers: &[Answer], logs: &[Vec<Answer>], sessions: &[Session], gap_ms: f64) {
    let calm = scores::plain(answers, answers, gap_ms);
    for (title, knows) in [
        ("plain CUSUM sum, its Elo and items learn from the drifted log", false),
        ("plain CUSUM sum, its Elo and items know the log as it is", true),
    ] {
        let runs =
            logs.iter().map(|log| scores::plain(log, if knows { answers } else { log }, gap_ms));
        let drifted: Vec<Vec<f64>> = runs.collect();
        println!("{title}");
        for share in [0.05, 0.06, 0.10] {
            let chosen = threshold(sessions, Learners::All, &calm, share);
            let point = point(sessions, Learners::All, &calm, &drifted, chosen);
            show(&format!("  sum {chosen:.1}"), &point);
        }
    }
}

fn show(name: &str, point: &Point) {
    println!(
        "{name:32} false alarms {:5.1} % ({:4.1} %)   found {:5.1} %   median delay {:3} answers",
        100.0 * point.false_alarms,
        100.0 * point.false_alarms_all,
        100.0 * point.found,
        point.delay,
    );
}
